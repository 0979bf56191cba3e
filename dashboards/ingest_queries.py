"""What the dashboards ask about live sources: what comes, how old it is, what fails, what waits."""

from typing import Final

from dashboards.promql import among, increase, is_, max_by, rate, select, sum_by
from streams.metric_specs import (
    INGEST_COMMENTS,
    INGEST_FAILURES,
    INGEST_LAST_POLL,
    INGEST_NEWEST,
    INGEST_REQUESTS,
    INGEST_SOURCE,
    INGEST_WAITING,
)

__all__ = [
    "AGE_OF_NEWEST",
    "COMMENTS_BY_KIND",
    "FAILURES",
    "FAILURES_BY_SOURCE",
    "REQUESTS",
    "ROBOTS",
    "SINCE_READ",
    "WAITING",
]

_DESK: Final = {"desk": among("desk")}
_ONE: Final = "desk, source"
_KINDS: Final = max_by(f"{_ONE}, kind", select(INGEST_SOURCE))

COMMENTS_BY_KIND: Final = sum_by(
    "kind", f"{rate(INGEST_COMMENTS, **_DESK)} * on ({_ONE}) group_left (kind) {_KINDS}"
)
AGE_OF_NEWEST: Final = f"time() - {max_by(_ONE, select(INGEST_NEWEST, **_DESK))}"
SINCE_READ: Final = f"time() - {max_by(_ONE, select(INGEST_LAST_POLL, **_DESK))}"
FAILURES: Final = sum_by("reason", increase(INGEST_FAILURES, "1h", **_DESK))
FAILURES_BY_SOURCE: Final = f"{sum_by(f'{_ONE}, reason', increase(INGEST_FAILURES, '1h', **_DESK))} > 0"
ROBOTS: Final = sum_by("", increase(INGEST_FAILURES, "1h", **_DESK, reason=is_("robots")))
REQUESTS: Final = sum_by("status", rate(INGEST_REQUESTS, **_DESK))
# Seconds waited in a second: how many requests wait, on average.
WAITING: Final = sum_by("cause", rate(INGEST_WAITING, **_DESK))
