"""The whole way on a real broker, with real worker processes: the sample stream, bad input, kills.

The reference is the engine run directly on the same claims. With one partition of comments the worker must
give the same to the letter, whatever its batches and however often it was killed; with several, the same up
to the order in which comments of different partitions came.
"""

import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import pytest
from pydantic import SecretStr
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from models.embedding import load_embedder
from models.language import LanguageDetector
from models.outcome import Mention, NarrativeView
from models.preparation import ClaimMaker
from streams.apache.broker import ApacheBroker
from streams.author_key import resolve_author_key
from streams.broker import EmbeddedBroker
from streams.comments import comment_key
from streams.engines import EngineMaker
from streams.errors import RejectReason
from streams.ingest.files import read_comments
from streams.originals import original_of
from streams.records import decode_dead_letter
from streams.results import (
    EventRecord,
    MentionRecord,
    MergedNarrative,
    NarrativeRecord,
    decode_narrative,
)
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics
from tests.apache import QUICK_RESTART
from tests.integration.live import (
    ROOT,
    STOP_SECONDS,
    Line,
    Worker,
    records,
    run,
    send,
    wait_until_done,
)
from tests.streams.chat_endpoint import KEY, MODEL, Reply, chat_endpoint

pytestmark = pytest.mark.integration

SAMPLE = ROOT / "streams" / "samples" / "comments.jsonl"


class Reference(NamedTuple):
    """What a direct run says."""

    views: dict[str, NarrativeView]
    mentions: set[tuple[str, str, bool]]
    standing: set[tuple[str, str]]
    events: list[tuple[str, str, int]]  # type, narrative, mentions
    merged: dict[str, str]
    comments: int
    claims: int


