"""Asks web sites the way a guest does: seldom, one thing at a time, by name, and not where it is unwelcome.

`Web` is what all sources of a process share: connections, the gates of hosts, robots.txt. `PoliteClient` is
one source's view of it, with what that source may do and who counts its requests. A request

- waits its turn: one at a time to a host, `interval_seconds` or what robots.txt asks for between two;
- is not made where robots.txt forbids it, nor to private addresses unless the settings allow them;
- follows redirects, each of which is a request of its own to which all of this applies, never from https to
  http;
- may be conditional (ETag, Last-Modified): give it the `validators` of the last answer;
- is made again after a failure that may pass, later and later, and not before Retry-After;
- gives up after `timeout_seconds`, whatever trickles in, and beyond `max_response_bytes`, packed or unpacked.

Cookies are not kept. Nothing is read from the environment.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

import httpx
import msgspec
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from streams.errors import FailureReason, ForbiddenAddressError, SourceError
from streams.polite.body import ACCEPT_ENCODING, read_body
from streams.polite.connection import PublicTransport
from streams.polite.gate import Gates, Pace, WaitCause
from streams.polite.retry_after import retry_after_seconds
from streams.polite.robots import PRODUCT, Robots

__all__ = ["Answer", "NoObserver", "Observer", "PoliteClient", "PoliteOptions", "Validators", "Web"]

_ATTEMPTS: Final = 3
_FIRST_WAIT_SECONDS = 1.0
_MAX_WAIT_SECONDS = 60.0
_MAX_RETRY_AFTER_SECONDS = 3_600.0  # a guest that is told to come back next year asks again in an hour
_MAX_REDIRECTS = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_PASSING_REASONS: Final = frozenset({FailureReason.BUSY, FailureReason.TIMEOUT, FailureReason.UNREACHABLE})
_NOT_MODIFIED = 304
# Ours to say; a source may add others, such as Accept or Authorization.
_OWN_HEADERS: Final = frozenset({"user-agent", "accept-encoding", "host", "connection"})


class Validators(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server gave to ask later whether an answer still stands. May be kept in a cursor."""

    etag: str = ""
    last_modified: str = ""


class Answer(NamedTuple):
    """An answer that was read to its end. url: the address that answered, after redirects."""

    status: int
    url: str
    headers: httpx.Headers
    content: bytes

    @property
    def not_modified(self) -> bool:
        """Whether it is still what the validators were given with; there is no content then."""
        return self.status == _NOT_MODIFIED

    @property
    def validators(self) -> Validators:
        """What to ask with the next time."""
        return Validators(self.headers.get("ETag", ""), self.headers.get("Last-Modified", ""))

    def json(self) -> Any:
        """The JSON of the body.  Raises SourceError MALFORMED."""
        return self.decode(Any)

    def decode(self, kind: Any) -> Any:
        """The JSON of the body as a type that msgspec knows.  Raises SourceError MALFORMED."""
        try:
            return msgspec.json.decode(self.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # Of ours only: what the parser says of a type quotes names of fields, never values.
            detail = "an answer of an unexpected shape"
            if not isinstance(error, msgspec.ValidationError):
                detail = "an answer that is not JSON"
            raise SourceError(FailureReason.MALFORMED, detail, status=self.status) from error


class Observer(Protocol):
    """Is told what requests a client makes, and what they wait for."""

    def answered(self, status: int) -> None:
        """A request got an answer of this HTTP status."""

    def waited(self, cause: WaitCause, seconds: float) -> None:
        """A request had to wait."""


class NoObserver:
    """Counts nothing."""

    def answered(self, status: int) -> None:
        """See `Observer`."""

    def waited(self, cause: WaitCause, seconds: float) -> None:
        """See `Observer`."""


class PoliteOptions(NamedTuple):
    """How a process asks. contact: an address for whom our requests trouble, in the User-Agent."""

    contact: str | None = None
    interval_seconds: float = 1.0
    timeout_seconds: float = 30.0
    max_response_bytes: int = 10_000_000
    allow_private: bool = False

    @property
    def user_agent(self) -> str:
        """How we introduce ourselves."""
        return f"{PRODUCT}/{version('narrawatch')}" + (f" (+{self.contact})" if self.contact else "")


class Web:
    """What all sources of a process share; an async context manager.

    transport, pace, clock (seconds since 1970): others in tests.
    """

    def __init__(
        self,
        options: PoliteOptions,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.options = options
        self.pace = pace or Pace()
        self.clock = clock
        self.gates = Gates(self.pace)
        self.robots = Robots(self.pace.now)
        self.http = httpx.AsyncClient(
            transport=transport or PublicTransport(allow_private=options.allow_private),
            timeout=options.timeout_seconds,
            follow_redirects=False,  # each is checked first
            trust_env=False,
            headers={"User-Agent": options.user_agent, "Accept-Encoding": ACCEPT_ENCODING},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.http.aclose()

    def client(self, observer: Observer | None = None, *, robots: bool = True) -> "PoliteClient":
        """The view of one source. robots: false when the site permits reading whatever the file says."""
        return PoliteClient(self, observer or NoObserver(), robots=robots)


class PoliteClient:
    """See the module. Made by `Web.client`."""

    def __init__(self, web: Web, observer: Observer, *, robots: bool) -> None:
        self._web = web
        self._observer = observer
        self._robots = robots

    @property
    def user_agent(self) -> str:
        """How we introduce ourselves, for what does not go through this client, such as websockets."""
        return self._web.options.user_agent

    async def get(
        self,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        validators: Validators | None = None,
        allow: Collection[int] = (),
    ) -> Answer:
        """The answer of an address: 2xx, 304 if `validators` were given, or a status in `allow`.

        params: added to the address's query. headers: dropped when a redirect leads to another site.
        Raises SourceError, after three attempts where another one could help.
        """
        address = _parsed(url, params)
        asked = httpx.Headers(dict(headers or {}))
        for name in _OWN_HEADERS & set(asked):
            del asked[name]
        if validators is not None and validators.etag:
            asked["If-None-Match"] = validators.etag
        if validators is not None and validators.last_modified:
            asked["If-Modified-Since"] = validators.last_modified
        allowed = {*allow, _NOT_MODIFIED} if validators is not None else set(allow)
        retrying = AsyncRetrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_MAX_WAIT_SECONDS),
            sleep=self._web.pace.sleep,
            before_sleep=self._before_sleep,
            reraise=True,
        )
        answer: Answer = await retrying(self._follow, address, asked, allowed, permitted=not self._robots)
        return answer

    def _before_sleep(self, state: RetryCallState) -> None:
        self._observer.waited(WaitCause.BACK_OFF, state.upcoming_sleep)

    async def _follow(
        self, address: httpx.URL, headers: httpx.Headers, allowed: Collection[int], *, permitted: bool
    ) -> Answer:
        """The answer at the end of all redirects. permitted: robots.txt need not be asked."""
        for _ in range(_MAX_REDIRECTS + 1):
            if not permitted:
                await self._require_permission(address)
            answer = await self._ask(address, headers)
            if answer.status not in _REDIRECTS or answer.status in allowed:
                return self._judged(answer, address, allowed)
            target = _target(address, answer)
            if _origin(target) != _origin(address):
                headers = httpx.Headers()
            address = target
        raise SourceError(FailureReason.REFUSED, f"more than {_MAX_REDIRECTS} redirects")

    async def _require_permission(self, address: httpx.URL) -> None:
        rules = await self._web.robots.rules(_origin(address), self._read_robots)
        self._web.gates.to(_host(address)).crawl_delay_seconds = rules.crawl_delay_seconds
        if not rules.permits(str(address)):
            raise SourceError(FailureReason.ROBOTS, f"robots.txt of {address.host} forbids this address")

    async def _read_robots(self, url: str) -> bytes | None:
        everything = set(range(400, 500)) - _PASSING_STATUSES
        answer = await self._follow(httpx.URL(url), httpx.Headers(), everything, permitted=True)
        return None if answer.status >= 400 else answer.content

    async def _ask(self, address: httpx.URL, headers: httpx.Headers) -> Answer:
        """One request. Raises SourceError when there is no answer."""
        options = self._web.options
        gate = self._web.gates.to(_host(address))
        async with gate.turn(options.interval_seconds, self._observer.waited):
            try:
                async with asyncio.timeout(options.timeout_seconds):
                    answer = await self._exchange(address, headers)
            except (TimeoutError, httpx.TimeoutException):
                raise SourceError(FailureReason.TIMEOUT, "no answer in time") from None
            except ForbiddenAddressError as error:
                raise SourceError(FailureReason.FORBIDDEN_ADDRESS, f"{address.host}: {error}") from None
            except httpx.HTTPError as error:
                detail = f"no connection to {address.host} ({type(error).__name__}: {str(error)[:100]})"
                raise SourceError(FailureReason.UNREACHABLE, detail) from None
            pause = self._pause_of(answer)
            if pause is not None:
                gate.close_for(pause)
        return answer

    async def _exchange(self, address: httpx.URL, headers: httpx.Headers) -> Answer:
        async with self._web.http.stream("GET", address, headers=headers) as answer:
            self._observer.answered(answer.status_code)
            self._web.http.cookies.clear()
            content = b""
            if answer.status_code not in _REDIRECTS and answer.status_code != _NOT_MODIFIED:
                content = await read_body(answer, self._web.options.max_response_bytes)
            return Answer(answer.status_code, str(address), answer.headers, content)

    def _pause_of(self, answer: Answer) -> float | None:
        if answer.status not in _PASSING_STATUSES:
            return None
        asked = retry_after_seconds(answer.headers.get("Retry-After", ""), self._web.clock())
        return None if asked is None else min(asked, _MAX_RETRY_AFTER_SECONDS)

    def _judged(self, answer: Answer, address: httpx.URL, allowed: Collection[int]) -> Answer:
        status = answer.status
        if 200 <= status < 300 or status in allowed:
            return answer
        passes = status in _PASSING_STATUSES
        raise SourceError(
            FailureReason.BUSY if passes else FailureReason.REFUSED,
            f"{address.host} answers with status {status}",
            status=status,
            retry_after_seconds=self._pause_of(answer),
        )


def _may_pass(error: BaseException) -> bool:
    # One who is asked to wait for minutes is better told so: the source is tried again later as a whole.
    return (
        isinstance(error, SourceError)
        and error.reason in _PASSING_REASONS
        and (error.retry_after_seconds or 0.0) <= _MAX_WAIT_SECONDS
    )


def _parsed(url: str, params: Mapping[str, str | int] | None) -> httpx.URL:
    try:
        address = httpx.URL(url)
        address = address.copy_merge_params(dict(params)) if params else address
    except httpx.InvalidURL:
        raise SourceError(FailureReason.REFUSED, "an address that cannot be asked") from None
    if address.scheme not in ("http", "https") or not address.host:
        raise SourceError(FailureReason.REFUSED, "an address that is neither http nor https")
    return address


def _target(address: httpx.URL, answer: Answer) -> httpx.URL:
    try:
        target = address.join(answer.headers.get("Location", ""))
    except httpx.InvalidURL:
        raise SourceError(FailureReason.REFUSED, "a redirect to nowhere", status=answer.status) from None
    if target.scheme not in ("http", "https") or (address.scheme == "https" and target.scheme == "http"):
        raise SourceError(FailureReason.FORBIDDEN_ADDRESS, "a redirect that is not safe to follow")
    # A name or password that a redirect brings along is not ours to send.
    return target.copy_with(fragment=None, username=None, password=None)


def _host(address: httpx.URL) -> str:
    return f"{address.host}:{address.port or (443 if address.scheme == 'https' else 80)}"


def _origin(address: httpx.URL) -> str:
    return f"{address.scheme}://{address.netloc.decode('ascii')}"
