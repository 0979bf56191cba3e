"""A scripted discussion: who says what in answer to whom, and what is edited and deleted later."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

__all__ = ["Remark", "Step", "Talk", "epoch_ms", "make_talk"]

_OPENINGS = ("Franchement,", "I think", "À mon avis,", "Honestly,", "Comme dit plus haut,", "For the record,")
_CLAIMS = (
    "c'est un rachat déguisé & rien d'autre",
    "the battery dies within a year, that's 2 < 3",
    "le prix va doubler dès l'an prochain",
    'nobody asked for this "feature"',
    "l'IA générative consomme trop d'eau",
    "they will drop support as they did before",
)
_EDITED_SHARE = 0.06
_DELETED_SHARE = 0.04
_REMARKS_A_THREAD = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, without the errors of floating point."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@dataclass
class Remark:
    """One comment as it stands. number: from 0 in order of time; parent: a number of the same thread."""

    number: int
    thread: int
    parent: int | None
    author: str
    text: str  # plain
    at: datetime
    deleted: bool = False


class Step(NamedTuple):
    """What happens next at a site."""

    kind: Literal["say", "edit", "delete"]
    number: int
    text: str
    at: datetime


class Talk(NamedTuple):
    """The remarks as they are first made, and all that happens, in order of time."""

    remarks: list[Remark]
    steps: list[Step]


def make_talk(count: int, *, seed: int = 1, start: datetime | None = None, seconds: float = 4.0) -> Talk:
    """A discussion of `count` remarks. seconds: the mean between two of them."""
    rng = random.Random(seed)  # noqa: S311 - a script of a test
    now = start or datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    remarks: list[Remark] = []
    later: list[tuple[int, Step]] = []  # after how many remarks
    steps: list[Step] = []
    for number in range(count):
        now += timedelta(milliseconds=int(rng.uniform(0.05, 2.0) * seconds * 1000))
        remark = _remark(rng, number, remarks, now)
        remarks.append(remark)
        steps.append(Step("say", number, remark.text, now))
        later += _changes(rng, remark)
        steps += [step._replace(at=now) for due, step in later if due == number]
        later = [(due, step) for due, step in later if due > number]
    steps += [step._replace(at=now) for _, step in sorted(later, key=lambda one: one[0])]
    return Talk(remarks, steps)


def _remark(rng: random.Random, number: int, before: list[Remark], at: datetime) -> Remark:
    threads = 1 + len(before) // _REMARKS_A_THREAD
    thread = max(0, threads - 1 - int(rng.expovariate(0.8)))
    answered = [one for one in before[-60:] if one.thread == thread]
    parent = rng.choice(answered).number if answered and rng.random() < 0.6 else None
    text = f"{rng.choice(_OPENINGS)} {rng.choice(_CLAIMS)}, remark {number}."
    return Remark(number, thread, parent, f"author{rng.randrange(200)}", text, at)


def _changes(rng: random.Random, remark: Remark) -> list[tuple[int, Step]]:
    chance = rng.random()
    due = remark.number + rng.randint(0, 40)
    if chance < _EDITED_SHARE:
        return [
            (due, Step("edit", remark.number, f"{remark.text} Edited: {rng.randrange(10**6)}.", remark.at))
        ]
    if chance < _EDITED_SHARE + _DELETED_SHARE:
        return [(due, Step("delete", remark.number, "", remark.at))]
    return []
