"""What comes record by record is fetched several at a time, and a single one is not held back for long."""

import asyncio
import time
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path

import faust
import pytest
from kafka import KafkaProducer

from streams.apache.broker import ApacheBroker
from streams.connection import producer_options
from streams.faust_options import faust_options
from streams.fetching import FETCH_WAIT_MS, GatheringApp
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics, topic_name

pytestmark = pytest.mark.integration

SECONDS = 60.0
GAP_SECONDS = 0.01
RECORDS = 100


@pytest.fixture
def settings(apache_broker: ApacheBroker, tmp_path: Path) -> Settings:
    made = load_settings(
        kafka_bootstrap=apache_broker.address, topic_prefix="fetching-", app_id="fetching", data_dir=tmp_path
    )
    create_topics(made)
    return made


class Reading:
    """An app that reads comments, and how often it has asked for some."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[bytes] = []
        self.fetches = 0
        self._came = asyncio.Event()
        self._topic = topic_name(settings, Topic.COMMENTS)
        self.app = GatheringApp(
            "fetching",
            **faust_options(settings),
            store="memory://",
            datadir=settings.data_dir,
            autodiscover=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
        )
        topic = self.app.topic(self._topic, value_type=bytes, value_serializer="raw")

        async def read(stream: faust.StreamT[bytes]) -> None:
            async for value in stream:
                self.seen.append(value)
                self._came.set()

        self.app.agent(topic)(read)
        fetcher = import_module("aiokafka.consumer.fetcher").Fetcher
        fetch = fetcher._proc_fetch_request

        async def counted(*arguments: object) -> object:
            self.fetches += 1
            return await fetch(*arguments)

        monkeypatch.setattr(fetcher, "_proc_fetch_request", counted)

    async def until_seen(self, count: int) -> None:
        async with asyncio.timeout(SECONDS):
            while len(self.seen) < count:
                self._came.clear()
                await self._came.wait()


@pytest.fixture
async def reading(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reading]:
    made = Reading(settings, monkeypatch)
    await made.app.start()
    yield made
    await made.app.stop()


async def test_records_that_come_one_by_one_are_fetched_together(
    settings: Settings, reading: Reading
) -> None:
    producer = KafkaProducer(**producer_options(settings))
    topic = topic_name(settings, Topic.COMMENTS)
    producer.send(topic, b"the first").get(SECONDS)
    await reading.until_seen(1)
    before = reading.fetches
    for number in range(RECORDS):
        producer.send(topic, b"%d" % number)
        await asyncio.sleep(GAP_SECONDS)
    await reading.until_seen(1 + RECORDS)
    assert reading.fetches - before < RECORDS / 3
    begun = time.monotonic()
    producer.send(topic, b"the last").get(SECONDS)
    await reading.until_seen(2 + RECORDS)
    assert time.monotonic() - begun < 20 * FETCH_WAIT_MS / 1_000
    producer.close()
