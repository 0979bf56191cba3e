"""What the dashboards ask about the machinery: traffic, delay, embedding, trouble."""

from typing import Final

from dashboards.promql import among, increase, max_by, mean, quantile, rate, select, sum_by
from streams.metric_specs import (
    BROKEN_STREAM,
    BUILD,
    CLAIMS,
    COMMENT_TO_METRIC,
    COMMENTS,
    COMMENTS_DUPLICATE,
    COMMENTS_MALFORMED,
    COMMENTS_REJECTED,
    COMMENTS_WITHDRAWN,
    CONSUMER_LAG,
    DATES_REFUSED,
    EMBED,
    EMBED_BATCH,
    LABEL_REFINEMENTS,
    MODEL,
    NOTIFICATION,
    NOTIFICATIONS,
    QUEUE,
    SOURCE_LAST_COMMENT,
    WORKER_READY,
)

__all__ = [
    "ALL_COMMENTS",
    "ALL_LAG",
    "BATCH",
    "BROKEN",
    "BUILDS",
    "CLAIMS_BY_DESK",
    "COMMENTS_BY_DESK",
    "DATES",
    "DELIVERY",
    "DUPLICATES",
    "LAG",
    "MALFORMED",
    "MODELS",
    "NOTIFIED",
    "NOT_READY",
    "QUEUED",
    "READY",
    "REFINEMENTS",
    "REJECTED",
    "REJECTED_OF_QUARTER",
    "SILENT_SECONDS",
    "WITHDRAWN",
    "delay_quantile",
    "embed_quantile",
]

_DESK: Final = {"desk": among("desk")}

COMMENTS_BY_DESK: Final = sum_by("desk", rate(COMMENTS, **_DESK))
ALL_COMMENTS: Final = sum_by("", rate(COMMENTS, **_DESK))
CLAIMS_BY_DESK: Final = sum_by("desk", rate(CLAIMS, **_DESK))
# A partition that changes hands may be shown by two workers for a moment.
LAG: Final = sum_by("topic", max_by("topic, partition", select(CONSUMER_LAG)))
ALL_LAG: Final = sum_by("", max_by("topic, partition", select(CONSUMER_LAG)))
QUEUED: Final = sum_by("instance", select(QUEUE))
BATCH: Final = mean(EMBED_BATCH)
REJECTED: Final = sum_by("reason", rate(COMMENTS_REJECTED))
REJECTED_OF_QUARTER: Final = sum_by("reason", increase(COMMENTS_REJECTED, "15m"))
DUPLICATES: Final = sum_by("", rate(COMMENTS_DUPLICATE))
DATES: Final = sum_by("", rate(DATES_REFUSED))
WITHDRAWN: Final = sum_by("cause", rate(COMMENTS_WITHDRAWN))
MALFORMED: Final = max_by("instance", select(COMMENTS_MALFORMED))
BROKEN: Final = max_by("instance", select(BROKEN_STREAM))
REFINEMENTS: Final = sum_by("outcome", increase(LABEL_REFINEMENTS, "1h"))
SILENT_SECONDS: Final = f"time() - {max_by('desk, source', select(SOURCE_LAST_COMMENT, **_DESK))}"
READY: Final = sum_by("", select(WORKER_READY))
NOT_READY: Final = f"count({select(WORKER_READY)} == 0) or vector(0)"
NOTIFIED: Final = sum_by("outcome", increase(NOTIFICATIONS, "1h"))
DELIVERY: Final = quantile(0.95, NOTIFICATION, "1h")
BUILDS: Final = f"count by (version) ({select(BUILD)})"
MODELS: Final = f"count by (model, origin) ({select(MODEL)})"


def embed_quantile(share: float) -> str:
    """Seconds that this share of batches stays below."""
    return quantile(share, EMBED)


def delay_quantile(share: float) -> str:
    """Seconds from arrival to metric that this share of comments stays below."""
    return quantile(share, COMMENT_TO_METRIC)
