"""Mastodon: the limit of requests, hashtags that are none, and posts that lose theirs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from streams.errors import FailureReason, SettingsError, SourceError
from streams.ingest.mastodon import Mastodon, MastodonOptions
from streams.ingest.source import Context
from tests.ingest.looking import look, visitor
from tests.sites.mastodon import TAGS, MastodonSite
from tests.sites.reader import FakeTime, compare, read_to_the_end
from tests.sites.site import Limit
from tests.sites.talk import Remark, Step, epoch_ms, make_talk


def maker(site: MastodonSite, **options: Any) -> Callable[[Context], Mastodon]:
    wanted = MastodonOptions.model_validate({"url": site.url, "tags": TAGS, **options})
    return lambda context: Mastodon(wanted, context)


async def test_it_stops_before_the_limit_is_exceeded_and_says_when_it_ends() -> None:
    talk = make_talk(600)
    time = FakeTime(talk.remarks[-1].at)
    site = MastodonSite(talk, clock=time.time, limits=(Limit(5, 300),))
    with site.serving(), pytest.raises(SourceError) as caught:
        await look(maker(site), time, since=talk.remarks[0].at)
    assert (caught.value.reason, site.limited) == (FailureReason.BUSY, 0)
    assert 290 < (caught.value.retry_after_seconds or 0) <= 300


@pytest.mark.parametrize("tag", ["two words", "a/b", "tag?x=1", "#"])
async def test_what_is_no_hashtag_is_refused(tag: str) -> None:
    async with visitor(FakeTime(make_talk(1).remarks[0].at)) as context:
        with pytest.raises(SettingsError, match="hashtag"):
            Mastodon(MastodonOptions(url="https://social.example", tags=(tag,)), context)


async def test_tags_may_be_written_with_commas_and_hashes() -> None:
    assert MastodonOptions.model_validate({"tags": "#IA, climat"}).tags == ("#IA", "climat")


async def test_a_post_that_loses_its_hashtag_is_edited_and_not_deleted() -> None:
    talk = make_talk(40)
    time = FakeTime(talk.remarks[-1].at)
    site = LosingSite(talk, clock=time.time)
    with site.serving():
        first = await look(maker(site), time)
        time.now += 700
        site.has_lost = True
        second = await look(maker(site), time, cursor=first.cursor)
    assert len(second.comments) == 1
    assert (second.comments[0].deleted, second.comments[0].id) == (False, site.lost_id)
    assert "hashtag" not in second.comments[0].text


class LosingSite(MastodonSite):
    """Remark 7 loses its hashtags."""

    has_lost = False

    @property
    def lost_id(self) -> str:
        return str(self._ids[7])

    def _tags(self, remark: Remark) -> list[str]:
        return [] if self.has_lost and remark.number == 7 else super()._tags(remark)


async def test_a_forged_date_does_not_hide_what_follows() -> None:
    talk = make_talk(60)
    time = FakeTime(talk.remarks[30].at)
    site = ForgingSite(talk, clock=time.time)
    with site.serving():
        first = await look(maker(site), time)
        time.now = talk.remarks[-1].at.timestamp() + 5
        second = await look(maker(site), time, cursor=first.cursor)
    started = epoch_ms(talk.remarks[30].at)
    standing = {
        one for one, told in site.truth().items() if not told.deleted and told.created_at_ms > started
    }
    assert standing <= {*first.ids, *second.ids}
    assert len(second.ids) > 20


async def test_what_was_forgotten_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.ingest.mastodon._REMEMBERED", 150)
    talk = make_talk(400)
    time = FakeTime(talk.remarks[200].at)
    site = MastodonSite(talk, clock=time.time)
    since = talk.remarks[0].at - timedelta(hours=1)
    with site.serving():
        account = await read_to_the_end(maker(site, tags=TAGS[:1]), site, time, since=since)
    assert len(account.comments) > 150
    assert "repeats" not in compare(site, account)


class ForgingSite(MastodonSite):
    """Remark 25 says that it was written next year."""

    def apply(self, step: Step) -> None:
        super().apply(step)
        if step.kind == "say" and step.number == 25:
            self._at[25] = step.at + timedelta(days=365)
            self._ids[25] = epoch_ms(self._at[25]) << 16


@pytest.mark.parametrize("shown", [0, 3])
async def test_a_server_that_closes_its_doors_withdraws_nothing(shown: int) -> None:
    talk = make_talk(40)
    time = FakeTime(talk.remarks[-1].at)
    site = ClosingSite(talk, clock=time.time)
    with site.serving():
        first = await look(maker(site), time)
        site.shown = shown
        time.now += 700
        try:
            second = await look(maker(site), time, cursor=first.cursor)
        except SourceError as error:
            assert (error.reason, shown) == (FailureReason.REFUSED, 3)  # noqa: PT017 - it may not raise, too
        else:
            assert (second.comments, shown) == ([], 0)


class ClosingSite(MastodonSite):
    """Shows few posts in the end, and tells nobody about the others."""

    shown: int | None = None

    def _page(self, tag: str, bounds: dict[str, str], limit: int) -> list[Remark]:
        return super()._page(tag, bounds, limit)[: self.shown]

    async def _status(self, request: web.Request) -> web.Response:
        if self.shown is not None:
            return web.json_response({"error": "This method requires an authenticated user"}, status=401)
        return await super()._status(request)


async def test_a_post_that_cannot_be_read_is_put_aside_once() -> None:
    talk = make_talk(30)
    time = FakeTime(talk.remarks[-1].at)
    site = BrokenSite(talk, clock=time.time)
    with site.serving():
        first = await look(maker(site), time)
        second = await look(maker(site), time, cursor=first.cursor)
    assert [one.detail for one in first.bad] == ["a post of an unexpected shape"]
    assert (second.bad, second.comments) == ([], [])
    assert len(first.ids) > 15


class BrokenSite(MastodonSite):
    """Says of one post neither who wrote it nor what."""

    def _view(self, remark: Remark) -> dict[str, Any]:
        view = super()._view(remark)
        return {"id": view["id"]} if remark.number == 28 else view
