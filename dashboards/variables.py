"""The choices at the top of a dashboard, and the addresses that its links are made of."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as models

from dashboards.look import DATASOURCE
from dashboards.promql import among, is_, select
from streams.metric_specs import MENTIONS, NARRATIVE, NARRATIVES, WATCH_MATCHES

__all__ = [
    "DATASOURCE_UID",
    "datasource",
    "desk",
    "desks",
    "narrative",
    "source",
    "watch",
    "web_address",
]

# The data source that provisioning makes: what a dashboard shows before anybody chooses another.
DATASOURCE_UID: Final = "narrawatch-prometheus"

_LABEL_VALUES, _QUERY_RESULT = 1, 3  # kinds of query of Grafana's Prometheus data source
_ALL: Final = models.VariableOption(selected=True, text="All", value="$__all")
# Grafana writes a series as name{label="value",…} with its labels in order: the label, then the id.
_TEXT_AND_ID: Final = '/label="(?<text>.*?)",language=.*narrative_id="(?<value>[^"]+)"/'


def datasource(uid: str) -> build.DatasourceVariable:
    """Which Prometheus is asked. uid: the one that is shown before anybody chooses another."""
    return (
        build.DatasourceVariable("datasource")
        .label("Prometheus")
        .description("The data source that reads the metrics of the workers.")
        .type("prometheus")
        .current(models.VariableOption(selected=True, text="narrawatch", value=uid))
    )


def desks() -> build.QueryVariable:
    """One desk, several or all."""
    return _choices("desk", "Desk", "Sources monitored together.", _desk_values())


def desk() -> build.QueryVariable:
    """One desk."""
    return _query("desk", "Desk", "Sources monitored together.", _desk_values(), _LABEL_VALUES)


def source() -> build.QueryVariable:
    """Where comments come from; `_other` holds those beyond the first of a desk."""
    query = f"label_values({select(MENTIONS, desk=among('desk'))}, source)"
    return _choices("source", "Source", "Where comments come from.", query)


def watch() -> build.QueryVariable:
    """One watch, several or all."""
    query = f"label_values({select(WATCH_MATCHES, desk=among('desk'))}, watch)"
    return _choices("watch", "Watch", "Narratives described in advance.", query)


def narrative() -> build.QueryVariable:
    """One narrative of the desk: what it says is shown, its id is what queries use."""
    query = f"query_result({select(NARRATIVE, desk=is_('$desk'))})"
    tells = "The most mentioned narratives of the desk that live."
    return _query("narrative", "Narrative", tells, query, _QUERY_RESULT).regex(_TEXT_AND_ID)


def web_address(url: str) -> build.ConstantVariable:
    """Where the page with the quotes is; links begin with `${web_url:raw}`."""
    return build.ConstantVariable("web_url").label("Web page").value(url)


def _desk_values() -> str:
    return f"label_values({select(NARRATIVES)}, desk)"


def _choices(name: str, label: str, tells: str, query: str) -> build.QueryVariable:
    # ".+" and not every value in turn: the list may be long, and a new value counts at once.
    return (
        _query(name, label, tells, query, _LABEL_VALUES)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(_ALL)
    )


def _query(name: str, label: str, tells: str, query: str, kind: int) -> build.QueryVariable:
    return (
        build.QueryVariable(name)
        .label(label)
        .description(tells)
        .datasource(DATASOURCE)
        .query({"qryType": kind, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )
