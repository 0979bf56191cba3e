"""PromQL from the metric table: a metric or a label that is not declared there cannot be asked for.

Only the grammar is here; what is asked for stands in `dashboards.narrative_queries`,
`dashboards.watch_queries` and `dashboards.pipeline_queries`. `$name` is a variable of the dashboard, filled
in by Grafana.
"""

from streams.metric_specs import MetricSpec

__all__ = [
    "among",
    "bucket_rate",
    "count_or_zero",
    "increase",
    "is_",
    "max_by",
    "mean",
    "quantile",
    "rate",
    "select",
    "sum_by",
]

# Grafana's own: at least four scrapes, so that a rate always has samples.
RATE_WINDOW = "$__rate_interval"


def is_(value: str) -> str:
    """The matcher of one value. A value that is not a variable must need no escapes."""
    return f'="{value}"'


def among(variable: str) -> str:
    """The matcher of a variable that may hold several values; Grafana escapes them for the regex."""
    return f'=~"${variable}"'


def select(spec: MetricSpec, **matchers: str) -> str:
    """The series of a metric. matchers: label=is_(…) or label=among(…). Raises ValueError for others."""
    return _select(spec, spec.name, matchers)


def rate(spec: MetricSpec, window: str = RATE_WINDOW, **matchers: str) -> str:
    """How much a counter grows a second."""
    return f"rate({_counter(spec, matchers)}[{window}])"


def increase(spec: MetricSpec, window: str, **matchers: str) -> str:
    """How much a counter grew in a window, such as "1h"."""
    return f"increase({_counter(spec, matchers)}[{window}])"


def bucket_rate(spec: MetricSpec, window: str = RATE_WINDOW, by: str = "") -> str:
    """Observations a second of a histogram, by upper bound and in all processes. by: a further label."""
    if by and by not in spec.labels:
        raise ValueError(f"{spec.name} has no label {by}; it has {', '.join(spec.labels)}")
    labels = f"{by}, le" if by else "le"
    return f"sum by ({labels}) (rate({_part(spec, '_bucket')}[{window}]))"


def quantile(share: float, spec: MetricSpec, window: str = RATE_WINDOW, by: str = "") -> str:
    """The value that this share (0 to 1) of a histogram's observations stays below, over all processes."""
    return f"histogram_quantile({share}, {bucket_rate(spec, window, by)})"


def mean(spec: MetricSpec, window: str = RATE_WINDOW) -> str:
    """The mean of a histogram's observations, over all workers."""
    total, count = _part(spec, "_sum"), _part(spec, "_count")
    return f"sum(rate({total}[{window}])) / sum(rate({count}[{window}]))"


def sum_by(labels: str, expression: str) -> str:
    """Summed over all labels but these; labels: separated by commas, "" for none."""
    return f"sum by ({labels}) ({expression})"


def max_by(labels: str, expression: str) -> str:
    """The largest for each of these labels: two workers that both show a series count once."""
    return f"max by ({labels}) ({expression})"


def count_or_zero(expression: str) -> str:
    """How many series there are; 0 and not nothing where there is none."""
    return f"count({expression}) or vector(0)"


def _counter(spec: MetricSpec, matchers: dict[str, str]) -> str:
    if spec.kind != "counter":
        raise ValueError(f"{spec.name} is a {spec.kind}: only a counter has a rate")
    return _select(spec, spec.name, matchers)


def _part(spec: MetricSpec, suffix: str) -> str:
    if spec.kind != "histogram":
        raise ValueError(f"{spec.name} is a {spec.kind}, not a histogram")
    return _select(spec, spec.name + suffix, {})


def _select(spec: MetricSpec, name: str, matchers: dict[str, str]) -> str:
    unknown = sorted(set(matchers) - set(spec.labels))
    if unknown:
        raise ValueError(f"{spec.name} has no label {', '.join(unknown)}; it has {', '.join(spec.labels)}")
    inside = ",".join(f"{label}{matcher}" for label, matcher in matchers.items())
    return f"{name}{{{inside}}}" if inside else name
