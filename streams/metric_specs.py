"""Every metric as data: name, kind, unit, labels, buckets, help. Dashboards and rules are built from it.

Plain data without prometheus_client; `streams.metrics` binds it to a registry. A name is what a query uses:
it begins with `narrawatch_` and ends with its unit, with `_total` for a counter, or with `_info`.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

__all__ = [
    "ALL_METRICS",
    "INGEST_METRICS",
    "LABEL_BOUNDS",
    "METRICS",
    "NOTIFY_METRICS",
    "WEB_METRICS",
    "MetricSpec",
]

Kind = Literal["counter", "gauge", "histogram", "info"]


class MetricSpec(NamedTuple):
    """One metric family. unit: of a sample, as the name spells it; buckets: upper bounds in that unit."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# Why no label can grow without bound. A label that is not listed here must not be used.
LABEL_BOUNDS: Mapping[str, str] = {
    "desk": "the first 100 desks by name, all others as '_other'",
    "cause": "a fixed set",
    "kind": "a fixed set",
    "label": "one for each narrative_id; at most 120 characters",
    "language": "one for each narrative_id; of mentions fr, en, or '_other'",
    "model": "one for each process",
    "narrative_id": "the setting top_narratives for each desk; series of others are removed",
    "origin": "a fixed set",
    "outcome": "a fixed set, RefinementOutcome",
    "partition": "partitions assigned to this worker; series of others are removed",
    "reason": "a fixed set, RejectReason or FailureReason",
    "route": "the templates of the page's addresses, a fixed set, and '_none'",
    "receiver": "the receivers of the settings, at most 50",
    "source": "the first 50 sources of each desk, all others as '_other'; of ingest those of the settings",
    "stance": "supports, rebuts, unjudged",
    "state": "a fixed set",
    "status": "2xx, 3xx, 4xx or 5xx",
    "topic": "the topics of narrawatch",
    "type": "a fixed set",
    "version": "one for each process",
    "watch": "the watches in use, at most 200; series of those that were removed go",
    "window": "15m, 1h, 6h, 24h",
}

# From one text on a warm model to a full batch on a slow machine.
_EMBED_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCH_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
# From a page out of memory to a search that is broken off.
_ANSWER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Two minutes are what claims wait to be put in order of time by default: fine steps below and above.
_DELAY_SECONDS = (
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    150.0,
    300.0,
    600.0,
    1800.0,
)

