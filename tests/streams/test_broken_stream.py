"""When the worker stops because the stream is broken, and above all when it does not."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.embedding import HashEmbedder
from models.language import LanguageDetector
from models.preparation import ClaimMaker
from streams.broken_stream import FORMAT_REASONS, BrokenStreamGuard
from streams.claim_stage import ClaimStage, Delivery
from streams.errors import BrokenStreamError, RejectReason
from streams.metrics import Metrics
from streams.settings import Settings, load_settings

START_MS = 1_789_000_000_000
BAD = RejectReason.INVALID_JSON


def settings_of(**changed: float) -> Settings:
    return load_settings(None, author_key="a key for these tests", model="hash", **changed)


class Bench:
    def __init__(self, **changed: float) -> None:
        self.registry = CollectorRegistry()
        self.guard = BrokenStreamGuard(settings_of(**changed), Metrics(self.registry))
        self.records = 0

    def feed(
        self, reasons: Iterable[RejectReason | None], *, apart_ms: float = 1.0, partitions: int = 4
    ) -> None:
        for reason in reasons:
            self.guard.saw(
                "comments",
                self.records % partitions,
                self.records // partitions,
                arrival_ms=START_MS + round(self.records * apart_ms),
                reason=reason,
            )
            self.records += 1

    def ratio(self, name: str) -> float | None:
        self.guard.show()
        return self.registry.get_sample_value(name)


def shuffled(bad: int, good: int) -> Sequence[RejectReason | None]:
    reasons: list[RejectReason | None] = [BAD] * bad + [None] * good
    return [reasons[place] for place in np.random.default_rng(4).permutation(len(reasons))]


@pytest.mark.parametrize(
    "reasons",
    [
        shuffled(10_000, 10_000),
        [BAD] * 10_000 + [None] * 10_000,  # in one piece, to begin with
        [None] * 10_000 + [BAD] * 10_000,
        [BAD, None] * 50_000,
        ([BAD] * 900 + [None] * 101) * 100,
        shuffled(80_000, 20_000),
    ],
    ids=["half", "piece first", "piece last", "every second", "bursts", "four in five"],
)
def test_hostile_records_do_not_stop_it(reasons: Sequence[RejectReason | None]) -> None:
    Bench().feed(reasons)


@pytest.mark.parametrize("reason", sorted(set(RejectReason) - FORMAT_REASONS))
def test_what_strangers_or_we_are_to_blame_for_never_stops_it(reason: RejectReason) -> None:
    Bench().feed([reason] * 50_000)


@pytest.mark.parametrize("reason", sorted(FORMAT_REASONS))
def test_nothing_but_garbage_stops_it(reason: RejectReason) -> None:
    bench = Bench()
    bench.feed([None] * 5_000)
    with pytest.raises(BrokenStreamError) as caught:
        bench.feed([reason] * 30_000)
    # Nine in ten of the last 1,000 are so many after 900 of them; those before count with the window.
    assert bench.records == 5_000 + 900 + 19_000 - 1
    said = str(caught.value)
    assert f"of the last 20000 records 19900 were refused for their format (mostly {reason}: 19900)" in said
    assert "the first at comments[0]@1250; stopped at comments[3]@6224" in said
    assert "broken_stream_records (20000)" in said
    assert "\n" not in said


def test_a_slow_stream_is_given_up_by_time() -> None:
    bench = Bench()
    with pytest.raises(BrokenStreamError, match="of the last 1000 records 1000 were"):
        bench.feed([BAD] * 2_000, apart_ms=10_000)
    fast = Bench()
    fast.feed([BAD] * 2_000, apart_ms=100)
    with pytest.raises(BrokenStreamError):
        fast.feed([BAD] * 10_000, apart_ms=100)
    assert (fast.records + 1) * 0.1 == pytest.approx(900, abs=1)


def test_partitions_of_which_one_lags_behind_do_not_make_time_pass() -> None:
    bench = Bench()
    for number in range(4_000):
        hours_behind = 6 if number % 2 else 0
        arrival_ms = START_MS + number - hours_behind * 3_600_000
        bench.guard.saw("comments", number % 2, number, arrival_ms=arrival_ms, reason=BAD)


def test_good_records_in_between_begin_it_anew() -> None:
    bench = Bench()
    for _ in range(5):
        bench.feed([BAD] * 19_000)
        bench.feed([None] * 200)
    assert bench.ratio("narrawatch_broken_stream_ratio") == 0
    assert bench.ratio("narrawatch_comments_malformed_ratio") == 0.8


def test_the_gauges_tell_how_near_it_is() -> None:
    bench = Bench()
    bench.feed([None] * 10)
    assert bench.ratio("narrawatch_comments_malformed_ratio") == 0
    bench.feed([BAD] * 10_000)
    assert bench.ratio("narrawatch_comments_malformed_ratio") == 1
    assert bench.ratio("narrawatch_broken_stream_ratio") == pytest.approx(0.5, abs=0.01)


def test_the_settings_turn_it() -> None:
    with pytest.raises(BrokenStreamError, match="of the last 300 "):
        Bench(broken_stream_records=300).feed([BAD] * 300)
    Bench(broken_stream_records=0).feed([BAD] * 100_000, apart_ms=1_000)
    Bench(broken_stream_share=1, broken_stream_records=300).feed(([BAD] * 299 + [None]) * 10)
    with pytest.raises(BrokenStreamError):
        Bench(broken_stream_seconds=10).feed([BAD] * 1_100, apart_ms=10)


def test_a_stage_stops_before_anything_of_the_batch_is_sent() -> None:
    settings = settings_of(broken_stream_records=300)
    registry = CollectorRegistry()
    stage = ClaimStage(
        settings,
        ClaimMaker(HashEmbedder(), LanguageDetector()),
        Metrics(registry),
        author_key=b"k" * 16,
        clock=lambda: datetime(2026, 3, 1, tzinfo=UTC),
    )

    def batch(start: int) -> list[Delivery]:
        return [
            Delivery(b"{", None, "comments", 0, offset, START_MS + offset)
            for offset in range(start, start + 250)
        ]

    judgement = stage.judge(stage.read(batch(0)))
    assert len(judgement.rejected) == 250
    stage.delivered(judgement)
    assert registry.get_sample_value("narrawatch_comments_malformed_ratio") == 1
    with pytest.raises(BrokenStreamError, match=r"stopped at comments\[0\]@299"):
        stage.read(batch(250))
