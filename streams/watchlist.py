"""What a worker looks for: the watches of the settings and those of the topic, embedded, and kept up to date.

Phrases are embedded in a thread, once each. A watch that comes later applies to claims that come later.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from numpy.typing import NDArray

from models.watches import Watch, make_watch
from streams.connection import async_client_options
from streams.settings_fields import MAX_WATCHES, Settings
from streams.settings_fields import Watch as WatchFields
from streams.topics import Topic, topic_name
from streams.watch_topic import StoredWatches, merged_watches

__all__ = ["WatchFollower", "Watchlist", "watch_of"]

_PAUSE_SECONDS = 5.0
_CLOSE_SECONDS = 2.0

_logger = logging.getLogger(__name__)

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def watch_of(fields: WatchFields, embed: Embed, language_of: Callable[[str], str]) -> Watch:
    """The watch that a setting describes, with its phrases embedded."""
    return make_watch(fields.name, fields.phrases, embed, language_of, threshold=fields.similarity)


class Watchlist:
    """The watches of all desks. `of` and `update` embed, which takes a while: not for an event loop."""

    def __init__(
        self, settings: Settings, stored: StoredWatches, embed: Embed, language_of: Callable[[str], str]
    ) -> None:
        self._settings = settings
        self._stored = stored
        self._embed = embed
        self._language_of = language_of
        self._lock = threading.Lock()
        self._made: dict[WatchFields, Watch] | None = None

    @property
    def names(self) -> set[str]:
        """Of all that is looked for, on any desk."""
        return {fields.name for fields in self._wanted()}

    def of(self, desk: str) -> list[Watch]:
        """The watches of a desk."""
        with self._lock:
            if self._made is None:
                self._made = self._make({})
            return [watch for fields, watch in self._made.items() if fields.desk in (None, desk)]

    def update(self, stored: StoredWatches) -> None:
        """The topic holds these now."""
        self._stored = stored
        made = self._make(self._made or {})
        with self._lock:
            self._made = made

    def _wanted(self) -> list[WatchFields]:
        merged = merged_watches(self._settings, self._stored, limit=MAX_WATCHES)
        return [one.watch for one in merged if not one.hidden]

    def _make(self, known: dict[WatchFields, Watch]) -> dict[WatchFields, Watch]:
        return {
            fields: known.get(fields) or watch_of(fields, self._embed, self._language_of)
            for fields in self._wanted()
        }


class WatchFollower:
    """Reads on in the topic of watches. All on one event loop."""

    def __init__(self, settings: Settings, stored: StoredWatches) -> None:
        self._settings = settings
        self._stored = stored
        self._place = TopicPartition(topic_name(settings, Topic.WATCHES), 0)

    async def run(self, on_change: Callable[[StoredWatches], Awaitable[None]]) -> None:
        """Call `on_change` with all watches whenever there are others; until cancelled."""
        while True:
            try:
                await self._follow(on_change)
            except KafkaError as error:
                _logger.warning(
                    "changes of watches do not arrive yet: %s", " ".join(str(error).split())[:200]
                )
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _follow(self, on_change: Callable[[StoredWatches], Awaitable[None]]) -> None:
        consumer = AIOKafkaConsumer(
            **async_client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
            consumer.assign([self._place])
            consumer.seek(self._place, self._stored.next_offset)
            while True:
                found = await consumer.getmany(self._place, timeout_ms=1_000)
                records = found.get(self._place, [])
                stored = self._stored
                for record in records:
                    stored = stored.after(record.offset, record.key, record.value)
                if records:
                    await self._take(stored, on_change)
        finally:
            with contextlib.suppress(TimeoutError, KafkaError):  # it is of no use any more, stopped or not
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await consumer.stop()

    async def _take(
        self, stored: StoredWatches, on_change: Callable[[StoredWatches], Awaitable[None]]
    ) -> None:
        if stored.foreign > self._stored.foreign:
            _logger.warning("the topic %s holds records that are no watches", self._place.topic)
        changed = stored.watches != self._stored.watches
        self._stored = stored
        if changed:
            await on_change(stored)
            _logger.info("watches of the topic: %s", ", ".join(sorted(stored.watches)) or "none")
