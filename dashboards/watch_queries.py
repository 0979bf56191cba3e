"""What the dashboards ask about watches."""

from typing import Final

from dashboards.promql import among, increase, is_, max_by, select, sum_by
from streams.metric_specs import (
    WATCH_EXPECTED,
    WATCH_MATCHES,
    WATCH_OBSERVED,
    WATCH_SURPRISE,
    MetricSpec,
)

__all__ = ["figure", "matches", "of_window"]

_CHOSEN: Final = {"desk": among("desk"), "watch": among("watch")}
_ONE: Final = "desk, watch"


def figure(spec: MetricSpec = WATCH_SURPRISE) -> str:
    """A figure of each watch that is chosen."""
    return max_by(_ONE, select(spec, **_CHOSEN))


def of_window(spec: MetricSpec, window: str) -> str:
    """Matches observed (WATCH_OBSERVED) or expected (WATCH_EXPECTED) in a window such as "1h"."""
    if spec not in (WATCH_OBSERVED, WATCH_EXPECTED):
        raise ValueError(f"{spec.name} has no windows")
    return max_by(_ONE, select(spec, **_CHOSEN, window=is_(window)))


def matches(window: str) -> str:
    """Matches that were counted in a window."""
    return sum_by(_ONE, increase(WATCH_MATCHES, window, **_CHOSEN))
