"""What all dashboards have in common: tag, time range, refresh, and the choices that they are made with."""

from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as models

from dashboards.lifecycle import TAG
from dashboards.thresholds import Thresholds
from dashboards.variables import DATASOURCE_UID

__all__ = ["Options", "new_board"]


class Options(NamedTuple):
    """What differs between installations. web_url: where people reach the page with the quotes.

    datasource_uid: the data source that is asked unless another is chosen at the top.
    """

    web_url: str = "http://127.0.0.1:8484"
    thresholds: Thresholds = Thresholds()
    datasource_uid: str = DATASOURCE_UID


def new_board(uid: str, title: str, description: str, *, hours: int) -> build.Dashboard:
    """An empty dashboard that shows the last hours, bears our tag and is read again every half minute."""
    return (
        build.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .time(f"now-{hours}h", "now")
        .timezone("browser")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .editable()
    )
