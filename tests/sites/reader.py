"""Reads a source as the process that follows it does, fails and crashes, and compares with the truth."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.text import clean_comment
from streams.errors import SourceError
from streams.ingest.source import BadItem, Context, Source, SourceComment
from streams.polite.client import PoliteOptions, Web
from streams.polite.gate import Pace
from tests.sites.site import Site, Told
from tests.sites.talk import epoch_ms

__all__ = ["Account", "Crashes", "FakeTime", "compare", "read_to_the_end"]

_QUIET_SECONDS = 700.0  # longer than any source waits before it looks at older comments again
_EMPTY_PAGES = 3
_MOST_ROUNDS = 2_000
_PATIENCE_SECONDS = 0.3


class FakeTime:
    """A clock that goes on when somebody waits, and at once."""

    def __init__(self, start: datetime) -> None:
        self.now = start.timestamp()

    def time(self) -> float:
        return self.now

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class Crashes:
    """Ends the reader at random pages, once they are delivered: before or after their cursor is saved."""

    def __init__(self, count: int, *, spread: float, seed: int = 1) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a schedule of a test
        self._spread = spread
        self.left = count
        self.lost_cursors = 0
        self._wait = self._gap()

    def next(self) -> str:
        """What happens at this page: "", "before" its cursor is saved, or "after"."""
        self._wait -= 1
        if self._wait > 0 or not self.left:
            return ""
        self._wait = self._gap()
        self.left -= 1
        return self._rng.choice(("before", "after"))

    def _gap(self) -> int:
        return self._rng.randint(1, max(1, round(2 * self._spread - 1)))


@dataclass
class Account:
    """What came of reading. again: comments that were delivered a second time because a cursor was lost."""

    comments: list[SourceComment] = field(default_factory=list)
    bad: list[BadItem] = field(default_factory=list)
    again: int = 0
    failures: list[SourceError] = field(default_factory=list)
    restarts: int = 0
    largest_cursor_bytes: int = 0


class _Crash(Exception):  # noqa: N818 - it happens to the reader
    pass


async def read_to_the_end(
    make: Callable[[Context], Source[Any, Any]],
    site: Site,
    time: FakeTime,
    *,
    crashes: Crashes | None = None,
    since: datetime | None = None,
    poll_seconds: float = 30.0,
    endless: bool = False,
) -> Account:
    """All that a source yields until its site has no more to say and nothing new comes for some rounds.

    endless: it is a stream: the end is when some of its pages are empty.
    """
    account = Account()
    is_over = (lambda: site.is_done) if endless else (lambda: False)
    reading = _Reading(make, time, crashes, since, account=account, is_over=is_over)
    quiet = 0
    for _ in range(_MOST_ROUNDS):
        told, failed = len(account.comments), len(account.failures) + account.restarts
        await reading.round()
        still = told == len(account.comments) and failed == len(account.failures) + account.restarts
        quiet = quiet + 1 if site.is_done and still else 0
        if quiet * poll_seconds > _QUIET_SECONDS or reading.ended:
            await reading.end()
            return account
        await time.sleep(poll_seconds)
    raise AssertionError(f"no end after {_MOST_ROUNDS} rounds")


class _Reading:
    def __init__(
        self,
        make: Callable[[Context], Source[Any, Any]],
        time: FakeTime,
        crashes: Crashes | None,
        since: datetime | None,
        *,
        account: Account,
        is_over: Callable[[], bool],
    ) -> None:
        self._make = make
        self._time = time
        self._crashes = crashes
        self._since = since
        self._account = account
        self._is_over = is_over
        self.ended = False
        self._saved: bytes | None = None
        self._announced: list[str] = []  # what was about to be delivered
        self._lost: list[tuple[str, str, bool]] = []  # delivered, but their cursor was not saved
        options = PoliteOptions(
            contact="https://narrawatch.example/contact",
            interval_seconds=0.1,
            timeout_seconds=_PATIENCE_SECONDS,
            allow_private=True,
        )
        self._web = Web(options, pace=Pace(time.time, time.sleep), clock=time.time)
        self._source = self._new()

    def _new(self) -> Source[Any, Any]:
        return self._make(Context(http=self._web.client(), clock=self._time.moment, allow_private=True))

    async def round(self) -> None:
        try:
            await self._fetch()
        except SourceError as error:
            self._account.failures.append(error)
        except _Crash:
            self._account.restarts += 1
            await self._source.close()
            self._source = self._new()

    async def end(self) -> None:
        await self._source.close()
        await self._web.http.aclose()

    async def _fetch(self) -> None:
        if self._saved is None:
            cursor = self._source.begin(self._since)
        else:
            cursor = msgspec.json.decode(self._saved, type=self._source.cursor_type)
        if self._announced:
            cursor = self._source.recall(cursor, self._announced)
        async with aclosing(self._source.fetch(cursor)) as pages:  # type: ignore[type-var]  # is a generator
            empty = 0
            async for page in pages:
                self._announced = [one.id for one in page.comments if isinstance(one, SourceComment)]
                self._deliver(page.comments)
                empty = 0 if page.comments else empty + 1
                if self._is_over() and empty > _EMPTY_PAGES:
                    self.ended = True
                    return
                fate = self._crashes.next() if self._crashes else ""
                if fate == "before":
                    self._lost += [_said(one) for one in page.comments if isinstance(one, SourceComment)]
                    raise _Crash
                self._saved, self._announced = msgspec.json.encode(page.cursor), []
                self._account.largest_cursor_bytes = max(self._account.largest_cursor_bytes, len(self._saved))
                if fate == "after":
                    raise _Crash

    def _deliver(self, comments: Any) -> None:
        for one in comments:
            if isinstance(one, BadItem):
                self._account.bad.append(one)
            elif _said(one) in self._lost:
                self._lost.remove(_said(one))
                self._account.again += 1
            else:
                self._account.comments.append(one)


def _said(comment: SourceComment) -> tuple[str, str, bool]:
    """What makes it the same comment as before, whatever became of the one that it answers."""
    return comment.id, comment.text, comment.deleted


def compare(
    site: Site,
    account: Account,
    *,
    since: datetime | None = None,
    author_of: Callable[[Told, str], str] = lambda told, _: told.author,
) -> dict[str, list[str]]:
    """What is wrong with what was read, by kind of error.

    since: nothing from before was wanted. author_of: what stands for the author of a comment, by its id.
    """
    wrong: dict[str, list[str]] = {}
    latest: dict[str, SourceComment] = {}
    for one in account.comments:
        before = latest.get(one.id)
        if before is not None and (before.text, before.deleted) == (one.text, one.deleted):
            wrong.setdefault("repeats", []).append(one.id)
        latest[one.id] = one
    earliest = 0 if since is None else epoch_ms(since)
    truth = site.truth()
    wanted = {one: told for one, told in truth.items() if told.created_at_ms >= earliest}
    for comment_id, told in wanted.items():
        got = latest.get(comment_id)
        if got is None or got.deleted:
            if not told.deleted:
                wrong.setdefault("gaps", []).append(comment_id)
            continue
        expected_author = author_of(told, comment_id)
        # Nobody can be asked about an answered comment that is gone.
        excused = {"parent", "thread"} if _answers_what_is_gone(told, truth) else set()
        for name, expected, found in _differences(told, got, expected_author):
            if expected != found and name not in excused:
                wrong.setdefault(name, []).append(f"{comment_id}: {found!r} for {expected!r}")
    others = sorted(latest.keys() - wanted.keys())
    bad = [one.detail for one in account.bad]
    found_wrong = {**wrong, "others": others, "bad": bad, "violations": site.violations}
    return {name: what for name, what in found_wrong.items() if what}


def _answers_what_is_gone(told: Told, truth: Mapping[str, Told]) -> bool:
    above = truth.get(told.parent or "")
    return above is not None and (above.deleted or _answers_what_is_gone(above, truth))


def _differences(told: Told, got: SourceComment, author: str) -> list[tuple[str, object, object]]:
    if told.deleted:
        return [("deleted", told.deleted, got.deleted)]
    return [
        ("text", told.text, " ".join(clean_comment(got.text).text.split())),
        ("author", author, got.author),
        ("thread", told.thread, got.thread),
        ("thread_title", told.thread_title, got.thread_title),
        ("parent", told.parent, got.parent),
        ("created_at", told.created_at_ms, got.created_at and epoch_ms(got.created_at)),
        ("permalink", told.permalink, got.permalink),
    ]
