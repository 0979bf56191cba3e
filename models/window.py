"""The window: the latest claims of a desk, each with the narrative it belongs to, if any.

Claims in it are compared again at every review; a held-back claim that leaves it is forgotten.
"""

from collections.abc import Iterable, Set

import numpy as np
from numpy.typing import NDArray

from models.lexical import Terms, terms
from models.narrative import HELD_BACK, Member
from models.representation import Representation
from models.types import unpack_vectors

__all__ = ["Window"]


class Window:
    """Parallel lists, oldest claim first. `owners` holds uids of narratives, or HELD_BACK."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.owners: list[int] = []
        self._terms: list[Terms] = []
        self._vectors: list[NDArray[np.float32]] = []

    def __len__(self) -> int:
        return len(self.members)

    def append(self, member: Member, vector: NDArray[np.float32], found: Terms, owner: int) -> None:
        """Take in the newest claim. vector: (dense,)."""
        self.members.append(member)
        self.owners.append(owner)
        self._terms.append(found)
        self._vectors.append(vector)

    def rows(self, representation: Representation) -> NDArray[np.float32]:
        """The rows of all claims as the representation has them today: (n, dimensions); n at least 1.

        It learns from them what is usual.
        """
        substance = np.array([member.substance for member in self.members], dtype=np.float32)
        languages = [member.language for member in self.members]
        return representation.rows_of_recent(languages, np.stack(self._vectors), self._terms, substance)

    def threads(self) -> list[str]:
        """The thread key of each claim."""
        return [member.thread_key for member in self.members]

    def held_back(self) -> list[int]:
        """The places of claims without narrative, oldest first."""
        return [place for place, owner in enumerate(self.owners) if owner == HELD_BACK]

    def hand_over(self, gone: int, keep: int) -> None:
        """Give all claims of one owner to another."""
        self.owners = [keep if owner == gone else owner for owner in self.owners]

    def forget(self, uids: set[int], held_before_ms: int) -> None:
        """Drop the claims of some narratives, and held-back claims older than that (epoch ms)."""
        self.drop(
            {
                place
                for place, (owner, member) in enumerate(zip(self.owners, self.members, strict=True))
                if owner in uids or (owner == HELD_BACK and member.at_ms < held_before_ms)
            }
        )

    def drop(self, places: Set[int]) -> None:
        """Forget some claims."""
        keep = [place for place in range(len(self)) if place not in places]
        self.members = [self.members[place] for place in keep]
        self.owners = [self.owners[place] for place in keep]
        self._terms = [self._terms[place] for place in keep]
        self._vectors = [self._vectors[place] for place in keep]

    def drop_oldest(self, count: int) -> None:
        """Forget the oldest claims."""
        for column in (self.members, self.owners, self._terms, self._vectors):
            del column[:count]

    def state(self) -> list[tuple[Member, int]]:
        """Everything that changes, to be given to `load`."""
        return list(zip(self.members, self.owners, strict=True))

    def load(self, state: Iterable[tuple[Member, int]]) -> None:
        """Take over what `state` returned; terms and vectors follow from the members."""
        self.drop_oldest(len(self))
        for member, owner in state:
            self.append(member, unpack_vectors([member.vector])[0], terms(member.text), owner)
