"""The dashboard "narratives": what is new, what grows, who talks and where. Start here."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import narrative_queries as ask
from dashboards.board import Options, new_board
from dashboards.layout import Line, Row, place
from dashboards.lifecycle import marks_of_all
from dashboards.links import (
    NARRATIVE_LINKS,
    NARRATIVES_UID,
    PIPELINE_UID,
    WATCHES_UID,
    board_link,
    page_link,
)
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
from dashboards.tables import Column, table_panel
from dashboards.thresholds import Thresholds
from dashboards.variables import datasource, desks, source, web_address
from streams.metric_specs import (
    NARRATIVE_AUTHORS,
    NARRATIVE_COPIES,
    NARRATIVE_EXPECTED,
    NARRATIVE_OBSERVED,
    NARRATIVE_SURPRISE,
    NARRATIVE_THREADS,
)

__all__ = ["narratives_board"]

_TITLES = {"label": "Narrative", "desk": "Desk", "language": "Language", "kind": "Kind"}
_HOUR, _DAY = is_("1h"), is_("24h")


def narratives_board(options: Options) -> Dashboard:
    """The overview of all narratives."""
    board = (
        new_board(
            NARRATIVES_UID,
            "Narratives",
            "Which narratives are new, which grow, in which languages and sources.",
            hours=24,
        )
        .variables([datasource(options.datasource_uid), desks(), source(), web_address(options.web_url)])
        .annotations(list(marks_of_all(options.thresholds)))
        .links(
            [
                board_link("Watches", WATCHES_UID),
                board_link("Pipeline", PIPELINE_UID),
                page_link("Web page", "${web_url:raw}/"),
            ]
        )
    )
    limits = options.thresholds
    rows = [_now(limits), _emerging(limits), _spikes(limits), _trend(), _spread(), _campaigns()]
    return place(board, rows).build()


def _now(thresholds: Thresholds) -> Row:
    living = number_panel(
        "Living narratives",
        describe(
            "Narratives that have emerged and not faded.",
            "Nothing; a sudden fall means that desks lost their worker: see Pipeline.",
        ),
        Query(ask.KNOWN),
    )
    emerged = number_panel(
        "Emerged in this range",
        describe(
            "Narratives with series of their own that several people began to tell within the time range.",
            "Read them in the table below, the latest first.",
        ),
        Query(ask.EMERGED_IN_RANGE),
        colours=steps(1),
    )
    spiking = number_panel(
        "Spiking now",
        describe(
            f"Narratives told so much more than usual that chance would do it once in 10^"
            f"{thresholds.surprise_decades:g} windows.",
            "Look at the row Spikes for which, and at the quotes for why.",
        ),
        Query(f"count({ask.spiking(thresholds)}) or vector(0)"),
        colours=steps(1, 3),
    )
    campaigns = number_panel(
        "Campaigns",
        describe(
            "Narratives that consist mostly of copies of one text by several accounts.",
            "Compare the accounts on the web page before you call it coordinated.",
        ),
        Query(ask.CAMPAIGNS),
        colours=steps(1),
    )
    mentions = number_panel(
        "Mentions in the last hour",
        describe(
            "Comments that made any narrative, of the sources that are chosen.",
            "Compare with the same hour of other days before you call it much.",
        ),
        Query(ask.MENTIONS_OF_LAST_HOUR),
    )
    return Row(1, "Now", [Line(4, [living, emerged, spiking, campaigns, mentions], [5, 5, 5, 4, 5])])


def _emerging(thresholds: Thresholds) -> Row:
    columns = [
        Column("emerged", "Emerged", ask.named(ask.emerging(ask.EMERGED_MILLISECONDS)), AGO),
        Column(
            "surprise",
            "Surprise",
            ask.emerging(ask.figure(NARRATIVE_SURPRISE)),
            SURPRISE,
            steps(thresholds.surprise_decades / 2, thresholds.surprise_decades),
        ),
        Column("hour", "Last hour", ask.emerging(ask.figure(NARRATIVE_OBSERVED, window=_HOUR))),
        Column("expected", "Expected", ask.emerging(ask.figure(NARRATIVE_EXPECTED, window=_HOUR))),
        Column("mentions", "Mentions", ask.emerging(ask.mentions())),
        Column("authors", "Authors", ask.emerging(ask.figure(NARRATIVE_AUTHORS))),
        Column("threads", "Threads", ask.emerging(ask.figure(NARRATIVE_THREADS))),
    ]
    table = table_panel(
        "Emerging",
        describe(
            "Narratives that emerged within the time range, the latest first, with how they are told now.",
            "Follow the first column to the quotes. Few authors in one thread are a quarrel; many authors in"
            " several threads are a narrative.",
        ),
        columns,
        _TITLES,
        hidden=("narrative_id",),
        links={"label": NARRATIVE_LINKS},
        sort_by="Emerged",
    )
    return Row(2, "New", [Line(10, [table])])


def _spikes(thresholds: Thresholds) -> Row:
    surprise = lines_panel(
        "Surprise over time",
        describe(
            "How unlikely the mentions of the most surprising window (15 minutes to a day) are for each"
            " narrative: 4 decades are a chance of one in 10,000.",
            "Above the line an alert goes out. A jump is news; a slow climb is a narrative that takes hold.",
        ),
        [Query(ask.named(ask.top(ask.figure(NARRATIVE_SURPRISE))), "{{label}}")],
        SURPRISE,
        steps(thresholds.surprise_decades),
    )
    return Row(6, "Spikes", [Line(9, [surprise])])


def _trend() -> Row:
    trend = lines_panel(
        "Trend of the top narratives",
        describe(
            f"Mentions in the last hour of the {ask.TOP} narratives with the most mentions of the last day.",
            "Click on a name to see it alone; open a narrative from the table above.",
        ),
        [Query(ask.named(ask.top(ask.figure(NARRATIVE_OBSERVED, window=_HOUR))), "{{label}}")],
        NUMBER,
    )
    share = stacked_panel(
        "Share of voice",
        describe(
            "How the mentions of the last day of a desk are shared between its narratives. With several desks"
            " each of them adds up to 100 %.",
            "A share that grows while the total stands still means that attention moves.",
        ),
        [Query(ask.named(ask.top(ask.share_of_voice())), "{{label}}")],
        SHARE,
    )
    return Row(3, "Trend", [Line(11, [trend, share])])


def _spread() -> Row:
    panels = [
        stacked_panel(
            f"By {label}",
            describe(tells, act),
            [Query(ask.mentions_per_hour(label), f"{{{{{label}}}}}")],
            NUMBER,
        )
        for label, tells, act in (
            (
                "language",
                "Mentions of the last hour by the language of the comment.",
                "A narrative that crosses languages travels: look for it in the other one, too.",
            ),
            (
                "source",
                "Mentions of the last hour by where the comment was written; _other are further sources.",
                "One source that grows alone is a local debate, or somebody who posts much.",
            ),
            (
                "stance",
                "Mentions of the last hour by whether they put the claim forward or deny it.",
                "Those who deny a narrative spread it, too; when they outnumber the others it is contested.",
            ),
        )
    ]
    return Row(4, "Where and how", [Line(9, panels)])


def _campaigns() -> Row:
    table = table_panel(
        "Campaigns",
        describe(
            "Narratives that are mostly copies of one text, and how large the share of copies is.",
            "Read the copies on the web page: the same text by several accounts within minutes is organised.",
        ),
        [
            Column("share", "Copies", ask.named(ask.only_campaigns(ask.campaign_share())), SHARE),
            Column("copies", "Number of copies", ask.only_campaigns(ask.figure(NARRATIVE_COPIES))),
            Column("authors", "Accounts", ask.only_campaigns(ask.figure(NARRATIVE_AUTHORS))),
            Column("day", "Last day", ask.only_campaigns(ask.figure(NARRATIVE_OBSERVED, window=_DAY))),
        ],
        _TITLES,
        hidden=("narrative_id",),
        links={"label": NARRATIVE_LINKS},
        sort_by="Number of copies",
    )
    return Row(5, "Campaigns", [Line(8, [table])])
