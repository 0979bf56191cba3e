"""What goes wrong at a site, and when: a seeded schedule, the same in every run."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from aiohttp import web

__all__ = ["HTTP_FAULTS", "STREAM_FAULTS", "Fault", "Faults", "Outage", "break_answer", "refuse"]


class Fault(StrEnum):
    """One way in which a request fails. The last three are of a websocket that was open."""

    ERROR = "error"  # 500
    BAD_GATEWAY = "bad_gateway"  # 502 with a page of HTML
    UNAVAILABLE = "unavailable"  # 503 with Retry-After
    TOO_MANY = "too_many"  # 429 with Retry-After
    TRUNCATED = "truncated"  # JSON that ends in its middle, with a length that fits
    CUT = "cut"  # the connection ends before the body does
    WRONG_TYPE = "wrong_type"  # 200, a page for people
    EMPTY = "empty"  # 200, no body
    OTHER_SHAPE = "other_shape"  # JSON, but not what was asked for
    SLOW = "slow"  # no answer within any patience
    DROP = "drop"  # no closing frame
    CLOSE = "close"  # a closing frame
    GARBAGE = "garbage"  # a frame that is not JSON, then the end


HTTP_FAULTS = tuple(Fault)[:10]
STREAM_FAULTS = tuple(Fault)[10:]
_RETRY_AFTER_SECONDS = 3
_SLOW_SECONDS = 0.6  # of real time: tests have less patience
_PAGE = "<!doctype html><title>Maintenance</title><p>We will be back soon."


class Faults:
    """Says for each request whether and how it fails. count: how many fail; spread: the mean between two."""

    def __init__(
        self, count: int, *, spread: float, seed: int = 1, kinds: Sequence[Fault] = HTTP_FAULTS
    ) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a schedule of a test
        self._spread = spread
        # Each kind as often as the others, in random order.
        self._left = [kinds[n % len(kinds)] for n in range(count)]
        self._rng.shuffle(self._left)
        self._wait = self._gap()
        self.done: Counter[Fault] = Counter()

    @property
    def left(self) -> int:
        """How many are still to come."""
        return len(self._left)

    def next(self) -> Fault | None:
        """The fault of the request that has just come, if any."""
        if not self._left:
            return None
        self._wait -= 1
        if self._wait > 0:
            return None
        self._wait = self._gap()
        fault = self._left.pop()
        self.done[fault] += 1
        return fault

    def _gap(self) -> int:
        return self._rng.randint(1, max(1, round(2 * self._spread - 1)))


class Outage(Exception):  # noqa: N818 - it is the server's, not an error of a test
    """The connection is to be cut."""


async def refuse(fault: Fault) -> web.Response | None:
    """The answer of a fault that comes before the site has looked at the request."""
    if fault is Fault.SLOW:
        await asyncio.sleep(_SLOW_SECONDS)
    return _REFUSALS[fault]() if fault in _REFUSALS else None


_RETRY = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
_REFUSALS: Mapping[Fault, Callable[[], web.Response]] = {
    Fault.ERROR: lambda: web.json_response({"error": "internal"}, status=500),
    Fault.BAD_GATEWAY: lambda: web.Response(text=_PAGE, content_type="text/html", status=502),
    Fault.UNAVAILABLE: lambda: web.Response(text="busy", status=503, headers=_RETRY),
    Fault.TOO_MANY: lambda: web.Response(text="slow down", status=429, headers=_RETRY),
    Fault.WRONG_TYPE: lambda: web.Response(text=_PAGE, content_type="text/html"),
    Fault.EMPTY: lambda: web.Response(body=b"", content_type="application/json"),
    Fault.OTHER_SHAPE: lambda: web.json_response([{"message": ["unexpected"]}, 7]),
    Fault.SLOW: lambda: web.Response(text="late", status=504),
}


async def break_answer(fault: Fault, request: web.Request, whole: web.Response) -> web.StreamResponse:
    """The answer of the site, broken on its way."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    half = body[: len(body) // 2]
    if fault is Fault.TRUNCATED:
        return web.Response(body=half, content_type=whole.content_type, status=whole.status)
    broken = web.StreamResponse(status=whole.status, headers={"Content-Length": str(len(body) + 1)})
    broken.content_type = whole.content_type
    await broken.prepare(request)
    await broken.write(half)
    if request.transport is not None:
        request.transport.abort()
    return broken
