"""The part of the dashboard "pipeline" about live sources, as `narrawatch ingest` sees them."""

from dashboards import ingest_queries as ask
from dashboards.layout import Line, Row
from dashboards.look import (
    PER_SECOND,
    SECONDS,
    Query,
    describe,
    lines_panel,
    number_panel,
    ranking_panel,
    stacked_panel,
    steps,
)
from dashboards.thresholds import Thresholds

__all__ = ["ingest_row"]

_SOURCE = "{{source}} ({{desk}})"


def ingest_row(limits: Thresholds) -> Row:
    """What live sources bring, and what keeps them from it."""
    return Row(8, "Live sources", [_comments(limits), _trouble()])


def _comments(limits: Thresholds) -> Line:
    by_kind = stacked_panel(
        "Comments by kind of source",
        describe(
            "Comments of live sources that the broker has, edits and deletions among them.",
            "A kind that falls to nothing while others go on: look at its failures, its interface may be"
            " closed.",
        ),
        [Query(ask.COMMENTS_BY_KIND, "{{kind}}")],
        PER_SECOND,
    )
    newest = ranking_panel(
        "Age of the newest comment",
        describe(
            "How long ago the newest comment of each live source was written, by its own date.",
            "Old although the source is being read: it is quiet there, or it shows comments late.",
        ),
        Query(f"topk(20, {ask.AGE_OF_NEWEST})", _SOURCE),
        SECONDS,
        steps(limits.source_silent_seconds / 2, limits.source_silent_seconds),
    )
    since_read = ranking_panel(
        "Not read for",
        describe(
            "How long ago each live source was read without a failure.",
            "From the red on an alert goes out: the reasons are below, and in the log of narrawatch ingest.",
        ),
        Query(f"topk(20, {ask.SINCE_READ})", _SOURCE),
        SECONDS,
        steps(limits.source_failing_seconds / 2, limits.source_failing_seconds),
    )
    return Line(9, [by_kind, newest, since_read])


def _trouble() -> Line:
    failures = stacked_panel(
        "Failures by reason",
        describe(
            "Times in an hour that a live source could not be read, by reason.",
            "Refused, robots: the site's decision. Busy: raise poll_seconds. Broker: Kafka. Fault: ours.",
        ),
        [Query(ask.FAILURES, "{{reason}}")],
    )
    worst = ranking_panel(
        "Failures by source",
        describe(
            "The sources that failed in the last hour, how often, and why.",
            "One at the top for hours: ask it with narrawatch sources probe, or take it out.",
        ),
        Query(f"topk(15, {ask.FAILURES_BY_SOURCE})", "{{source}} ({{desk}}): {{reason}}"),
    )
    robots = number_panel(
        "Refused by robots.txt",
        describe(
            "Times in an hour that robots.txt kept us from asking.",
            "Take the source out, or ask its site; with its permission set robots to false.",
        ),
        Query(ask.ROBOTS),
        colours=steps(1),
    )
    requests = stacked_panel(
        "Requests",
        describe(
            "Answers of live sources, by class of status.",
            "Many 4xx: an address or a permission has changed. 5xx: the site is in trouble, wait.",
        ),
        [Query(ask.REQUESTS, "{{status}}")],
        PER_SECOND,
    )
    waiting = lines_panel(
        "Requests that wait",
        describe(
            "How many requests wait at a time: for their turn, because a site asked for it, after a failure.",
            "Turn above 1 all the time: too many sources on one host, or too long an interval.",
        ),
        [Query(ask.WAITING, "{{cause}}")],
    )
    return Line(9, [failures, worst, robots, requests, waiting], [6, 5, 3, 5, 5])
