"""What `streams.ingest.source` promises, tried on every source that is installed."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from streams.ingest.metrics import IngestMetrics
from streams.ingest.outgoing import Outgoing, hashed_authors
from streams.ingest.registry import AnySource, kinds, load_kind
from streams.ingest.source import Context, Page, SourceComment
from streams.polite.client import PoliteOptions, Web
from tests.contracts.sources import COMMENTS, STAGES, Stage
from tests.polite.scripted_server import Reply, scripted_server

EMPTY_PAGES = 4  # of a stream that never ends: then all is told
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
MAX_CURSOR_BYTES = 500_000


@pytest.fixture(scope="module", params=kinds())
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    kind: str = request.param
    assert kind in STAGES, f"the connector {kind} has no stage in tests/contracts/sources.py"
    site = request.getfixturevalue("wordpress_site") if kind == "wordpress" else None
    with STAGES[kind](site) as running:
        yield running


@asynccontextmanager
async def source_of(stage: Stage) -> AsyncIterator[AnySource]:
    async with Web(PoliteOptions(interval_seconds=0, timeout_seconds=5, allow_private=True)) as web:
        source = stage.make(Context(web.client(), lambda: datetime.now(UTC), allow_private=True))
        yield source
        await source.close()


async def pages_after(source: AnySource, cursor: Any) -> list[Page[Any]]:
    """Until there is no more for now."""
    pages: list[Page[Any]] = []
    empty = 0
    async with aclosing(source.fetch(cursor)) as told:  # type: ignore[type-var]  # a generator, in all of them
        async for page in told:
            pages.append(page)
            empty = 0 if page.comments else empty + 1
            if empty == EMPTY_PAGES:
                break
    return pages


async def told_by(source: AnySource, cursor: Any, *, looks: int = 3) -> tuple[list[SourceComment], Any]:
    """All comments in a few looks, and the cursor after them, which went through its JSON between two."""
    comments: list[SourceComment] = []
    for _ in range(looks):
        for page in await pages_after(source, cursor):
            comments += [one for one in page.comments if isinstance(one, SourceComment)]
            cursor = page.cursor
        cursor = msgspec.json.decode(msgspec.json.encode(cursor), type=source.cursor_type)
    return comments, cursor


def test_it_says_what_it_is(stage: Stage) -> None:
    connector = load_kind(stage.kind)
    assert all(len(text) > 10 for text in connector.about[:4])
    for name, field in connector.options_type.model_fields.items():
        assert field.description, name


async def test_all_comments_are_told_and_well_formed(stage: Stage) -> None:
    async with source_of(stage) as source:
        comments, cursor = await told_by(source, source.begin(SINCE))
        outgoing = Outgoing(source.name, "desk", hashed_authors(b"key"), 1_000_000)
    standing = {one.id: one for one in comments}
    living = [one for one in standing.values() if not one.deleted]
    assert len(living) > COMMENTS * 0.7  # some of the talk is deleted, or no comment there
    assert len(msgspec.json.encode(cursor)) < MAX_CURSOR_BYTES
    for one in living:
        record = outgoing.record(one)
        assert record.rejection is None
        assert record.comment is not None
        assert record.comment.source == source.name
        assert record.comment.desk == "desk"
        assert record.comment.created_at_ms is not None
        assert record.comment.permalink
        assert record.comment.thread
        assert one.author
        assert re.fullmatch("[0-9a-f]{32}", record.comment.author)


async def test_what_was_told_is_not_told_again(stage: Stage) -> None:
    async with source_of(stage) as source:
        _, cursor = await told_by(source, source.begin(SINCE))
    async with source_of(stage) as anew:
        again, _ = await told_by(anew, cursor, looks=1)
    assert again == []


async def test_a_page_whose_cursor_was_lost_is_told_again(stage: Stage) -> None:
    async with source_of(stage) as source:
        begin = source.begin(SINCE)
        first = {one.id for one in (await told_by(source, begin))[0]}
    async with source_of(stage) as anew:
        again = {one.id for one in (await told_by(anew, begin))[0]}
    assert first
    assert again == first


async def test_it_can_be_cancelled_anywhere(stage: Stage) -> None:
    """And goes on from the cursor of the last page that was taken."""
    async with source_of(stage) as source:
        whole = {one.id for one in (await told_by(source, source.begin(SINCE)))[0]}
    comments: set[str] = set()
    async with source_of(stage) as source:
        cursor = source.begin(SINCE)
        for patience in (0.001, 0.004, 0.016, 0.064, 0.25, 1.0):
            told = source.fetch(cursor)
            try:
                async with asyncio.timeout(patience):
                    while True:
                        page = await anext(told)
                        comments |= {one.id for one in page.comments if isinstance(one, SourceComment)}
                        cursor = page.cursor
            except (TimeoutError, StopAsyncIteration):
                pass
            finally:
                await told.aclose()  # type: ignore[attr-defined]  # a generator, in all of them
        rest, _ = await told_by(source, cursor)
    assert comments | {one.id for one in rest} == whole


def test_its_options_are_checked(stage: Stage) -> None:
    connector = load_kind(stage.kind)
    for wrong in ({"url": "ftp://example.org"}, {"poll_seconds": 0}, {"since": "soon"}, {"unknown": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            connector.options_type.model_validate({**stage.options, **wrong})


async def test_it_knows_its_own(stage: Stage) -> None:
    if stage.kind == "hackernews":
        pytest.skip("there is one Hacker News, and it is not here")
    async with source_of(stage) as source:
        probe = await type(source).probe(stage.front, source.context)
    assert probe is not None
    assert 0 < len(probe.samples) <= 3
    assert all(sample.text for sample in probe.samples)


async def test_it_knows_what_is_not_its_own(stage: Stage) -> None:
    page = Reply(body=b"<!doctype html><title>A shop</title>", headers={"Content-Type": "text/html"})
    with scripted_server() as server:
        for answer in (lambda path, _: page if path == "/" else Reply(404), lambda _, __: page):
            server.answer = answer
            async with source_of(stage) as source:
                assert await type(source).probe(server.url, source.context) is None


def test_its_requests_are_counted() -> None:
    registry = CollectorRegistry()
    IngestMetrics(registry).of("desk", "site", kind="wordpress", now=0).answered(404)
    labels = {"desk": "desk", "source": "site", "status": "4xx"}
    assert registry.get_sample_value("narrawatch_ingest_requests_total", labels) == 1
