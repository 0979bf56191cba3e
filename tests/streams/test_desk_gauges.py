"""Gauges of windows go on with the clock, also when nothing comes."""

from collections.abc import Set
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from models.engine import Engine
from models.overview import Overview
from models.parameters import Parameters
from models.readings import Readings
from streams.desk_gauges import RENEW_SECONDS, SHOW_SECONDS, DeskGauges
from streams.desks import Observed, Shard
from streams.metrics import Metrics
from streams.narrative_series import NarrativeSeries
from streams.records import ClaimBatch
from tests.models.claim_factory import DIMENSIONS, story

HOUR = 3_600.0


class OneDesk:
    """What the gauges want of a shard, around one engine."""

    desks = ("d",)

    def __init__(self) -> None:
        self.engine = Engine(DIMENSIONS, Parameters(young_claims=4))
        self.looks = 0

    def observe(self) -> list[Observed]:
        return [
            Observed(
                n,
                ClaimBatch(
                    desk="d",
                    source="test",
                    comment_id=f"c{n}",
                    partition=0,
                    offset=n,
                    arrival_ms=1_000 + n,
                    claims=claims,
                ),
                self.engine.observe([claims]),
            )
            for n, claims in enumerate(story(repeats=2))
        ]

    def overview(self, _desk: str, top: int) -> Overview:
        self.looks += 1
        return self.engine.overview(top)

    def now_ms(self, _desk: str) -> int | None:
        return self.engine.now_ms

    def readings(self, _desk: str, narrative_ids: Set[str], now_ms: int) -> Readings:
        return self.engine.readings(narrative_ids, now_ms)


class Stage:
    """Gauges of a desk, and a clock that is far from the time of its comments."""

    def __init__(self) -> None:
        self.now = 5e9
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry)
        series = NarrativeSeries(metrics, top=5)
        self.gauges = DeskGauges(metrics, series, clock=lambda: self.now)
        self.desk = OneDesk()
        self.shard = cast("Shard", self.desk)

    def values(self, name: str) -> list[float]:
        return [s.value for f in self.registry.collect() for s in f.samples if s.name == name]


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.gauges.count(stage.desk.observe())
    stage.gauges.touch([(stage.shard, "d")])
    stage.gauges.show()
    return stage


def test_windows_empty_with_the_clock_when_nothing_comes(stage: Stage) -> None:
    observed = "narrawatch_narrative_observed_mentions"
    before = sum(stage.values(observed))
    assert before > 0
    stage.now += RENEW_SECONDS / 2
    stage.gauges.show()
    assert sum(stage.values(observed)) == before
    stage.now += 25 * HOUR
    stage.gauges.show()
    assert sum(stage.values(observed)) == 0
    assert set(stage.values("narrawatch_narrative_surprise_decades")) == {0.0}
    assert stage.desk.looks == 1  # narratives are looked at when there is something new


def test_mentions_made_and_sources_are_counted(stage: Stage) -> None:
    narratives = stage.desk.engine.narratives()
    made = sum(stage.values("narrawatch_mentions_total"))
    assert made >= sum(view.mentions for view in narratives) > 0
    last = stage.values("narrawatch_source_last_comment_timestamp_seconds")
    assert last == [pytest.approx((1_000 + len(story(repeats=2)) - 1) / 1_000)]
    assert stage.values("narrawatch_narrative_authors") == [view.authors for view in narratives]


def test_a_desk_that_is_gone_leaves_no_gauges(stage: Stage) -> None:
    stage.gauges.forget(stage.shard)
    stage.now += HOUR
    stage.gauges.show()
    for name in ("surprise_decades", "observed_mentions", "expected_mentions", "authors", "info"):
        assert stage.values(f"narrawatch_narrative_{name}") == []
    assert stage.values("narrawatch_source_last_comment_timestamp_seconds") == []


def test_what_takes_long_to_show_is_shown_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    gauges = DeskGauges(metrics, NarrativeSeries(metrics, top=3), clock=lambda: now)
    ticks = iter([0.0, 0.001, 10.0, 10.1])
    monkeypatch.setattr("streams.desk_gauges.time.perf_counter", lambda: next(ticks))
    gauges.show()
    assert not gauges.is_costly
    now += SHOW_SECONDS
    assert gauges.is_due
    gauges.show()  # a tenth of a second: twenty times as long are to pass
    assert gauges.is_costly
    now += 1.9
    assert not gauges.is_due
    now += 0.2
    assert gauges.is_due
