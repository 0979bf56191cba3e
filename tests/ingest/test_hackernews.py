"""Hacker News: what was written before, what changed while nobody was reading, and items that are broken."""

import json
from collections.abc import Callable
from datetime import timedelta

from aiohttp import web

from streams.ingest.hackernews import HackerNews, HackerNewsOptions
from streams.ingest.source import Context
from tests.ingest.looking import look
from tests.sites.hackernews import HackerNewsSite
from tests.sites.reader import FakeTime, compare, read_to_the_end
from tests.sites.talk import make_talk


def maker(site: HackerNewsSite) -> Callable[[Context], HackerNews]:
    options = HackerNewsOptions(firebase_url=site.url, algolia_url=site.url)
    return lambda context: HackerNews(options, context)


async def test_a_day_before_is_read_in_slices_of_less_than_a_thousand_hits() -> None:
    talk = make_talk(1_500, seconds=1.0)
    time = FakeTime(talk.remarks[-1].at + timedelta(hours=3))
    site = HackerNewsSite(talk, clock=time.time)
    since = talk.remarks[10].at.replace(microsecond=0)
    with site.serving():
        account = await read_to_the_end(maker(site), site, time, since=since)
    assert compare(site, account, since=since) == {}
    searches = [one for one in site.requests if "search" in one]
    assert len(searches) < 12
    dates = [one.created_at for one in account.comments if one.created_at is not None]
    assert len(dates) > 1_300
    assert dates == sorted(dates)


async def test_without_a_date_it_begins_now() -> None:
    talk = make_talk(60)
    time = FakeTime(talk.remarks[30].at)
    site = HackerNewsSite(talk, clock=time.time)
    with site.serving():
        first = await look(maker(site), time)
        time.now = talk.remarks[-1].at.timestamp() + 100
        second = await look(maker(site), time, cursor=first.cursor)
    assert first.comments == []
    assert not any("search" in one for one in site.requests)
    assert min(int(one.id) for one in second.comments if not one.deleted) >= first.cursor.next_id


async def test_what_changes_while_nobody_reads_is_found_afterwards() -> None:
    talk = make_talk(300)
    time = FakeTime(talk.remarks[150].at)
    site = HackerNewsSite(talk, clock=time.time)
    since = talk.remarks[20].at.replace(microsecond=0)
    with site.serving():
        # Changes are listed for three minutes; this reader comes by every twenty.
        account = await read_to_the_end(maker(site), site, time, since=since, poll_seconds=1_200)
    assert compare(site, account, since=since) == {}
    assert any(one.deleted for one in account.comments)
    assert any("Edited" in one.text for one in account.comments)


async def test_an_item_that_cannot_be_read_is_put_aside_after_an_hour_and_holds_nothing_up() -> None:
    talk = make_talk(60)
    time = FakeTime(talk.remarks[30].at)
    site = BrokenItemSite(talk, clock=time.time)
    with site.serving():
        first = await look(maker(site), time)
        time.now = talk.remarks[-1].at.timestamp() + 200
        waiting = await look(maker(site), time, cursor=first.cursor)
        time.now += 200  # others were late, too
        second = await look(maker(site), time, cursor=waiting.cursor)
        assert (len(second.bad), len(second.cursor.late)) == (0, 1)
        assert len(waiting.comments) > 20
        time.now += 3_700
        third = await look(maker(site), time, cursor=second.cursor)
    assert [json.loads(one.original)["id"] for one in third.bad] == [["no", "number"]]
    assert third.cursor.late == {}


class BrokenItemSite(HackerNewsSite):
    """Gives an object that is no item for one of the last comments, for ever."""

    async def _item(self, request: web.Request) -> web.Response:
        if int(request.match_info["id"]) == self._ids.get(45):
            return web.json_response({"id": ["no", "number"]})
        return await super()._item(request)
