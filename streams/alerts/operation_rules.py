"""What those who run narrawatch are told: what keeps it from doing its work."""

from streams.alerts.rule_types import Alert, figure
from streams.settings_fields import Settings

__all__ = ["operation_rules"]

_JOB = 'job="narrawatch"'
_INGEST_JOB = 'job="narrawatch-ingest"'
_WEB_JOB = 'job="narrawatch-web"'
# A restart, with the model to be loaded and the state to be read again, is no outage.
_RESTART_SECONDS = 300
_LASTING_SECONDS = 600
_SCRAPES_SECONDS = 120
_SILENT_NEWS = 8  # times the threshold, two days by default


def operation_rules(settings: Settings) -> list[Alert]:
    """The operator's alerts."""
    return [
        *_workers(),
        *_flow(settings),
        *_input(settings),
        *_live_sources(settings),
        *_embedding(settings),
        *_page(settings),
        *_notifications(),
    ]


def _workers() -> list[Alert]:
    return [
        Alert(
            name="WorkerDown",
            expr=f"up{{{_JOB}}} == 0",
            for_seconds=_SCRAPES_SECONDS,
            severity="critical",
            summary="The worker at {{ $labels.instance }} does not answer",
            description="Prometheus cannot read its metrics. Its partitions go to the other workers, if there"
            " are any; what it watched is not lost.",
        ),
        Alert(
            name="NoWorkers",
            expr=f"absent(up{{{_JOB}}})",
            for_seconds=_SCRAPES_SECONDS,
            severity="critical",
            summary="No worker is known to Prometheus",
            description="There is no target of the job narrawatch: nobody reads comments, or nobody would"
            " notice.",
        ),
        Alert(
            name="WorkerNotReady",
            expr=f"narrawatch_worker_ready{{{_JOB}}} == 0",
            for_seconds=_RESTART_SECONDS,
            severity="warning",
            summary="The worker at {{ $labels.instance }} is not ready",
            description="A comment that arrives now would not be dealt with."
            " Its page /ready gives the reasons.",
        ),
    ]


def _flow(settings: Settings) -> list[Alert]:
    return [
        Alert(
            name="ConsumerLagHigh",
            expr=f"topic:narrawatch_consumer_lag_records:sum > {settings.alert_lag_records}",
            for_seconds=_LASTING_SECONDS,
            severity="warning",
            summary="{{ $value | humanize }} records wait in {{ $labels.topic }}",
            description="Comments come in faster than they are read: narratives are noticed late.",
        ),
        Alert(
            name="CommentsLate",
            expr="instance:narrawatch_comment_to_metric_seconds:p95_rate10m"
            f" > {settings.alert_delay_seconds:g}",
            for_seconds=_LASTING_SECONDS,
            severity="warning",
            summary="Comments take {{ $value | humanizeDuration }} to show at {{ $labels.instance }}",
            description="So long it takes from a comment's arrival at the broker to the metrics for one in"
            " twenty.",
        ),
    ]


def _input(settings: Settings) -> list[Alert]:
    rejected = "reason:narrawatch_comments_rejected:increase15m"
    silent = "time() - max by (desk, source) (narrawatch_source_last_comment_timestamp_seconds)"
    return [
        Alert(
            name="DeadLetters",
            expr=f'{rejected}{{reason!="failed"}} > {settings.alert_dead_letters}',
            for_seconds=0,
            severity="warning",
            summary="{{ $value | humanize }} comments were put aside as {{ $labels.reason }}",
            description="So many in a quarter of an hour: a source sends what cannot be read.",
        ),
        Alert(
            name="ProcessingFailed",
            expr=f'{rejected}{{reason="failed"}} > 0',
            for_seconds=0,
            severity="warning",
            summary="Comments that could not be processed: {{ $value | humanize }}",
            description="They are well formed, and a later step failed on them: a fault of narrawatch, the"
            " model or the machine. They are kept as dead letters.",
        ),
        Alert(
            name="StreamBroken",
            expr="max by (instance) (narrawatch_broken_stream_ratio) > 0.25",
            for_seconds=0,
            severity="critical",
            summary="Nearly everything that {{ $labels.instance }} reads is refused",
            description="The worker is {{ $value | humanizePercentage }} of the way to stopping itself:"
            " what arrives are not comments.",
        ),
        Alert(
            name="SourceSilent",
            # One that has been gone for long, such as a file that was read once, is no news any more.
            expr=f"({silent} > {settings.alert_source_silent_seconds})"
            f" < {_SILENT_NEWS * settings.alert_source_silent_seconds}",
            for_seconds=_LASTING_SECONDS,
            severity="warning",
            summary="Nothing from {{ $labels.source }} for {{ $value | humanizeDuration }}",
            description="The last comment of this source in {{ $labels.desk }} is older than is usual: it is"
            " quiet there, or it is not being read.",
        ),
    ]