COMMENTS = MetricSpec(
    "narrawatch_comments_total", "counter", "comments", "Comments accepted for the first time.", ("desk",)
)
CLAIMS = MetricSpec("narrawatch_claims_total", "counter", "claims", "Claims found in comments.", ("desk",))
COMMENTS_REJECTED = MetricSpec(
    "narrawatch_comments_rejected_total",
    "counter",
    "comments",
    "Comments put aside as dead letters, by reason.",
    ("reason",),
)
COMMENTS_MALFORMED = MetricSpec(
    "narrawatch_comments_malformed_ratio",
    "gauge",
    "ratio",
    "Share of the last 1,000 comments that were refused for their format, 0 to 1.",
)
BROKEN_STREAM = MetricSpec(
    "narrawatch_broken_stream_ratio",
    "gauge",
    "ratio",
    "How long nearly all comments have been refused for their format: 0 not at all, at 1 the worker stops.",
)
COMMENTS_WITHDRAWN = MetricSpec(
    "narrawatch_comments_withdrawn_total",
    "counter",
    "comments",
    "Comments whose mentions were taken back, because they were edited or deleted.",
    ("cause",),
)
COMMENTS_DUPLICATE = MetricSpec(
    "narrawatch_comments_duplicate_total",
    "counter",
    "comments",
    "Comments seen again, and not counted again.",
)
DATES_REFUSED = MetricSpec(
    "narrawatch_comment_dates_refused_total",
    "counter",
    "comments",
    "Comments taken without their date, which lies in the future of their arrival or outside 1995 to 2100.",
)
EMBED = MetricSpec(
    "narrawatch_embed_seconds",
    "histogram",
    "seconds",
    "Time to embed one batch of texts.",
    buckets=_EMBED_SECONDS,
)
EMBED_BATCH = MetricSpec(
    "narrawatch_embed_batch_texts", "histogram", "texts", "Texts embedded together.", buckets=_BATCH_TEXTS
)
QUEUE = MetricSpec("narrawatch_queue_claims", "gauge", "claims", "Claims that wait in this worker.")
CONSUMER_LAG = MetricSpec(
    "narrawatch_consumer_lag_records",
    "gauge",
    "records",
    "Records of a partition that this worker has still to process.",
    ("topic", "partition"),
)
NARRATIVES = MetricSpec(
    "narrawatch_narratives", "gauge", "narratives", "Narratives of a desk, by state.", ("desk", "state")
)
NARRATIVE_MENTIONS = MetricSpec(
    "narrawatch_narrative_mentions",
    "gauge",
    "mentions",
    "Mentions of a narrative so far, by stance; only of the most mentioned narratives.",
    ("desk", "narrative_id", "stance"),
)
NARRATIVE = MetricSpec(
    "narrawatch_narrative_info",
    "info",
    "info",
    "What a narrative says; join by narrative_id. Always 1.",
    ("desk", "narrative_id", "label", "language", "kind"),
)
NARRATIVE_SURPRISE = MetricSpec(
    "narrawatch_narrative_surprise_decades",
    "gauge",
    "decades",
    "How unlikely it is that a calm narrative is mentioned as often as this one now: -log10 of the chance"
    " within a quarter of an hour, in the most surprising window.",
    ("desk", "narrative_id"),
)
NARRATIVE_OBSERVED = MetricSpec(
    "narrawatch_narrative_observed_mentions",
    "gauge",
    "mentions",
    "Mentions of a narrative within a window that ends now.",
    ("desk", "narrative_id", "window"),
)
NARRATIVE_EXPECTED = MetricSpec(
    "narrawatch_narrative_expected_mentions",
    "gauge",
    "mentions",
    "Mentions that were to be expected within a window that ends now.",
    ("desk", "narrative_id", "window"),
)
NARRATIVE_AUTHORS = MetricSpec(
    "narrawatch_narrative_authors",
    "gauge",
    "authors",
    "Distinct authors of a narrative.",
    ("desk", "narrative_id"),
)
NARRATIVE_THREADS = MetricSpec(
    "narrawatch_narrative_threads",
    "gauge",
    "threads",
    "Distinct threads that a narrative is mentioned in.",
    ("desk", "narrative_id"),
)
NARRATIVE_COPIES = MetricSpec(
    "narrawatch_narrative_copies",
    "gauge",
    "copies",
    "Mentions of a narrative that are near-copies of a text which several authors posted.",
    ("desk", "narrative_id"),
)
NARRATIVE_EMERGED = MetricSpec(
    "narrawatch_narrative_emerged_timestamp_seconds",
    "gauge",
    "seconds",
    "When a narrative emerged, in seconds since 1970.",
    ("desk", "narrative_id"),
)
NARRATIVE_LAST_SEEN = MetricSpec(
    "narrawatch_narrative_last_seen_timestamp_seconds",
    "gauge",
    "seconds",
    "The date of a narrative's latest mention, in seconds since 1970.",
    ("desk", "narrative_id"),
)
MENTIONS = MetricSpec(
    "narrawatch_mentions_total",
    "counter",
    "mentions",
    "Mentions of narratives made; one that is found to be of another narrative is made again there.",
    ("desk", "language", "source", "stance"),
)
SOURCE_LAST_COMMENT = MetricSpec(
    "narrawatch_source_last_comment_timestamp_seconds",
    "gauge",
    "seconds",
    "When the last new comment of a source arrived at the broker, in seconds since 1970.",
    ("desk", "source"),
)
EVENTS = MetricSpec(
    "narrawatch_events_total",
    "counter",
    "events",
    "Events in the life of narratives, by type; a campaign that emerges counts as emerged and as campaign.",
    ("desk", "type"),
)
WATCH_MATCHES = MetricSpec(
    "narrawatch_watch_matches_total",
    "counter",
    "matches",
    "Claims that match a watch.",
    ("desk", "watch"),
)
WATCH_SURPRISE = MetricSpec(
    "narrawatch_watch_surprise_decades",
    "gauge",
    "decades",
    "How unlikely it is that a calm watch matches as often as this one now: -log10 of the chance within a"
    " quarter of an hour, in the most surprising window.",
    ("desk", "watch"),
)
WATCH_OBSERVED = MetricSpec(
    "narrawatch_watch_observed_matches",
    "gauge",
    "matches",
    "Comments that match a watch within a window that ends now.",
    ("desk", "watch", "window"),
)
WATCH_EXPECTED = MetricSpec(
    "narrawatch_watch_expected_matches",
    "gauge",
    "matches",
    "Matches that were to be expected within a window that ends now.",
    ("desk", "watch", "window"),
)
WATCHES = MetricSpec("narrawatch_watches", "gauge", "watches", "Watches that this worker looks for.")
LABEL_REFINEMENTS = MetricSpec(
    "narrawatch_label_refinements_total",
    "counter",
    "refinements",
    "Narratives that a model was to word a label for, by what came of it.",
    ("outcome",),
)
COMMENT_TO_METRIC = MetricSpec(
    "narrawatch_comment_to_metric_seconds",
    "histogram",
    "seconds",
    "Time from a comment's arrival at the broker until it is in these metrics.",
    buckets=_DELAY_SECONDS,
)
BUILD = MetricSpec("narrawatch_build_info", "info", "info", "The version that runs. Always 1.", ("version",))
MODEL = MetricSpec(
    "narrawatch_model_info",
    "info",
    "info",
    "The embedding model that runs, and where it comes from. Always 1.",
    ("model", "origin"),
)

