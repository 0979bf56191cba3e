"""Health, readiness and the end of real workers: idle, with work in hand, while the broker is away."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from kafka import TopicPartition

from streams.broker import EmbeddedBroker
from streams.connection import open_consumer
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics, topic_name
from streams.worker import JOINING_STOP_SECONDS, STOP_SECONDS
from tests.integration.live import Worker, records, send, wait_until_done
from tests.integration.test_worker import sample

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 60.0


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running
        assert running.pid is not None
        os.kill(running.pid, signal.SIGCONT)


@pytest.fixture
def settings(broker: EmbeddedBroker, tmp_path: Path) -> Settings:
    made = load_settings(
        kafka_bootstrap=broker.address,
        kafka_embedded=True,
        app_id=f"h{time.monotonic_ns()}",
        partitions=1,
        model="hash",
        data_dir=tmp_path,
        cache_dir=tmp_path,
        metrics_port=0,
        ready_broker_seconds=5,
        author_key="a key of authors for the tests",
    )
    create_topics(made)
    return made


@pytest.fixture
def log(tmp_path: Path) -> Iterator[IO[str]]:
    with (tmp_path / "worker.log").open("w") as file:
        yield file


def ask(worker: Worker, path: str) -> tuple[int, dict[str, Any]]:
    url = worker.metrics_url.removesuffix("/metrics") + path
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)


def until(condition: Callable[[], bool], what: str) -> float:
    """Seconds that it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < PATIENCE_SECONDS, what
        time.sleep(0.1)
    return time.monotonic() - begun


def until_ready(worker: Worker) -> None:
    until(lambda: ask(worker, "/ready")[0] == 200, "a worker does not get ready")
    assert ask(worker, "/health")[0] == 200


def stop(worker: Worker, within_seconds: float) -> int:
    worker.process.send_signal(signal.SIGTERM)
    return worker.process.wait(within_seconds)


def committed(settings: Settings, topic: Topic) -> int:
    with open_consumer(settings, group_id=settings.app_id) as consumer:
        return consumer.committed(TopicPartition(topic_name(settings, topic), 0)) or 0


def test_readiness_tells_lag_and_last_poll_also_of_a_worker_without_partitions(
    settings: Settings, log: IO[str]
) -> None:
    with Worker(settings, log) as first, Worker(settings, log) as second:
        first.ready()
        second.ready()
        send(settings, sample())
        wait_until_done(settings)
        until_ready(first)
        until_ready(second)

        def lags() -> list[object]:
            return [ask(worker, "/ready")[1]["lag_records"] for worker in (first, second)]

        until(lambda: lags() == [0, 0], "the lag does not go")  # it is looked at once a second
        bodies = [ask(worker, "/ready")[1] for worker in (first, second)]
        shared = sorted(one["topic"] for body in bodies for one in body["partitions"])
        assert shared == ["claims", "comments"]
        for body in bodies:
            assert (body["phase"], body["lag_records"]) == ("running", 0)
            assert body["broker_seconds"] < 5
            assert all(one["last_poll_seconds"] < 5 for one in body["partitions"])


def test_a_broker_that_is_away_is_waited_for_and_told(
    settings: Settings, broker: EmbeddedBroker, log: IO[str]
) -> None:
    lines = sample()
    with Worker(settings, log) as worker:
        worker.ready()
        until_ready(worker)
        send(settings, lines[:200])
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        until(lambda: ask(worker, "/ready")[0] == 503, "the worker says that it is ready")
        status, body = ask(worker, "/ready")
        assert (status, body["status"]) == (503, "fail")
        assert any("the broker has not answered for" in reason for reason in body["reasons"])
        assert ask(worker, "/health")[0] == 200
        used = cpu_seconds(worker)
        time.sleep(5)
        assert cpu_seconds(worker) - used < 1
        os.kill(broker.pid, signal.SIGCONT)
        until_ready(worker)
        send(settings, lines[200:])
        wait_until_done(settings)
        assert worker.process.poll() is None


def cpu_seconds(worker: Worker) -> float:
    return worker.metric("process_cpu_seconds_total")


def test_what_is_in_hand_at_sigterm_is_finished_and_committed(settings: Settings, log: IO[str]) -> None:
    lines = sample()
    slow = settings.model_copy(update={"batch_max_comments": 5})
    with Worker(slow, log) as worker:
        worker.ready()
        send(settings, lines)
        until(lambda: worker.metric("narrawatch_embed_batch_texts_count") > 3, "nothing happens")
        assert stop(worker, 8) == 0
    claims = len(records(settings, Topic.CLAIMS))
    letters = len(records(settings, Topic.DEAD_LETTERS))
    assert committed(settings, Topic.COMMENTS) == claims + letters  # no batch was half done


def test_sigterm_while_a_join_is_pending(
    settings: Settings, broker: EmbeddedBroker, log: IO[str], tmp_path: Path
) -> None:
    """A worker that comes while the broker does not answer cannot join."""
    with (tmp_path / "second.log").open("w") as other, Worker(settings, log) as worker:
        worker.ready()
        with Worker(settings, other) as second:
            until(lambda: "embedding with" in Path(other.name).read_text(), "the second does not start")
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGSTOP)
            time.sleep(2)
            begun = time.monotonic()
            assert stop(second, 12) == 0
            assert time.monotonic() - begun < JOINING_STOP_SECONDS + 2
            begun = time.monotonic()
            stop(worker, 12)  # it cannot say goodbye to the group: bounded, whatever the code
            assert time.monotonic() - begun < STOP_SECONDS + 1
