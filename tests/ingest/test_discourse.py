"""Discourse: where reading begins, what is no post of a member, and posts that cannot be read."""

from collections.abc import Callable
from typing import Any

import pytest

from streams.errors import SettingsError
from streams.ingest.discourse import Discourse, DiscourseOptions
from streams.ingest.source import Context
from tests.ingest.looking import look, visitor
from tests.sites.discourse import DiscourseSite
from tests.sites.reader import FakeTime
from tests.sites.talk import make_talk


def maker(site: DiscourseSite, **options: Any) -> Callable[[Context], Discourse]:
    return lambda context: Discourse(DiscourseOptions(url=site.url, **options), context)


async def test_without_a_date_it_begins_with_what_is_shown_first() -> None:
    talk = make_talk(200)
    time = FakeTime(talk.remarks[-1].at)
    site = DiscourseSite(talk, clock=time.time)
    with site.serving():
        first = await look(maker(site), time)
        newest = [one for one, told in sorted(site.truth().items(), key=lambda one: int(one[0]))]
        second = await look(maker(site), time, cursor=first.cursor)
    assert set(first.ids) <= set(newest[-60:])
    assert len(first.ids) >= 45
    assert second.ids == []
    assert site.not_modified == 1


async def test_a_post_that_cannot_be_read_is_put_aside_and_nothing_is_taken_for_deleted() -> None:
    talk = make_talk(40)
    time = FakeTime(talk.remarks[-1].at)
    site = BrokenPostSite(talk, clock=time.time)
    with site.serving():
        first = await look(maker(site), time)
        site.is_broken = True
        time.now += 400
        second = await look(maker(site), time, cursor=first.cursor)
        time.now += 400
        third = await look(maker(site), time, cursor=second.cursor)
    assert first.bad == []
    assert [one.detail for one in second.bad] == ["a post of an unexpected shape"]
    assert (second.comments, third.comments, third.bad) == ([], [], [])


async def test_notices_and_hidden_posts_are_no_comments() -> None:
    talk = make_talk(30)
    time = FakeTime(talk.remarks[-1].at)
    site = DiscourseSite(talk, clock=time.time)
    with site.serving():
        site.go_on()
        moderated, hidden, standing, *_ = sorted(
            one for one, told in site.truth().items() if not told.deleted
        )
        site.post(moderated)["post_type"] = 3
        site.post(hidden)["hidden"] = True
        found = await look(maker(site), time)
        site.post(standing)["user_deleted"] = True
        later = await look(maker(site), time, cursor=found.cursor)
    assert {moderated, hidden} & set(found.ids) == set()
    assert [(one.id, one.deleted) for one in later.comments] == [(standing, True)]


async def test_it_needs_an_address() -> None:
    async with visitor(FakeTime(make_talk(1).remarks[0].at)) as context:
        with pytest.raises(SettingsError, match="url is missing"):
            Discourse(DiscourseOptions(), context)


class BrokenPostSite(DiscourseSite):
    """Loses the date of its newest post."""

    is_broken = False

    def _page(self, before: int | None) -> list[dict[str, Any]]:
        page = super()._page(before)
        if not self.is_broken or not page:
            return page
        return [{**page[0], "created_at": "soon"}, *page[1:]]
