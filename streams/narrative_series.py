"""The series of single narratives and watches: of some narratives of each desk, and nothing that is over.

Every series costs Prometheus memory for as long as it is exposed, so those of narratives that faded, merged
or fell out of the top are removed. Free text is a label value once for each narrative, in the info metric.
"""

import heapq
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from prometheus_client import Gauge

from models.readings import WINDOWS, Reading
from streams import metric_specs as specs
from streams.metrics import OTHER_DESK, Metrics

__all__ = ["MAX_LABEL_CHARACTERS", "NarrativeSeries", "NarrativeStats", "WatchSeries", "clean_label"]

MAX_LABEL_CHARACTERS = 120
_STANCES = ("supports", "rebuts", "unjudged")


class NarrativeStats(NamedTuple):
    """What is shown of a narrative. Pass living ones only: faded and merged ones are left out."""

    narrative_id: str
    label: str
    language: str
    kind: str
    supporting: int  # mentions
    rebutting: int
    authors: int
    threads: int
    copies: int
    emerged_seconds: float  # since 1970, as the next
    last_seen_seconds: float
    unjudged: int = 0  # mentions of neither stance

    @property
    def mentions(self) -> int:
        """All of them."""
        return self.supporting + self.rebutting + self.unjudged


class NarrativeSeries:
    """Keeps the gauges of narratives in step with the engine; `top` of each desk are shown."""

    def __init__(self, metrics: Metrics, *, top: int) -> None:
        self._metrics = metrics
        self._gauges = metrics.of_narratives
        self.top = top
        self._shown: dict[str, dict[str, NarrativeStats]] = {}

    def show(self, desk: str, living: Iterable[NarrativeStats]) -> None:
        """Show the most mentioned of all living narratives of a desk; remove the series of all others.

        Narratives with equally many mentions are taken in the order of their ids, so that they do not swap
        places. Desks beyond `MAX_DESKS` are not shown. Costs O(narratives); call it once a batch.
        """
        if self._metrics.desk(desk) == OTHER_DESK:
            return
        best = heapq.nsmallest(self.top, living, key=lambda one: (-one.mentions, one.narrative_id))
        now = {one.narrative_id: one for one in best}
        before = self._shown.get(desk, {})
        for narrative_id, old in before.items():
            if narrative_id not in now:
                self._remove(desk, narrative_id)
            new = now.get(narrative_id)
            if new is None or _info(desk, new) != _info(desk, old):
                self._metrics.narrative_info.remove(*_info(desk, old).values())
        for one in best:
            self._set(desk, one)
        self._shown[desk] = now

    def shown(self, desk: str) -> list[str]:
        """The narratives of a desk that have series."""
        return list(self._shown.get(desk, ()))

    def read(self, desk: str, readings: Mapping[str, Reading]) -> None:
        """Show how unusual narratives are now, by id; those that have no series get none by this."""
        for narrative_id in self._shown.get(desk, ()):
            if narrative_id in readings:
                _set_reading(
                    self._gauges[specs.NARRATIVE_SURPRISE],
                    self._gauges[specs.NARRATIVE_OBSERVED],
                    self._gauges[specs.NARRATIVE_EXPECTED],
                    (desk, narrative_id),
                    readings[narrative_id],
                )

    def retire_desk(self, desk: str) -> None:
        """Remove all series of a desk, for example when another worker has taken it over."""
        self.show(desk, ())
        self._shown.pop(desk, None)

    def _set(self, desk: str, one: NarrativeStats) -> None:
        mentions = self._gauges[specs.NARRATIVE_MENTIONS]
        for stance, count in zip(_STANCES, (one.supporting, one.rebutting, one.unjudged), strict=True):
            mentions.labels(desk, one.narrative_id, stance).set(count)
        for spec, value in (
            (specs.NARRATIVE_AUTHORS, one.authors),
            (specs.NARRATIVE_THREADS, one.threads),
            (specs.NARRATIVE_COPIES, one.copies),
            (specs.NARRATIVE_EMERGED, one.emerged_seconds),
            (specs.NARRATIVE_LAST_SEEN, one.last_seen_seconds),
        ):
            self._gauges[spec].labels(desk, one.narrative_id).set(value)
        self._metrics.narrative_info.labels(**_info(desk, one)).set(1)

    def _remove(self, desk: str, narrative_id: str) -> None:
        for spec, gauge in self._gauges.items():
            further = {"stance": _STANCES, "window": WINDOWS}.get(spec.labels[-1])
            for value in [()] if further is None else [(one,) for one in further]:
                gauge.remove(desk, narrative_id, *value)


class WatchSeries:
    """Keeps the gauges of watches in step with the engine."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._gauges = metrics.of_watches
        self._shown: dict[str, set[str]] = {}

    def read(self, desk: str, readings: Mapping[str, Reading]) -> None:
        """Show all watches of a desk, by name; remove the series of others."""
        if self._metrics.desk(desk) == OTHER_DESK:
            return
        for gone in self._shown.get(desk, set()) - readings.keys():
            self._gauges[specs.WATCH_SURPRISE].remove(desk, gone)
            for window in WINDOWS:
                self._gauges[specs.WATCH_OBSERVED].remove(desk, gone, window)
                self._gauges[specs.WATCH_EXPECTED].remove(desk, gone, window)
        for watch, reading in readings.items():
            self._metrics.watch(desk, watch)
            _set_reading(
                self._gauges[specs.WATCH_SURPRISE],
                self._gauges[specs.WATCH_OBSERVED],
                self._gauges[specs.WATCH_EXPECTED],
                (desk, watch),
                reading,
            )
        self._shown[desk] = set(readings)

    def retire_desk(self, desk: str) -> None:
        """Remove all series of a desk."""
        self.read(desk, {})
        self._shown.pop(desk, None)


def _set_reading(
    surprise: Gauge, observed: Gauge, expected: Gauge, labels: tuple[str, str], reading: Reading
) -> None:
    surprise.labels(*labels).set(reading.surprise)
    for one in reading.windows:
        observed.labels(*labels, one.window).set(one.observed)
        expected.labels(*labels, one.window).set(one.expected)


def _info(desk: str, one: NarrativeStats) -> dict[str, str]:
    """Labels in the order of the metric's."""
    return {
        "desk": desk,
        "narrative_id": one.narrative_id,
        "label": clean_label(one.label),
        "language": one.language,
        "kind": one.kind,
    }


def clean_label(text: str) -> str:
    """One line of at most 120 visible characters: no control, format or half characters."""
    visible = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(visible.split())
    return line if len(line) <= MAX_LABEL_CHARACTERS else line[: MAX_LABEL_CHARACTERS - 1].rstrip() + "…"
