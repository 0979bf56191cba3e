"""The two agents in Faust's test context: no broker, a fake embedder, records as bytes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import faust
import msgspec
import numpy as np
import pytest
from faust import EventT
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from models.embedding import Embedder, HashEmbedder
from models.engine import Engine
from models.language import LanguageDetector
from models.outcome import EventType
from models.preparation import ClaimMaker
from models.types import Claim
from streams import claim_stage, originals
from streams.agents.narratives import NarrativesAgent
from streams.app import create_app
from streams.backlog import Drained
from streams.claim_stage import ClaimStage, Delivery, StageError
from streams.claims_log import ClaimsRecord
from streams.desk_gauges import DeskGauges
from streams.desks import Shard
from streams.engines import EngineMaker
from streams.errors import BrokenStreamError, RefinementOutcome, RejectReason
from streams.label_client import LabelClient
from streams.label_refinement import LabelRefiner
from streams.metrics import Metrics
from streams.narrative_series import NarrativeSeries
from streams.ordering import PartitionMerge
from streams.outlets import Output
from streams.records import ClaimBatch, decode_claims, decode_dead_letter, encode_claims
from streams.results import MergedNarrative, NarrativeRecord, decode_match, decode_narrative
from streams.settings import Settings, Watch, load_settings
from streams.shard_state import Keeper
from streams.topics import Topic
from streams.watch_topic import StoredWatches
from streams.worker_logs import RepeatFilter
from streams.worker_state import WorkerState
from tests.streams.chat_endpoint import KEY, MODEL, Reply, chat_endpoint

NOW_SECONDS = 1_789_000_000.0
NOW = "2026-09-10T00:26:40Z"
PATIENCE_SECONDS = 20.0


class MemoryOutlet:
    """Keeps what is sent. fails: how many sends from now on the broker refuses."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.fails = 0

    async def send(self, output: Output) -> Awaitable[object]:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self.fails:
            self.fails -= 1
            future.set_exception(ConnectionError("the broker is gone"))
        else:
            self.outputs.append(output)
            future.set_result(None)
        return future

    def values(self, topic: Topic) -> list[bytes]:
        return [output.value for output in self.outputs if output.topic is topic]


class FlakyEmbedder:
    """Fails on texts that contain a word, or on its first calls."""

    def __init__(self, *, word: str = "", first_calls: int = 0) -> None:
        self._inner = HashEmbedder()
        self._word = word
        self._calls_left = first_calls
        self.name = "flaky"
        self.dimensions = self._inner.dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if texts and self._calls_left:
            self._calls_left -= 1
            raise MemoryError("not enough memory for this batch")
        if self._word and any(self._word in text for text in texts):
            raise ZeroDivisionError("a text that the model cannot take")
        return self._inner.embed(texts)


class Bench:
    """A worker without a broker."""

    def __init__(self, settings: Settings, embedder: Embedder) -> None:
        self.settings = settings
        self.registry = CollectorRegistry()
        self.outlet = MemoryOutlet()
        self.app: faust.App = create_app(
            settings, embedder=embedder, metrics=Metrics(self.registry), outlet=self.outlet
        )

    async def comments(self, values: Sequence[bytes], expected: int) -> list[EventT[bytes]]:
        """Give these to the claims agent, and wait until so many records have come out."""
        agent = cast("Any", self.app.agents["claims"])
        async with agent.test_context() as claims:
            events = [await claims.put(value, timestamp=NOW_SECONDS, wait=False) for value in values]
            await until(lambda: len(self.outlet.outputs) >= expected or claims.crash_reason is not None)
            await until(
                lambda: all(event.message.acked for event in events) or claims.crash_reason is not None
            )
            if claims.crash_reason is not None:
                raise claims.crash_reason
        return cast("list[EventT[bytes]]", events)

    def claims(self) -> list[ClaimBatch]:
        return [decode_claims(value) for value in self.outlet.values(Topic.CLAIMS)]

    def reasons(self) -> list[RejectReason]:
        return [decode_dead_letter(value).reason for value in self.outlet.values(Topic.DEAD_LETTERS)]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing came"
        await asyncio.sleep(0.01)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        data_dir=tmp_path,
        cache_dir=tmp_path,
        batch_wait_seconds=0.05,
        partitions=1,
        model="hash",
        kafka_embedded=True,  # without a broker no state is saved
    )


