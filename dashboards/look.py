"""How panels look: one factory for each kind, so that every dashboard reads the same.

A factory takes what a panel shows and what it is for; colours, legends and line widths are decided here. The
description has two parts, what the panel tells and what to do about it, and neither can be left out.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models

__all__ = [
    "AGO",
    "BYTES",
    "DATASOURCE",
    "NUMBER",
    "PER_SECOND",
    "SECONDS",
    "SHARE",
    "SURPRISE",
    "Query",
    "bars_panel",
    "describe",
    "lines_panel",
    "number_panel",
    "ranking_panel",
    "stacked_panel",
    "steps",
    "target",
]

# Units as Grafana names them.
NUMBER: Final = "short"
PER_SECOND: Final = "cps"
SECONDS: Final = "s"
BYTES: Final = "bytes"
SHARE: Final = "percentunit"
SURPRISE: Final = "suffix: decades"
AGO: Final = "dateTimeFromNow"  # takes milliseconds

DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_CALM, _WARN, _ALARM = "green", "orange", "red"


class Query(NamedTuple):
    """A question to Prometheus. legend: how its series are named; `{{label}}` is a label's value."""

    expression: str
    legend: str = ""


def describe(tells: str, act: str) -> str:
    """The description of a panel."""
    return f"{tells}\n\n**What to do:** {act}"


def steps(warn: float | None = None, alarm: float | None = None) -> build.ThresholdsConfig:
    """Colours: calm, from `warn` on and from `alarm` on."""
    marks = [models.Threshold(value=None, color=_CALM)]
    if warn is not None:
        marks.append(models.Threshold(value=warn, color=_WARN))
    if alarm is not None:
        marks.append(models.Threshold(value=alarm, color=_ALARM))
    return build.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(marks)


def target(query: Query, ref: str, *, instant: bool = False, table: bool = False) -> prometheus.Dataquery:
    """A query as panels send it. instant: for the end of the time range only."""
    built = (
        prometheus.Dataquery()
        .expr(query.expression)
        .ref_id(ref)
        .datasource(DATASOURCE)
        .editor_mode(prometheus_models.QueryEditorMode.CODE)
    )
    if query.legend:
        built = built.legend_format(query.legend)
    if table:
        built = built.format(prometheus_models.PromQueryFormat.TABLE)
    return built.instant() if instant else built.range()


def number_panel(
    title: str,
    description: str,
    query: Query,
    unit: str = NUMBER,
    colours: build.ThresholdsConfig | None = None,
) -> stat.Panel:
    """One figure as it is now, and its course behind it. Coloured only where `colours` say from where on."""
    coloured = kinds.BigValueColorMode.NONE if colours is None else kinds.BigValueColorMode.VALUE
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .no_value("none")
        .thresholds(colours or steps())
        .color_mode(coloured)
        .graph_mode(kinds.BigValueGraphMode.AREA)
        .text_mode(kinds.BigValueTextMode.VALUE_AND_NAME if query.legend else kinds.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .with_target(target(query, "A"))
    )


def lines_panel(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str = NUMBER,
    colours: build.ThresholdsConfig | None = None,
) -> timeseries.Panel:
    """Courses over time. `colours` draws a line at each of its steps."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .no_value("no data in this range")
        .line_width(2)
        .fill_opacity(8)
        .show_points(kinds.VisibilityMode.NEVER)
        .tooltip(
            common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING)
        )
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(kinds.LegendDisplayMode.TABLE)
            .placement(kinds.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
        )
    )
    if colours is not None:
        dashed = common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(colours).thresholds_style(dashed)
    for ref, query in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(target(query, ref))
    return panel


def stacked_panel(
    title: str, description: str, queries: Sequence[Query], unit: str = NUMBER
) -> timeseries.Panel:
    """Courses over time on top of each other: parts of a whole."""
    stacking = common.StackingConfig().group("A").mode(kinds.StackingMode.NORMAL)
    return lines_panel(title, description, queries, unit).stacking(stacking).fill_opacity(40).line_width(1)


def bars_panel(
    title: str, description: str, queries: Sequence[Query], unit: str = NUMBER
) -> timeseries.Panel:
    """Counts of each step as bars."""
    return (
        stacked_panel(title, description, queries, unit)
        .draw_style(kinds.GraphDrawStyle.BARS)
        .fill_opacity(70)
    )


def ranking_panel(
    title: str,
    description: str,
    query: Query,
    unit: str = NUMBER,
    colours: build.ThresholdsConfig | None = None,
) -> bargauge.Panel:
    """The figures of now as horizontal bars."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .no_value("none")
        .thresholds(colours or steps())
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .display_mode(kinds.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .with_target(target(query, "A", instant=True))
    )
