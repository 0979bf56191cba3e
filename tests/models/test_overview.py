"""Which narratives are shown where there is no room for all."""

import pytest

from models.narrative import Narrative
from models.outcome import State
from models.overview import overview_of


def narrative(
    uid: int, *, mentions: int, emerged_ms: int, spiking_ms: int = 0, faded: bool = False
) -> Narrative:
    one = Narrative(uid=uid, narrative_id=f"n{uid:03}", first_ms=1, last_ms=1, emerged_ms=emerged_ms)
    one.older_mentions = mentions
    one.pulse.spiking_ms = spiking_ms
    one.state = State.FADED if faded else State.EMERGED
    return one


def shown(narratives: list[Narrative], top: int) -> set[str]:
    found = [view.narrative_id for view in overview_of(narratives, top).shown]
    assert len(found) == len(set(found)) == min(top, sum(one.state is State.EMERGED for one in narratives))
    return set(found)


def test_the_newest_and_those_that_spike_are_shown_beside_the_most_mentioned() -> None:
    old = [narrative(n, mentions=1_000 - n, emerged_ms=n) for n in range(100)]
    fresh = narrative(200, mentions=3, emerged_ms=1_000)
    back = narrative(201, mentions=5, emerged_ms=0, spiking_ms=7)
    found = shown([*old, fresh, back], 8)
    assert {"n200", "n201"} <= found
    assert {f"n{n:03}" for n in range(5)} <= found


@pytest.mark.parametrize("top", [0, 1, 3, 8, 50])
def test_no_more_are_shown_than_there_is_room_for(top: int) -> None:
    all_spike = [narrative(n, mentions=n, emerged_ms=n, spiking_ms=n + 1) for n in range(20)]
    shown(all_spike, top)
    shown([], top)


def test_faded_ones_are_counted_and_not_shown() -> None:
    one = overview_of([narrative(1, mentions=9, emerged_ms=5, faded=True)], 8)
    assert one.states == {State.EMERGED: 0, State.FADED: 1}
    assert one.shown == []