@pytest.fixture
def bench(settings: Settings) -> Bench:
    return Bench(settings, HashEmbedder())


def comment(comment_id: str, text: str = "The ferry company hides its prices.", **fields: object) -> bytes:
    return msgspec.json.encode(
        {"id": comment_id, "text": text, "source": "quay", "created_at": NOW, **fields}
    )


# -- the claims agent --------------------------------------------------------------------------------------


async def test_a_comment_becomes_one_record_with_its_place(bench: Bench) -> None:
    text = "<p>The port raised its fees again. Nobody was asked, and nobody will be.</p>"
    (event,) = await bench.comments([comment("a1", text, author="Ann", thread="t", desk="ports")], 1)
    (batch,) = bench.claims()
    assert bench.outlet.outputs[0].key == b"ports"
    assert (batch.desk, batch.source, batch.comment_id) == ("ports", "quay", "a1")
    assert (batch.partition, batch.offset, batch.arrival_ms) == (0, 0, round(NOW_SECONDS * 1000))
    assert [claim.of for claim in batch.claims] == [len(batch.claims)] * len(batch.claims)
    assert "<p>" not in batch.claims[0].text
    assert "Ann" not in str(batch)
    assert event.message.acked


BAD: list[tuple[bytes, RejectReason]] = [
    (b'{"id": "1", "text": "caf\xe9"}', RejectReason.INVALID_UTF8),
    (b"{not json", RejectReason.INVALID_JSON),
    (b'{"id": "1", "text": "deep", "x": ' + b"[" * 100_000, RejectReason.INVALID_JSON),
    (b"", RejectReason.INVALID_JSON),
    (b'{"id": "2"}', RejectReason.INVALID_RECORD),
    (b'{"id": "3", "text": 7}', RejectReason.INVALID_RECORD),
    (comment("4", ""), RejectReason.EMPTY_TEXT),
    (comment("5", "<br><script>alert(1)</script><!-- -->"), RejectReason.EMPTY_TEXT),
    (comment("6", "\x00\x07 \u200b"), RejectReason.EMPTY_TEXT),
    (comment("", "An id is missing here."), RejectReason.BAD_ID),
    (comment("7", created_at="yesterday"), RejectReason.BAD_DATE),
    (comment("8", "x" * 5_000_000), RejectReason.TOO_LARGE),
]


async def test_bad_records_are_put_aside_in_between_and_the_stream_goes_on(bench: Bench) -> None:
    values = [value for value, _ in BAD for value in (comment(f"good {len(value)} {value[:9]!r}"), value)]
    events = await bench.comments(values, len(values))
    assert len(bench.claims()) == len(BAD)
    assert bench.reasons() == [reason for _, reason in BAD]
    letters = [decode_dead_letter(value) for value in bench.outlet.values(Topic.DEAD_LETTERS)]
    assert [letter.offset for letter in letters] == list(range(1, len(values), 2))
    assert all(letter.topic == "comments" and letter.partition == 0 for letter in letters)
    assert letters[0].original == BAD[0][0]
    assert letters[0].cause.startswith("UnicodeDecodeError")
    assert letters[-1].original == BAD[-1][0]
    for reason in {reason for _, reason in BAD}:
        count = sum(reason is one for _, one in BAD)
        assert bench.metric("narrawatch_comments_rejected_total", reason=reason.value) == count
    assert all(event.message.acked for event in events)


async def test_dates_beyond_belief_are_dropped_not_the_comments(bench: Bench) -> None:
    dates = ["1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2026-09-10T02:00:00Z", NOW, None]
    await bench.comments([comment(f"{n}", created_at=date) for n, date in enumerate(dates)], len(dates))
    assert [batch.claims[0].created_at_ms for batch in bench.claims()] == [
        None,
        None,
        None,
        round(NOW_SECONDS * 1000),
        None,
    ]
    assert bench.metric("narrawatch_comment_dates_refused_total") == 3


async def test_odd_but_good_records_are_taken(bench: Bench) -> None:
    values = [
        comment("1", "Nul\x00 bytes and \x1b[31mcolours\x1b[0m in the text of this one."),
        comment("2", shoe_size=43, nested={"a": [1, {"b": None}]}),
        comment("3", "<div onclick=x()>The harbour <b>closes</b> at nine.</div><style>p{}</style>"),
        comment("4", "The tide. " * 40_000),
    ]
    await bench.comments(values, len(values))
    batches = bench.claims()
    assert [batch.comment_id for batch in batches] == ["1", "2", "3", "4"]
    assert "\x00" not in batches[0].claims[0].text
    assert batches[2].claims[0].text == "The harbour closes at nine."
    assert len(batches[3].claims) <= 12


