"""What is computed ahead. Named level:metric:operation, where level is what is left of the labels.

Gauges of a narrative are taken at their maximum over the workers: while a partition changes hands two may
show the same narrative, and it must not count twice.
"""

from streams.alerts.rule_types import Recording

__all__ = ["recording_rules"]


def recording_rules() -> list[Recording]:
    """All recording rules; alerting rules and dashboards use them."""
    return [*_narratives(), *_watches(), *_operation()]


def _narratives() -> list[Recording]:
    return [
        Recording(
            "desk_narrative_id:narrawatch_narrative_surprise_decades:max",
            "max by (desk, narrative_id) (narrawatch_narrative_surprise_decades)",
        ),
        Recording(
            "desk_narrative_id:narrawatch_narrative_mentions:sum",
            "sum by (desk, narrative_id) ("
            "max by (desk, narrative_id, stance) (narrawatch_narrative_mentions))",
        ),
        Recording(
            "desk_narrative_id_window:narrawatch_narrative_observed_mentions:max",
            "max by (desk, narrative_id, window) (narrawatch_narrative_observed_mentions)",
        ),
        Recording(
            "desk_narrative_id_window:narrawatch_narrative_expected_mentions:max",
            "max by (desk, narrative_id, window) (narrawatch_narrative_expected_mentions)",
        ),
        Recording("desk:narrawatch_comments:rate5m", "sum by (desk) (rate(narrawatch_comments_total[5m]))"),
        Recording(
            "desk_stance:narrawatch_mentions:rate1h",
            "sum by (desk, stance) (rate(narrawatch_mentions_total[1h]))",
        ),
    ]


def _watches() -> list[Recording]:
    return [
        Recording(
            "desk_watch:narrawatch_watch_surprise_decades:max",
            "max by (desk, watch) (narrawatch_watch_surprise_decades)",
        ),
        Recording(
            "desk_watch_window:narrawatch_watch_observed_matches:max",
            "max by (desk, watch, window) (narrawatch_watch_observed_matches)",
        ),
        Recording(
            "desk_watch_window:narrawatch_watch_expected_matches:max",
            "max by (desk, watch, window) (narrawatch_watch_expected_matches)",
        ),
    ]


def _operation() -> list[Recording]:
    return [
        Recording(
            "topic:narrawatch_consumer_lag_records:sum",
            "sum by (topic) (max by (topic, partition) (narrawatch_consumer_lag_records))",
        ),
        Recording(
            "reason:narrawatch_comments_rejected:increase15m",
            "sum by (reason) (increase(narrawatch_comments_rejected_total[15m]))",
        ),
        Recording(
            "instance:narrawatch_embed_seconds:p95_rate10m",
            "histogram_quantile(0.95, sum by (instance, le) (rate(narrawatch_embed_seconds_bucket[10m])))",
        ),
        Recording(
            "instance:narrawatch_comment_to_metric_seconds:p95_rate10m",
            "histogram_quantile(0.95,"
            " sum by (instance, le) (rate(narrawatch_comment_to_metric_seconds_bucket[10m])))",
        ),
    ]
