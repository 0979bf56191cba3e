"""What the local servers have in common: the pace of the talk, faults, limits, and what they note."""

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.sites.faults import Fault, Faults, Outage, break_answer, refuse
from tests.sites.talk import Remark, Step, Talk

__all__ = ["Limit", "Site", "Told"]

_BEFORE = frozenset(
    {
        Fault.ERROR, Fault.BAD_GATEWAY, Fault.UNAVAILABLE, Fault.TOO_MANY, Fault.WRONG_TYPE, Fault.EMPTY,
        Fault.OTHER_SHAPE, Fault.SLOW,
    }
)  # fmt: skip
_START_SECONDS = 10.0


@dataclass(frozen=True)
class Told:
    """What a reader should have of a comment in the end. text: without markup; ids as the source has them."""

    text: str
    author: str
    thread: str
    parent: str | None
    created_at_ms: int
    permalink: str
    thread_title: str = ""
    deleted: bool = False


class Limit:
    """So many requests within so many seconds, in a sliding window."""

    def __init__(self, requests: int, seconds: float) -> None:
        self.requests = requests
        self.seconds = seconds
        self._at: deque[float] = deque()

    def wait_seconds(self, now: float) -> float:
        """0 if a request is allowed now, which then counts; else how long to wait."""
        while self._at and self._at[0] <= now - self.seconds:
            self._at.popleft()
        if len(self._at) >= self.requests:
            return self._at[0] + self.seconds - now
        self._at.append(now)
        return 0.0

    @property
    def remaining(self) -> int:
        """How many requests are left in the window, as it was at the last one."""
        return self.requests - len(self._at)


class Site:
    """A server on loopback, for the block of `serving`. Time is what `clock` says, in epoch seconds.

    The talk goes on between any two requests: so far as the clock has come, or by about `pace` steps where
    the clock is the real one and the talk was long ago.
    """

    def __init__(
        self,
        talk: Talk,
        *,
        faults: Faults | None = None,
        clock: Callable[[], float] = time.time,
        limits: tuple[Limit, ...] = (),
        pace: int | None = None,
        seed: int = 1,
    ) -> None:
        self.faults = faults
        self.clock = clock
        self.limits = limits
        self.url = ""
        self.violations: list[str] = []
        self.requests: list[str] = []
        self.limited = 0
        self.not_modified = 0
        self.remarks: dict[int, Remark] = {}
        self.rng = random.Random(seed)  # noqa: S311 - a script of a test
        self._all = talk.remarks
        self._steps = deque(talk.steps)
        self._pace = pace
        self._under_way = 0

    @property
    def is_done(self) -> bool:
        """Whether the talk has come to its end."""
        return not self._steps

    def routes(self) -> list[web.RouteDef]:
        """What it answers; each site says it."""
        raise NotImplementedError

    def truth(self) -> dict[str, Told]:
        """What a reader who began at the beginning should have, by id; deleted comments too."""
        raise NotImplementedError

    def apply(self, step: Step) -> None:
        """What a step changes; sites that keep more than the remarks add to it."""
        if step.kind == "say":
            self.remarks[step.number] = self._all[step.number]
        elif step.kind == "edit":
            self.remarks[step.number].text = step.text
        else:
            self.remarks[step.number].deleted = True

    def go_on(self) -> None:
        """Let what comes next happen."""
        most = len(self._steps) if self._pace is None else self.rng.randint(0, 2 * self._pace)
        for _ in range(most):
            if not self._steps or (self._pace is None and self._steps[0].at.timestamp() > self.clock()):
                return
            self.apply(self._steps.popleft())

    def violation(self, what: str) -> web.Response:
        """Note a request that the documentation does not allow, and refuse it."""
        self.violations.append(what)
        return web.json_response({"error": what}, status=400)

    def rate_limited(self, wait_seconds: float) -> web.Response:
        """The answer beyond a limit."""
        return web.Response(status=429, headers={"Retry-After": str(int(wait_seconds) + 1)}, text="slow down")

    def check(self, request: web.Request, allowed: frozenset[str]) -> web.Response | None:
        """Refuses parameters that are not documented, or given twice."""
        for name in request.query:
            if name not in allowed:
                return self.violation(f"unknown parameter {name}: {request.path_qs}")
            if not name.endswith("[]") and len(request.query.getall(name)) > 1:
                return self.violation(f"parameter {name} twice: {request.path_qs}")
        return None

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/robots.txt":
            return await handler(request)
        self.requests.append(request.path_qs)
        self._under_way += 1
        if self._under_way > 1:
            self.violations.append(f"two requests at once: {request.path_qs}")
        try:
            return await self._answer(request, handler)
        finally:
            self._under_way -= 1

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = self.faults.next() if self.faults else None
        if fault in _BEFORE:
            if fault is Fault.SLOW:  # whoever asked gives up before it is answered
                self._under_way -= 1
            try:
                refused = await refuse(fault)
            finally:
                if fault is Fault.SLOW:
                    self._under_way += 1
            if refused is not None:
                return refused
        wait = max((limit.wait_seconds(self.clock()) for limit in self.limits), default=0.0)
        if wait > 0:
            self.limited += 1
            return self.rate_limited(wait)
        self.go_on()
        answer = await handler(request)
        if fault is not None and fault not in _BEFORE and isinstance(answer, web.Response):
            return await break_answer(fault, request, answer)
        return answer

    async def _robots(self, _request: web.Request) -> web.Response:
        return web.Response(text="User-agent: *\nDisallow: /private/\n")

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.add_routes([web.get("/robots.txt", self._robots), *self.routes()])
        return app

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Answers at the address that it gives, in a thread of its own: clients of any kind can ask."""
        loop = asyncio.new_event_loop()
        started = threading.Event()
        stop = asyncio.Event()
        thread = threading.Thread(
            target=loop.run_until_complete, args=(self._serve(started, stop),), daemon=True
        )
        thread.start()
        assert started.wait(_START_SECONDS), "the local site did not start"
        try:
            yield self.url
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(_START_SECONDS)
            loop.close()

    async def _serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        asyncio.get_running_loop().set_exception_handler(_only_real_errors)
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        started.set()
        await stop.wait()
        await runner.cleanup()


def _only_real_errors(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    if not isinstance(context.get("exception"), Outage):
        loop.default_exception_handler(context)
