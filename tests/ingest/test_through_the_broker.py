"""What live sources bring to a broker: 1,000 comments of each, through 20 faults and 6 power cuts.

The whole way but the process: connector, runner, producer, broker, cursors; then all is read from the topics.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.broker import EmbeddedBroker
from streams.comments import Comment, hash_author
from streams.ingest.base import RawComment
from streams.ingest.cursors import SavedCursor, read_cursors
from streams.ingest.following import Follower, Patience
from streams.ingest.metrics import IngestMetrics
from streams.ingest.outbox import Outbox
from streams.ingest.outgoing import Outgoing, hashed_authors
from streams.ingest.source import Context, Page, Source, SourceComment
from streams.metrics_server import new_registry
from streams.polite.client import PoliteOptions, Web
from streams.polite.gate import Pace
from streams.settings import Settings, load_settings
from streams.topics import create_topics
from tests.ingest.places import Place, make_place
from tests.integration.ingesting import arrived
from tests.sites.reader import Account, compare
from tests.sites.site import Told

pytestmark = pytest.mark.integration

AUTHOR_KEY = b"a key of authors for the tests"
KEY, NAME = "desk/kind/place", "place"
QUIET_SECONDS = 700.0  # longer than any source waits before it looks at older comments again
POLL_SECONDS = 60.0
EMPTY_PAGES = 3
CUTS = 6
CUT_SPREAD = 60


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def settings(broker: EmbeddedBroker, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    made = load_settings(
        kafka_bootstrap=broker.address,
        kafka_embedded=True,
        topic_prefix=f"t{abs(hash(request.node.name))}-",
        cache_dir=tmp_path,
    )
    create_topics(made)
    return made


class PowerCut(BaseException):
    """The process is gone: nothing that it would do after an error is done."""


class Cuts:
    """When the power is cut: counted in comments, for how many of them go together is a matter of timing.

    Once a cut is due, it is for every thing that is done (comments delivered, a cursor saved) as likely
    as not. spread: the mean of the comments sent between two cuts.
    """

    def __init__(self, count: int, *, spread: int) -> None:
        self._rng = random.Random(5)  # noqa: S311 - a schedule of a test
        self._spread = spread
        self.left = count
        self._wait = self._gap()
        self.unsaved: list[str] = []  # delivered since a cursor was saved
        self.lost: set[str] = set()  # delivered, and then the power was cut

    def next(self, comments: int) -> str:
        self._wait -= comments
        if self._wait > 0 or not self.left or self._rng.random() < 0.5:
            return ""
        self._wait = self._gap()
        self.left -= 1
        return self._rng.choice(("before", "after"))

    def _gap(self) -> int:
        return self._rng.randint(1, 2 * self._spread)


class CutOutbox(Outbox):
    """The way to the broker, until the power is cut: at random, before or after something is sent."""

    def __init__(self, settings: Settings, cuts: Cuts) -> None:
        super().__init__(settings)
        self._cuts = cuts
        self._is_off = False

    async def deliver(self, items: Sequence[RawComment]) -> None:
        ids = [one.comment.id for one in items if one.comment is not None]
        await self._perhaps_cut(super().deliver(items), sent=ids)

    async def save(self, key: str, cursor: bytes, *, now_ms: int) -> None:
        await self._perhaps_cut(super().save(key, cursor, now_ms=now_ms), saved=True)

    async def announce(self, key: str, ids: Sequence[str], *, now_ms: int) -> None:
        await self._perhaps_cut(super().announce(key, ids, now_ms=now_ms))

    async def _perhaps_cut(
        self, sending: Coroutine[Any, Any, None], *, sent: Sequence[str] = (), saved: bool = False
    ) -> None:
        fate = "before" if self._is_off else self._cuts.next(len(sent))
        if fate == "before":
            sending.close()
            raise self._off()
        await sending
        self._cuts.unsaved = [] if saved else [*self._cuts.unsaved, *sent]
        if fate == "after":
            raise self._off()

    def _off(self) -> PowerCut:
        self._is_off = True
        self._cuts.lost.update(self._cuts.unsaved)
        return PowerCut()


class Watcher:
    """Lets time go on between two looks at a source, and sets `stop` when it has no more to tell."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.stop = asyncio.Event()
        self._quiet_seconds = 0.0

    def watch(self, source: Source[Any, Any]) -> Source[Any, Any]:
        fetch = source.fetch

        async def watched(cursor: Any) -> AsyncIterator[Page[Any]]:
            empty = 0
            async with aclosing(fetch(cursor)) as pages:  # type: ignore[type-var]  # all are generators
                async for page in pages:
                    empty = 0 if page.comments else empty + 1
                    self._told(page, empty)
                    yield page
            self._place.time.now += POLL_SECONDS
            self._quiet_seconds += POLL_SECONDS
            if self._place.site.is_done and self._quiet_seconds > QUIET_SECONDS:
                self.stop.set()

        setattr(source, "fetch", watched)  # noqa: B010 - a method is not to be assigned to, says mypy
        return source

    def _told(self, page: Page[Any], empty: int) -> None:
        if page.comments:
            self._quiet_seconds = 0.0
        if self._place.endless and self._place.site.is_done and empty > EMPTY_PAGES:
            self.stop.set()


