"""Where panels stand on Grafana's grid of 24 columns, and the ids that links to them use.

The id of a panel is the number of its row times 100 and its place in the row, so that adding a row, or a
panel at the end of one, moves no other id. A row's number must therefore never be given to another row.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

__all__ = ["Line", "PanelBuilder", "Row", "place"]

PanelBuilder: TypeAlias = Builder[models.Panel]

_GRID_COLUMNS = 24
_IDS_PER_ROW = 100


class Line(NamedTuple):
    """Panels side by side. height: in grid units of 30 pixels; widths: in columns, or none: all equal."""

    height: int
    panels: Sequence[PanelBuilder]
    widths: Sequence[int] = ()


class Row(NamedTuple):
    """A titled part of a dashboard. number: never given twice in a dashboard."""

    number: int
    title: str
    lines: Sequence[Line]


def place(board: build.Dashboard, rows: Sequence[Row]) -> build.Dashboard:
    """The dashboard with its rows one below the other. Raises ValueError if a line is wider than the grid."""
    y = 0
    for row in rows:
        position = models.GridPos(h=1, w=_GRID_COLUMNS, x=0, y=y)
        board = board.with_row(build.Row(row.title).id(row.number * _IDS_PER_ROW).grid_pos(position))
        for panel in _placed(row, y + 1):
            board = board.with_panel(_Fixed(panel))
        y += 1 + sum(line.height for line in row.lines)
    return board


class _Fixed(Builder[models.Panel]):
    """A panel that is built already."""

    def __init__(self, panel: models.Panel) -> None:
        self._panel = panel

    def build(self) -> models.Panel:
        return self._panel


def _placed(row: Row, y: int) -> Iterator[models.Panel]:
    number = row.number * _IDS_PER_ROW
    for line in row.lines:
        x = 0
        for builder, width in zip(line.panels, _widths(line), strict=True):
            number += 1
            panel = builder.build()
            panel.id_val = number
            panel.grid_pos = models.GridPos(h=line.height, w=width, x=x, y=y)
            x += width
            yield panel
        y += line.height


def _widths(line: Line) -> Sequence[int]:
    widths = line.widths or [_GRID_COLUMNS // len(line.panels)] * len(line.panels)
    if sum(widths) > _GRID_COLUMNS:
        raise ValueError(f"panels of {sum(widths)} columns do not fit into {_GRID_COLUMNS}")
    return widths
