"""Where links lead: other dashboards by their uid, the page with the quotes by `${web_url:raw}`."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as models

from dashboards.tables import Link

__all__ = [
    "CHOSEN_NARRATIVE_PAGE",
    "NARRATIVES_UID",
    "NARRATIVE_LINKS",
    "NARRATIVE_UID",
    "PIPELINE_UID",
    "WATCHES_UID",
    "WATCH_LINKS",
    "board_link",
    "page_link",
]

NARRATIVES_UID: Final = "narrawatch-narratives"
NARRATIVE_UID: Final = "narrawatch-narrative"
WATCHES_UID: Final = "narrawatch-watches"
PIPELINE_UID: Final = "narrawatch-pipeline"

_SAME_RANGE: Final = "${__url_time_range}&${datasource:queryparam}"
_ID: Final = "${__data.fields.narrative_id}"
_DESK: Final = "${__data.fields.desk}"

NARRATIVE_LINKS: Final = (
    Link(
        "Course of this narrative", f"/d/{NARRATIVE_UID}?var-desk={_DESK}&var-narrative={_ID}&{_SAME_RANGE}"
    ),
    Link("Quotes on the web page", f"${{web_url:raw}}/narratives/{_ID}", new_tab=True),
)
WATCH_LINKS: Final = (
    # A name may hold any printable character.
    Link(
        "Matches on the web page", "${web_url:raw}/watches/${__data.fields.watch:percentencode}", new_tab=True
    ),
)
CHOSEN_NARRATIVE_PAGE: Final = "${web_url:raw}/narratives/${narrative}"


def board_link(title: str, uid: str) -> build.DashboardLink:
    """To another dashboard, with the same time range and choices."""
    return (
        build.DashboardLink(title)
        .type(models.DashboardLinkType.LINK)
        .url(f"/d/{uid}")
        .icon("dashboard")
        .keep_time(True)
        .include_vars(True)
    )


def page_link(title: str, url: str) -> build.DashboardLink:
    """To the web page, in a tab of its own."""
    return (
        build.DashboardLink(title)
        .type(models.DashboardLinkType.LINK)
        .url(url)
        .icon("external link")
        .target_blank(True)
    )