WORKER_READY = MetricSpec(
    "narrawatch_worker_ready",
    "gauge",
    "ready",
    "Whether a comment that arrives now would be dealt with: 1 or 0, as the page /ready says.",
)

METRICS: tuple[MetricSpec, ...] = (
    COMMENTS,
    CLAIMS,
    COMMENTS_REJECTED,
    COMMENTS_MALFORMED,
    BROKEN_STREAM,
    COMMENTS_WITHDRAWN,
    COMMENTS_DUPLICATE,
    DATES_REFUSED,
    EMBED,
    EMBED_BATCH,
    QUEUE,
    CONSUMER_LAG,
    NARRATIVES,
    NARRATIVE_MENTIONS,
    NARRATIVE,
    NARRATIVE_SURPRISE,
    NARRATIVE_OBSERVED,
    NARRATIVE_EXPECTED,
    NARRATIVE_AUTHORS,
    NARRATIVE_THREADS,
    NARRATIVE_COPIES,
    NARRATIVE_EMERGED,
    NARRATIVE_LAST_SEEN,
    MENTIONS,
    SOURCE_LAST_COMMENT,
    EVENTS,
    WATCH_MATCHES,
    WATCH_SURPRISE,
    WATCH_OBSERVED,
    WATCH_EXPECTED,
    WATCHES,
    LABEL_REFINEMENTS,
    COMMENT_TO_METRIC,
    BUILD,
    MODEL,
    WORKER_READY,
)

NOTIFICATIONS = MetricSpec(
    "narrawatch_notifications_total",
    "counter",
    "notifications",
    "Notifications by receiver and what became of them.",
    ("receiver", "outcome"),
)
NOTIFICATION = MetricSpec(
    "narrawatch_notification_seconds",
    "histogram",
    "seconds",
    "Time to deliver a notification, with all attempts.",
    ("receiver",),
    buckets=_DELAY_SECONDS,
)
# What `narrawatch notify` shows, a process of its own.
NOTIFY_METRICS: tuple[MetricSpec, ...] = (NOTIFICATIONS, NOTIFICATION)

