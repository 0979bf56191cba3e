"""Watches that are added, changed and removed while a worker runs, and survive it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from streams.broker import EmbeddedBroker
from streams.results import WatchMatchRecord, decode_match
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics
from tests.integration.live import Worker, records, run, send, wait_until_done

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 30.0
TAKEOVER = "I tell you that this deal is a disguised takeover of the start-up, nothing else."
OTHER = "The keyboard of this laptop has a Breton layout, and I like it a lot."


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def settings(broker: EmbeddedBroker, tmp_path: Path) -> Settings:
    name = f"w{time.monotonic_ns()}"
    made = load_settings(
        kafka_bootstrap=broker.address,
        kafka_embedded=True,
        topic_prefix=f"{name}-",
        app_id=name,
        partitions=1,
        model="hash",
        data_dir=tmp_path,
        cache_dir=tmp_path,
        metrics_port=0,
        lateness_seconds=0,
        author_key="a key of authors for the tests",
    )
    create_topics(made)
    return made


@pytest.fixture
def log(tmp_path: Path) -> Iterator[IO[str]]:
    with (tmp_path / "worker.log").open("w") as file:
        yield file


def comment(number: int, text: str) -> tuple[bytes, bytes]:
    record = {"id": f"c{number}", "source": "quay", "author": f"author {number}", "text": text, "thread": "t"}
    return f"quay:c{number}".encode(), json.dumps(record).encode()


def matches(settings: Settings) -> list[WatchMatchRecord]:
    return [decode_match(record.value or b"") for record in records(settings, Topic.WATCH_MATCHES)]


def until(found: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def command(settings: Settings, *arguments: str) -> Any:
    done = run(settings, "watches", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_running_worker_picks_watches_up_and_the_next_one_has_them(
    settings: Settings, log: IO[str]
) -> None:
    with Worker(settings, log) as worker:
        worker.ready()
        send(settings, [comment(1, TAKEOVER)])
        wait_until_done(settings)
        added = command(
            settings, "add", "takeover", "--phrase", "disguised takeover", "--threshold-per-hour", "3"
        )
        assert (added["watch"]["threshold_per_hour"], added["replaced"]) == (3, False)
        until(lambda: worker.metric("narrawatch_watches") == 1, "the worker does not hear of the watch")
        send(settings, [comment(2, TAKEOVER), comment(3, OTHER)])
        wait_until_done(settings)
        until(lambda: len(matches(settings)) == 1, "there is no match")
        (match,) = matches(settings)
        assert (match.watch, match.comment_id, match.text) == ("takeover", "c2", TAKEOVER)
        assert match.author
        assert match.author != "author 2"
        assert worker.metric("narrawatch_watch_matches_total", watch="takeover") == 1
        worker.stop()
    with Worker(settings, log) as worker:
        worker.ready()
        assert worker.metric("narrawatch_watches") == 1
        send(settings, [comment(4, TAKEOVER)])
        wait_until_done(settings)
        until(lambda: "c4" in {match.comment_id for match in matches(settings)}, "c4 is not found")
        assert command(settings, "remove", "takeover") == {"removed": "takeover"}
        until(lambda: worker.metric("narrawatch_watches") == 0, "the worker does not hear of the removal")
        send(settings, [comment(5, TAKEOVER)])
        wait_until_done(settings)
        worker.stop()
    found_then = {match.comment_id for match in matches(settings) if not match.retroactive}
    assert found_then == {"c2", "c4"}

    found = command(settings, "test", "disguised takeover", "--since", "1h")
    assert {one["comment_id"] for one in found["matches"]} == {"c1", "c2", "c4", "c5"}
    assert found["comments"] == 5
    assert [one["comment_id"] for one in found["near_misses"]] == ["c3"]
    none = command(settings, "test", "disguised takeover", "--since", "2030-01-01")
    assert (none["comments"], none["matches"]) == (0, [])


def test_the_command_line_says_what_is_wrong(settings: Settings, tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("[[watches]]\nname = 'ours'\nphrases = ['a disguised takeover']\n", encoding="utf-8")

    def told(*arguments: str) -> tuple[int, str]:
        done = run(settings, "watches", *arguments, "--config", str(config))
        return done.returncode, done.stdout + done.stderr

    assert told("add", "ours") == (
        1,
        "narrawatch: the settings have a watch 'ours' already, which counts: change it there\n",
    )
    code, text = told("add", "x" * 65, "--phrase", "y\u202ez")
    assert code == 1
    assert "name: " in text
    assert "phrases: ('y\\u202ez',) is not allowed" in text
    assert told("remove", "theirs")[1].startswith(
        "narrawatch: no watch theirs was added: see narrawatch watch"
    )
    assert "remove it there" in told("remove", "ours")[1]
    assert told("add", "Rachat  d\u00e9guis\u00e9", "--desk", "french-tech")[0] == 0
    listed = told("list")[1]
    assert "Rachat d\u00e9guis\u00e9" in listed
    assert {line.split()[-1] for line in listed.splitlines()[1:]} == {"settings", "topic"}
    assert told("test", "a phrase")[0] == 2
