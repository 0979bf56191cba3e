"""Which narratives of many are shown, where there is room for some: those that one looks for.

The most mentioned alone would not do: on a busy desk a narrative that was born an hour ago, or an old one
that is back all of a sudden, would not be among them for days.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from models.narrative import Narrative
from models.outcome import NarrativeView, State

__all__ = ["Overview", "overview_of"]

_SHARE = 4  # one place in four is for those that spike, one for the newest, the others for the most mentioned


class Overview(NamedTuple):
    """How many narratives there are by state, every state named, and the living ones that are shown."""

    states: Mapping[State, int]
    shown: list[NarrativeView]


def overview_of(narratives: Iterable[Narrative], top: int) -> Overview:
    """The overview of some narratives, of which at most `top` are shown, each once.

    Costs a look at each, and a view of those that are shown.
    """
    states: Counter[State] = Counter()
    living: list[Narrative] = []
    for one in narratives:
        states[one.state] += 1
        if one.state is State.EMERGED:
            living.append(one)
    room = top // _SHARE
    spiking = [one for one in living if one.pulse.spiking_ms]
    chosen = {one.uid: one for one in heapq.nlargest(room, spiking, key=_spiked)}
    chosen |= {one.uid: one for one in heapq.nlargest(room, living, key=_emerged)}
    for one in heapq.nsmallest(top, living, key=_most_mentioned):
        if len(chosen) >= top:
            break
        chosen.setdefault(one.uid, one)
    return Overview({state: states[state] for state in State}, [one.view() for one in chosen.values()])


def _spiked(one: Narrative) -> tuple[int, str]:
    return one.pulse.spiking_ms, one.narrative_id


def _emerged(one: Narrative) -> tuple[int, str]:
    return one.emerged_ms, one.narrative_id


def _most_mentioned(one: Narrative) -> tuple[int, str]:
    return -one.mentions, one.narrative_id
