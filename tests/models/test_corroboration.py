"""Groups of claims that say nothing are no narratives."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from models.background import Background
from models.corroboration import is_of_substance
from models.engine import Engine
from models.judge import Judge, Verdict, judge_of
from models.narrative import Member, member_of
from models.outcome import EventType, Stance
from models.parameters import Parameters
from models.types import Claim, pack_vectors
from tests.models.claim_factory import DIMENSIONS, START_MS, TAKEOVER, claims_of, original, story

MODEL = "intfloat/multilingual-e5-small"


class Sure(Judge):
    """Finds every text as probable to be of substance, and none to be surely chatter."""

    def __init__(self, chance: float) -> None:
        self._chance = chance

    def chances(self, centred: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(centred), self._chance)

    def of(self, centred: NDArray[np.float64]) -> Verdict:
        return Verdict(0.0, rebuts=centred.size == 0)


class ByFirst(Sure):
    """Finds a text as probable to be of substance as the first number of its vector says."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def chances(self, centred: NDArray[np.float64]) -> NDArray[np.float64]:
        chances: NDArray[np.float64] = centred[:, 0]
        return chances


def claim(number: int, author: str, chance: float) -> Claim:
    [[made]] = claims_of([original(number, TAKEOVER[number % len(TAKEOVER)], author=author)])
    [vector] = pack_vectors(np.array([[chance, 0.0]], dtype=np.float32))
    return msgspec.structs.replace(made, vector=vector)


def members(*of: tuple[str, float | None]) -> list[Member]:
    """Of each an author and the judge's chance; None: it was not judged."""
    made = []
    for number, (author, chance) in enumerate(of):
        member = member_of(claim(number, author, chance or 0.0), START_MS)
        made.append(member if chance is None else msgspec.structs.replace(member, stance=Stance.SUPPORTS))
    return made


def is_enough(of: Sequence[Member]) -> bool:
    return is_of_substance(of, ByFirst(), lambda _: np.zeros(2), Parameters())


@pytest.mark.parametrize(
    ("of", "enough"),
    [
        ([("a", 0.75), ("b", 0.25), ("c", 0.75)], True),
        ([("a", 0.75), ("b", 0.25), ("c", 0.25)], False),
        ([("a", 0.5), ("b", 0.5), ("c", 0.5)], True),
        # Who says the same thing three times is one voice, and what says most counts.
        ([("a", 0.75), ("a", 0.75), ("a", 0.75), ("b", 0.25), ("c", 0.25)], False),
        ([("a", 0.0), ("a", 0.75), ("b", 0.5), ("c", 0.25)], True),
        # What was not judged gets the benefit of the doubt.
        ([("a", None), ("b", 0.25), ("c", 0.25)], True),
        ([("a", None), ("b", 0.0), ("c", 0.0)], False),
        ([("a", None), ("b", None), ("c", None)], True),
        # Where many agree, some will mean it.
        ([(f"{number}", 0.25) for number in range(12)], True),
        ([(f"{number}", 0.25) for number in range(11)], False),
    ],
)
def test_authors_count_together(of: list[tuple[str, float | None]], *, enough: bool) -> None:
    assert is_enough(members(*of)) is enough


def test_the_mean_of_the_language_is_taken_off() -> None:
    both = members(("a", 0.75), ("b", 0.75))
    assert is_enough(both)
    assert not is_of_substance(both, ByFirst(), lambda _: np.array([0.5, 0.0]), Parameters())


def emerged(chance: float) -> int:
    engine = Engine(DIMENSIONS, background=Background(judge=Sure(chance)))
    events = engine.observe(story(2)).events
    return sum(event.type is EventType.EMERGED for event in events)


def test_what_is_probably_chatter_does_not_emerge() -> None:
    assert emerged(0.75) > 0
    assert emerged(0.1) == 0


def test_chances_agree_with_verdicts() -> None:
    judge = judge_of(MODEL)
    assert judge is not None
    texts = np.random.default_rng(1).normal(size=(200, judge.dimensions)) / 10
    chances = judge.chances(texts)
    assert ((chances > 0.0) & (chances < 1.0)).all()
    doubtful = np.array([judge.of(text).substance < 0.0 for text in texts])
    assert doubtful.any()
    assert not doubtful.all()
    assert chances[doubtful].max() < chances[~doubtful].min()