def test_a_record_says_whether_its_partition_holds_more(settings: Settings) -> None:
    maker = ClaimMaker(HashEmbedder(), LanguageDetector())
    stage = ClaimStage(settings, maker, Metrics(CollectorRegistry()), author_key=b"key")
    values = [comment("1"), comment("2"), b"broken", comment("3"), b"broken"]
    partitions = [0, 1, 1, 0, 0]

    def judged(end: int) -> list[bool]:
        deliveries = [
            Delivery(value, None, "comments", partition, offset, 0, end)
            for offset, (value, partition) in enumerate(zip(values, partitions, strict=True))
        ]
        records = [
            output for output in stage.judge(stage.read(deliveries)).outputs if output.topic is Topic.CLAIMS
        ]
        return [decode_claims(record.value).more_to_come for record in records]

    assert judged(3) == [True, False, False]  # what follows was refused
    assert judged(5) == [True, True, False]
    assert judged(6) == [True, True, True]


async def test_a_repeated_comment_counts_once(bench: Bench) -> None:
    values = [
        comment("1"),
        comment("1"),
        comment("1", source="pier"),
        comment("1", desk="other"),
        comment("2"),
    ]
    await bench.comments(values, 4)
    await bench.comments([comment("2", "An edit of it."), comment("2", "An edit of it.")], 5)
    assert len(bench.claims()) == 5
    assert bench.metric("narrawatch_comments_duplicate_total") == 2


@pytest.mark.parametrize("batch", [1, 2, 7, 256])
async def test_the_size_of_batches_changes_nothing(settings: Settings, batch: int) -> None:
    bench = Bench(settings.model_copy(update={"batch_max_comments": batch}), HashEmbedder())
    await bench.comments(
        [comment(f"{n}", f"Crane {n % 5} has stood still since May.") for n in range(30)], 30
    )
    reference = Bench(settings, HashEmbedder())
    await reference.comments(
        [comment(f"{n}", f"Crane {n % 5} has stood still since May.") for n in range(30)], 30
    )
    # Author hashes differ between benches only if their keys do: both use the same folder.
    assert [one.claims for one in bench.claims()] == [one.claims for one in reference.claims()]
    assert [one.offset for one in bench.claims()] == list(range(30))
    assert bench.metric("narrawatch_embed_batch_texts_sum") == 30


async def test_an_embedder_that_fails_once_loses_nothing(settings: Settings) -> None:
    bench = Bench(settings, FlakyEmbedder(first_calls=1))
    await bench.comments([comment(f"{n}") for n in range(10)], 10)
    assert [batch.comment_id for batch in bench.claims()] == [f"{n}" for n in range(10)]
    assert bench.reasons() == []


async def test_a_comment_that_breaks_the_model_goes_alone(settings: Settings) -> None:
    bench = Bench(settings, FlakyEmbedder(word="cursed"))
    values = [comment("1"), comment("2", "This is a cursed sentence about ships."), comment("3")]
    await bench.comments(values, 3)
    assert [batch.comment_id for batch in bench.claims()] == ["1", "3"]
    (letter,) = [decode_dead_letter(value) for value in bench.outlet.values(Topic.DEAD_LETTERS)]
    assert letter.reason is RejectReason.FAILED
    assert letter.offset == 1
    assert letter.cause == "ZeroDivisionError: a text that the model cannot take"
    assert bench.metric("narrawatch_comments_rejected_total", reason="failed") == 1


async def test_a_failure_while_cleaning_is_the_comments_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_on_two(comment: Any, **options: Any) -> Any:
        if comment.id == "2":
            raise RecursionError("too deep")
        return originals.original_of(comment, **options)

    monkeypatch.setattr("streams.claim_stage.original_of", fail_on_two)
    await bench.comments([comment("1"), comment("2"), comment("3")], 3)
    assert bench.reasons() == [RejectReason.FAILED]
    assert [batch.comment_id for batch in bench.claims()] == ["1", "3"]


