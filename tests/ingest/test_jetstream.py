"""Bluesky: rules, accounts by their handles, discussions, and a stream that is broken for good."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

from streams.errors import FailureReason, SettingsError, SourceError
from streams.ingest.jetstream import Jetstream, JetstreamCursor, JetstreamOptions
from streams.ingest.source import BadItem, Context, Page, SourceComment
from tests.ingest.looking import Look, look, visitor
from tests.ingest.places import QUICK
from tests.sites.jetstream import JetstreamSite, account_of
from tests.sites.reader import FakeTime
from tests.sites.talk import Talk, make_talk


class RunningTime(FakeTime):
    """Goes on with every question, so that a page is full some time."""

    def moment(self) -> Any:
        self.now += 0.002
        return super().moment()


def maker(site: JetstreamSite, **options: Any) -> Callable[[Context], Jetstream]:
    return lambda context: Jetstream(JetstreamOptions(url=site.url, **options), context, timing=QUICK)


async def read(site: JetstreamSite, talk: Talk, *, pages: int = 3, **options: Any) -> Look:
    return await look(
        maker(site, **options), RunningTime(talk.remarks[-1].at), since=talk.remarks[0].at, pages=pages
    )


@pytest.fixture
def talk() -> Talk:
    return make_talk(60)


async def test_it_wants_to_know_what_is_wanted(talk: Talk) -> None:
    async with visitor(FakeTime(talk.remarks[0].at)) as context:
        with pytest.raises(SettingsError, match="keywords, domains or accounts"):
            Jetstream(JetstreamOptions(langs=("fr",)), context)


async def test_answers_follow_what_was_wanted(talk: Talk) -> None:
    site = JetstreamSite(talk, pace=100)
    answered = {one.parent for one in talk.remarks}
    root = next(one for one in talk.remarks if one.parent is None and one.number in answered)
    with site.serving():
        site.go_on()
        alone = await read(site, talk, keywords=(f"remark {root.number}",), replies=False)
        followed = await read(site, talk, keywords=(f"remark {root.number}",))
    first = alone.comments[0].id
    discussion = {uri for uri, told in site.truth().items() if told.thread == first and not told.deleted}
    assert {one.id for one in alone.comments} == {first}
    assert len(discussion) > 1
    assert discussion <= {one.id for one in followed.comments}
    assert {one.thread for one in followed.comments if not one.deleted} == {first}


async def test_an_account_is_found_by_its_handle(talk: Talk) -> None:
    site = ResolvingSite(talk, pace=100)
    with site.serving():
        site.go_on()
        found = await read(site, talk, accounts="@outlet.example", resolver_url=site.url)
    author = account_of(talk.remarks[0].author)
    truth = site.truth()
    involved = {uri for uri, one in truth.items() if author in f"{one.author} {one.parent} {one.thread}"}
    assert {one.id for one in found.comments} <= involved
    standing = {uri for uri in involved if not truth[uri].deleted}
    assert standing <= {one.id for one in found.comments}


async def test_a_handle_that_nobody_has_is_named(talk: Talk) -> None:
    site = ResolvingSite(talk)
    with site.serving(), pytest.raises(SourceError, match=r"nobody is known as nobody\.example"):
        await read(site, talk, accounts="nobody.example", resolver_url=site.url)


async def test_an_event_that_is_broken_for_good_is_put_aside(talk: Talk) -> None:
    site = BrokenEventSite(talk, pace=100)
    with site.serving():
        site.go_on()
        async with visitor(RunningTime(talk.remarks[-1].at)) as context:
            source = maker(site, keywords="remark")(context)
            pages: list[Page[JetstreamCursor]] = []
            with pytest.raises(SourceError, match="unexpected shape"):
                pages += [page async for page in source.fetch(source.begin(talk.remarks[0].at))]
            async with aclosing(source.fetch(source.begin(talk.remarks[0].at))) as again:
                second = await anext(again)
    bad = [one for one in second.comments if isinstance(one, BadItem)]
    assert [b'"did"' in one.original for one in bad] == [False]
    assert second.comments.index(bad[0]) < len(second.comments) - 1  # and it goes on


async def test_an_event_that_is_nested_without_end_holds_nothing_up(talk: Talk) -> None:
    site = DeepEventSite(talk, pace=100)
    with site.serving():
        site.go_on()
        async with visitor(RunningTime(talk.remarks[-1].at)) as context:
            source = maker(site, keywords="remark")(context)
            told: list[SourceComment | BadItem] = []
            cursor = source.begin(talk.remarks[0].at)
            for _ in range(2):
                try:
                    async with aclosing(source.fetch(cursor)) as pages:
                        async for page in pages:
                            told += page.comments
                            cursor = page.cursor
                            if not page.comments:
                                break
                except SourceError:
                    continue
    last = max(site.truth().values(), key=lambda one: one.created_at_ms)
    assert any(isinstance(one, SourceComment) and one.permalink == last.permalink for one in told)


async def test_private_addresses_are_refused(talk: Talk) -> None:
    site = JetstreamSite(talk)
    with site.serving():
        async with visitor(FakeTime(talk.remarks[0].at), allow_private=False) as context:
            source = maker(site, keywords="remark")(context)
            with pytest.raises(SourceError) as caught:
                await anext(aiter(source.fetch(source.begin(None))))
    assert caught.value.reason is FailureReason.FORBIDDEN_ADDRESS
    assert site.cursors == []


async def test_a_gap_that_the_stream_cannot_fill_is_told(
    talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    site = JetstreamSite(talk, pace=100, kept_seconds=30.0)
    with site.serving():
        site.go_on()
        await read(site, talk, keywords="remark", pages=1)
    assert "a gap" in caplog.text


class ResolvingSite(JetstreamSite):
    """Knows the handle of the first author."""

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.get("/xrpc/com.atproto.identity.resolveHandle", self._resolve)]

    async def _resolve(self, request: web.Request) -> web.Response:
        if request.query["handle"] != "outlet.example":
            return web.json_response({"error": "InvalidRequest"}, status=400)
        return web.json_response({"did": account_of(self._all[0].author)})


class DeepEventSite(JetstreamSite):
    """A record in the midst of others is a list in a list in a list."""

    def encode(self, event: dict[str, Any]) -> str:
        if event is not self.events[20]:
            return super().encode(event)
        depth = 100_000
        commit = '{"operation":"create","collection":"app.bsky.feed.post","rkey":"deep","record":'
        nested = "[" * depth + "]" * depth
        return (
            f'{{"did":"did:plc:x","time_us":{event["time_us"]},"kind":"commit","commit":{commit}{nested}}}}}'
        )


class BrokenEventSite(JetstreamSite):
    """One of its events has no time."""

    def go_on(self) -> None:
        super().go_on()
        if len(self.events) > 20:
            self.events[20].pop("did", None)
