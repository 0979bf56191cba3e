"""`narrawatch dead-letters` on a real broker: what is listed, sent again, given up; and only once."""

import base64
import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pytest
from click.testing import CliRunner, Result
from kafka import KafkaProducer

from streams.broker import EmbeddedBroker
from streams.cli import narrawatch
from streams.connection import producer_options
from streams.errors import RejectedComment, RejectReason
from streams.records import DeadLetter, cut_letter, dead_letter, encode_dead_letter
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics, topic_name
from tests.integration.live import Line, Worker, environment_of, records, send, wait_until_done

pytestmark = pytest.mark.integration

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def settings(broker: EmbeddedBroker, tmp_path: Path) -> Settings:
    """Topics and a group of its own for each test, on one broker."""
    name = f"d{time.monotonic_ns()}"
    made = load_settings(
        kafka_bootstrap=broker.address,
        kafka_embedded=True,
        topic_prefix=f"{name}-",
        app_id=name,
        partitions=2,
        model="hash",
        data_dir=tmp_path,
        cache_dir=tmp_path,
        metrics_port=0,
        author_key="a key of authors for the tests",
    )
    create_topics(made)
    return made


def put_aside(settings: Settings, letters: Sequence[bytes]) -> None:
    producer = KafkaProducer(**producer_options(settings))
    for raw in letters:
        producer.send(topic_name(settings, Topic.DEAD_LETTERS), raw)
    producer.flush(30)
    producer.close()


def letter(
    settings: Settings, offset: int, raw: bytes = b"{", reason: RejectReason = RejectReason.INVALID_JSON
) -> DeadLetter:
    rejection = RejectedComment(reason, "wrong").at(topic_name(settings, Topic.COMMENTS), 1, offset)
    return dead_letter(raw, rejection, at=NOW, key=f"s:{offset}".encode())


def invoke(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(
        narrawatch, ["dead-letters", *arguments], prog_name="narrawatch", env=environment_of(settings)
    )


def listed(settings: Settings, *arguments: str) -> list[dict[str, Any]]:
    result = invoke(settings, "list", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_replay_sends_what_it_can_once_and_says_what_it_cannot(settings: Settings) -> None:
    large = letter(settings, 3, b'{"id": "3", "text": "' + b"x" * 3_000_000 + b'"}', RejectReason.TOO_LARGE)
    rejection = RejectedComment(RejectReason.INVALID_JSON, "wrong")
    of_a_file = dead_letter(b"{", rejection, at=NOW, place="a.jsonl:7")
    letters = [
        letter(settings, 1, b"\xff\x00 one"),
        letter(settings, 1, b"\xff\x00 one"),  # put aside twice, as after a crash
        letter(settings, 2, b'{"id": "2"}', RejectReason.INVALID_RECORD),
        large,
        cut_letter(letter(settings, 4, b"y" * 900_000)),
        of_a_file,
    ]
    put_aside(settings, [encode_dead_letter(one) for one in letters] + [b"somebody's own record"])

    assert [one["offset"] for one in listed(settings)] == [1, 2, 3, 4, None]
    first = listed(settings, "--limit", "1")[0]
    assert base64.b64decode(first["original"]) == b"\xff\x00 one"
    assert base64.b64decode(first["key"]) == b"s:1"
    assert (first["reason"], first["is_whole"], first["treatment"]) == ("invalid_json", True, None)
    shown = invoke(settings, "list")
    assert "5 dead letters" in shown.stdout
    assert "1 records of the topic are no dead letters" in shown.stderr

    dry = invoke(settings, "replay", "--all", "--dry-run")
    assert (dry.exit_code, "3 dead letters would be replayed" in dry.stdout) == (1, True)
    assert records(settings, Topic.COMMENTS) == []

    some = invoke(settings, "replay", "--reason", "invalid_record", "--yes", "--json")
    assert (some.exit_code, json.loads(some.stdout)["replayed"]) == (0, 1)
    done = invoke(settings, "replay", "--all", "--yes")
    assert (done.exit_code, "2 dead letters replayed" in done.stdout) == (1, True)
    assert "700000 of its 900000 bytes were kept" in done.stderr
    assert "a.jsonl:7: it never was in a topic" in done.stderr
    again = invoke(settings, "replay", "--all", "--yes")
    assert "0 dead letters replayed" in again.stdout

    sent = {record.key: record.value for record in records(settings, Topic.COMMENTS)}
    assert len(records(settings, Topic.COMMENTS)) == 3
    assert sent == {b"s:1": b"\xff\x00 one", b"s:2": b'{"id": "2"}', b"s:3": large.original}

    assert [one["offset"] for one in listed(settings)] == [4, None]
    states = [one["treatment"] for one in listed(settings, "--all")]
    assert states == ["replayed", "replayed", "replayed", None, None]


def test_what_was_dropped_is_not_sent_and_places_are_checked(settings: Settings) -> None:
    place = letter(settings, 1).place
    put_aside(settings, [encode_dead_letter(letter(settings, offset)) for offset in range(1_200)])
    assert invoke(settings, "drop", place, "--yes").stdout == "1 dead letter dropped\n"
    assert invoke(settings, "replay", place, "--yes").stdout == "0 dead letters replayed\n"
    wrong = invoke(settings, "drop", "comments[9]@9", "--yes")
    assert (wrong.exit_code, "no dead letter is of comments[9]@9" in wrong.output) == (1, True)
    dropped = json.loads(invoke(settings, "drop", "--topic", "comments", "--yes", "--json").stdout)
    assert dropped["dropped"] == 1_199  # in more than one mark
    summary = invoke(settings, "list", "--summary").stdout
    assert summary == "0 dead letters\n"
    assert records(settings, Topic.COMMENTS) == []


def test_a_letter_of_a_worker_can_be_mended_by_its_replay(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comment too large for today's setting is taken after the setting was raised."""
    raw = json.dumps({"id": "9", "text": "A claim that is long. " * 200_000}).encode()
    tight = settings.model_copy(update={"max_comment_bytes": 1_000})
    with (tmp_path / "worker.log").open("w") as log:
        with Worker(tight, log) as worker:
            worker.ready()
            send(settings, [Line(b":9", raw)])
            wait_until_done(settings)
            worker.stop()
        (found,) = listed(settings)
        assert (found["reason"], found["is_whole"]) == ("too_large", True)
        assert base64.b64decode(found["original"]) == raw
        assert invoke(settings, "replay", "--all", "--yes").exit_code == 0
        wide = settings.model_copy(update={"max_comment_bytes": 9_000_000})
        assert takes_one(wide, log)
    assert listed(settings) == []


def takes_one(settings: Settings, log: IO[str]) -> bool:
    with Worker(settings, log) as worker:
        worker.ready()
        deadline = time.monotonic() + 60
        while worker.metric("narrawatch_comments_total") < 1:
            assert time.monotonic() < deadline, "the comment was not taken"
            time.sleep(0.2)
        worker.stop()
    return True


def test_a_broker_that_is_away_or_empty_is_one_line(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"topic_prefix": "never-"})
    result = invoke(elsewhere, "list")
    assert (result.exit_code, "lacks the topic never-dead-letters" in result.output) == (1, True)
    down = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    result = invoke(down, "drop", "--all", "--yes")
    assert (result.exit_code, "does not answer" in result.output) == (1, True)
