"""Which partitions of comments hold nothing more, so that nobody has to wait for them.

A partition is silent because nobody writes into it, or because its worker is slow or gone. The broker knows:
where the group of workers is in a partition, and where that ends. It is asked a few times a second, as long
as claims wait to be put in order, and only then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.connection import async_client_options
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name
from streams.worker_state import Place

__all__ = ["LOOK_SECONDS", "BacklogFollower", "Drained"]

# Comments that several partitions have within this time of one another may come in the wrong order: a claim
# has waited for so long before the silence of a partition counts.
LOOK_SECONDS = 0.25
_PAUSE_SECONDS = 5.0
_CLOSE_SECONDS = 2.0

_logger = logging.getLogger(__name__)


class Drained(NamedTuple):
    """These partitions of comments hold nothing that is not among the claims before `claims_end`.

    before: the serial of the merge from which on records may be younger than that.
    """

    partitions: frozenset[int]
    claims_end: int
    before: int


class BacklogFollower:
    """Asks the broker. All on one event loop.

    partitions: of comments; position: how far this worker is in a partition that is its own, else None.
    """

    def __init__(
        self, settings: Settings, partitions: Collection[int], position: Callable[[Place], int | None]
    ) -> None:
        self._settings = settings
        self._position = position
        comments, claims = topic_name(settings, Topic.COMMENTS), topic_name(settings, Topic.CLAIMS)
        self._comments = [TopicPartition(comments, partition) for partition in partitions]
        self._claims = claims

    async def run(
        self, waiting: Callable[[], Mapping[int, int]], tell: Callable[[int, Drained], None]
    ) -> None:
        """Look for as long as something waits; until cancelled.

        waiting: by partition of claims, the next serial of its merge, where something waits; tell: called
        with a partition of claims and what is drained.
        """
        while True:
            try:
                await self._follow(waiting, tell)
            except (KafkaError, TimeoutError) as error:
                # The merge has a patience of its own, which does without this.
                _logger.debug("the backlog is not known: %s", " ".join(str(error).split())[:200])
            except Exception:  # nor is a fault of this a reason to stop a worker that could go on
                _logger.exception("the backlog is not known")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _follow(
        self, waiting: Callable[[], Mapping[int, int]], tell: Callable[[int, Drained], None]
    ) -> None:
        options = async_client_options(self._settings)
        consumer, admin = AIOKafkaConsumer(**options, group_id=None), AIOKafkaAdminClient(**options)
        try:
            await consumer.start()
            await admin.start()
            earlier: Mapping[int, int] = {}
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                now = dict(waiting())
                both = earlier.keys() & now.keys()
                if both:
                    partitions, ends = await self._look(consumer, admin, both)
                    for partition in both:
                        tell(partition, Drained(partitions, ends[partition], earlier[partition]))
                earlier = now
        finally:
            for client in (consumer.stop, admin.close):
                with contextlib.suppress(TimeoutError, KafkaError):  # of no use any more, stopped or not
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await client()

    async def _look(
        self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, claims: Collection[int]
    ) -> tuple[frozenset[int], dict[int, int]]:
        """What is drained, and where claims end. In this order: what was embedded is then before that end."""
        ends = await consumer.end_offsets(self._comments)
        committed = await admin.list_consumer_group_offsets(self._settings.app_id, partitions=self._comments)
        drained = frozenset(
            place.partition
            for place, end in ends.items()
            if max(committed[place].offset, self._position(place) or 0) >= end
        )
        places = [TopicPartition(self._claims, partition) for partition in claims]
        found = await consumer.end_offsets(places)
        return drained, {place.partition: end for place, end in found.items()}
