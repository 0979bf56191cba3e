import http.client
import re
import socket
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.errors import BrokerError, RejectReason
from streams.metric_specs import LABEL_BOUNDS, METRICS, MetricSpec
from streams.metrics import MAX_DESKS, OTHER_DESK, Metrics
from streams.metrics_server import MetricsServer, new_registry
from streams.narrative_series import NarrativeSeries, NarrativeStats, clean_label

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


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.name)
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
    assert len({spec.name for spec in METRICS}) == len(METRICS)
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
    assert samples(registry, "narrawatch_events_total") == {("fr", "emerged"): 1}
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
    return NarrativeStats(narrative_id, label, "fr", "organic", supporting, rebutting)


def test_only_the_most_mentioned_narratives_are_shown(registry: CollectorRegistry) -> None:
    series = NarrativeSeries(Metrics(registry), top=2)
    series.show("fr", [stats("n1", 5), stats("n2", 1, rebutting=9), stats("n3", 5)])
    assert samples(registry, "narrawatch_narrative_mentions") == {
        ("fr", "n1", "supports"): 5,
        ("fr", "n1", "rebuts"): 0,
        ("fr", "n2", "supports"): 1,
        ("fr", "n2", "rebuts"): 9,
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
    assert [key[0] for key in samples(registry, "narrawatch_narrative_mentions")] == ["en", "en"]


def test_series_stay_bounded_over_a_long_stream(registry: CollectorRegistry) -> None:
    series = NarrativeSeries(Metrics(registry), top=10)
    for step in range(200):
        series.show("fr", [stats(f"n{step + n}", n, f"label {step}") for n in range(30)])
    assert len(samples(registry, "narrawatch_narrative_mentions")) == 20
    assert len(samples(registry, "narrawatch_narrative_info")) == 10


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
    assert generate_latest(registry).decode().count("narrawatch_events_total{") == 1


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
