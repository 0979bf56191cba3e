"""Feeds: every entry that they show once, through faults and restarts, and what feeds look like elsewhere."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from streams.errors import FailureReason, SourceError
from streams.ingest.feeds import Feed, FeedCursor, FeedOptions
from streams.ingest.source import BadItem, Context, Page, SourceComment
from streams.polite.client import PoliteOptions, Web
from tests.polite.scripted_server import Reply, ScriptedServer, scripted_server
from tests.sites.faults import Fault, Faults
from tests.sites.feeds import FeedSite
from tests.sites.reader import Crashes, FakeTime, compare, read_to_the_end
from tests.sites.talk import Talk, make_talk

# JSON where a feed is wanted, or half of a feed: feedparser reads what there is of it, which does no harm.
_KINDS = tuple(fault for fault in Fault if fault not in (Fault.DROP, Fault.CLOSE, Fault.GARBAGE))


def _without_deletions(talk: Talk) -> Talk:
    """A feed does not tell of them."""
    return Talk(talk.remarks, [step for step in talk.steps if step.kind != "delete"])


@pytest.mark.parametrize(("atom", "count"), [(False, 300), (True, 1_000)])
async def test_everything_arrives_once_through_faults_and_restarts(*, atom: bool, count: int) -> None:
    talk = _without_deletions(make_talk(count))
    time = FakeTime(talk.remarks[0].at)
    faults = Faults(count // 50, spread=3, kinds=_KINDS)
    site = FeedSite(talk, faults=faults, clock=time.time, size=120, atom=atom)
    crashes = Crashes(count // 100, spread=3)

    def make(context: Context) -> Feed:
        return Feed(FeedOptions(url=site.feed_url), context)

    with site.serving():
        account = await read_to_the_end(make, site, time, crashes=crashes, poll_seconds=60)
    assert compare(site, account) == {}
    assert (faults.left, crashes.left) == (0, 0)
    assert site.not_modified > 0


async def read(server: ScriptedServer, cursor: FeedCursor | None = None) -> list[Page[FeedCursor]]:
    async with Web(PoliteOptions(interval_seconds=0, allow_private=True)) as web:
        source = Feed(FeedOptions(url=server.url + "/feed"), Context(web.client(), lambda: datetime.now(UTC)))
        return [page async for page in source.fetch(cursor or source.begin(None))]


def serves(server: ScriptedServer, body: str) -> None:
    server.answer = lambda _, __: Reply(body=body.encode(), headers={"Content-Type": "application/xml"})


def rss(*items: str) -> str:
    return f'<rss version="2.0"><channel><title>x</title>{"".join(items)}</channel></rss>'


def item(number: int, text: str) -> str:
    return f"<item><guid isPermaLink='false'>{number}</guid><description>{text}</description></item>"


async def test_an_entry_without_id_or_link_is_put_aside() -> None:
    with scripted_server() as server:
        serves(server, rss("<item><description>texte</description></item>"))
        (page,) = await read(server)
    assert [type(one) for one in page.comments] == [BadItem]


async def test_an_entry_without_date_keeps_its_place() -> None:
    items = [
        f"<item><guid isPermaLink='0'>{n}</guid><description>texte {n}</description></item>"
        for n in (3, 2, 1)
    ]
    with scripted_server() as server:
        serves(server, rss(*items))
        (page,) = await read(server)
    assert [one.id for one in page.comments if isinstance(one, SourceComment)] == ["1", "2", "3"]


async def test_scripts_of_strangers_are_not_passed_on() -> None:
    hostile = item(1, "&lt;script&gt;alert(1)&lt;/script&gt;Bon.")
    with scripted_server() as server:
        serves(server, rss(hostile))
        (page,) = await read(server)
    (comment,) = page.comments
    assert isinstance(comment, SourceComment)
    assert comment.text == "Bon."


@pytest.mark.parametrize("body", ["", "<html><body>Hello", '{"a": 1}', "\0\1\2"])
async def test_what_is_no_feed_is_said(body: str) -> None:
    with scripted_server() as server:
        serves(server, body)
        with pytest.raises(SourceError) as caught:
            await read(server)
    assert caught.value.reason is FailureReason.MALFORMED


async def test_entities_do_not_explode() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">'
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with scripted_server() as server:
        serves(
            server,
            bomb + "]>" + rss(item(1, "&i;")),
        )
        pages = await read(server)
    assert sum(len(str(page.comments)) for page in pages) < 10_000


async def test_a_feed_that_turned_over_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with scripted_server() as server:
        serves(server, rss(item(1, "un")))
        (page,) = await read(server)
        serves(server, rss(item(9, "neuf")))
        with caplog.at_level(logging.WARNING):
            await read(server, page.cursor)
    assert "comments may be missing" in caplog.text


async def test_only_what_is_wanted_is_taken() -> None:
    dated = (
        "<item><guid isPermaLink='0'>{0}</guid><pubDate>Sat, {0} Nov 2026 10:00:00 GMT</pubDate>"
        "<description>le {0}</description></item>"
    )
    make: Callable[[int], str] = dated.format
    with scripted_server() as server:
        serves(server, rss(make(21), make(14)))
        (page,) = await read(server, FeedCursor(since=datetime(2026, 11, 20, tzinfo=UTC).timestamp()))
    assert [one.id for one in page.comments if isinstance(one, SourceComment)] == ["21"]
