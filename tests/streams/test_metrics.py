import http.client
import re
import socket
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from models.outcome import EventType
from models.readings import WINDOWS, Reading, WindowReading
from streams.errors import BrokerError, RejectReason
from streams.metric_specs import ALL_METRICS, LABEL_BOUNDS, METRICS, MetricSpec
from streams.metrics import CAMPAIGN, MAX_DESKS, MAX_SOURCES, OTHER, OTHER_DESK, Metrics
from streams.metrics_server import MetricsServer, new_registry
from streams.narrative_series import NarrativeSeries, NarrativeStats, WatchSeries, clean_label

# Prometheus: base units, plural, no kind or unit twice; `promtool check metrics` looks for the same.
NAME = re.compile(r"narrawatch_[a-z]+(_[a-z]+)*")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def samples(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """The values of one metric by its label values, in the order of the label names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


@pytest.mark.parametrize("spec", ALL_METRICS, ids=lambda spec: spec.name)
def test_names_follow_the_conventions(spec: MetricSpec) -> None:
    assert NAME.fullmatch(spec.name)
    ending = {"counter": "_total", "info": "_info"}.get(spec.kind, f"_{spec.unit}")
    assert spec.name.endswith(ending)
    assert spec.name.count(spec.unit) <= 1
    assert spec.help.endswith(".")
    assert spec.help[0].isupper()
    assert set(spec.labels) <= set(LABEL_BOUNDS), "say in LABEL_BOUNDS why the label is bounded"
    assert bool(spec.buckets) == (spec.kind == "histogram")
    assert list(spec.buckets) == sorted(set(spec.buckets))


def test_names_are_unique_and_all_are_bound(registry: CollectorRegistry) -> None:
    assert len({spec.name for spec in ALL_METRICS}) == len(ALL_METRICS)
    Metrics(registry)
    kinds = {"info": "gauge"}
    bound = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in registry.collect()
    }
    assert bound == {(spec.name, kinds.get(spec.kind, spec.kind), spec.help) for spec in METRICS}


def test_a_second_set_on_one_registry_is_an_error(registry: CollectorRegistry) -> None:
    Metrics(registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Metrics(registry)


def test_what_happens_is_counted(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry)
    metrics.comment("fr", 3)
    metrics.comment("fr", 0)
    metrics.rejected(RejectReason.INVALID_JSON)
    metrics.duplicate()
    metrics.embedded(0.2, 64)
    metrics.queue(5)
    metrics.narratives("fr", {"emerged": 2, "faded": 0})
    metrics.event("fr", "emerged")
    metrics.watch_match("fr", "rachat")
    metrics.delay(-0.5)
    metrics.build("0.1.0")
    metrics.model("a", "hub")
    metrics.model("b", "packaged")
    assert samples(registry, "narrawatch_comments_total") == {("fr",): 2}
    assert samples(registry, "narrawatch_claims_total") == {("fr",): 3}
    rejected = samples(registry, "narrawatch_comments_rejected_total")
    assert rejected == {
        (reason.value,): float(reason == RejectReason.INVALID_JSON) for reason in RejectReason
    }
    assert samples(registry, "narrawatch_comments_duplicate_total") == {(): 1}
    assert samples(registry, "narrawatch_embed_seconds_count") == {(): 1}
    assert samples(registry, "narrawatch_embed_batch_texts_sum") == {(): 64}
    assert samples(registry, "narrawatch_queue_claims") == {(): 5}
    assert samples(registry, "narrawatch_narratives") == {("fr", "emerged"): 2, ("fr", "faded"): 0}
    events = samples(registry, "narrawatch_events_total")
    assert events == {("fr", kind): float(kind == "emerged") for kind in (*EventType, CAMPAIGN)}
    assert samples(registry, "narrawatch_watch_matches_total") == {("fr", "rachat"): 1}
    assert samples(registry, "narrawatch_comment_to_metric_seconds_sum") == {(): 0}
    assert samples(registry, "narrawatch_build_info") == {("0.1.0",): 1}
    assert samples(registry, "narrawatch_model_info") == {("b", "packaged"): 1}


def test_gauges_of_what_is_gone_are_removed(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry)
    metrics.lag("comments", 0, 7)
    metrics.lag("comments", 1, 8)
    metrics.forget_lag("comments", 0)
    metrics.forget_lag("comments", 9)
    assert samples(registry, "narrawatch_consumer_lag_records") == {("1", "comments"): 8}
    metrics.narratives("fr", {"emerged": 1})
    metrics.narratives("en", {"emerged": 1})
    metrics.forget_desk("fr")
    assert samples(registry, "narrawatch_narratives") == {("en", "emerged"): 1}


def test_desks_without_end_do_not_make_series_without_end(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry)
    series = NarrativeSeries(metrics, top=1)
    for n in range(MAX_DESKS + 50):
        metrics.comment(f"desk{n}", 1)
        series.show(f"desk{n}", [stats("n1", 1)])
    assert samples(registry, "narrawatch_comments_total")[(OTHER_DESK,)] == 50
    assert len(samples(registry, "narrawatch_comments_total")) == MAX_DESKS + 1
    assert len(samples(registry, "narrawatch_narrative_info")) == MAX_DESKS


def stats(narrative_id: str, supporting: int, label: str = "label", rebutting: int = 0) -> NarrativeStats:
    return NarrativeStats(narrative_id, label, "fr", "organic", supporting, rebutting, 3, 2, 1, 10.0, 20.0)


def test_only_the_most_mentioned_narratives_are_shown(registry: CollectorRegistry) -> None:
    series = NarrativeSeries(Metrics(registry), top=2)
    series.show("fr", [stats("n1", 5), stats("n2", 1, rebutting=5)._replace(unjudged=4), stats("n3", 5)])
    assert samples(registry, "narrawatch_narrative_mentions") == {
        ("fr", "n1", "supports"): 5,
        ("fr", "n1", "rebuts"): 0,
        ("fr", "n1", "unjudged"): 0,
        ("fr", "n2", "supports"): 1,
        ("fr", "n2", "rebuts"): 5,
        ("fr", "n2", "unjudged"): 4,
    }
    series.show("fr", [stats("n1", 5), stats("n3", 6)])  # n2 faded
    shown = {key[1] for key in samples(registry, "narrawatch_narrative_mentions")}
    assert shown == {"n1", "n3"}
    assert len(samples(registry, "narrawatch_narrative_info")) == 2


def test_a_refined_label_replaces_the_old_one(registry: CollectorRegistry) -> None:
    series = NarrativeSeries(Metrics(registry), top=2)
    series.show("fr", [stats("n1", 5, "rachat")])
    series.show("fr", [stats("n1", 6, "rachat déguisé")])
    (labels,) = samples(registry, "narrawatch_narrative_info")
    assert "rachat déguisé" in labels
    series.show("en", [stats("n1", 2)])
    series.retire_desk("fr")
    series.retire_desk("never shown")
    assert [key[0] for key in samples(registry, "narrawatch_narrative_mentions")] == ["en"] * 3


def reading(surprise: float) -> Reading:
    windows = tuple(WindowReading(name, 7, 0.5, surprise) for name in WINDOWS)
    return Reading(surprise, windows)


def test_a_hundred_thousand_narratives_leave_no_more_series_than_are_shown(
    registry: CollectorRegistry,
) -> None:
    series = NarrativeSeries(Metrics(registry), top=10)
    for step in range(3_400):
        living = [stats(f"n{step * 30 + n}", n, f"label {step}") for n in range(30)]
        series.show("fr", living)
        series.read("fr", {one.narrative_id: reading(step) for one in living})
        if step % 850 == 0:
            assert len(samples(registry, "narrawatch_narrative_info")) == 10
    of_one = {"narrawatch_narrative_mentions": 3, "narrawatch_narrative_observed_mentions": len(WINDOWS)}
    of_one["narrawatch_narrative_expected_mentions"] = len(WINDOWS)
    for spec in METRICS:
        if "narrative_id" in spec.labels:
            assert len(samples(registry, spec.name)) == 10 * of_one.get(spec.name, 1), spec.name
    series.retire_desk("fr")
    left = [
        sample for spec in METRICS if "narrative_id" in spec.labels for sample in samples(registry, spec.name)
    ]
    assert left == []


def test_a_reading_is_shown_of_narratives_that_have_series(registry: CollectorRegistry) -> None:
    series = NarrativeSeries(Metrics(registry), top=1)
    series.show("fr", [stats("n1", 5), stats("n2", 1)])
    series.read("fr", {"n1": reading(4.5), "n2": reading(9.0)})
    assert samples(registry, "narrawatch_narrative_surprise_decades") == {("fr", "n1"): 4.5}
    assert samples(registry, "narrawatch_narrative_observed_mentions") == {
        ("fr", "n1", name): 7 for name in ("15m", "1h", "6h", "24h")
    }
    assert samples(registry, "narrawatch_narrative_expected_mentions")["fr", "n1", "1h"] == 0.5
    assert samples(registry, "narrawatch_narrative_authors") == {("fr", "n1"): 3}
    assert samples(registry, "narrawatch_narrative_threads") == {("fr", "n1"): 2}
    assert samples(registry, "narrawatch_narrative_copies") == {("fr", "n1"): 1}
    assert samples(registry, "narrawatch_narrative_emerged_timestamp_seconds") == {("fr", "n1"): 10}
    assert samples(registry, "narrawatch_narrative_last_seen_timestamp_seconds") == {("fr", "n1"): 20}


def test_watches_that_are_gone_leave_no_series(registry: CollectorRegistry) -> None:
    series = WatchSeries(Metrics(registry))
    series.read("fr", {"rachat": reading(2.0), "fuite": reading(0.0)})
    assert samples(registry, "narrawatch_watch_matches_total") == {("fr", "rachat"): 0, ("fr", "fuite"): 0}
    series.read("fr", {"rachat": reading(3.0)})
    assert samples(registry, "narrawatch_watch_surprise_decades") == {("fr", "rachat"): 3.0}
    assert len(samples(registry, "narrawatch_watch_observed_matches")) == len(WINDOWS)
    series.retire_desk("fr")
    for name in ("surprise_decades", "observed_matches", "expected_matches"):
        assert samples(registry, f"narrawatch_watch_{name}") == {}


def test_mentions_are_counted_by_a_bounded_set_of_sources_and_languages(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry)
    for n in range(MAX_SOURCES + 5):
        metrics.mention("fr", language="de", source=f"s{n}", stance="supports")
        metrics.source_heard("fr", f"s{n}", 100.0 + n)
    metrics.mention("fr", language="en", source="s0", stance="unjudged")
    mentions = samples(registry, "narrawatch_mentions_total")
    assert len(mentions) == MAX_SOURCES + 2
    assert mentions["fr", OTHER, OTHER, "supports"] == 5
    assert mentions["fr", "en", "s0", "unjudged"] == 1
    heard = samples(registry, "narrawatch_source_last_comment_timestamp_seconds")
    assert len(heard) == MAX_SOURCES + 1
    assert heard["fr", "s3"] == 103.0
    metrics.forget_desk("fr")
    assert samples(registry, "narrawatch_source_last_comment_timestamp_seconds") == {}


def test_label_text_is_one_short_visible_line() -> None:
    assert clean_label(" a\x00b\n\u202ec\u00a0: d ") == "a b c : d"
    assert len(clean_label("mot " * 100)) <= 120
    assert clean_label("mot " * 100).endswith("mot…")


def test_metrics_are_served_on_loopback() -> None:
    registry = new_registry()
    metrics = Metrics(registry)
    metrics.event("fr", 'a "quoted"\nname')
    with MetricsServer(registry, host="127.0.0.1", port=0) as server:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", server.url)
        client = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
        client.request("GET", "/metrics")
        text = client.getresponse().read().decode()
        client.close()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {spec.name.removesuffix("_total") for spec in METRICS} <= names
    assert "process_resident_memory_bytes" in names
    assert not any(name.endswith("_created") for name in names)
    assert generate_latest(registry).decode().count("narrawatch_events_total{") == len(EventType) + 2


def test_a_port_in_use_is_one_line_and_is_free_after_closing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=f"metrics_port {port} .*in use") as caught:
            MetricsServer(CollectorRegistry(), host="127.0.0.1", port=port)
        assert "\n" not in str(caught.value)
    for _ in range(2):
        MetricsServer(CollectorRegistry(), host="127.0.0.1", port=port).close()
