"""Which narrative a group of claims is, after all claims have been grouped anew.

A narrative lives on in the group that holds what is settled of it, or else most of its claims. So an id keeps
to what it was given to, however the claims around it are regrouped.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from models.narrative import HELD_BACK

__all__ = ["Group", "homes", "main_owner"]


class Group(NamedTuple):
    """Claims that are one, by their places in the window, and narratives (their settled part, or all)."""

    places: list[int]
    uids: list[int]


def homes(groups: Sequence[Group], owners: Mapping[int, int]) -> list[list[int]]:
    """For each group the narratives that live on in it. owners: place to uid, or HELD_BACK."""
    held: dict[int, Counter[int]] = {}
    settled: dict[int, int] = {}
    for number, group in enumerate(groups):
        for uid in group.uids:
            settled[uid] = number
        for place in group.places:
            if owners[place] != HELD_BACK:
                held.setdefault(owners[place], Counter())[number] += 1
    living: list[list[int]] = [[] for _ in groups]
    for uid in sorted(held.keys() | settled.keys()):
        home = settled.get(uid)
        if home is None:
            home = min(held[uid], key=lambda number: (-held[uid][number], number))
        living[home].append(uid)
    return living


def main_owner(owners: Iterable[int]) -> int | None:
    """The narrative that more than half of some claims belong to; None if there is none, or no one."""
    counts = Counter(owners)
    total, held = counts.total(), counts.pop(HELD_BACK, 0)
    if (total - held) * 2 <= total:
        return None
    return min(counts, key=lambda uid: (-counts[uid], uid))
