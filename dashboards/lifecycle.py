"""Marks on the time axis: narratives that emerged or spiked, from metrics and from pushed annotations.

What metrics say is there as soon as Prometheus is; it ends with a narrative's series. Annotations that were
pushed (`narrawatch dashboards annotate`) stay for good; they are found by their tags.
"""

from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.look import DATASOURCE
from dashboards.narrative_queries import EMERGED_MILLISECONDS, chosen, named, spiking
from dashboards.thresholds import Thresholds

__all__ = ["TAG", "Mark", "marks_of_all", "marks_of_one"]

TAG: Final = "narrawatch"  # borne by every annotation that is pushed
_GRAFANA: Final = models.DataSourceRef(type_val="grafana", uid="-- Grafana --")


class _Annotation(models.AnnotationQuery):
    """With the fields that Grafana's Prometheus data source reads and the SDK does not know."""

    more: dict[str, object]

    def to_json(self) -> dict[str, object]:
        return super().to_json() | self.more


class Mark(Builder[models.AnnotationQuery]):
    """A kind of mark, ready to be built into a dashboard."""

    def __init__(self, mark: models.AnnotationQuery) -> None:
        self._mark = mark

    def build(self) -> models.AnnotationQuery:
        """The annotation query of the SDK."""
        return self._mark


def marks_of_all(thresholds: Thresholds) -> list[Mark]:
    """For a dashboard that shows all narratives of the desks that are chosen."""
    return [
        _of_metric("emerged", "green", named(EMERGED_MILLISECONDS), value_is_time=True),
        _of_metric("spiking", "orange", named(_always_one(spiking(thresholds)))),
        _pushed(),
    ]


def marks_of_one(thresholds: Thresholds) -> list[Mark]:
    """For the dashboard of one narrative."""
    return [
        _of_metric("emerged", "green", named(chosen(EMERGED_MILLISECONDS)), value_is_time=True),
        _of_metric("spiking", "orange", named(_always_one(chosen(spiking(thresholds))))),
        _pushed("$narrative"),
    ]


def _always_one(expression: str) -> str:
    return f"({expression}) ^ 0"


def _of_metric(name: str, colour: str, expression: str, *, value_is_time: bool = False) -> Mark:
    """value_is_time: the mark is at the value, in milliseconds; else wherever the value is 1."""
    mark = _Annotation(name=name, datasource=DATASOURCE, icon_color=colour, expr=expression, built_in=None)
    mark.more = {
        "step": "60s",
        "tagKeys": "desk,kind",
        "titleFormat": name,
        "textFormat": "{{label}}",
        "useValueForTime": value_is_time,
    }
    return Mark(mark)


def _pushed(*tags: str) -> Mark:
    """Annotations that were pushed and bear all of these tags."""
    return Mark(
        models.AnnotationQuery(
            name="pushed",
            datasource=_GRAFANA,
            icon_color="blue",
            built_in=None,
            target=models.AnnotationTarget(limit=100, tags=[TAG, *tags], type_val="tags"),
        )
    )
