"""The polite client against a real server: what it asks, when, and what it refuses."""

import asyncio
import gzip
import itertools
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
import trustme

from streams.errors import FailureReason, ForbiddenAddressError, SourceError
from streams.polite.client import Observer, PoliteClient, PoliteOptions, Validators, Web
from streams.polite.gate import Pace, WaitCause
from streams.polite.retry_after import retry_after_seconds
from streams.public_address import check_public
from tests.polite.scripted_server import Reply, ScriptedServer, scripted_server

NOW = 1_800_000_000.0


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


class Counted:
    """What an observer was told."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.waits: list[tuple[WaitCause, float]] = []

    def answered(self, status: int) -> None:
        self.statuses.append(status)

    def waited(self, cause: WaitCause, seconds: float) -> None:
        self.waits.append((cause, seconds))


class FastTime:
    """A clock that jumps over every wait, and remembers it."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@asynccontextmanager
async def client(
    options: PoliteOptions | None = None,
    *,
    pace: Pace | None = None,
    observer: Observer | None = None,
    robots: bool = True,
) -> AsyncIterator[PoliteClient]:
    chosen = options or PoliteOptions(interval_seconds=0, allow_private=True)
    async with Web(chosen, pace=pace, clock=lambda: NOW) as web:
        yield web.client(observer, robots=robots)


def fast() -> tuple[FastTime, Pace]:
    time = FastTime()
    return time, Pace(lambda: time.now, time.sleep)


def script(*replies: Reply) -> Callable[[str, Mapping[str, str]], Reply]:
    """One after the other; the last one again and again."""
    left = itertools.chain(replies, itertools.repeat(replies[-1]))
    return lambda _, __: next(left)


async def reason_of(asking: PoliteClient, url: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await asking.get(url)
    return caught.value


async def test_it_says_who_it_is(server: ScriptedServer) -> None:
    options = PoliteOptions("mailto:desk@example.org", 0, allow_private=True)
    async with client(options) as asking:
        await asking.get(server.url + "/a", headers={"User-Agent": "another", "Accept": "text/x"})
    last = server.asked[-1].headers
    assert last["user-agent"].startswith("narrawatch/")
    assert last["user-agent"].endswith("(+mailto:desk@example.org)")
    assert last["accept"] == "text/x"


async def test_one_request_at_a_time_to_a_host(server: ScriptedServer) -> None:
    server.answer = script(Reply(body=b"{}", pause_seconds=0.05))
    async with client(PoliteOptions(interval_seconds=0.1, allow_private=True)) as asking:
        await asyncio.gather(*(asking.get(f"{server.url}/{number}") for number in range(4)))
    times = sorted((one.at, one.done) for one in server.asked)
    gaps = [later[0] - earlier[1] for earlier, later in itertools.pairwise(times)]
    assert min(gaps) > 0.08  # the server notes the end a moment after the client has it


async def test_the_robots_file_is_asked_once_and_obeyed(server: ScriptedServer) -> None:
    server.robots = Reply(
        body=b"User-agent: *\nDisallow: /wp-json/*/secret\n\nUser-agent: other\nDisallow: /"
    )
    async with client() as asking:
        await asking.get(server.url + "/wp-json/wp/v2/comments")
        refused = await reason_of(asking, server.url + "/wp-json/wp/secret?page=2")
    assert refused.reason is FailureReason.ROBOTS
    assert [one.path for one in server.asked] == ["/robots.txt", "/wp-json/wp/v2/comments"]


async def test_it_may_be_told_that_the_site_permits_it(server: ScriptedServer) -> None:
    server.robots = Reply(body=b"User-agent: *\nDisallow: /")
    async with client(robots=False) as asking:
        await asking.get(server.url + "/comments")
    assert [one.path for one in server.asked] == ["/comments"]


async def test_a_robots_file_that_cannot_be_asked_permits_nothing(server: ScriptedServer) -> None:
    _, pace = fast()
    server.robots = Reply(500)
    async with client(pace=pace) as asking:
        assert (await reason_of(asking, server.url + "/a")).reason is FailureReason.ROBOTS
        assert server.paths == []
        server.robots = Reply(404)
        await asking.get(server.url + "/a")
    assert server.paths == ["/a"]


async def test_the_crawl_delay_is_kept(server: ScriptedServer) -> None:
    time, pace = fast()
    server.robots = Reply(body=b"User-agent: narrawatch\nCrawl-delay: 7\n")
    async with client(pace=pace) as asking:
        for path in ("/a", "/b", "/c"):
            await asking.get(server.url + path)
    assert [seconds for seconds in time.slept if seconds > 0] == [7, 7]


async def test_what_has_not_changed_is_not_sent_again(server: ScriptedServer) -> None:
    def answer(_: str, headers: Mapping[str, str]) -> Reply:
        if headers.get("if-none-match") == '"v1"' and "if-modified-since" in headers:
            return Reply(304)
        date = "Sat, 28 Nov 2026 04:00:00 GMT"
        return Reply(body=b"[]", headers={"ETag": '"v1"', "Last-Modified": date})

    server.answer = answer
    async with client() as asking:
        first = await asking.get(server.url + "/feed", validators=Validators())
        again = await asking.get(server.url + "/feed", validators=first.validators)
    assert not first.not_modified
    assert again.not_modified
    assert again.content == b""


@pytest.mark.parametrize("asked", ["30", "Fri, 15 Jan 2027 08:00:30 GMT"])
async def test_retry_after_is_honoured(server: ScriptedServer, asked: str) -> None:
    time, pace = fast()
    counted = Counted()
    server.answer = script(Reply(429, headers={"Retry-After": asked}), Reply(body=b"[1]"))
    async with client(pace=pace, observer=counted) as asking:
        assert (await asking.get(server.url + "/a")).json() == [1]
    assert time.now >= 1_030
    assert counted.statuses.count(429) == 1
    assert WaitCause.RETRY_AFTER in {cause for cause, _ in counted.waits}


async def test_whoever_is_asked_to_wait_for_long_gives_up_for_now(server: ScriptedServer) -> None:
    time, pace = fast()
    server.answer = script(Reply(503, headers={"Retry-After": "600"}), Reply(body=b"[]"))
    async with client(pace=pace) as asking:
        refused = await reason_of(asking, server.url + "/a")
        assert (refused.reason, refused.status, refused.retry_after_seconds) == ("busy", 503, 600.0)
        # Others that ask the same host wait as well.
        await asking.get(server.url + "/b")
    assert time.now >= 1_600


async def test_what_may_pass_is_tried_three_times_later_and_later(server: ScriptedServer) -> None:
    _, pace = fast()
    counted = Counted()
    server.answer = script(Reply(502))
    async with client(pace=pace, observer=counted) as asking:
        refused = await reason_of(asking, server.url + "/a")
    assert (refused.reason, refused.status) == (FailureReason.BUSY, 502)
    assert server.paths == ["/a"] * 3
    assert [cause for cause, _ in counted.waits].count(WaitCause.BACK_OFF) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_refusal_is_final(server: ScriptedServer, status: int) -> None:
    server.answer = script(Reply(status, b"no"))
    async with client() as asking:
        refused = await reason_of(asking, server.url + "/a")
        assert (refused.reason, refused.status) == (FailureReason.REFUSED, status)
        allowed = await asking.get(server.url + "/a", allow=(status,))
    assert (allowed.status, allowed.content) == (status, b"no")
    assert server.paths == ["/a"] * 2


async def test_no_connection_is_said(server: ScriptedServer) -> None:
    _, pace = fast()
    async with client(pace=pace, robots=False) as asking:
        assert (await reason_of(asking, "http://127.0.0.1:9/a")).reason is FailureReason.UNREACHABLE
        assert (await reason_of(asking, "http://nowhere.invalid/a")).reason is FailureReason.UNREACHABLE


async def test_what_trickles_in_is_cut_off(server: ScriptedServer) -> None:
    _, pace = fast()
    server.answer = script(Reply(body=b"x" * 100, pause_seconds=0.1, parts=100))
    options = PoliteOptions(interval_seconds=0, timeout_seconds=0.4, allow_private=True)
    async with client(options, pace=pace, robots=False) as asking:
        assert (await reason_of(asking, server.url + "/a")).reason is FailureReason.TIMEOUT


@pytest.mark.parametrize(
    ("body", "packed"),
    [
        (b"x" * 20_001, ""),
        (gzip.compress(b"\0" * 50_000_000), "gzip"),
        (zlib.compress(b"\0" * 50_000_000), "deflate"),
    ],
    ids=["plain", "gzip", "deflate"],
)
async def test_no_more_is_read_than_allowed(server: ScriptedServer, body: bytes, packed: str) -> None:
    server.answer = script(Reply(body=body, headers={"Content-Encoding": packed} if packed else {}))
    options = PoliteOptions(interval_seconds=0, max_response_bytes=20_000, allow_private=True)
    async with client(options) as asking:
        assert (await reason_of(asking, server.url + "/a")).reason is FailureReason.TOO_LARGE


async def test_what_is_packed_is_unpacked(server: ScriptedServer) -> None:
    server.answer = script(Reply(body=gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"}))
    async with client() as asking:
        assert (await asking.get(server.url + "/a")).json() == {"a": 1}


@pytest.mark.parametrize(
    ("body", "packing"), [(b"not gzip", "gzip"), (gzip.compress(b"{}" * 500)[:-9], "gzip"), (b"{}", "br")]
)
async def test_a_wrong_packing_is_malformed(server: ScriptedServer, body: bytes, packing: str) -> None:
    server.answer = script(Reply(body=body, headers={"Content-Encoding": packing}))
    async with client() as asking:
        assert (await reason_of(asking, server.url + "/a")).reason is FailureReason.MALFORMED


async def test_an_answer_that_is_cut_off_is_tried_again(server: ScriptedServer) -> None:
    _, pace = fast()
    server.answer = script(Reply(body=b"[1", claimed_length=100), Reply(body=b"[2]"))
    async with client(pace=pace) as asking:
        assert (await asking.get(server.url + "/a")).json() == [2]


async def test_half_a_surrogate_pair_does_not_spoil_the_rest(server: ScriptedServer) -> None:
    server.answer = script(Reply(body=b'[{"text": "\\ud83d"}, {"text": "\xff"}, {"text": "b"}]'))
    async with client() as asking:
        texts = [one["text"] for one in (await asking.get(server.url + "/a")).json()]
    assert texts == ["?", "\N{REPLACEMENT CHARACTER}", "b"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1,", b"NaN", b"[" * 100_000])
async def test_what_is_not_json_is_malformed(server: ScriptedServer, body: bytes) -> None:
    server.answer = script(Reply(body=body))
    async with client() as asking:
        answer = await asking.get(server.url + "/a")
    with pytest.raises(SourceError) as caught:
        answer.json()
    assert caught.value.reason is FailureReason.MALFORMED


async def test_redirects_are_followed_and_each_is_asked_for_politely(server: ScriptedServer) -> None:
    with scripted_server() as other:
        other.robots = Reply(body=b"User-agent: *\nDisallow: /closed")
        targets = {"/a": "/b", "/b": f"{other.url}/c", "/d": f"{other.url}/closed"}
        server.answer = lambda path, _: Reply(301, headers={"Location": targets[path]})
        other.answer = script(Reply(body=b"[3]"))
        async with client() as asking:
            answer = await asking.get(server.url + "/a", headers={"Authorization": "Bearer x"})
            refused = await reason_of(asking, server.url + "/d")
        assert (answer.json(), answer.url) == ([3], f"{other.url}/c")
        assert refused.reason is FailureReason.ROBOTS
        assert other.paths == ["/c"]
        assert "authorization" in server.asked[-2].headers
        assert "authorization" not in other.asked[-1].headers


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("/a", FailureReason.REFUSED),  # for ever
        ("ftp://example.org/a", FailureReason.FORBIDDEN_ADDRESS),
        ("file:///etc/passwd", FailureReason.FORBIDDEN_ADDRESS),
        ("http://[::", FailureReason.UNREACHABLE),
    ],
)
async def test_redirects_to_nowhere_end(server: ScriptedServer, location: str, reason: FailureReason) -> None:
    server.answer = script(Reply(302, headers={"Location": location}))
    _, pace = fast()
    async with client(pace=pace) as asking:
        assert (await reason_of(asking, server.url + "/a")).reason is reason


async def test_private_addresses_are_refused(server: ScriptedServer) -> None:
    async with client(PoliteOptions(interval_seconds=0), robots=False) as asking:
        for host in ("127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "0.0.0.0"):  # noqa: S104
            refused = await reason_of(asking, f"http://{host}:{server.port}/a")
            assert refused.reason is FailureReason.FORBIDDEN_ADDRESS, host
    assert server.asked == []


async def test_a_redirect_leads_to_no_private_address() -> None:
    """From a public site: its transport is a fake, and the redirect goes through the real check."""

    async def public(request: httpx.Request) -> httpx.Response:
        if request.url.host == "example.org":
            return httpx.Response(302, headers={"Location": "http://169.254.169.254/latest"})
        check_public([request.url.host], "ingest_allow_private")
        raise AssertionError("it was let through")

    async with Web(PoliteOptions(interval_seconds=0), transport=httpx.MockTransport(public)) as web:
        refused = await reason_of(web.client(robots=False), "https://example.org/a")
    assert refused.reason is FailureReason.FORBIDDEN_ADDRESS


async def test_a_redirect_from_https_to_http_is_refused() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"Location": "http://example.org/b"})

    async with Web(PoliteOptions(interval_seconds=0), transport=httpx.MockTransport(answer)) as web:
        refused = await reason_of(web.client(robots=False), "https://example.org/a")
    assert refused.reason is FailureReason.FORBIDDEN_ADDRESS


async def test_an_unknown_certificate_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    served: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(1)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    _, pace = fast()
    async with client(pace=pace, robots=False) as asking:
        refused = await reason_of(asking, f"https://127.0.0.1:{port}/a")
    listening.close()
    assert refused.reason is FailureReason.UNREACHABLE
    assert "certificate" in str(refused).lower()
    assert served == []


@pytest.mark.parametrize("url", ["gopher://example.org", "https://", "http://[::1", "http://a b/"])
async def test_addresses_that_are_none(url: str) -> None:
    _, pace = fast()
    async with client(pace=pace, robots=False) as asking:
        assert (await reason_of(asking, url)).reason in (FailureReason.REFUSED, FailureReason.UNREACHABLE)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 12 ", 12.0),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60.0),
        ("-1", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOW) == seconds


def test_private_addresses_name_the_setting() -> None:
    addresses: Sequence[str] = ["93.184.215.14", "192.168.1.1"]
    with pytest.raises(ForbiddenAddressError, match="ingest_allow_private"):
        check_public(addresses, "ingest_allow_private")
