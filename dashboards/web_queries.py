"""What the dashboards ask about the page: who asks it, how fast it answers, how far it has read."""

from typing import Final

from dashboards.promql import max_by, quantile, rate, select, sum_by
from streams.metric_specs import (
    WEB_LAG,
    WEB_MENTIONS,
    WEB_NARRATIVES,
    WEB_READY,
    WEB_RECORDS,
    WEB_REFUSED,
    WEB_REQUEST,
    WEB_REQUESTS,
    WEB_STORE,
    WEB_STREAMS,
)

__all__ = [
    "BEHIND",
    "BY_ROUTE",
    "BY_STATUS",
    "KEPT_MENTIONS",
    "KEPT_NARRATIVES",
    "LAG",
    "READ",
    "REFUSED",
    "SLOWEST",
    "STORE",
    "STREAMS",
    "UP_TO_DATE",
    "answer_quantile",
]

UP_TO_DATE: Final = sum_by("", select(WEB_READY))
# Every page reads all of the topics: the one that is furthest behind counts.
BEHIND: Final = max_by("", sum_by("instance", select(WEB_LAG)))
LAG: Final = max_by("topic", select(WEB_LAG))
STREAMS: Final = sum_by("", select(WEB_STREAMS))
BY_ROUTE: Final = sum_by("route", rate(WEB_REQUESTS))
BY_STATUS: Final = sum_by("status", rate(WEB_REQUESTS))
SLOWEST: Final = quantile(0.95, WEB_REQUEST, "1h", by="route")
READ: Final = max_by("topic", rate(WEB_RECORDS))
REFUSED: Final = max_by("topic", rate(WEB_REFUSED))
STORE: Final = max_by("instance", select(WEB_STORE))
KEPT_NARRATIVES: Final = max_by("", select(WEB_NARRATIVES))
KEPT_MENTIONS: Final = max_by("", select(WEB_MENTIONS))


def answer_quantile(share: float) -> str:
    """Seconds that this share of answers begins within."""
    return quantile(share, WEB_REQUEST)
