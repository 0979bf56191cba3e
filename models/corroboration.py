"""Whether a group of claims is a narrative: enough people, in their own words, who say something."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.context import is_chatter
from models.judge import Judge
from models.narrative import HELD_BACK, Member, Narrative
from models.outcome import Kind
from models.parameters import Parameters
from models.types import unpack_vectors

__all__ = ["is_corroborated", "is_of_substance"]


def is_corroborated(members: Sequence[Member], parameters: Parameters) -> bool:
    """Distinct authors, and distinct voices or a campaign; chatter corroborates nothing."""
    members = [member for member in members if not is_chatter(member.substance)]
    if len({member.author_key for member in members}) < parameters.min_authors:
        return False
    trial = Narrative(uid=HELD_BACK, narrative_id="")
    for member in members:
        trial.add(member)
    return trial.distinct_voices >= parameters.min_authors or trial.kind is Kind.CAMPAIGN


def is_of_substance(
    members: Sequence[Member],
    judge: Judge,
    mean: Callable[[str], NDArray[np.float64]],
    parameters: Parameters,
) -> bool:
    """Whether the authors, taken together, more probably claim something than not.

    One text seldom shows that it is chatter, several do: thanks, jokes and questions are alike, too, and
    would be narratives by that. Of each author what says most counts; who was not judged is given credit.
    Where many agree it is enough that as many probably claim something as a narrative needs: the judge may
    know little of their subject. mean: of the vectors of a language, (d,).
    """
    best = dict.fromkeys((one.author_key for one in members if one.stance is None), 1.0)
    judged = [one for one in members if one.stance is not None]
    if judged:
        vectors = unpack_vectors([one.vector for one in judged]).astype(np.float64)
        chances = judge.chances(vectors - np.stack([mean(one.language) for one in judged]))
        for one, chance in zip(judged, chances.tolist(), strict=True):
            best[one.author_key] = max(best.get(one.author_key, 0.0), chance)
    return sum(best.values()) >= min(parameters.least_substance * len(best), parameters.min_authors)