def _live_sources(settings: Settings) -> list[Alert]:
    # One of several processes that read a source is enough.
    unread = "time() - max by (desk, source) (narrawatch_ingest_last_poll_timestamp_seconds)"
    up = f"up{{{_INGEST_JOB}}}"
    return [
        Alert(
            name="SourceFailing",
            expr=f"{unread} > {settings.alert_source_failing_seconds}",
            for_seconds=_SCRAPES_SECONDS,
            severity="warning",
            summary="{{ $labels.source }} has not been read for {{ $value | humanizeDuration }}",
            description="Every attempt to read this source of {{ $labels.desk }} has failed since;"
            " narrawatch_ingest_failures_total has the reasons. The other sources go on.",
        ),
        Alert(
            name="IngesterDown",
            # One that was stopped for good is no news the day after.
            expr=f"{up} == 0 and max_over_time({up}[1d]) == 1",
            for_seconds=_RESTART_SECONDS,
            severity="critical",
            summary="The ingester at {{ $labels.instance }} does not answer",
            description="Its live sources are not being read. It goes on where it was when it is started"
            " again: what a site has dropped by then is lost.",
        ),
    ]


def _embedding(settings: Settings) -> list[Alert]:
    return [
        Alert(
            name="EmbeddingSlow",
            expr=f"instance:narrawatch_embed_seconds:p95_rate10m > {settings.alert_embed_seconds:g}",
            for_seconds=_LASTING_SECONDS,
            severity="warning",
            summary="Embedding a batch takes {{ $value | humanizeDuration }} at {{ $labels.instance }}",
            description="So long it takes for one batch in twenty: the machine is busy with something else,"
            " or too small.",
        )
    ]


def _page(settings: Settings) -> list[Alert]:
    up = f"up{{{_WEB_JOB}}}"
    lag = figure("narrawatch_web_lag_records", ("instance",), summed_over="topic")
    return [
        Alert(
            name="PageDown",
            # One that was stopped for good is no news the day after.
            expr=f"{up} == 0 and max_over_time({up}[1d]) == 1",
            for_seconds=_RESTART_SECONDS,
            severity="critical",
            summary="The page at {{ $labels.instance }} does not answer",
            description="Nobody can read there what alerts and dashboards link to. Workers go on without it,"
            " and nothing is lost.",
        ),
        Alert(
            name="PageBehind",
            # While the broker is away it knows of no records, and is not ready all the same.
            expr=f"sum by (instance) (narrawatch_web_lag_records{{{_WEB_JOB}}})"
            f" > {settings.alert_lag_records}"
            f" or min by (instance) (narrawatch_web_ready{{{_WEB_JOB}}}) == 0",
            for_seconds=_LASTING_SECONDS,
            severity="warning",
            summary="The page at {{ $labels.instance }} is not up to date",
            description=f"Records that it has not read, as far as it knows: {lag}."
            " Its page /ready gives the reasons.",
        ),
    ]


def _notifications() -> list[Alert]:
    return [
        Alert(
            name="NotificationsFailing",
            expr='sum by (receiver) (increase(narrawatch_notifications_total{outcome="given_up"}[15m])) > 0',
            for_seconds=0,
            severity="critical",
            summary="{{ $labels.receiver }} is not being told",
            description="Notifications that were given up in a quarter of an hour, after all attempts:"
            " {{ $value | humanize }}. They are kept as dead letters.",
        )
    ]
