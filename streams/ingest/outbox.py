"""The way from the event loop of live sources to the broker, and back with what it has acknowledged.

kafka-python blocks: its producers live in one thread of their own. Sources wait for each other there for the
milliseconds that the broker takes.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from queue import SimpleQueue
from threading import Thread

from streams.errors import BrokerError
from streams.ingest.base import RawComment
from streams.ingest.cursors import CursorLog
from streams.ingest.producer import CommentProducer
from streams.settings_fields import Settings

__all__ = ["Outbox"]


class Outbox:
    """Delivers comments and saves cursors. After an error its connections are made anew."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._work: SimpleQueue[tuple[Callable[[], object], Future[object]]] = SimpleQueue()
        # A daemon: a broker that does not answer must not keep the process from ending.
        Thread(target=self._serve, name="outbox", daemon=True).start()
        self._comments: CommentProducer | None = None
        self._cursors: CursorLog | None = None

    async def deliver(self, items: Sequence[RawComment]) -> None:
        """Return when the broker has all of them.  Raises BrokerError: then some may have arrived."""
        if items:
            await self._in_thread(lambda: self._send(items))

    async def save(self, key: str, cursor: bytes, *, now_ms: int) -> None:
        """Return when the broker has this cursor.  Raises BrokerError."""
        await self._in_thread(lambda: self._write(lambda log: log.save(key, cursor, now_ms=now_ms)))

    async def announce(self, key: str, ids: Sequence[str], *, now_ms: int) -> None:
        """Return when the broker knows that these comments are about to be sent.  Raises BrokerError."""
        await self._in_thread(lambda: self._write(lambda log: log.announce(key, ids, now_ms=now_ms)))

    async def close(self, grace_seconds: float) -> None:
        """Let what is under way be finished, for so long; then it is given up."""
        try:
            async with asyncio.timeout(grace_seconds):
                await self._in_thread(self._drop)
        except TimeoutError:
            for connection in (self._comments, self._cursors):
                if connection is not None:
                    connection.close(0.0)

    async def _in_thread(self, do: Callable[[], None]) -> None:
        done: Future[object] = Future()
        self._work.put((do, done))
        await asyncio.wrap_future(done)

    def _serve(self) -> None:
        while True:
            do, done = self._work.get()
            if not done.set_running_or_notify_cancel():
                continue  # nobody waits for it any more
            try:
                done.set_result(do())
            except BaseException as error:
                done.set_exception(error)

    def _send(self, items: Sequence[RawComment]) -> None:
        try:
            if self._comments is None:
                self._comments = CommentProducer(self._settings)
            for item in items:
                self._comments.send(item)
            self._comments.flush()
        except BrokerError:
            self._drop()
            raise

    def _write(self, write: Callable[[CursorLog], None]) -> None:
        try:
            if self._cursors is None:
                self._cursors = CursorLog(self._settings)
            write(self._cursors)
        except BrokerError:
            self._drop()
            raise

    def _drop(self) -> None:
        with ExitStack() as stack:
            for connection in (self._comments, self._cursors):
                if connection is not None:
                    stack.callback(connection.close)
            self._comments = self._cursors = None
