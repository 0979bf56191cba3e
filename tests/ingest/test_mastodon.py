"""Mastodon: the limit of requests, hashtags that are none, and posts that lose theirs."""

from collections.abc import Callable
from typing import Any

import pytest

from streams.errors import FailureReason, SettingsError, SourceError
from streams.ingest.mastodon import Mastodon, MastodonOptions
from streams.ingest.source import Context
from tests.ingest.looking import look, visitor
from tests.sites.mastodon import TAGS, MastodonSite
from tests.sites.reader import FakeTime
from tests.sites.site import Limit
from tests.sites.talk import Remark, make_talk


def maker(site: MastodonSite, **options: Any) -> Callable[[Context], Mastodon]:
    return lambda context: Mastodon(MastodonOptions(url=site.url, tags=TAGS, **options), context)


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
