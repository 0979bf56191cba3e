"""The part of the dashboard "pipeline" about the page, `narrawatch web`."""

from dashboards import web_queries as ask
from dashboards.layout import Line, Row
from dashboards.look import (
    BYTES,
    NUMBER,
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

__all__ = ["web_row"]

_SLOW_SECONDS, _LOST_SECONDS = 0.5, 2.5  # a reader begins to wonder; and to leave


def web_row(limits: Thresholds) -> Row:
    """Who asks the page, how fast it answers, how far it has read."""
    return Row(9, "Page", [_now(limits), _answers(), _reading(limits)])


def _now(limits: Thresholds) -> Line:
    panels = [
        number_panel(
            "Pages that are up to date",
            describe(
                "Processes of the page that have read all there is, and whose broker answers.",
                "Fewer than you run: ask /ready of each for its reasons.",
            ),
            Query(ask.UP_TO_DATE),
        ),
        number_panel(
            "Records behind",
            describe(
                "Records that are there and that the page furthest behind has not read.",
                "Falling: it is catching up. Standing still: see its log and its disk.",
            ),
            Query(ask.BEHIND),
            colours=steps(limits.lag_records / 10, limits.lag_records),
        ),
        number_panel(
            "Open pages",
            describe(
                "Pages that readers have open, and that are told of what is new.",
                "Near 200 on one process: more are refused, start another one.",
            ),
            Query(ask.STREAMS),
        ),
        number_panel(
            "Answer, p95",
            describe(
                "Within this time 95 of 100 answers begin.",
                "Seconds: see which addresses are slow below; keep fewer days (web_history_days).",
            ),
            Query(ask.answer_quantile(0.95)),
            SECONDS,
            steps(_SLOW_SECONDS, _LOST_SECONDS),
        ),
        number_panel(
            "Mentions kept",
            describe(
                "Mentions that the page can show.",
                "At web_max_mentions the oldest go: raise it if they are missed.",
            ),
            Query(ask.KEPT_MENTIONS),
        ),
        number_panel(
            "Narratives kept",
            describe(
                "Narratives that the page can show, living and faded.",
                "Old ones go with web_history_days.",
            ),
            Query(ask.KEPT_NARRATIVES),
        ),
    ]
    return Line(4, panels)


def _answers() -> Line:
    routes = stacked_panel(
        "Requests by address",
        describe(
            "Answers of the page, by the template of the address; _none: unknown addresses, and refusals.",
            "Much _none: somebody without a token, or who tries addresses; see the proxy's log.",
        ),
        [Query(ask.BY_ROUTE, "{{route}}")],
        PER_SECOND,
    )
    statuses = stacked_panel(
        "Requests by status",
        describe(
            "Answers of the page, by class of status.",
            "5xx: a search that took too long, a broken disk, or /ready that says no; the log tells which.",
        ),
        [Query(ask.BY_STATUS, "{{status}}")],
        PER_SECOND,
    )
    times = lines_panel(
        "Time until an answer begins",
        describe(
            "Half, 95 and 99 of 100 answers begin within this time.",
            "Rising with the store: keep less. Rising with requests: start another process.",
        ),
        [Query(ask.answer_quantile(share), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)],
        SECONDS,
        steps(_LOST_SECONDS),
    )
    slowest = ranking_panel(
        "Slowest addresses, p95",
        describe(
            "Within this time 95 of 100 answers of each address began in the last hour.",
            "Searches may take a second on a million mentions; anything above is worth a look.",
        ),
        Query(f"topk(10, {ask.SLOWEST})", "{{route}}"),
        SECONDS,
        steps(_SLOW_SECONDS, _LOST_SECONDS),
    )
    return Line(9, [routes, statuses, times, slowest])


def _reading(limits: Thresholds) -> Line:
    lag = lines_panel(
        "Records behind by topic",
        describe(
            "Records of each topic that the page furthest behind has not read.",
            "After a start with an empty cache it reads all of the topics: minutes to an hour.",
        ),
        [Query(ask.LAG, "{{topic}}")],
        NUMBER,
        steps(limits.lag_records),
    )
    read = lines_panel(
        "Records read and refused",
        describe(
            "Records of each topic that a page takes a second, and those that it cannot read.",
            "Refused: another program writes to that topic, or workers of a newer version do.",
        ),
        [Query(ask.READ, "{{topic}}"), Query(ask.REFUSED, "{{topic}}, refused")],
        PER_SECOND,
    )
    store = lines_panel(
        "Store on the disk",
        describe(
            "What each page keeps in its file.",
            "It can be made again from the topics: if the disk fills, lower web_max_mentions.",
        ),
        [Query(ask.STORE, "{{instance}}")],
        BYTES,
    )
    return Line(9, [lag, read, store])
