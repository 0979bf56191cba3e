"""Follows one live source: page after page, each to the broker before the next, for as long as it is wanted.

The cursor goes on only when the broker has acknowledged all comments up to there, and is saved every few
seconds and at the end. What was delivered after the last save is delivered again after a crash: a comment
counts once. Where a source has to know what it delivered (`Source.recall`), that is written down before, and
the cursor after each page. A failure of any kind ends in a pause, twice as long each time, and then in
another attempt from where it was; one source that fails does not concern the others.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from streams.errors import BrokerError, FailureReason, SourceError
from streams.ingest.metrics import SourceMetrics
from streams.ingest.outbox import Outbox
from streams.ingest.outgoing import Outgoing
from streams.ingest.registry import AnySource
from streams.ingest.source import Page, Source, SourceComment

__all__ = ["Follower", "Patience", "Stopped"]

T = TypeVar("T")

_SAVE_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 3.0  # for what is under way to the broker when it is time to leave
_LAST_SAVE_SECONDS: Final = 3.0

_logger = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818 - it is no error
    """The follower is to end: raised out of whatever it is waiting for."""


class Patience(NamedTuple):
    """How long to wait after failures in a row: first_seconds, then twice as long, up to most_seconds.

    Half of it is by chance, so that sources that failed together do not come back together.
    """

    first_seconds: float = 2.0
    most_seconds: float = 900.0
    rng: random.Random = random.Random()  # noqa: S311 - spreads load, guards nothing

    def after(self, failures: int, asked_seconds: float | None) -> float:
        """Seconds after so many failures, at least those that the source asked for."""
        longest = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
        return max(longest * self.rng.uniform(0.5, 1.0), asked_seconds or 0.0)


class Follower:
    """One source on its way to the broker. `run` may be called once."""

    def __init__(
        self,
        key: str,
        source: AnySource,
        *,
        cursor: Any,
        saved: bytes | None,
        outgoing: Outgoing,
        outbox: Outbox,
        metrics: SourceMetrics,
        stop: asyncio.Event,
        clock: Callable[[], datetime],
        poll_seconds: float,
        patience: Patience | None = None,
        once: bool = False,
    ) -> None:
        """key: of its cursor; cursor: where to begin; saved: the JSON that the broker has of it, if any.

        once: look once and try nothing again.
        """
        self._key = key
        self._source = source
        self._cursor = cursor
        self._saved = saved
        self._saved_at = clock()
        self._outgoing = outgoing
        self._outbox = outbox
        self._metrics = metrics
        self._stop = stop
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._patience = patience or Patience()
        self._once = once
        self._recalls = type(source).recall is not Source.recall
        self._failures = 0  # in a row
        self.delivered_count = 0

    async def run(self) -> bool:
        """Follow until `stop` is set, or look once.

        Returns whether the last look at the source was without a failure.
        Raises BrokerError only when it is to look once.
        """
        wait: float | None = None
        try:
            while True:
                wait = await self._look()
                if self._once:
                    break
                await self._or_stop(asyncio.sleep(self._poll_seconds if wait is None else wait))
        except Stopped:
            pass
        finally:
            await self._leave()
        return wait is None

    async def _look(self) -> float | None:
        """Deliver all that there is for now. None, or the seconds to wait after a failure."""
        try:
            await self._pages()
        except SourceError as error:
            self._metrics.failed(error.reason)
            _logger.warning("%s: %s", self._key, error)
            return self._wait_after_failure(error.retry_after_seconds)
        except (Stopped, BrokerError):
            raise
        except Exception:
            # A connector may come from anywhere: whatever is wrong with it must not end the others.
            self._metrics.failed(FailureReason.FAULT)
            _logger.exception("%s: the connector failed", self._key)
            return self._wait_after_failure(None)
        return None

    async def _pages(self) -> None:
        pages = self._source.fetch(self._cursor)
        try:
            while (page := await self._or_stop(_next(pages))) is not None:
                await self._deliver(page)
                self._cursor = page.cursor
                self._failures = 0
                self._metrics.polled(self._clock().timestamp())
                if self._recalls or (self._clock() - self._saved_at).total_seconds() >= _SAVE_SECONDS:
                    await self._save()
        finally:
            if isinstance(pages, AsyncGenerator):
                await pages.aclose()
        self._failures = 0
        self._metrics.polled(self._clock().timestamp())
        await self._save()

    async def _deliver(self, page: Page[Any]) -> None:
        items = [self._outgoing.record(comment) for comment in page.comments]
        comments = [one for one in page.comments if isinstance(one, SourceComment)]
        ids = [one.id for one in comments]
        if self._recalls and ids:
            await self._insist(lambda: self._outbox.announce(self._key, ids, now_ms=self._now_ms()))
        await self._insist(lambda: self._outbox.deliver(items))
        self.delivered_count += len(items)
        dates = [one.created_at.timestamp() for one in comments if one.created_at is not None]
        self._metrics.delivered(len(items), dates, now=self._clock().timestamp())

    async def _save(self) -> None:
        cursor = msgspec.json.encode(self._cursor)
        self._saved_at = self._clock()
        if cursor == self._saved:
            return
        await self._insist(lambda: self._outbox.save(self._key, cursor, now_ms=self._now_ms()))
        self._saved = cursor

    async def _insist(self, send: Callable[[], Awaitable[None]]) -> None:
        """Send until the broker has it.  Raises Stopped; BrokerError when nothing is tried again."""
        while True:
            try:
                await self._or_stop(send(), grace_seconds=_GRACE_SECONDS)
            except BrokerError as error:
                self._metrics.failed(FailureReason.BROKER)
                if self._once:
                    raise
                _logger.warning("%s: %s: waiting for it", self._key, error)
                await self._or_stop(asyncio.sleep(self._wait_after_failure(None)))
            else:
                return

    async def _leave(self) -> None:
        """Save how far it came, if the broker is there, and close the source."""
        cursor = msgspec.json.encode(self._cursor)
        if cursor != self._saved:
            try:
                async with asyncio.timeout(_LAST_SAVE_SECONDS):
                    await self._outbox.save(self._key, cursor, now_ms=self._now_ms())
            except (BrokerError, TimeoutError) as error:
                _logger.warning("%s: the last comments will be sent again: %s", self._key, error)
        await self._source.close()

    def _wait_after_failure(self, asked_seconds: float | None) -> float:
        self._failures += 1
        return self._patience.after(self._failures, asked_seconds)

    async def _or_stop(self, doing: Awaitable[T], *, grace_seconds: float = 0.0) -> T:
        """What it gives.  Raises Stopped when the follower is to end and it is not done soon after."""
        work = asyncio.ensure_future(doing)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and grace_seconds:
                await asyncio.wait({work}, timeout=grace_seconds)
            if work.done():
                return work.result()
            raise Stopped
        finally:
            for task in (work, stopping):
                task.cancel()
            # A generator cannot be closed while one of its steps is still being cancelled.
            await asyncio.gather(work, stopping, return_exceptions=True)

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1_000)


async def _next(pages: AsyncIterator[Page[Any]]) -> Page[Any] | None:
    return await anext(pages, None)
