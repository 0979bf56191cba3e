"""Worker processes on a broker, what is sent to them, and what they have made of it."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple, Self

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from streams.connection import open_consumer, producer_options
from streams.settings import Settings
from streams.topics import Topic, topic_name

__all__ = [
    "ROOT",
    "STOP_SECONDS",
    "Line",
    "Worker",
    "environment_of",
    "records",
    "run",
    "send",
    "wait_until_done",
]

ROOT = Path(__file__).parents[2]
DONE_SECONDS = 120.0
STOP_SECONDS = 8.0


class Line(NamedTuple):
    key: bytes | None
    value: bytes


class Worker:
    """A worker process."""

    def __init__(self, settings: Settings, log: IO[str]) -> None:
        self._log = log
        self.metrics_url = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams", "worker"],
            cwd=ROOT,
            env=environment_of(settings) | {"PYTHONFAULTHANDLER": "1"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ready(self) -> Self:
        """Wait for the line that says so."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        assert "ready" in line, f"the worker did not start: {Path(self._log.name).read_text()[-2_000:]}"
        self.metrics_url = line.split()[-1]
        return self

    def exposition(self) -> str:
        """What Prometheus would read."""
        with urllib.request.urlopen(self.metrics_url, timeout=5) as answer:  # noqa: S310 - loopback
            text: str = answer.read().decode()
        return text

    def metric(self, name: str, **labels: str) -> float:
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.exposition())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def shows(self, name: str, expected: float) -> None:
        """Gauges are set about once a second."""
        deadline = time.monotonic() + 5
        while (value := self.metric(name)) != expected:
            assert time.monotonic() < deadline, f"{name} is {value}, not {expected}"
            time.sleep(0.1)

    def stop(self) -> None:
        """End it as an operator does; where it hangs is said if it does not end in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(STOP_SECONDS) == 0
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            pytest.fail(f"the worker hangs: {Path(self._log.name).read_text()[-4_000:]}")


def environment_of(settings: Settings) -> dict[str, str]:
    """What a process is told so that it has these settings."""
    given = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings.model_dump(exclude_defaults=True).items()
    }
    return os.environ | {f"NARRAWATCH_{name.upper()}": value for name, value in given.items()}


def send(settings: Settings, lines: Sequence[tuple[bytes | None, bytes]]) -> None:
    producer = KafkaProducer(**producer_options(settings))
    for key, value in lines:
        producer.send(topic_name(settings, Topic.COMMENTS), value, key=key)
    producer.flush(30)
    producer.close()


def run(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of narrawatch to its end."""
    return subprocess.run(
        [sys.executable, "-m", "streams", *arguments],
        cwd=ROOT,
        env=environment_of(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def records(settings: Settings, topic: Topic) -> list[ConsumerRecord]:
    name = topic_name(settings, topic)
    deadline = time.monotonic() + DONE_SECONDS
    found: list[ConsumerRecord] = []
    with open_consumer(settings) as consumer:
        partitions = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(place) < end for place, end in ends.items()):
            assert time.monotonic() < deadline, f"the records of {name} cannot be read"
            for batch in consumer.poll(timeout_ms=500).values():
                found += batch
    return found


def wait_until_done(settings: Settings) -> None:
    """Return when the group has committed everything, comments and claims."""
    deadline = time.monotonic() + DONE_SECONDS
    with open_consumer(settings, group_id=settings.app_id) as consumer:
        while not all(
            is_done(consumer, settings, topic)  # comments first: they become claims
            for topic in (Topic.COMMENTS, Topic.CLAIMS)
        ):
            assert time.monotonic() < deadline, "the workers do not come to an end"
            time.sleep(0.2)


def is_done(consumer: object, settings: Settings, topic: Topic) -> bool:
    assert hasattr(consumer, "end_offsets")
    assert hasattr(consumer, "committed")
    places = [TopicPartition(topic_name(settings, topic), number) for number in range(settings.partitions)]
    ends: dict[TopicPartition, int] = consumer.end_offsets(places)
    return all((consumer.committed(place) or 0) >= end for place, end in ends.items())
