"""The dashboard "watches": narratives that were described in advance."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import watch_queries as ask
from dashboards.board import Options, new_board
from dashboards.layout import Line, Row, place
from dashboards.lifecycle import marks_of_all
from dashboards.links import NARRATIVES_UID, WATCH_LINKS, WATCHES_UID, board_link, page_link
from dashboards.look import NUMBER, SURPRISE, Query, bars_panel, describe, lines_panel, ranking_panel, steps
from dashboards.tables import Column, table_panel
from dashboards.thresholds import Thresholds
from dashboards.variables import datasource, desks, watch, web_address
from streams.metric_specs import WATCH_EXPECTED, WATCH_OBSERVED, WATCH_SURPRISE

__all__ = ["watches_board"]

_NAME = "{{watch}} ({{desk}})"


def watches_board(options: Options) -> Dashboard:
    """All watches, or those that are chosen."""
    board = (
        new_board(
            WATCHES_UID, "Watches", "Narratives described in advance: matches, and how unusual.", hours=24
        )
        .variables([datasource(options.datasource_uid), desks(), watch(), web_address(options.web_url)])
        .annotations(list(marks_of_all(options.thresholds)))
        .links(
            [
                board_link("Narratives", NARRATIVES_UID),
                page_link("Watches on the web page", "${web_url:raw}/watches"),
            ]
        )
    )
    return place(board, [_now(options.thresholds), _course(options.thresholds), _matches()]).build()


def _now(thresholds: Thresholds) -> Row:
    colours = steps(thresholds.surprise_decades / 2, thresholds.surprise_decades)
    table = table_panel(
        "Watches",
        describe(
            "Each watch: what matched, what was expected, and how surprising the difference is.",
            "Follow a name to the matches. A watch that matches nothing for weeks needs other phrases.",
        ),
        [
            Column("surprise", "Surprise", ask.figure(WATCH_SURPRISE), SURPRISE, colours),
            Column("hour", "Last hour", ask.of_window(WATCH_OBSERVED, "1h")),
            Column("expected_hour", "Expected", ask.of_window(WATCH_EXPECTED, "1h")),
            Column("day", "Last day", ask.of_window(WATCH_OBSERVED, "24h")),
            Column("expected_day", "Expected in a day", ask.of_window(WATCH_EXPECTED, "24h")),
        ],
        {"watch": "Watch", "desk": "Desk"},
        links={"watch": WATCH_LINKS},
        sort_by="Surprise",
    )
    ranking = ranking_panel(
        "Surprise now",
        describe(
            "How unusual each watch is at this moment.",
            f"From {thresholds.surprise_decades:g} decades on an alert goes out, unless the watch has a"
            " threshold of its own.",
        ),
        Query(ask.figure(WATCH_SURPRISE), _NAME),
        SURPRISE,
        colours,
    )
    return Row(1, "Now", [Line(10, [table, ranking], [16, 8])])


def _course(thresholds: Thresholds) -> Row:
    surprise = lines_panel(
        "Surprise over time",
        describe(
            "The course of each watch's surprise; the line is for those without a threshold of their own.",
            "If a watch crosses it daily, give it a higher threshold or narrower phrases.",
        ),
        [Query(ask.figure(WATCH_SURPRISE), _NAME)],
        SURPRISE,
        steps(thresholds.surprise_decades),
    )
    observed = lines_panel(
        "Observed and expected in an hour",
        describe(
            "Matches of the last hour, and what the past of the watch lets expect.",
            "Choose one watch at the top to compare its two lines.",
        ),
        [
            Query(ask.of_window(WATCH_OBSERVED, "1h"), f"{_NAME} observed"),
            Query(ask.of_window(WATCH_EXPECTED, "1h"), f"{_NAME} expected"),
        ],
        NUMBER,
    )
    return Row(2, "Course", [Line(10, [surprise, observed])])


def _matches() -> Row:
    bars = bars_panel(
        "Matches in each quarter of an hour",
        describe(
            "Claims that matched, counted as they came in.",
            "A single high bar is one thread; bars that go on are a narrative.",
        ),
        [Query(ask.matches("15m"), _NAME)],
    ).interval("15m")
    return Row(3, "Matches", [Line(9, [bars])])
