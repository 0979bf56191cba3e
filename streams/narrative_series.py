"""The series of single narratives: the most mentioned of each desk, and nothing that is over.

Every series costs Prometheus memory for as long as it is exposed, so those of narratives that faded, merged
or fell out of the top are removed. Free text is a label value once for each narrative, in the info metric.
"""

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from streams.metrics import OTHER_DESK, Metrics

__all__ = ["MAX_LABEL_CHARACTERS", "NarrativeSeries", "NarrativeStats", "clean_label"]

MAX_LABEL_CHARACTERS = 120


class NarrativeStats(NamedTuple):
    """What is shown of a narrative. Pass living ones only: faded and merged ones are left out."""

    narrative_id: str
    label: str
    language: str
    kind: str
    supporting: int  # mentions
    rebutting: int


class NarrativeSeries:
    """Keeps the gauges of narratives in step with the engine; `top` of each desk are shown."""

    def __init__(self, metrics: Metrics, *, top: int) -> None:
        self._metrics = metrics
        self._top = top
        self._shown: dict[str, dict[str, NarrativeStats]] = {}

    def show(self, desk: str, living: Iterable[NarrativeStats]) -> None:
        """Show the most mentioned of all living narratives of a desk; remove the series of all others.

        Narratives with equally many mentions are taken in the order of their ids, so that they do not swap
        places. Desks beyond `MAX_DESKS` are not shown. Costs O(narratives); call it once a batch.
        """
        if self._metrics.desk(desk) == OTHER_DESK:
            return
        best = heapq.nsmallest(
            self._top, living, key=lambda one: (-one.supporting - one.rebutting, one.narrative_id)
        )
        now = {one.narrative_id: one for one in best}
        before = self._shown.get(desk, {})
        for narrative_id, old in before.items():
            if narrative_id not in now:
                self._remove_mentions(desk, narrative_id)
            new = now.get(narrative_id)
            if new is None or _info(desk, new) != _info(desk, old):
                self._metrics.narrative_info.remove_by_labels(_info(desk, old))
        for one in best:
            self._set(desk, one)
        self._shown[desk] = now

    def retire_desk(self, desk: str) -> None:
        """Remove all series of a desk, for example when another worker has taken it over."""
        self.show(desk, ())
        self._shown.pop(desk, None)

    def _set(self, desk: str, one: NarrativeStats) -> None:
        for stance, mentions in (("supports", one.supporting), ("rebuts", one.rebutting)):
            self._metrics.narrative_mentions.labels(
                desk=desk, narrative_id=one.narrative_id, stance=stance
            ).set(mentions)
        self._metrics.narrative_info.labels(**_info(desk, one)).set(1)

    def _remove_mentions(self, desk: str, narrative_id: str) -> None:
        self._metrics.narrative_mentions.remove_by_labels({"desk": desk, "narrative_id": narrative_id})


def _info(desk: str, one: NarrativeStats) -> dict[str, str]:
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
