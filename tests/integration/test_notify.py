"""`narrawatch notify` as a process on a broker: each event at least once, whatever it is stopped by."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from click.testing import CliRunner, Result
from kafka import KafkaProducer

from models.outcome import EventType
from streams.broker import EmbeddedBroker
from streams.cli import narrawatch
from streams.connection import producer_options
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics, topic_name
from tests.integration.live import ROOT, environment_of, records
from tests.streams.narratives_told import event
from tests.streams.webhook_receiver import Answer, Hook, webhook_receiver

pytestmark = pytest.mark.integration

CONFIG = """
notify_allow_private = true
notify_metrics_port = 0
notify_attempts = 2
[[notify]]
name = "newsroom"
url = "{newsroom}"
[[notify]]
name = "broken"
url = "{broken}"
types = ["spiking"]
"""


class Place(NamedTuple):
    settings: Settings
    folder: Path
    newsroom: Hook
    broken: Hook

    @property
    def config(self) -> Path:
        path = self.folder / "narrawatch.toml"
        path.write_text(CONFIG.format(newsroom=self.newsroom.url, broken=self.broken.url), encoding="utf-8")
        return path

    def send(self, *values: bytes) -> None:
        producer = KafkaProducer(**producer_options(self.settings))
        for value in values:
            producer.send(topic_name(self.settings, Topic.EVENTS), value, key=b"tech")
        producer.flush(30)
        producer.close()

    @contextmanager
    def notifier(self) -> Iterator[subprocess.Popen[str]]:
        with (self.folder / "notify.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streams", "notify", "--config", str(self.config)],
                cwd=ROOT,
                env=environment_of(self.settings),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            assert "notify ready: metrics http" in (process.stdout.readline() if process.stdout else "")
            yield process
        finally:
            process.kill()
            process.communicate()

    @property
    def log(self) -> str:
        return (self.folder / "notify.log").read_text(encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with EmbeddedBroker() as broker, webhook_receiver() as newsroom, webhook_receiver(Answer(410)) as broken:
        settings = load_settings(
            kafka_bootstrap=broker.address,
            kafka_embedded=True,
            app_id=f"n{time.monotonic_ns()}",
            partitions=1,
            log_level="info",
        )
        create_topics(settings)
        yield Place(settings, tmp_path, newsroom, broken)


def encoded(**changes: Any) -> bytes:
    return msgspec.json.encode(event(**changes))


def test_events_go_out_and_what_cannot_be_delivered_is_kept(place: Place) -> None:
    place.send(encoded(narrative_id="old-news"))
    with place.notifier() as process:
        deadline = time.monotonic() + 30
        while "events are read from events[0]@1" not in place.log:
            assert time.monotonic() < deadline, place.log
            time.sleep(0.1)
        spiking = encoded(type=EventType.SPIKING)
        place.send(encoded(), b"garbage", spiking)
        place.newsroom.wait_for(2)
        place.broken.wait_for(1)
        process.terminate()
        assert process.wait(10) == 0
    assert [got.json["type"] for got in place.newsroom.got] == ["emerged", "spiking"]
    assert {got.json["narrative"]["narrative_id"] for got in place.newsroom.got} == {"n-1"}
    letters = [json.loads(record.value or b"") for record in records(place.settings, Topic.DEAD_LETTERS)]
    assert [(letter["reason"], base64.b64decode(letter["original"])) for letter in letters] == [
        ("invalid_record", b"garbage"),
        ("failed", spiking),
    ]
    assert letters[1]["detail"] == "notification to broken: status 410"
    assert "secret-part-of-the-address" not in place.log
    # What comes while nobody runs is told of by the next one, and nothing of before is told again.
    place.send(encoded(desk="later"))
    with place.notifier():
        place.newsroom.wait_for(3)
    assert [got.json["desk"] for got in place.newsroom.got] == ["tech", "tech", "later"]


def test_a_notifier_that_is_killed_in_the_middle_delivers_it_when_it_is_back(place: Place) -> None:
    place.newsroom.answers = [Answer(200, delay_seconds=5.0), Answer(200)]
    with place.notifier() as process:
        deadline = time.monotonic() + 30
        while "events are read from" not in place.log:
            assert time.monotonic() < deadline, place.log
            time.sleep(0.1)
        place.send(encoded())
        place.newsroom.wait_for(1)
        process.kill()
        process.wait()
    with place.notifier():
        first, second = place.newsroom.wait_for(2, 60)
    # Twice the same: whoever keeps the keys takes it once.
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.body == second.body


def run(*arguments: str) -> Result:
    return CliRunner().invoke(narrawatch, arguments)


def test_a_sample_shows_whether_it_arrives(place: Place) -> None:
    config = str(place.config)
    done = run("notify", "--config", config, "--test", "newsroom")
    assert (done.exit_code, done.stdout) == (0, "newsroom: delivered\n"), done.stderr
    assert place.newsroom.got[0].json["title"] == "A sample: nothing has happened"
    assert len(place.newsroom.got[0].json["narrative"]["quotes"]) == 2
    done = run("notify", "--config", config, "--test", "broken")
    assert (done.exit_code, done.stdout) == (1, "broken: not delivered: status 410\n")
    done = run("notify", "--config", config, "--test", "nobody")
    assert done.exit_code == 1
    assert "no receiver nobody in notify; known are newsroom, broken" in done.stderr


def test_without_receivers_it_says_so() -> None:
    done = run("notify")
    assert done.exit_code == 1
    assert "there is nobody to be told" in done.stderr