@pytest.fixture
def settings(apache_broker: ApacheBroker, tmp_path: Path, model_cache_dir: Path) -> Settings:
    """Topics and a group of its own for each test, on one broker."""
    name = f"t{time.monotonic_ns()}"
    return load_settings(
        kafka_bootstrap=apache_broker.address,
        topic_prefix=f"{name}-",
        app_id=name,
        partitions=1,
        model="hash",
        data_dir=tmp_path,
        cache_dir=model_cache_dir,
        metrics_port=0,
        author_key="a key of authors for the tests",
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[IO[str]]:
    with (tmp_path / "worker.log").open("w") as file:
        yield file


def sample() -> list[Line]:
    lines = SAMPLE.read_bytes().splitlines()
    return [
        Line(None if item.comment is None else comment_key(item.comment), line)
        for item, line in zip(read_comments(SAMPLE, max_bytes=1_000_000), lines, strict=True)
    ]


def direct(settings: Settings) -> Reference:
    embedder, detector = load_embedder(settings.model, cache_dir=settings.cache_dir), LanguageDetector()
    key = resolve_author_key(settings)
    originals = [
        original_of(
            item.comment,
            author_key=key,
            arrival_ms=round(time.time() * 1000),
            future_tolerance_seconds=settings.future_tolerance_seconds,
        )
        for item in read_comments(SAMPLE, max_bytes=1_000_000)
        if item.comment is not None
    ]
    claims = [group for group in ClaimMaker(embedder, detector).make(originals) if group]
    engine = EngineMaker(settings, embedder, detector)(settings.desk)
    with threadpool_limits(limits=1, user_api="blas"):  # as the worker does; three times as fast here
        outcome = engine.observe(claims)
    merged = {event.narrative_id: event.into for event in outcome.events if event.into is not None}
    return Reference(
        views={view.narrative_id: view for view in engine.narratives()},
        mentions=mentions_of(outcome.mentions),
        standing=standing(outcome.mentions, merged),
        events=[(event.type.value, event.narrative_id, event.mentions) for event in outcome.events],
        merged=merged,
        comments=len(claims),
        claims=sum(len(group) for group in claims),
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Of the fake model."""
    folder = tmp_path_factory.mktemp("reference")
    return direct(load_settings(model="hash", data_dir=folder, author_key="a key of authors for the tests"))


def mentions_of(mentions: Sequence[Mention]) -> set[tuple[str, str, bool]]:
    return {(mention.narrative_id, mention.comment_id, mention.withdrawn) for mention in mentions}


def standing(mentions: Sequence[Mention], merged: dict[str, str]) -> set[tuple[str, str]]:
    """Which narratives comments are mentions of in the end: the last that is said of the two holds."""
    last = {(resolved(one.narrative_id, merged), one.comment_id): one.withdrawn for one in mentions}
    return {pair for pair, withdrawn in last.items() if not withdrawn}


def found_narratives(settings: Settings) -> dict[str, NarrativeRecord | MergedNarrative]:
    """What a reader of the compacted topic alone knows."""
    found = [decode_narrative(record.value or b"") for record in records(settings, Topic.NARRATIVES)]
    return {one.narrative_id: one for one in found}


def found_mentions(settings: Settings) -> list[MentionRecord]:
    decoder = msgspec.json.Decoder(MentionRecord)
    return [decoder.decode(record.value or b"") for record in records(settings, Topic.MENTIONS)]


def found_events(settings: Settings) -> list[tuple[str, str, int]]:
    decoder = msgspec.json.Decoder(EventRecord)
    events = [decoder.decode(record.value or b"") for record in records(settings, Topic.EVENTS)]
    return [(event.type.value, event.narrative_id, event.mentions) for event in events]


def assert_same(settings: Settings, expected: Reference) -> None:
    found = found_narratives(settings)
    living = {key: view for key, view in found.items() if isinstance(view, NarrativeRecord)}
    assert living.keys() == expected.views.keys()
    for key, view in expected.views.items():
        # A page shows the last state that was told; what has not changed since was not told again.
        assert msgspec.structs.asdict(view).items() <= msgspec.structs.asdict(living[key]).items()
    merged = {key: one.into for key, one in found.items() if isinstance(one, MergedNarrative)}
    assert merged == expected.merged
    assert mentions_of(found_mentions(settings)) == expected.mentions


@pytest.mark.parametrize("batch", [1, 16, 256])
def test_one_partition_gives_what_a_direct_run_gives(
    settings: Settings, reference: Reference, log: IO[str], batch: int
) -> None:
    settings = settings.model_copy(update={"batch_max_comments": batch})
    create_topics(settings)
    with Worker(settings, log) as worker:
        worker.ready()
        send(settings, sample())
        wait_until_done(settings)
        assert worker.metric("narrawatch_comments_total") == reference.comments
        assert worker.metric("narrawatch_claims_total") == reference.claims
        assert worker.metric("narrawatch_events_total", type="emerged") == sum(
            kind == "emerged" for kind, _, _ in reference.events
        )
        worker.shows("narrawatch_narratives", len(reference.views))
        worker.shows("narrawatch_comment_to_metric_seconds_count", reference.comments)
        worker.shows("narrawatch_consumer_lag_records", 0)
        worker.shows("narrawatch_queue_claims", 0)
        worker.stop()
    assert_same(settings, reference)
    assert found_events(settings) == reference.events


def test_a_refined_label_follows_its_narrative(settings: Settings, log: IO[str]) -> None:
    with chat_endpoint(Reply("{label}, they say")) as endpoint:
        api = {"label_api_url": endpoint.url, "label_api_model": MODEL, "label_api_key": SecretStr(KEY)}
        settings = settings.model_copy(update=api)
        create_topics(settings)
        with Worker(settings, log) as worker:
            worker.ready()
            send(settings, sample())
            wait_until_done(settings)
            deadline = time.monotonic() + STOP_SECONDS
            while worker.metric("narrawatch_label_refinements_total", outcome="refined") < 1:
                assert time.monotonic() < deadline, "no label was refined"
                time.sleep(0.1)
            worker.stop()
    found = [one for one in found_narratives(settings).values() if isinstance(one, NarrativeRecord)]
    refined = [one for one in found if one.plain_label is not None]
    assert refined
    assert all(one.label.endswith(", they say") for one in refined)


def test_four_partitions_and_two_workers_agree_with_a_direct_run(
    settings: Settings, reference: Reference, log: IO[str]
) -> None:
    settings = settings.model_copy(update={"partitions": 4, "batch_max_comments": 32})
    create_topics(settings)
    with Worker(settings, log) as first, Worker(settings, log) as second:
        first.ready()
        second.ready()
        send(settings, sample())
        wait_until_done(settings)
        workers = (first, second)
        assert sum(one.metric("narrawatch_comments_total") for one in workers) == reference.comments
        assert sum(one.metric("narrawatch_claims_total") for one in workers) == reference.claims
        assert all(one.metric("narrawatch_embed_batch_texts_sum") > 0 for one in workers)
        for one in workers:
            one.stop()
    found = found_narratives(settings)
    merged = {key: one.into for key, one in found.items() if isinstance(one, MergedNarrative)}
    told = standing(found_mentions(settings), merged)
    counted = Counter(narrative for narrative, _ in told)
    assert counted == {key: view.mentions for key, view in found.items() if isinstance(view, NarrativeRecord)}
    assert agreement(told, reference.standing) >= 0.98


def resolved(narrative: str, merged: dict[str, str]) -> str:
    while narrative in merged:
        narrative = merged[narrative]
    return narrative


def agreement(found: set[tuple[str, str]], expected: set[tuple[str, str]]) -> float:
    """ARI over all comments; a comment of no narrative is a group of its own."""
    comments = [json.loads(line.value)["id"] for line in sample()]

    def labels(pairs: set[tuple[str, str]]) -> list[str]:
        narratives = {comment: narrative for narrative, comment in sorted(pairs)}
        return [narratives.get(comment, comment) for comment in comments]

    return float(adjusted_rand_score(labels(expected), labels(found)))


def test_a_worker_that_is_killed_and_started_again_gives_the_same(
    settings: Settings, reference: Reference, log: IO[str]
) -> None:
    settings = settings.model_copy(update={"batch_max_comments": 16})
    create_topics(settings)
    send(settings, sample())
    for stop_after in (60, 150):
        with Worker(settings, log) as worker:
            worker.ready()
            while worker.metric("narrawatch_comments_total") < stop_after:
                time.sleep(0.02)
            worker.process.send_signal(signal.SIGKILL)
            worker.process.wait(5)
    with Worker(settings, log) as worker:
        worker.ready()
        wait_until_done(settings)
        worker.stop()
    assert_same(settings, reference)
    # At least once: some may have been told twice, none has been left out or told otherwise.
    assert set(found_events(settings)) == set(reference.events)


def test_a_broker_that_is_killed_and_comes_back_changes_nothing(
    settings: Settings, reference: Reference, model_cache_dir: Path, log: IO[str]
) -> None:
    with ApacheBroker(cache_dir=model_cache_dir, properties=QUICK_RESTART) as own:
        settings = settings.model_copy(update={"kafka_bootstrap": own.address, "batch_max_comments": 16})
        create_topics(settings)
        with Worker(settings, log) as worker:
            worker.ready()
            send(settings, sample())
            while worker.metric("narrawatch_comments_total") < 60:
                time.sleep(0.02)
            own.kill(1)
            own.start_node(1)
            wait_until_done(settings)
            worker.stop()
        assert_same(settings, reference)
        assert set(found_events(settings)) == set(reference.events)


def test_the_packaged_model_gives_what_a_direct_run_gives(settings: Settings, log: IO[str]) -> None:
    settings = settings.model_copy(update={"model": "packaged"})
    create_topics(settings)
    with Worker(settings, log) as worker:
        worker.ready()
        send(settings, sample())
        wait_until_done(settings)
        worker.stop()
    assert_same(settings, direct(settings))


BAD: dict[bytes, RejectReason] = {
    b'{"id": "1", "text": "caf\xe9"}': RejectReason.INVALID_UTF8,
    b"{not json": RejectReason.INVALID_JSON,
    b"": RejectReason.INVALID_JSON,
    b'{"id": "2"}': RejectReason.INVALID_RECORD,
    b'{"id": "3", "text": ""}': RejectReason.EMPTY_TEXT,
    b'{"id": "4", "text": "<p><script>alert(1)</script></p>"}': RejectReason.EMPTY_TEXT,
    b'{"id": "5", "text": "\\u0000\\u0007"}': RejectReason.EMPTY_TEXT,
    b'{"id": "6", "text": "dated", "created_at": "soon"}': RejectReason.BAD_DATE,
    b'{"id": "7", "text": "' + b"x" * 5_000_000 + b'"}': RejectReason.TOO_LARGE,
}


def test_bad_input_is_put_aside_and_the_stream_goes_on(
    settings: Settings, reference: Reference, log: IO[str]
) -> None:
    good = sample()
    mixed = list(good)
    for place, raw in enumerate(BAD):
        mixed.insert(10 + 20 * place, Line(None, raw))
    mixed += good[:25]  # they come again
    create_topics(settings)
    with Worker(settings, log) as worker:
        worker.ready()
        send(settings, mixed)
        wait_until_done(settings)
        of_the_sample = len(good) - reference.comments
        assert worker.metric("narrawatch_comments_rejected_total") == len(BAD) + of_the_sample
        assert worker.metric("narrawatch_comments_rejected_total", reason="too_large") == 1
        assert worker.metric("narrawatch_comments_total") == reference.comments
        assert worker.metric("narrawatch_comments_duplicate_total") == 25 - rejected_among(
            good[:25], settings
        )
        worker.stop()
    assert_same(settings, reference)
    letters = [decode_dead_letter(record.value or b"") for record in records(settings, Topic.DEAD_LETTERS)]
    reasons = Counter(letter.reason for letter in letters)
    assert reasons - Counter({RejectReason.EMPTY_TEXT: of_the_sample}) == Counter(BAD.values())
    originals = {letter.original: letter.offset for letter in letters if letter.is_whole}
    assert {raw for raw in BAD if len(raw) < 1_000} <= originals.keys()
    assert originals[b"{not json"] == 30


def rejected_among(lines: Sequence[Line], settings: Settings) -> int:
    letters = [decode_dead_letter(record.value or b"") for record in records(settings, Topic.DEAD_LETTERS)]
    values = {line.value for line in lines}
    return sum(letter.original in values for letter in letters) // 2


def test_what_is_missing_is_one_line_and_exit_code_1(settings: Settings) -> None:
    create = settings.model_copy(update={"topic_prefix": "never-"})
    outcome = run(create, "worker")
    assert outcome.returncode == 1
    assert "lacks the topics never-comments" in outcome.stderr
    create_topics(settings)
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack():
        port = server.getsockname()[1]
        taken = run(settings.model_copy(update={"metrics_port": port}), "worker")
    assert taken.returncode == 1
    assert f"metrics_port {port}" in taken.stderr
    down = run(settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"}), "worker")
    assert down.returncode == 1
    assert "127.0.0.1:1 does not answer" in down.stderr
    for one in (outcome, taken, down):
        assert len(one.stderr.strip().splitlines()) == 1


def test_partitions_that_are_empty_are_not_waited_for(settings: Settings, log: IO[str]) -> None:
    is_counted_soon(settings.model_copy(update={"partitions": 4}), log)


def test_nor_are_they_on_the_embedded_broker(settings: Settings, log: IO[str]) -> None:
    with EmbeddedBroker() as broker:
        here = {"kafka_bootstrap": broker.address, "kafka_embedded": True, "partitions": 4}
        is_counted_soon(settings.model_copy(update=here), log)


def is_counted_soon(settings: Settings, log: IO[str]) -> None:
    """By the silence of the others alone a comment would wait for twenty seconds."""
    create_topics(settings)
    with Worker(settings, log) as worker:
        worker.ready()
        sent = time.monotonic()
        send(settings, sample()[:1])
        while worker.metric("narrawatch_comments_total") < 1:
            assert time.monotonic() < sent + 12, "the comment is not counted"
            time.sleep(0.1)
        worker.stop()
