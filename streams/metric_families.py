"""Families of `streams.metric_specs`, bound to a registry.

All raise ValueError for a spec of another kind, and for one that the registry has already.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.metric_specs import MetricSpec

__all__ = ["counter", "gauge", "histogram"]


def counter(spec: MetricSpec, registry: CollectorRegistry) -> Counter:
    """What only grows."""
    _expect(spec, "counter")
    return Counter(spec.name, spec.help, spec.labels, registry=registry)


def gauge(spec: MetricSpec, registry: CollectorRegistry) -> Gauge:
    """A figure, or an info."""
    # The client's Info cannot retire one of its label sets; a gauge at 1 looks the same to Prometheus.
    _expect(spec, "gauge", "info")
    return Gauge(spec.name, spec.help, spec.labels, registry=registry)


def histogram(spec: MetricSpec, registry: CollectorRegistry) -> Histogram:
    """With the spec's buckets."""
    _expect(spec, "histogram")
    return Histogram(spec.name, spec.help, spec.labels, buckets=spec.buckets, registry=registry)


def _expect(spec: MetricSpec, *kinds: str) -> None:
    if spec.kind not in kinds:
        raise ValueError(f"{spec.name} is declared as {spec.kind}, but bound as {kinds[0]}")
