"""The dashboard "pipeline": whether comments come in, get through, and how long they take."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import pipeline_queries as ask
from dashboards.board import Options, new_board
from dashboards.ingest_row import ingest_row
from dashboards.layout import Line, Row, place
from dashboards.lifecycle import marks_of_all
from dashboards.links import NARRATIVES_UID, PIPELINE_UID, WATCHES_UID, board_link
from dashboards.look import (
    NUMBER,
    PER_SECOND,
    SECONDS,
    SHARE,
    Query,
    describe,
    lines_panel,
    number_panel,
    ranking_panel,
    stacked_panel,
    steps,
)
from dashboards.tables import Column, table_panel
from dashboards.thresholds import Thresholds
from dashboards.variables import datasource, desks
from dashboards.web_row import web_row

__all__ = ["pipeline_board"]


def pipeline_board(options: Options) -> Dashboard:
    """The health of workers, live sources, the page and notifications."""
    board = (
        new_board(PIPELINE_UID, "Pipeline", "Whether comments get through, and how fast.", hours=6)
        .variables([datasource(options.datasource_uid), desks()])
        .annotations(list(marks_of_all(options.thresholds)))
        .links([board_link("Narratives", NARRATIVES_UID), board_link("Watches", WATCHES_UID)])
    )
    limits = options.thresholds
    health = [_now(limits), _traffic(limits), _speed(limits), _trouble()]
    around = [_sources(limits), ingest_row(limits), web_row(limits), _notifications(), _builds()]
    return place(board, [*health, *around]).build()


def _now(limits: Thresholds) -> Row:
    panels = [
        number_panel(
            "Comments",
            describe(
                "Comments accepted a second, all desks that are chosen.",
                "Zero while sources write: look at lag and at the sources below.",
            ),
            Query(ask.ALL_COMMENTS),
            PER_SECOND,
        ),
        number_panel(
            "Lag",
            describe(
                "Records that wait in the topics for a worker.",
                "If it grows, start workers; if it stands still, see whether one hangs.",
            ),
            Query(ask.ALL_LAG),
            colours=steps(limits.lag_records / 10, limits.lag_records),
        ),
        number_panel(
            "Comment to metric, p99",
            describe(
                "How long 99 of 100 comments take from the broker to these figures.",
                "Two minutes are the wait that puts partitions in order; more is lag or slow embedding.",
            ),
            Query(ask.delay_quantile(0.99)),
            SECONDS,
            steps(limits.delay_seconds / 2, limits.delay_seconds),
        ),
        number_panel(
            "Dead letters in a quarter of an hour",
            describe(
                "Comments put aside, by reason, in the last quarter of an hour; all reasons together.",
                "Run narrawatch dead-letters list and mend the source.",
            ),
            Query(f"sum({ask.REJECTED_OF_QUARTER})"),
            colours=steps(1, limits.dead_letters),
        ),
        number_panel(
            "Broken stream",
            describe(
                "How near a worker is to stopping because it reads nothing but garbage; at 1 it stops.",
                "Above 0 look at what the producer sends now.",
            ),
            Query(f"max({ask.BROKEN})"),
            SHARE,
            steps(0.1, 0.5),
        ),
    ]
    return Row(1, "Now", [Line(4, panels, [5, 5, 5, 5, 4])])


def _traffic(limits: Thresholds) -> Row:
    comments = stacked_panel(
        "Comments by desk",
        describe(
            "Comments accepted for the first time.",
            "A desk that falls to nothing lost its source or its worker.",
        ),
        [Query(ask.COMMENTS_BY_DESK, "{{desk}}")],
        PER_SECOND,
    )
    claims = stacked_panel(
        "Claims by desk",
        describe(
            "Claims found in these comments: what is embedded, and nearly all of the cost.",
            "If they grow faster than comments, comments became longer.",
        ),
        [Query(ask.CLAIMS_BY_DESK, "{{desk}}")],
        PER_SECOND,
    )
    lag = lines_panel(
        "Lag by topic",
        describe(
            "Records of each topic that are still to be processed.",
            "Lag of comments: more embedding workers. Lag of claims: a desk is too busy for one worker.",
        ),
        [Query(ask.LAG, "{{topic}}")],
        NUMBER,
        steps(limits.lag_records),
    )
    queue = lines_panel(
        "Claims that wait in workers",
        describe(
            "Claims held to be put in order of time, for each worker.",
            "It follows the traffic; if it only grows, a partition is silent.",
        ),
        [Query(ask.QUEUED, "{{instance}}")],
    )
    return Row(2, "Traffic", [Line(9, [comments, claims]), Line(9, [lag, queue])])


def _speed(limits: Thresholds) -> Row:
    embed = lines_panel(
        "Time to embed a batch",
        describe(
            "Half, 95 and 99 of 100 batches of texts take less than this.",
            "Above the line the processor is too busy: fewer workers on it, or smaller batches.",
        ),
        [Query(ask.embed_quantile(share), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)],
        SECONDS,
        steps(limits.embed_seconds),
    )
    batch = lines_panel(
        "Texts in a batch",
        describe(
            "The mean number of texts embedded together.",
            "It grows with the traffic; at its largest all the time, workers do not keep up.",
        ),
        [Query(ask.BATCH, "texts")],
    )
    delay = lines_panel(
        "Comment to metric",
        describe(
            "How long half and 99 of 100 comments take from the broker to these figures.",
            "Compare with lag: delay without lag is the wait for silent partitions.",
        ),
        [Query(ask.delay_quantile(share), f"p{share * 100:.0f}") for share in (0.5, 0.99)],
        SECONDS,
        steps(limits.delay_seconds),
    )
    return Row(3, "Speed", [Line(9, [embed, batch, delay])])


def _trouble() -> Row:
    letters = stacked_panel(
        "Dead letters by reason",
        describe(
            "Comments put aside a second, by reason.",
            "What is invalid is the producer's to mend; what failed is ours: send it again after a restart.",
        ),
        [Query(ask.REJECTED, "{{reason}}")],
        PER_SECOND,
    )
    repeated = lines_panel(
        "Duplicates, withdrawn, dates refused",
        describe(
            "Comments that came again, that were edited or deleted, and that were taken without their date.",
            "Many duplicates: a source is read twice. Refused dates: its clock is wrong, or forged.",
        ),
        [
            Query(ask.DUPLICATES, "duplicates"),
            Query(ask.WITHDRAWN, "{{cause}}"),
            Query(ask.DATES, "dates refused"),
        ],
        PER_SECOND,
    )
    broken = lines_panel(
        "Garbage",
        describe(
            "Share of the last 1,000 comments refused for their format, and how near stopping a worker is.",
            "Rising: look at the producer before the worker stops at 1.",
        ),
        [
            Query(ask.MALFORMED, "malformed {{instance}}"),
            Query(ask.BROKEN, "broken stream {{instance}}"),
        ],
        SHARE,
    )
    labels = stacked_panel(
        "Labels worded by a model",
        describe(
            "What came of asking the endpoint for better labels, in the last hour.",
            "Nothing is asked unless label_api_url is set. Failures cost nothing but the wording.",
        ),
        [Query(ask.REFINEMENTS, "{{outcome}}")],
    )
    return Row(4, "Trouble", [Line(9, [letters, repeated]), Line(8, [broken, labels])])


def _sources(limits: Thresholds) -> Row:
    silent = ranking_panel(
        "Silence of sources",
        describe(
            "How long ago the last comment of each source was written.",
            "Longer than usual: see whether the site is up, and whether its collector still runs.",
        ),
        Query(f"topk(20, {ask.SILENT_SECONDS})", "{{source}} ({{desk}})"),
        SECONDS,
        steps(limits.source_silent_seconds / 2, limits.source_silent_seconds),
    )
    return Row(5, "Sources", [Line(9, [silent])])


def _notifications() -> Row:
    outcomes = stacked_panel(
        "Notifications",
        describe(
            "What became of notifications in the last hour, by outcome.",
            "What was given up says a receiver is down or refuses: mend it, see the runbook.",
        ),
        [Query(ask.NOTIFIED, "{{outcome}}")],
    )
    delivery = lines_panel(
        "Time to deliver, p95",
        describe(
            "How long 95 of 100 notifications took, with all attempts.",
            "Minutes mean that a receiver refuses at first: look at its own log.",
        ),
        [Query(ask.DELIVERY, "p95")],
        SECONDS,
    )
    return Row(7, "Notifications", [Line(8, [outcomes, delivery])])


def _builds() -> Row:
    ready = number_panel(
        "Workers that are ready",
        describe(
            "Workers that would deal with a comment that arrives now.",
            "Fewer than you run: ask /ready of each for its reasons.",
        ),
        Query(ask.READY),
    )
    not_ready = number_panel(
        "Workers that are not",
        describe(
            "Workers that answer and are not ready: they start, or the broker is away.",
            "More than a few minutes: ask /ready of each for its reasons.",
        ),
        Query(ask.NOT_READY),
        colours=steps(1, 2),
    )
    versions = table_panel(
        "Versions",
        describe(
            "How many workers run each version.",
            "Two are normal during an upgrade, and only then.",
        ),
        [Column("workers", "Workers", ask.BUILDS)],
        {"version": "Version"},
    )
    models = table_panel(
        "Models",
        describe(
            "Workers by embedding model, and where it came from.",
            "All must be the same: workers with different vectors do not find the same narratives.",
        ),
        [Column("workers", "Workers", ask.MODELS)],
        {"model": "Model", "origin": "From"},
    )
    return Row(6, "Workers", [Line(6, [versions, models, ready, not_ready], [7, 9, 4, 4])])