INGEST_SOURCE = MetricSpec(
    "narrawatch_ingest_source_info",
    "info",
    "info",
    "Which kind a live source is of; join by desk and source. Always 1.",
    ("desk", "source", "kind"),
)
INGEST_COMMENTS = MetricSpec(
    "narrawatch_ingest_comments_total",
    "counter",
    "comments",
    "Comments of a live source that the broker has acknowledged, edits and deletions among them.",
    ("desk", "source"),
)
INGEST_NEWEST = MetricSpec(
    "narrawatch_ingest_newest_comment_timestamp_seconds",
    "gauge",
    "seconds",
    "The date of the newest comment of a live source that was delivered, in seconds since 1970.",
    ("desk", "source"),
)
INGEST_LAST_POLL = MetricSpec(
    "narrawatch_ingest_last_poll_timestamp_seconds",
    "gauge",
    "seconds",
    "When a live source was last read without a failure, or this process began, in seconds since 1970.",
    ("desk", "source"),
)
INGEST_FAILURES = MetricSpec(
    "narrawatch_ingest_failures_total",
    "counter",
    "failures",
    "Times that a live source could not be read, by reason.",
    ("desk", "source", "reason"),
)
INGEST_REQUESTS = MetricSpec(
    "narrawatch_ingest_requests_total",
    "counter",
    "requests",
    "HTTP requests for a live source that were answered, by class of status.",
    ("desk", "source", "status"),
)
INGEST_WAITING = MetricSpec(
    "narrawatch_ingest_waiting_seconds_total",
    "counter",
    "seconds",
    "Time that requests waited: for their turn, because a site asked for it, after a failure.",
    ("desk", "source", "cause"),
)
# What `narrawatch ingest` shows when it reads live sources, a process of its own.
INGEST_METRICS: tuple[MetricSpec, ...] = (
    INGEST_SOURCE,
    INGEST_COMMENTS,
    INGEST_NEWEST,
    INGEST_LAST_POLL,
    INGEST_FAILURES,
    INGEST_REQUESTS,
    INGEST_WAITING,
)

WEB_REQUESTS = MetricSpec(
    "narrawatch_web_requests_total",
    "counter",
    "requests",
    "Requests that the page has answered, by the template of their address and the class of status.",
    ("route", "status"),
)
WEB_REQUEST = MetricSpec(
    "narrawatch_web_request_seconds",
    "histogram",
    "seconds",
    "Time from a request until its answer begins.",
    ("route",),
    buckets=_ANSWER_SECONDS,
)
WEB_STREAMS = MetricSpec(
    "narrawatch_web_streams", "gauge", "streams", "Pages that are open and told of what is new."
)
WEB_RECORDS = MetricSpec(
    "narrawatch_web_records_total", "counter", "records", "Records that the page has read.", ("topic",)
)
WEB_REFUSED = MetricSpec(
    "narrawatch_web_records_refused_total",
    "counter",
    "records",
    "Records that the page could not read, and passed over.",
    ("topic",),
)
WEB_LAG = MetricSpec(
    "narrawatch_web_lag_records",
    "gauge",
    "records",
    "Records that are there and that the page has not read yet.",
    ("topic",),
)
WEB_READY = MetricSpec(
    "narrawatch_web_ready",
    "gauge",
    "ready",
    "Whether what the page shows is up to date: 1 or 0, as its page /ready says.",
)
WEB_STORE = MetricSpec("narrawatch_web_store_bytes", "gauge", "bytes", "What the page keeps, on the disk.")
WEB_NARRATIVES = MetricSpec(
    "narrawatch_web_narratives", "gauge", "narratives", "Narratives that the page keeps."
)
WEB_MENTIONS = MetricSpec("narrawatch_web_mentions", "gauge", "mentions", "Mentions that the page keeps.")
# What `narrawatch web` shows when it reads the topics, a process of its own.
WEB_METRICS: tuple[MetricSpec, ...] = (
    WEB_REQUESTS,
    WEB_REQUEST,
    WEB_STREAMS,
    WEB_RECORDS,
    WEB_REFUSED,
    WEB_LAG,
    WEB_READY,
    WEB_STORE,
    WEB_NARRATIVES,
    WEB_MENTIONS,
)

ALL_METRICS: tuple[MetricSpec, ...] = (*METRICS, *NOTIFY_METRICS, *INGEST_METRICS, *WEB_METRICS)
