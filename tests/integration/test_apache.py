"""Apache Kafka on this machine: it keeps what it acknowledged, and ends with whoever started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaProducer, TopicPartition

from streams.apache import jars
from streams.apache.broker import ApacheBroker
from streams.apache.jars import fetch_jars, find_java
from streams.connection import ask_admin, open_consumer, producer_options
from streams.errors import BrokerError
from streams.guarded import is_running
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics, describe_topics
from tests.apache import QUICK_COMPACTION, QUICK_RESTART, require_apache

if TYPE_CHECKING:
    from kafka import DescribedPartition  # a type of the stubs alone

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SECONDS = 60.0


@pytest.fixture
def cache_dir(model_cache_dir: Path) -> Path:
    require_apache(model_cache_dir)
    return model_cache_dir


def settings_of(broker: ApacheBroker) -> Settings:
    return load_settings(kafka_bootstrap=broker.address)


def make_topic(settings: Settings, name: str, *, policy: str = "delete") -> None:
    spec = {"num_partitions": 1, "replication_factor": 1, "configs": {"cleanup.policy": policy}}
    ask_admin(settings, lambda admin: admin.create_topics({name: spec}, raise_errors=False))
    ask_admin(settings, lambda admin: admin.wait_for_topics([name]))


def send(settings: Settings, name: str, values: Sequence[bytes], *, key: bytes | None = None) -> None:
    """Each is acknowledged when this returns."""
    producer = KafkaProducer(**producer_options(settings))
    for future in [producer.send(name, value, key=key) for value in values]:
        future.get(SECONDS)
    producer.close()


def read(settings: Settings, name: str) -> list[bytes]:
    place = TopicPartition(name, 0)
    found: list[bytes] = []
    with open_consumer(settings) as consumer:
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        end = consumer.end_offsets([place])[place]
        while consumer.position(place) < end:
            found += [
                record.value or b"" for batch in consumer.poll(timeout_ms=500).values() for record in batch
            ]
    return found


def partition_of(settings: Settings, name: str) -> "DescribedPartition":
    (topic,) = ask_admin(settings, lambda admin: admin.describe_topics([name]))
    return topic["partitions"][0]


def wait_until(condition: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, condition
        time.sleep(0.1)


def test_what_was_acknowledged_outlives_a_killed_broker(cache_dir: Path, tmp_path: Path) -> None:
    data = tmp_path / "kafka data, été"
    with ApacheBroker(cache_dir=cache_dir, data=data, properties=QUICK_RESTART) as broker:
        address, settings = broker.address, settings_of(broker)
        make_topic(settings, "kept")
        send(settings, "kept", [b"1", b"2"])
        pid = broker.pids[1]
        broker.kill(1)
        assert not is_running(pid)
        broker.start_node(1)
        assert broker.address == address
        assert read(settings, "kept") == [b"1", b"2"]
        send(settings, "kept", [b"3"])
    with pytest.raises(BrokerError, match="holds a cluster of 1 nodes, not 3"):
        ApacheBroker(cache_dir=cache_dir, data=data, nodes=3).start()
    with ApacheBroker(cache_dir=cache_dir, data=data) as broker:  # on other ports
        assert read(settings_of(broker), "kept") == [b"1", b"2", b"3"]


def test_three_nodes_lose_nothing_with_one_of_them(cache_dir: Path) -> None:
    with ApacheBroker(cache_dir=cache_dir, nodes=3, properties=QUICK_RESTART) as broker:
        settings = settings_of(broker).model_copy(update={"replication_factor": 3, "partitions": 1})
        create_topics(settings)
        copied = str(Topic.COMMENTS)
        send(settings, copied, [b"1"])
        killed = partition_of(settings, copied)["leader_id"]
        broker.kill(killed)
        wait_until(
            "another node leads", lambda: partition_of(settings, copied)["leader_id"] not in (killed, -1)
        )
        send(settings, copied, [b"2"])
        for _ in range(5):  # whichever node is asked first
            assert all(state.partitions for state in describe_topics(settings))
        assert read(settings, copied) == [b"1", b"2"]
        broker.start_node(killed)
        assert len(broker.pids) == 3
        others = [node for node in broker.pids if node != killed]
        wait_until(
            "the copies are whole again", lambda: len(partition_of(settings, copied)["isr_nodes"]) == 3
        )
        broker.stop_node(others[0])
        assert read(settings, copied) == [b"1", b"2"]


def test_compaction_can_be_had_in_seconds(cache_dir: Path) -> None:
    with ApacheBroker(cache_dir=cache_dir, properties=QUICK_COMPACTION) as broker:
        settings = settings_of(broker)
        make_topic(settings, "states", policy="compact")
        for value in (b"1", b"2", b"3"):
            send(settings, "states", [value], key=b"k")
            time.sleep(0.6)  # longer than a segment
        send(settings, "states", [b"last"], key=b"k")
        wait_until("the earlier states are gone", lambda: read(settings, "states") in ([b"3", b"last"],))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_parent_however_that_ends(
    how: signal.Signals, cache_dir: Path, tmp_path: Path
) -> None:
    program = (
        "import sys, time; from pathlib import Path; from streams.apache.broker import ApacheBroker;"
        "broker = ApacheBroker(cache_dir=Path(sys.argv[1])).start();"
        "print(broker.pids[1], flush=True); time.sleep(300)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(cache_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.send_signal(how)
        parent.wait(10)
        wait_until("the broker is gone", lambda: not is_running(pid))
        wait_until("its folder is gone", lambda: not any(tmp_path.glob("narrawatch-*")))
    finally:
        parent.kill()
        parent.communicate()


def test_the_command_says_where_it_answers_and_goes_on_with_its_data(cache_dir: Path, tmp_path: Path) -> None:
    for values in ([b"1"], [b"1", b"2"]):
        command = [sys.executable, "-m", "streams", "broker", "apache", "--data", str(tmp_path / "data")]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"NARRAWATCH_CACHE_DIR": str(cache_dir)},
        )
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith(f"Apache Kafka {jars.KAFKA_VERSION} answers on 127.0.0.1:")
            settings = load_settings(kafka_bootstrap=first.split()[5])
            if values == [b"1"]:
                make_topic(settings, "kept")
            send(settings, "kept", values[-1:])
            assert read(settings, "kept") == values
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == 130
        assert errors == ""


def test_what_is_missing_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerError, match=r"needs Java 17 or later.*apt-get install default-jre-headless"):
        find_java()
    with pytest.raises(BrokerError, match="no mvn: on Debian, apt-get install maven"):
        fetch_jars(tmp_path)
    program(tmp_path / "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    with pytest.raises(BrokerError, match=r"java: openjdk version \"11\.0\.2\""):
        find_java()


def test_without_java_a_test_is_skipped_but_fails_where_it_must_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs Java 17"):
        require_apache(tmp_path)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs Java 17"):
        require_apache(tmp_path)


def test_the_jars_are_fetched_once_and_an_interrupted_fetch_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Maven is a script here: breaks down in the middle, then goes on with what it has."""
    tools, cache = tmp_path / "tools", tmp_path / "cache"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    program(
        tools / "mvn",
        """
        for word in "$@"; do case $word in
          -Dmaven.repo.local=*) repository=${word#*=};;
          -DoutputDirectory=*) jars=${word#*=};;
        esac; done
        echo run >> "$(dirname "$0")/runs"
        mkdir -p "$repository" "$jars"
        if [ ! -e "$(dirname "$0")/network" ]; then
          echo half > "$repository/a.jar"
          echo '[ERROR] Could not transfer artifact a'; echo '[ERROR] more of it'; exit 1
        fi
        cp "$repository/a.jar" "$jars/"
        """,
    )
    with pytest.raises(BrokerError, match=r"cannot fetch Apache Kafka: Could not transfer artifact a$"):
        fetch_jars(cache)
    (tools / "network").touch()
    folder = fetch_jars(cache)
    assert (folder / "a.jar").read_text() == "half\n"
    runs = (tools / "runs").read_text()
    assert fetch_jars(cache) == folder
    assert (tools / "runs").read_text() == runs
    (folder / "a.jar").unlink()  # someone has tidied up: what is not whole is fetched anew
    with pytest.raises(BrokerError, match="cannot fetch"):
        fetch_jars(cache)


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
