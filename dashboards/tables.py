"""Tables: a column for each query, a row for each set of labels, links to where more is known.

Grafana's own merge joins the columns by the labels that they share, so every query of a table must have the
same labels, or fewer. Inside Grafana a column is called after its `ref`, on the screen after its title.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as models

from dashboards.look import DATASOURCE, NUMBER, Query, target

__all__ = ["Column", "Link", "table_panel"]


class Column(NamedTuple):
    """A figure of each row."""

    ref: str
    title: str
    expression: str
    unit: str = NUMBER
    colours: build.ThresholdsConfig | None = None


class Link(NamedTuple):
    """Where a cell leads. url: may hold variables of the dashboard and `${__data.fields.NAME}`."""

    title: str
    url: str
    new_tab: bool = False


def table_panel(
    title: str,
    description: str,
    columns: Sequence[Column],
    labels: Mapping[str, str],
    *,
    hidden: Sequence[str] = (),
    links: Mapping[str, Sequence[Link]] | None = None,
    sort_by: str = "",
) -> table.Panel:
    """A table of figures as they are now.

    labels: labels shown, in this order, and their titles; hidden: labels that links need and nobody reads;
    links: by label; sort_by: the title of a column, largest first.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(NUMBER)
        .no_value("none")
        .with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(_organized(columns, [*labels, *hidden]))
    )
    if sort_by:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)])
    for column in columns:
        panel = panel.with_target(target(Query(column.expression), column.ref, instant=True, table=True))
        panel = panel.override_by_name(_field(column, columns), _column_look(column))
    for name, shown in labels.items():
        panel = panel.override_by_name(name, _label_look(shown, (links or {}).get(name, ())))
    for name in hidden:
        panel = panel.override_by_name(name, [models.DynamicConfigValue("custom.hidden", True)])
    return panel


def _organized(columns: Sequence[Column], labels: Sequence[str]) -> models.DataTransformerConfig:
    order = [*labels, *(_field(column, columns) for column in columns)]
    options = {"excludeByName": {"Time": True}, "indexByName": {name: n for n, name in enumerate(order)}}
    return models.DataTransformerConfig(id_val="organize", options={**options, "renameByName": {}})


def _field(column: Column, columns: Sequence[Column]) -> str:
    """The name that the data source gives to the figures of a query."""
    return f"Value #{column.ref}" if len(columns) > 1 else "Value"


def _column_look(column: Column) -> list[models.DynamicConfigValue]:
    look = [
        models.DynamicConfigValue("displayName", column.title),
        models.DynamicConfigValue("unit", column.unit),
    ]
    if column.colours is not None:
        look.append(models.DynamicConfigValue("thresholds", column.colours.build()))
        look.append(models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    return look


def _label_look(title: str, links: Sequence[Link]) -> list[models.DynamicConfigValue]:
    look = [models.DynamicConfigValue("displayName", title)]
    if links:
        look.append(
            models.DynamicConfigValue(
                "links",
                [{"title": one.title, "url": one.url, "targetBlank": one.new_tab} for one in links],
            )
        )
    return look
