"""Lemmy: its rate limit, one community of it, and its bots."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from streams.errors import FailureReason, SourceError
from streams.ingest.lemmy import Lemmy, LemmyOptions
from streams.ingest.source import Context
from tests.ingest.looking import look
from tests.sites.lemmy import LemmySite
from tests.sites.reader import FakeTime, compare, read_to_the_end
from tests.sites.site import Limit
from tests.sites.talk import Remark, epoch_ms, make_talk


def maker(site: LemmySite, **options: Any) -> Callable[[Context], Lemmy]:
    return lambda context: Lemmy(LemmyOptions(url=site.url, **options), context)


@pytest.mark.parametrize("has_v4", [False, True])
async def test_its_rate_limit_is_told_from_a_refusal(*, has_v4: bool) -> None:
    talk = make_talk(300)
    time = FakeTime(talk.remarks[-1].at)
    site = LemmySite(talk, clock=time.time, has_v4=has_v4, limits=(Limit(3, 1e9),))
    with site.serving(), pytest.raises(SourceError) as caught:
        await look(maker(site), time, since=talk.remarks[0].at)
    assert caught.value.reason is FailureReason.BUSY


async def test_a_site_that_is_no_lemmy_refuses() -> None:
    time = FakeTime(make_talk(1).remarks[0].at)
    site = LemmySite(make_talk(1), clock=time.time)
    with site.serving(), pytest.raises(SourceError) as caught:
        await look(lambda context: Lemmy(LemmyOptions(url=f"{site.url}/elsewhere"), context), time)
    assert caught.value.reason is FailureReason.REFUSED


@pytest.mark.parametrize(("has_v4", "name"), [(False, "community_name"), (True, "community_name_or_id")])
async def test_one_community_is_asked_for_by_its_name(*, has_v4: bool, name: str) -> None:
    talk = make_talk(5)
    time = FakeTime(talk.remarks[-1].at)
    site = LemmySite(talk, clock=time.time, has_v4=has_v4)
    with site.serving():
        await look(maker(site, community="tech@other.example", local=True), time)
    assert site.violations == []
    asked = [one for one in site.requests if "/comment/list" in one]
    assert all(f"{name}=tech%40other.example" in one for one in asked)
    assert all(f"type_={'local' if has_v4 else 'Local'}" in one for one in asked)


async def test_bots_are_left_out_unless_they_are_wanted() -> None:
    talk = make_talk(20)
    time = FakeTime(talk.remarks[-1].at)
    site = BotSite(talk, clock=time.time)
    with site.serving():
        people = await look(maker(site), time)
        everybody = await look(maker(site, bots=True), time)
    assert len(people.ids) + 10 == len(everybody.ids) + sum(
        one.deleted for one in site.remarks.values() if one.number % 2
    )


class BotSite(LemmySite):
    """Every second comment is by a bot."""

    def _view(self, remark: Remark, *, v4: bool = False) -> dict[str, Any]:
        view = super()._view(remark, v4=v4)
        view["creator"]["bot_account"] = remark.number % 2 == 1
        return view


async def test_what_was_forgotten_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.ingest.lemmy._REMEMBERED", 150)
    talk = make_talk(400)
    time = FakeTime(talk.remarks[200].at)
    site = LemmySite(talk, clock=time.time)
    since = talk.remarks[0].at - timedelta(hours=1)
    with site.serving():
        account = await read_to_the_end(maker(site), site, time, since=since)
    assert len(account.comments) > 150
    assert "repeats" not in compare(site, account)


async def test_dates_without_a_time_zone_are_utc() -> None:
    talk = make_talk(20)
    time = FakeTime(talk.remarks[-1].at)
    site = OldSite(talk, clock=time.time)
    with site.serving():
        found = await look(maker(site), time)
    truth = site.truth()
    standing = [one for one in found.comments if not one.deleted]
    assert standing
    for one in standing:
        assert one.created_at is not None
        assert epoch_ms(one.created_at) == truth[one.id].created_at_ms


class OldSite(LemmySite):
    """Version 0.18: dates do not say that they are UTC."""

    def _view(self, remark: Remark, *, v4: bool = False) -> dict[str, Any]:
        view = super()._view(remark, v4=v4)
        view["comment"]["published"] = view["comment"]["published"].removesuffix("Z")
        return view


async def test_an_instance_that_closes_its_doors_withdraws_nothing() -> None:
    talk = make_talk(40)
    time = FakeTime(talk.remarks[-1].at)
    site = ClosingSite(talk, clock=time.time)
    with site.serving():
        first = await look(maker(site), time)
        site.is_closed = True
        time.now += 700
        with pytest.raises(SourceError) as caught:
            await look(maker(site), time, cursor=first.cursor)
    assert caught.value.reason is FailureReason.REFUSED


class ClosingSite(LemmySite):
    """Shows few comments in the end, and tells nobody about the others."""

    is_closed = False

    def _newest(self) -> list[Remark]:
        return super()._newest()[: 3 if self.is_closed else None]

    async def _one(self, request: web.Request) -> web.Response:
        if self.is_closed:
            return web.json_response({"error": "instance_is_private"}, status=400)
        return await super()._one(request)