async def test_a_model_that_always_fails_stops_the_worker(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_stage, "MAX_FAILURES_IN_A_ROW", 5)
    bench = Bench(settings, FlakyEmbedder(word="ferry"))
    with pytest.raises(StageError, match="5 comments failed in a row"):
        await bench.comments([comment(f"{n}") for n in range(10)], 11)
    assert bench.outlet.outputs == []


async def test_what_the_broker_refuses_is_not_acknowledged(bench: Bench) -> None:
    bench.outlet.fails = 1
    agent = cast("Any", bench.app.agents["claims"])
    async with agent.test_context() as claims:
        event = await claims.put(comment("1"), timestamp=NOW_SECONDS, wait=False)
        event.message.incref()  # as Faust's conductor does for each stream that gets a message
        await until(lambda: claims.crash_reason is not None)
        assert isinstance(claims.crash_reason, ConnectionError)
        await asyncio.sleep(0.1)
        assert not event.message.acked
    await bench.comments([comment("1")], 1)  # it comes again, and is no duplicate
    assert len(bench.claims()) == 1
    assert bench.metric("narrawatch_comments_duplicate_total") == 0


# -- the narratives agent ----------------------------------------------------------------------------------

VARIANTS = (
    "The ferry company hides its real prices until the last page.",
    "Real prices of the ferry company are hidden until the last page.",
    "Until the last page the ferry company hides its real prices from you.",
    "Why does the ferry company hide its real prices until the last page?",
    "The ferry company shows real prices on the last page and hides them before.",
    "Hidden until the last page: the real prices of the ferry company.",
)
CHATTER = (
    "My uncle grows tomatoes behind the station.",
    "Is the museum open on Mondays in winter?",
    "That photograph deserves a frame.",
)


