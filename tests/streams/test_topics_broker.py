"""The embedded broker, the topics and the producer, with a real broker process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from streams import connection
from streams.broker import EmbeddedBroker
from streams.comments import Comment, encode_comment
from streams.connection import open_consumer
from streams.errors import BrokerError, RejectReason
from streams.ingest.base import RawComment, judge
from streams.ingest.files import read_comments
from streams.ingest.lines import MAX_LINE_BYTES
from streams.ingest.producer import CommentProducer
from streams.records import decode_dead_letter
from streams.settings import Settings, load_settings
from streams.topics import TOPICS, Topic, create_topics, describe_topics, topic_name

pytestmark = pytest.mark.integration

MAX_BYTES = 1_000_000


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def settings(broker: EmbeddedBroker, request: pytest.FixtureRequest) -> Settings:
    """Topics of its own for each test, on one broker."""
    prefix = f"t{abs(hash(request.node.name))}-"
    return load_settings(kafka_bootstrap=broker.address, kafka_embedded=True, topic_prefix=prefix)


def records(settings: Settings, topic: Topic) -> list[ConsumerRecord]:
    name = topic_name(settings, topic)
    with open_consumer(settings, consumer_timeout_ms=1_000) as consumer:
        partitions = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        return list(consumer)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pid: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


def test_topics_are_made_once_with_their_partitions(settings: Settings) -> None:
    names = [topic_name(settings, spec.topic) for spec in TOPICS]
    assert [state.partitions for state in describe_topics(settings)] == [0] * len(TOPICS)
    assert create_topics(settings) == names
    assert create_topics(settings) == []
    states = {state.spec.topic: state for state in describe_topics(settings)}
    assert all(state.partitions == state.wanted_partitions for state in states.values())
    assert states[Topic.COMMENTS].partitions == states[Topic.CLAIMS].partitions == settings.partitions
    assert states[Topic.EVENTS].partitions == 1


def test_another_number_of_partitions_is_said_not_changed(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    create_topics(settings)
    more = settings.model_copy(update={"partitions": 8})
    assert create_topics(more) == []
    assert "comments has 4 partitions, the settings say 8" in caplog.text
    assert describe_topics(more)[0].partitions == 4


def test_narratives_keep_their_last_state_and_authors_do_not_stay() -> None:
    retention = {spec.topic: spec.retention_days for spec in TOPICS}
    assert {topic for topic, days in retention.items() if days is None} == {
        Topic.NARRATIVES,
        Topic.STATE,
        Topic.WATCHES,
        Topic.CURSORS,
    }
    assert retention[Topic.COMMENTS] == 7


def test_a_broker_that_is_down_is_one_line_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_SECONDS", 1.0)
    nobody = load_settings(kafka_bootstrap="127.0.0.1:1")
    for action in (create_topics, describe_topics, CommentProducer):
        begun = time.monotonic()
        with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1 does not answer") as caught:
            action(nobody)
        assert "\n" not in str(caught.value)
        assert time.monotonic() - begun < 5


def test_a_port_in_use_is_one_line(broker: EmbeddedBroker) -> None:
    port = int(broker.address.rpartition(":")[2])
    with pytest.raises(BrokerError, match=f"port {port} .* in use"):
        EmbeddedBroker(port).start()
    with pytest.raises(BrokerError, match="no port"):
        EmbeddedBroker(70_000).start()


def test_the_broker_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    broker = EmbeddedBroker()
    assert broker.pid is None
    with broker:
        pid = broker.pid
        assert pid is not None
        assert is_running(pid)
        assert len(list(tmp_path.iterdir())) == 1
    assert not is_running(pid)
    assert list(tmp_path.iterdir()) == []
    broker.stop()
    with broker:
        assert broker.pid != pid


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_broker_ends_with_its_parent_however_that_ends(how: signal.Signals, tmp_path: Path) -> None:
    program = (
        "import time; from streams.broker import EmbeddedBroker;"
        "broker = EmbeddedBroker().start(); print(broker.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
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
        assert wait_until_gone(pid)
    finally:
        parent.kill()
        parent.communicate()
    deadline = time.monotonic() + 5
    while any(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_comments_arrive_in_order_and_bad_ones_as_they_are(settings: Settings, tmp_path: Path) -> None:
    create_topics(settings)
    bad = [b"{broken", b'{"id":"1","text":"\xff"}', b'{"id":"b","text":"' + b"x" * 5_000_000 + b'"}']
    good = [encode_comment(Comment(id=str(n), source="s", text=f"commentaire {n}")) for n in range(500)]
    huge = b"y" * (MAX_LINE_BYTES + 10)
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join([*good[:250], *bad, huge, *good[250:]]))
    with CommentProducer(settings) as producer:
        for item in read_comments(path, max_bytes=MAX_BYTES):
            producer.send(item)
    assert (producer.sent_count, producer.dead_letter_count) == (503, 1)
    arrived = records(settings, Topic.COMMENTS)
    assert sorted(str(record.value) for record in arrived) == sorted(str(record) for record in [*good, *bad])
    for partition in range(settings.partitions):
        keys = [record.key for record in arrived if record.partition == partition and record.key is not None]
        assert keys == sorted(keys, key=lambda key: int(key.removeprefix(b"s:")))
        assert keys
    (record,) = records(settings, Topic.DEAD_LETTERS)
    letter = decode_dead_letter(record.value or b"")
    assert (letter.reason, letter.place) == (RejectReason.TOO_LARGE, "in.jsonl:254")
    assert letter.original_size_bytes >= len(huge)


def test_the_end_of_a_partition_counts_every_record(settings: Settings) -> None:
    create_topics(settings)
    with CommentProducer(settings) as producer:
        for n in range(20):
            producer.send(item_of("same"))
            assert producer.sent_count == n + 1
    name = topic_name(settings, Topic.COMMENTS)
    with open_consumer(settings) as consumer:
        ends = consumer.end_offsets([TopicPartition(name, number) for number in range(settings.partitions)])
    assert sorted(ends.values()) == [0, 0, 0, 20]


def test_missing_topics_are_named_with_the_remedy(settings: Settings) -> None:
    with pytest.raises(BrokerError, match=r"lacks the topics .*narrawatch topics create"):
        CommentProducer(settings)


def test_a_broker_that_goes_away_is_an_error_not_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_DELIVERY_TIMEOUT_MS", 2_000)
    monkeypatch.setattr(connection, "_REQUEST_TIMEOUT_MS", 1_000)
    with EmbeddedBroker() as broker:
        settings = load_settings(kafka_bootstrap=broker.address, kafka_embedded=True)
        create_topics(settings)
        with pytest.raises(BrokerError, match="does not answer"):
            send_while_it_dies(settings, broker)


def send_while_it_dies(settings: Settings, broker: EmbeddedBroker) -> None:
    with CommentProducer(settings) as producer:
        producer.send(item_of("first"))
        producer.flush()
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        for n in range(100):
            producer.send(item_of(f"{n}"))


def item_of(comment_id: str) -> RawComment:
    return judge(encode_comment(Comment(id=comment_id, text="a")), MAX_BYTES, "test:1")
