"""Health and readiness tell the truth, and over HTTP with the right status."""

import asyncio
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry

from streams.health import BATCH_SECONDS, LOOP_SECONDS, Health, PartitionProgress, Phase
from streams.metrics import Metrics
from streams.metrics_server import MetricsServer
from streams.worker_state import WorkerState


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    """Of a worker that runs."""
    made = Health(broker_seconds=30, clock=clock)
    made.model("a model")
    made.broker_answered(clock.now)
    made.enter(Phase.RUNNING)
    return made


def reasons(health: Health) -> list[str]:
    answer = health.ready()
    assert answer.good == (answer.body["reasons"] == []) == (answer.body["status"] == "pass")
    found: list[str] = answer.body["reasons"]
    return found


def test_a_worker_that_has_just_begun_is_alive_and_says_what_it_lacks(clock: Clock) -> None:
    fresh = Health(clock=clock)
    assert fresh.alive().good
    assert reasons(fresh) == ["the model is not loaded yet", "the broker has not answered yet"]
    assert fresh.ready().body["model"] is None


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (Phase.JOINING, "the group of workers has not shared out the partitions yet"),
        (Phase.REBUILDING, "the state of the partitions is being rebuilt"),
        (Phase.STOPPING, "the worker is stopping"),
    ],
)
def test_only_a_worker_that_runs_is_ready(health: Health, phase: Phase, expected: str) -> None:
    assert reasons(health) == []
    health.enter(phase)
    assert reasons(health) == [expected]
    assert health.alive().good
    health.enter(Phase.RUNNING)
    assert (reasons(health) == []) == (phase is not Phase.STOPPING)


def test_a_broker_that_is_silent_is_told_and_no_reason_for_a_restart(health: Health, clock: Clock) -> None:
    clock.now += 29
    health.turned()
    assert reasons(health) == []
    clock.now += 13
    health.turned()
    assert reasons(health) == ["the broker has not answered for 42 s"]
    assert health.alive().good
    health.broker_answered(clock.now - 5)
    health.broker_answered(clock.now - 20)  # on another connection, earlier
    assert health.ready().body["broker_seconds"] == 5
    assert reasons(health) == []


def test_a_loop_that_hangs_is_neither_alive_nor_ready(health: Health, clock: Clock) -> None:
    clock.now += LOOP_SECONDS + 1
    health.broker_answered(clock.now)
    assert not health.alive().good
    assert reasons(health) == ["the event loop has not turned for 31 s"]
    health.turned()
    assert health.alive().good


def test_lag_and_last_poll_are_told_with_their_age(health: Health, clock: Clock) -> None:
    health.progress(
        {
            ("comments", 1): PartitionProgress("comments", 1, 7, clock.now - 3),
            ("comments", 0): PartitionProgress("comments", 0, 5, clock.now - 2),
        }
    )
    clock.now += 1
    body = health.ready().body
    assert (body["lag_records"], body["last_poll_seconds"]) == (12, 3.0)
    assert body["partitions"][0] == {
        "topic": "comments",
        "partition": 0,
        "lag_records": 5,
        "last_poll_seconds": 3.0,
    }
    health.progress({("comments", 0): PartitionProgress("comments", 0, None, None)})
    assert (health.ready().body["lag_records"], health.ready().body["last_poll_seconds"]) == (None, None)


def test_a_batch_that_is_stuck_is_told(health: Health, clock: Clock) -> None:
    health.in_hand(clock.now)
    clock.now += BATCH_SECONDS + 10
    health.turned()
    health.broker_answered(clock.now)
    assert reasons(health) == ["a batch has been in hand for 70 s"]
    assert health.alive().good
    health.in_hand(None)
    assert reasons(health) == []


@pytest.fixture
def server(health: Health) -> Iterator[MetricsServer]:
    registry = CollectorRegistry()
    Metrics(registry)
    with MetricsServer(registry, host="127.0.0.1", port=0, questions=health.questions) as running:
        yield running


def ask(server: MetricsServer, path: str, method: str = "GET") -> tuple[int, str]:
    client = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    client.request(method, path)
    response = client.getresponse()
    status, text = response.status, response.read().decode()
    client.close()
    return status, text


def asked(server: MetricsServer, path: str) -> tuple[int, dict[str, Any]]:
    status, text = ask(server, path)
    return status, json.loads(text)


def test_pages_answer_with_200_or_503_and_json(server: MetricsServer, health: Health, clock: Clock) -> None:
    assert asked(server, "/health")[0] == 200
    status, body = asked(server, "/ready")
    assert (status, body["status"], body["phase"]) == (200, "pass", "running")
    clock.now += 100
    status, body = asked(server, "/ready")
    assert (status, body["status"], len(body["reasons"])) == (503, "fail", 2)
    assert asked(server, "/health")[0] == 503
    assert ask(server, "/metrics")[1].startswith("# HELP")


def test_other_pages_and_methods_are_refused(server: MetricsServer) -> None:
    assert asked(server, "/table/x") == (404, {"error": "here are /metrics, /health, /ready"})
    assert ask(server, "/ready", "POST")[0] == 405
    assert ask(server, "/ready", "HEAD") == (200, "")


async def test_draining_waits_for_what_is_in_hand_and_begins_nothing() -> None:
    state = WorkerState(Metrics(CollectorRegistry()))
    assert await state.drain(0)
    state = WorkerState(Metrics(CollectorRegistry()))
    done = asyncio.Event()
    begun: list[int] = []

    async def batch(number: int) -> None:
        async with state.in_hand():
            begun.append(number)
            await done.wait()

    first = asyncio.create_task(batch(1))
    await asyncio.sleep(0)
    assert not state.is_idle
    assert not await state.drain(0.01)
    second = asyncio.create_task(batch(2))
    draining = asyncio.create_task(state.drain(5))
    await asyncio.sleep(0)
    done.set()
    assert await draining
    await first
    assert begun == [1]
    second.cancel()