async def follow(place: Place, settings: Settings, cuts: Cuts) -> int:
    """Follow until there is no more; returns how often that had to begin again."""
    watcher, restarts = Watcher(place), 0
    while not watcher.stop.is_set():
        try:
            await _follow_once(place, settings, cuts, watcher)
        except PowerCut:
            restarts += 1
    return restarts


async def _follow_once(place: Place, settings: Settings, cuts: Cuts, watcher: Watcher) -> None:
    time = place.time
    options = PoliteOptions(
        contact="https://narrawatch.example/contact",
        interval_seconds=0.1,
        timeout_seconds=0.3,
        allow_private=True,
    )
    saved = read_cursors(settings, [KEY]).get(KEY, SavedCursor())
    outbox = CutOutbox(settings, cuts)
    async with Web(options, pace=Pace(time.time, time.sleep), clock=time.time) as web:
        source = watcher.watch(place.make(Context(web.client(), place.clock, allow_private=True)))
        cursor = source.begin(place.since)
        if saved.cursor is not None:
            cursor = msgspec.json.decode(saved.cursor, type=source.cursor_type)
        follower = Follower(
            KEY,
            source,
            cursor=source.recall(cursor, saved.sending),
            saved=saved.cursor,
            outgoing=Outgoing(NAME, "desk", hashed_authors(AUTHOR_KEY), settings.max_comment_bytes),
            outbox=outbox,
            metrics=IngestMetrics(new_registry()).of("desk", NAME, kind="memory", now=0.0),
            stop=watcher.stop,
            clock=_fast(place) if place.endless else time.moment,
            poll_seconds=0.001,
            patience=Patience(0.001, 0.001),
        )
        try:
            await follower.run()
        finally:
            await outbox.close(1.0)


def _fast(place: Place) -> Callable[[], datetime]:
    """A clock by which a stream that lasts some seconds has its cursor saved now and then."""
    start = datetime.now(UTC)
    return lambda: start + (datetime.now(UTC) - start) * 50


def told_comment(comment: Comment) -> SourceComment:
    at = comment.created_at_ms
    return SourceComment(
        id=comment.id,
        text=comment.text,
        thread=comment.thread,
        thread_title=comment.thread_title,
        author=comment.author,
        created_at=None if at is None else datetime.fromtimestamp(at / 1_000, UTC),
        parent=comment.parent,
        permalink=comment.permalink,
        deleted=comment.deleted,
    )


def hashed(told: Told, comment_id: str) -> str:
    return hash_author(AUTHOR_KEY, NAME, told.author, comment_id=comment_id)


@pytest.mark.parametrize("kind", ["hackernews", "discourse", "lemmy", "mastodon", "jetstream"])
async def test_everything_arrives_through_faults_and_power_cuts(kind: str, settings: Settings) -> None:
    place = make_place(kind)
    cuts = Cuts(CUTS, spread=CUT_SPREAD)
    with place.site.serving():
        restarts = await follow(place, settings, cuts)
    found = arrived(settings)
    account = Account([told_comment(one) for one in found.every])
    wrong = compare(place.site, account, since=place.since, author_of=hashed)
    # Delivered again, because nobody could know that it had arrived: for the worker it is the same comment.
    repeats = wrong.pop("repeats", [])
    assert set(repeats) <= cuts.lost
    assert wrong == {}
    assert ([one.left for one in place.faults], cuts.left) == ([0] * len(place.faults), 0)
    assert restarts == CUTS