def texts(count: int) -> list[str]:
    return [
        VARIANTS[n // 2 % len(VARIANTS)] if n % 2 else f"{CHATTER[n % 3]} Number {n}." for n in range(count)
    ]


def batch_of(n: int, text: str, *, desk: str = "default", partition: int = 0) -> ClaimBatch:
    at_ms = round(NOW_SECONDS * 1000) + n * 60_000
    vector = HashEmbedder().embed([text])[0].astype("<f2").tobytes()
    claim = Claim(
        source="quay",
        comment_id=f"c{n}",
        n=0,
        of=1,
        text=text,
        language="en",
        thread="t",
        author=f"author {n}",
        created_at_ms=at_ms,
        vector=vector,
    )
    return ClaimBatch(
        desk=desk,
        source="quay",
        comment_id=f"c{n}",
        partition=partition,
        offset=n,
        arrival_ms=at_ms,
        claims=[claim],
    )


def records_of(batches: Sequence[ClaimBatch]) -> list[ClaimsRecord]:
    return [
        ClaimsRecord(offset, batch.arrival_ms + 50, encode_claims(batch))
        for offset, batch in enumerate(batches)
    ]


class FakeMessage:
    def __init__(self, record: ClaimsRecord, partition: int) -> None:
        self.topic = "claims"
        self.partition = partition
        self.offset = record.offset
        self.key = record.key
        self.timestamp = record.written_ms / 1000
        self.references = 0

    def incref(self) -> None:
        self.references += 1


class FakeEvent:
    def __init__(self, record: ClaimsRecord, partition: int = 0) -> None:
        self.message = FakeMessage(record, partition)
        self.value = record.value
        self.acked = False

    def ack(self) -> bool:
        self.acked = True
        return True


class NarrativesBench:
    """The narratives agent around a log of claims that can be read again."""

    def __init__(
        self,
        settings: Settings,
        log: Sequence[ClaimsRecord],
        *,
        partitions: int = 1,
        keeper: Keeper | None = None,
        refiner: LabelRefiner | None = None,
    ) -> None:
        self.registry = CollectorRegistry()
        self.outlet = MemoryOutlet()
        self.now_ms = 0
        self.end: int | None = None  # of the topic, as far as it is known
        self.read: list[tuple[int, int]] = []
        embedder = HashEmbedder()
        metrics = Metrics(self.registry)
        self.state = WorkerState(metrics)
        series = NarrativeSeries(metrics, top=10)
        make_engine = EngineMaker(settings, embedder, LanguageDetector())
        self.watchlist = make_engine.watchlist

        def make_shard() -> Shard:
            merge = PartitionMerge[Any](range(partitions), lateness_seconds=settings.lateness_seconds)
            return Shard(make_engine, dimensions=embedder.dimensions, merge=merge)

        def read_claims(partition: int, start: int, end: int) -> Iterator[ClaimsRecord]:
            self.read.append((start, end))
            return iter(log[start:end])

        self.agent = NarrativesAgent(
            "claims",
            make_shard,
            read_claims,
            outlet=self.outlet,
            executor=ThreadPoolExecutor(1),
            metrics=metrics,
            gauges=DeskGauges(metrics, series)
            if refiner is None
            else DeskGauges(metrics, series, overlaid=refiner.overlaid),
            state=self.state,
            end_of=lambda _: self.end,
            keeper=keeper,
            refiner=refiner,
            clock=lambda: self.now_ms,
        )

    async def give(self, records: Sequence[ClaimsRecord], size: int = 7) -> list[FakeEvent]:
        events = [FakeEvent(record) for record in records]
        for start in range(0, len(events), size):
            await self.agent.process(cast("Any", events[start : start + size]))
        return events

    def narratives(self) -> dict[str, NarrativeRecord | MergedNarrative]:
        """What a reader of the compacted topic knows."""
        found = [decode_narrative(value) for value in self.outlet.values(Topic.NARRATIVES)]
        return {one.narrative_id: one for one in found}

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def direct(settings: Settings, batches: Sequence[ClaimBatch]) -> Engine:
    engine = EngineMaker(settings, HashEmbedder(), LanguageDetector())("default")
    engine.observe([batch.claims for batch in batches])
    return engine


async def test_claims_become_narratives_as_in_a_direct_run(settings: Settings) -> None:
    batches = [batch_of(n, text) for n, text in enumerate(texts(60))]
    bench = NarrativesBench(settings, [])
    events = await bench.give(records_of(batches))
    expected = {view.narrative_id: view for view in direct(settings, batches).narratives()}
    assert expected
    found = bench.narratives()
    assert {
        one.narrative_id: (one.label, one.mentions, one.authors)
        for one in found.values()
        if isinstance(one, NarrativeRecord)
    } == {view.narrative_id: (view.label, view.mentions, view.authors) for view in expected.values()}
    assert all(event.acked for event in events)
    assert bench.metric("narrawatch_comments_total", desk="default") == 60
    emerged, merged = (
        bench.metric("narrawatch_events_total", desk="default", type=kind) or 0.0
        for kind in ("emerged", "merged")
    )
    assert emerged - merged == len(expected)
    kinds = [output.topic for output in bench.outlet.outputs]
    assert kinds.index(Topic.NARRATIVES) < kinds.index(Topic.EVENTS)


async def test_the_agent_runs_in_fausts_test_context(bench: Bench) -> None:
    records = records_of([batch_of(n, text) for n, text in enumerate(texts(40))])
    agent = cast("Any", bench.app.agents["narratives"])
    async with agent.test_context() as narratives:
        for record in [*records, ClaimsRecord(40, 0, b"not a record")]:
            await narratives.put(record.value, timestamp=record.written_ms / 1000, wait=False)
        await until(lambda: bool(bench.outlet.values(Topic.DEAD_LETTERS)))
    (event, *_) = [msgspec.json.decode(value) for value in bench.outlet.values(Topic.EVENTS)]
    assert (event["type"], event["desk"]) == (EventType.EMERGED, "default")
    assert event["narrative"]["quotes"]
    assert bench.reasons() == [RejectReason.INVALID_RECORD]


async def test_a_restarted_worker_goes_on_as_if_it_had_never_gone(settings: Settings) -> None:
    batches = [batch_of(n, text) for n, text in enumerate(texts(60))]
    log = records_of(batches)
    whole = NarrativesBench(settings, log)
    await whole.give(log)
    for cut in (1, 17, 40, 59):
        restarted = NarrativesBench(settings, log)
        await restarted.give(log[cut:])
        assert restarted.read == [(0, cut)]
        views = whole.narratives()
        assert {key: views[key] for key in restarted.narratives()} == restarted.narratives()
        said = whole.outlet.values(Topic.EVENTS)
        assert set(restarted.outlet.values(Topic.EVENTS)) <= set(said)
        assert restarted.metric("narrawatch_comments_total", desk="default") == 60 - cut


async def test_state_is_there_before_the_next_record_comes(settings: Settings) -> None:
    log = records_of([batch_of(n, text) for n, text in enumerate(texts(60))])
    bench = NarrativesBench(settings, log)
    await bench.agent.assigned({0: 60})
    assert bench.outlet.outputs == []
    assert (bench.metric("narrawatch_narratives", desk="default", state="emerged") or 0) > 0
    await bench.agent.assigned({3: 0})  # partition 0 went to another worker
    assert bench.metric("narrawatch_narratives", desk="default", state="emerged") is None


async def test_what_is_known_to_be_empty_is_not_waited_for(settings: Settings) -> None:
    log = records_of([batch_of(0, "A takeover in disguise."), batch_of(1, "It is a takeover, disguised.")])
    log[1] = log[1]._replace(written_ms=log[0].written_ms + 100)
    bench = NarrativesBench(settings, log, partitions=2)
    bench.now_ms = log[1].written_ms
    (first,) = await bench.give(log[:1])
    assert bench.agent.waiting == {0: 1}
    bench.agent.drained(0, Drained(frozenset({1}), claims_end=2, before=1))
    bench.agent.drained(5, Drained(frozenset({1}), claims_end=0, before=9))  # of another worker by now
    await bench.agent.tick()
    assert not first.acked, "a claim before that end may be from there"
    (second,) = await bench.give(log[1:])
    await bench.agent.tick()
    assert first.acked
    assert not second.acked, "it came after that was known"


async def test_after_a_rebalance_other_partitions_are_given_time_again(settings: Settings) -> None:
    log = records_of([batch_of(0, "A takeover in disguise, nothing else.")])
    bench = NarrativesBench(settings, log, partitions=2)
    written, grace = log[0].written_ms, 5_000

    async def is_out_after(seconds: int) -> bool:
        bench.now_ms = written + grace + seconds * 1000
        await bench.agent.tick()
        return bench.state.claims_waiting == 0

    (event,) = await bench.give(log)
    assert not await is_out_after(19)
    await bench.agent.assigned({0: 0})
    assert not await is_out_after(38)
    assert await is_out_after(39)
    assert event.acked


async def test_records_that_come_again_are_not_said_again(settings: Settings) -> None:
    log = records_of([batch_of(n, text) for n, text in enumerate(texts(60))])
    bench = NarrativesBench(settings, log)
    await bench.give(log)
    before = list(bench.outlet.outputs)
    events = await bench.give(log[30:])
    assert bench.outlet.outputs == before
    assert all(event.acked for event in events)


async def test_results_that_do_not_arrive_are_found_again(settings: Settings) -> None:
    log = records_of([batch_of(n, text) for n, text in enumerate(texts(60))])
    reference = NarrativesBench(settings, log)
    await reference.give(log)
    bench = NarrativesBench(settings, log)
    bench.outlet.fails = 1
    events = [FakeEvent(record) for record in log]
    with pytest.raises(ConnectionError):
        await bench.agent.process(cast("Any", events))
    assert not any(event.acked for event in events)
    await bench.give(log)
    assert bench.narratives() == reference.narratives()


async def test_partitions_of_comments_are_put_in_order_and_acknowledged_in_theirs(settings: Settings) -> None:
    batches = [batch_of(n, text, partition=n % 2) for n, text in enumerate(texts(60))]
    one_after_the_other = [*batches[0::2], *batches[1::2]]
    now = batches[-1].arrival_ms
    log = [
        ClaimsRecord(offset, now + offset, encode_claims(batch))
        for offset, batch in enumerate(one_after_the_other)
    ]
    bench = NarrativesBench(settings, log, partitions=2)
    events = await bench.give(log[:50])
    acked = [event.acked for event in events]
    assert acked == sorted(acked, reverse=True)
    assert not all(acked)
    events += await bench.give(log[50:])
    bench.now_ms = now + 10_000_000
    await bench.agent.tick()
    assert all(event.acked for event in events)
    expected = {view.narrative_id: view.mentions for view in direct(settings, batches).narratives()}
    found = bench.narratives().values()
    assert {one.narrative_id: one.mentions for one in found if isinstance(one, NarrativeRecord)} == expected


async def test_vectors_of_another_model_are_put_aside(settings: Settings) -> None:
    batch = batch_of(0, VARIANTS[0])
    other = msgspec.structs.replace(
        batch, claims=[msgspec.structs.replace(batch.claims[0], vector=b"\0" * 768)]
    )
    bench = NarrativesBench(settings, [])
    (event,) = await bench.give(records_of([other]))
    letter = decode_dead_letter(bench.outlet.values(Topic.DEAD_LETTERS)[0])
    assert letter.detail == "vectors of 384 dimensions, the model's have 64"
    assert event.acked


async def test_a_worker_that_can_use_nothing_stops(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.agents.narratives._REFUSED_IN_A_ROW", 10)
    good = [batch_of(n, text) for n, text in enumerate(texts(30))]

    def foreign(batch: ClaimBatch) -> ClaimBatch:
        return msgspec.structs.replace(
            batch, claims=[msgspec.structs.replace(batch.claims[0], vector=b"\0" * 768)]
        )

    bench = NarrativesBench(settings, [])
    mixed = [foreign(one) if n % 7 else one for n, one in enumerate(good)]
    await bench.give(records_of(mixed))  # never ten in a row
    bench = NarrativesBench(settings, [])
    with pytest.raises(BrokenStreamError, match="do all workers run the same model"):
        await bench.give(records_of([foreign(one) for one in good]))
    assert len(bench.outlet.values(Topic.DEAD_LETTERS)) >= 10


async def test_watches_of_a_desk_are_counted(settings: Settings) -> None:
    watches = (
        Watch(name="prices", phrases=("hides its real prices",)),
        Watch(name="elsewhere", phrases=("hides its real prices",), desk="other"),
    )
    bench = NarrativesBench(settings.model_copy(update={"watches": watches}), [])
    await bench.give(records_of([batch_of(0, VARIANTS[0]), batch_of(1, CHATTER[0])]))
    assert bench.metric("narrawatch_watch_matches_total", desk="default", watch="prices") == 1
    assert bench.metric("narrawatch_watch_matches_total", desk="default", watch="elsewhere") is None


async def test_watches_that_come_later_apply_to_what_comes_after_them(settings: Settings) -> None:
    bench = NarrativesBench(settings, [])
    log = records_of([batch_of(n, text) for n, text in enumerate(texts(60))])
    await bench.give(log[:30])
    assert bench.outlet.values(Topic.WATCH_MATCHES) == []
    prices = Watch(name="prices", phrases=("hides its real prices",))
    bench.watchlist.update(StoredWatches({"prices": prices}))
    await bench.agent.look_for(bench.watchlist.of)
    await bench.give(log[30:])
    matches = [decode_match(value) for value in bench.outlet.values(Topic.WATCH_MATCHES)]
    assert matches
    assert {(match.desk, match.watch) for match in matches} == {("default", "prices")}
    assert all(int(match.comment_id.strip("c")) >= 30 for match in matches)
    keys = {output.key for output in bench.outlet.outputs if output.topic is Topic.WATCH_MATCHES}
    assert keys == {b"prices"}

    def observed() -> float | None:
        labels = {"desk": "default", "watch": "prices", "window": "24h"}
        return bench.metric("narrawatch_watch_observed_matches", **labels)

    async with asyncio.timeout(10):  # gauges that cost much are not shown at each tick
        while not observed():
            await bench.agent.tick()
            await asyncio.sleep(0.05)
    count = len({(match.comment_id, match.n) for match in matches})
    assert bench.metric("narrawatch_watch_matches_total", desk="default", watch="prices") == count
    told = len(matches)
    bench.watchlist.update(StoredWatches())
    await bench.agent.look_for(bench.watchlist.of)
    later = [
        ClaimsRecord(n, batch_of(n, "").arrival_ms, encode_claims(batch_of(n, VARIANTS[n % 3])))
        for n in range(60, 64)
    ]
    await bench.give(later)
    await bench.agent.tick()
    gone = bench.metric("narrawatch_watch_observed_matches", desk="default", watch="prices", window="24h")
    assert gone is None  # nobody looks for it any more
    again = [decode_match(value) for value in bench.outlet.values(Topic.WATCH_MATCHES)[told:]]
    assert all(match.retroactive for match in again)
    assert not {match.comment_id for match in again} & {f"c{n}" for n in range(60, 64)}


async def test_matches_that_are_told_again_are_the_same_records(settings: Settings) -> None:
    """A worker that takes over after a crash says the same of what it reads again."""
    watches = (Watch(name="prices", phrases=("hides its real prices",)),)
    settings = settings.model_copy(update={"watches": watches})
    log = records_of([batch_of(n, text) for n, text in enumerate(texts(60))])
    reference, heir = NarrativesBench(settings, log), NarrativesBench(settings, log)
    await reference.give(log)
    await heir.give(log[25:])
    expected = reference.outlet.values(Topic.WATCH_MATCHES)
    told = heir.outlet.values(Topic.WATCH_MATCHES)
    assert told
    assert set(told) <= set(expected)


# -- refined labels ----------------------------------------------------------------------------------------

REFINED = "The ferry company hides its real prices on purpose"


def refiner_for(url: str) -> LabelRefiner:
    settings = Settings(label_api_url=url, label_api_model=MODEL, label_api_key=SecretStr(KEY))
    return LabelRefiner(lambda: LabelClient(settings, wait=lambda _: 0.0))


def living(bench: NarrativesBench) -> dict[str, NarrativeRecord]:
    return {key: one for key, one in bench.narratives().items() if isinstance(one, NarrativeRecord)}


async def test_a_refined_label_is_sent_and_stays_while_the_narrative_grows(settings: Settings) -> None:
    log = records_of([batch_of(n, text) for n, text in enumerate(texts(60))])
    with chat_endpoint(Reply(REFINED)) as endpoint:
        refiner = refiner_for(endpoint.url)
        bench = NarrativesBench(settings, log, refiner=refiner)
        await bench.give(log[:40])
        plain = {key: one for key, one in living(bench).items() if "ferry" in one.label}
        assert plain
        assert all(one.plain_label is None for one in plain.values())

        await refiner.finish(bench.agent.refined)
        refined = {key: one for key, one in living(bench).items() if key in plain}
        for key, one in refined.items():
            assert (one.label, one.plain_label) == (REFINED, plain[key].label)
            assert one.mentions == plain[key].mentions

        sent = len(bench.outlet.values(Topic.NARRATIVES))
        await bench.give(log[40:])
        later = [decode_narrative(value) for value in bench.outlet.values(Topic.NARRATIVES)[sent:]]
        known = [one for one in later if isinstance(one, NarrativeRecord) and one.narrative_id in refined]
        assert known
        assert {one.label for one in known} == {REFINED}
        await bench.agent.tick()
        assert REFINED in {labels["label"] for labels in info_labels(bench.registry)}


async def test_labels_that_fail_change_nothing(settings: Settings) -> None:
    log = records_of([batch_of(n, text) for n, text in enumerate(texts(60))])
    reference = NarrativesBench(settings, log)
    await reference.give(log)
    with chat_endpoint(Reply(status=500)) as endpoint:
        refiner = refiner_for(endpoint.url)
        bench = NarrativesBench(settings, log, refiner=refiner)
        asking = asyncio.create_task(refiner.run(bench.agent.refined))
        await bench.give(log)
        await until(lambda: refiner.outcomes[RefinementOutcome.BUSY] > 0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert bench.outlet.outputs == reference.outlet.outputs


async def test_a_restarted_worker_asks_again_for_what_it_finds(settings: Settings) -> None:
    log = records_of([batch_of(n, text) for n, text in enumerate(texts(60))])
    with chat_endpoint(Reply(REFINED)) as endpoint:
        refiner = refiner_for(endpoint.url)
        bench = NarrativesBench(settings, log, refiner=refiner)
        await bench.agent.assigned({0: 60})
        assert bench.outlet.outputs == []
        await refiner.finish(bench.agent.refined)
        assert REFINED in {one.label for one in living(bench).values()}
        await bench.agent.assigned({3: 0})  # partition 0 went to another worker
        asked = len(endpoint.requests)
        await bench.agent.refined("default", next(iter(bench.narratives())))
        await refiner.finish(bench.agent.refined)
        assert len(endpoint.requests) == asked


def info_labels(registry: CollectorRegistry) -> list[dict[str, str]]:
    return [
        sample.labels
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "narrawatch_narrative_info"
    ]


def test_a_flood_of_one_message_is_one_line_a_minute() -> None:
    now = 0.0
    once = RepeatFilter(60, clock=lambda: now)
    lost = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "cannot reach %s", ("a:1",), None)
    other = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "another thing", (), None)
    assert [once.filter(lost), once.filter(lost), once.filter(other)] == [True, False, True]
    now = 61.0
    assert once.filter(lost)
