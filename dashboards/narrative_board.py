"""The dashboard "narrative": the life of one narrative."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import narrative_queries as ask
from dashboards.board import Options, new_board
from dashboards.layout import Line, Row, place
from dashboards.lifecycle import marks_of_one
from dashboards.links import CHOSEN_NARRATIVE_PAGE, NARRATIVE_UID, NARRATIVES_UID, board_link, page_link
from dashboards.look import (
    AGO,
    NUMBER,
    SHARE,
    SURPRISE,
    Query,
    describe,
    lines_panel,
    number_panel,
    stacked_panel,
    steps,
)
from dashboards.promql import is_
from dashboards.thresholds import Thresholds
from dashboards.variables import datasource, desk, narrative, web_address
from streams.metric_specs import (
    NARRATIVE_AUTHORS,
    NARRATIVE_COPIES,
    NARRATIVE_EXPECTED,
    NARRATIVE_OBSERVED,
    NARRATIVE_SURPRISE,
    NARRATIVE_THREADS,
    MetricSpec,
)

__all__ = ["narrative_board"]

_WINDOWS = ("15m", "1h", "6h", "24h")


def narrative_board(options: Options) -> Dashboard:
    """One narrative, chosen at the top or by a link from the overview."""
    board = (
        new_board(
            NARRATIVE_UID,
            "Narrative",
            "One narrative: how much it is told, by how many, and how surprising that is.",
            hours=48,
        )
        .variables([datasource(options.datasource_uid), desk(), narrative(), web_address(options.web_url)])
        .annotations(list(marks_of_one(options.thresholds)))
        .links(
            [
                board_link("All narratives", NARRATIVES_UID),
                page_link("Quotes on the web page", CHOSEN_NARRATIVE_PAGE),
            ]
        )
    )
    rows = [_now(options.thresholds), _timeline(), _surprise(options.thresholds), _people()]
    return place(board, rows).build()


def _of(spec: MetricSpec, **matchers: str) -> str:
    return ask.chosen(ask.figure(spec, **matchers))


def _now(thresholds: Thresholds) -> Row:
    says = number_panel(
        "What it says",
        describe(
            "Mentions so far, under the words of one who makes the claim.",
            "Read the quotes on the web page before you judge it by its label.",
        ),
        Query(ask.named(ask.chosen(ask.mentions())), "{{label}}"),
    )
    surprise = number_panel(
        "Surprise",
        describe(
            "How unlikely the mentions of its most surprising window are.",
            f"From {thresholds.surprise_decades:g} decades on it spikes: find out what set it off.",
        ),
        Query(_of(NARRATIVE_SURPRISE)),
        SURPRISE,
        steps(thresholds.surprise_decades / 2, thresholds.surprise_decades),
    )
    copies = number_panel(
        "Share of copies",
        describe(
            "Which share of its mentions are near-copies of one text.",
            "More than half are a campaign: compare the accounts.",
        ),
        Query(ask.chosen(ask.campaign_share())),
        SHARE,
        steps(0.25, 0.5),
    )
    emerged = number_panel(
        "Emerged",
        describe("When enough people had told it in their own words.", "Look at what happened just before."),
        Query(ask.chosen(ask.EMERGED_MILLISECONDS)),
        AGO,
    )
    seen = number_panel(
        "Last mention",
        describe("When it was told last.", "A narrative that is quiet for three days fades by itself."),
        Query(ask.chosen(ask.LAST_SEEN_MILLISECONDS)),
        AGO,
    )
    return Row(1, "Now", [Line(5, [says, surprise, copies, emerged, seen], [9, 4, 3, 4, 4])])


def _timeline() -> Row:
    panels = [
        lines_panel(
            f"Mentions in {window}: observed and expected",
            describe(
                f"Mentions of the last {window} beside what its past and the traffic of the desk let expect.",
                "The distance counts, not the height: much of a loud narrative is not news.",
            ),
            [
                Query(_of(NARRATIVE_OBSERVED, window=is_(window)), "observed"),
                Query(_of(NARRATIVE_EXPECTED, window=is_(window)), "expected"),
            ],
            NUMBER,
        )
        for window in _WINDOWS
    ]
    return Row(2, "Timeline", [Line(9, [panels[1], panels[3]]), Line(7, [panels[0], panels[2]])])


def _surprise(thresholds: Thresholds) -> Row:
    surprise = lines_panel(
        "Surprise",
        describe(
            "The course of the surprise; above the line an alert goes out.",
            "A narrative that stays above for hours is established: follow it with a watch.",
        ),
        [Query(_of(NARRATIVE_SURPRISE), "surprise")],
        SURPRISE,
        steps(thresholds.surprise_decades),
    )
    share = lines_panel(
        "Share of voice",
        describe(
            "Its share in the mentions of all narratives of the desk, last day.",
            "Compare with the timeline: a share that falls while mentions rise means that others rise more.",
        ),
        [Query(ask.chosen(ask.share_of_voice()), "share")],
        SHARE,
    )
    return Row(3, "How unusual", [Line(8, [surprise, share])])


def _people() -> Row:
    authors = lines_panel(
        "Authors and threads",
        describe(
            "How many different authors tell it, and in how many threads.",
            "Mentions that grow without authors are a few people who repeat themselves.",
        ),
        [Query(_of(NARRATIVE_AUTHORS), "authors"), Query(_of(NARRATIVE_THREADS), "threads")],
    )
    stance = stacked_panel(
        "Stance",
        describe(
            "Mentions so far that put the claim forward, that deny it, and that were not judged.",
            "Where denials lead, the narrative is contested: quote both.",
        ),
        [
            Query(ask.chosen(ask.mentions("supports")), "supports"),
            Query(ask.chosen(ask.mentions("rebuts")), "rebuts"),
            Query(ask.chosen(ask.mentions("unjudged")), "unjudged"),
        ],
    )
    copies = lines_panel(
        "Copies",
        describe(
            "Mentions that are near-copies of one text, beside all mentions.",
            "Lines that rise together are a campaign.",
        ),
        [Query(_of(NARRATIVE_COPIES), "copies"), Query(ask.chosen(ask.mentions()), "mentions")],
    )
    return Row(4, "Who tells it", [Line(8, [authors, stance, copies])])
