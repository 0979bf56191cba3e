"""What `narrawatch ingest` counts of a source."""

from prometheus_client import CollectorRegistry

from streams.ingest.metrics import IngestMetrics
from streams.metric_specs import INGEST_METRICS


def newest(registry: CollectorRegistry) -> float | None:
    name = "narrawatch_ingest_newest_comment_timestamp_seconds"
    return registry.get_sample_value(name, {"desk": "tech", "source": "blog"})


def test_all_of_the_table_are_bound() -> None:
    registry = CollectorRegistry()
    IngestMetrics(registry)
    kinds = {"info": "gauge"}
    bound = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in registry.collect()
    }
    assert bound == {(spec.name, kinds.get(spec.kind, spec.kind), spec.help) for spec in INGEST_METRICS}


def test_the_newest_comment_is_never_of_the_future_and_never_goes_back() -> None:
    registry = CollectorRegistry()
    one = IngestMetrics(registry).of("tech", "blog", kind="feed", now=1_000.0)
    info = {"desk": "tech", "source": "blog", "kind": "feed"}
    assert registry.get_sample_value("narrawatch_ingest_source_info", info) == 1
    one.delivered(2, now=1_000.0)
    assert newest(registry) is None  # no comment had a date
    one.delivered(3, [400.0, 900.0, 5_000.0], now=1_000.0)
    assert newest(registry) == 900.0
    one.delivered(1, [300.0], now=1_100.0)  # an old one, edited
    assert newest(registry) == 900.0
    labels = {"desk": "tech", "source": "blog"}
    assert registry.get_sample_value("narrawatch_ingest_comments_total", labels) == 6
