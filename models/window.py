"""The window: the latest claims of a desk, each with the narrative it belongs to, if any.

Claims in it are compared again at every review; a held-back claim that leaves it is forgotten. Where many
threads are open at a time, the latest claims of each stay longer than the latest of all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Set

import numpy as np
from numpy.typing import NDArray

from models.context import ThreadSize, is_chatter
from models.lexical import Terms, terms
from models.narrative import HELD_BACK, Member
from models.parameters import Parameters
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

    def members_of(self, uid: int) -> list[Member]:
        """The claims of a narrative, oldest first."""
        return [self.members[place] for place, owner in enumerate(self.owners) if owner == uid]

    def threads_due(
        self, parameters: Parameters, sizes: Mapping[str, ThreadSize], fresh: int
    ) -> list[list[int]]:
        """The claims of each thread that is to be revised on its own, by their places.

        It is, when more is kept of it than the latest claims of all threads, and when another eighth of what
        may be kept has come among the `fresh` latest claims. sizes: of threads, see `models.context`.
        """
        step = max(1, parameters.thread_claims // parameters.revisions_per_thread)
        recent, new = len(self) - parameters.window_claims, len(self) - fresh
        news = Counter(one.thread_key for one in self.members[new:] if not is_chatter(one.substance))
        due = {thread for thread, count in news.items() if thread and sizes[thread].claims % step < count}
        places: dict[str, list[int]] = {}
        for place, thread in enumerate(self.threads() if due else ()):
            if thread in due:
                places.setdefault(thread, []).append(place)
        return [own for own in places.values() if own[0] < recent]

    def over(self, parameters: Parameters, *, by_thread: bool) -> list[int]:
        """The places of claims that are to go: neither among the latest of all, nor, by thread, of theirs.

        Claims of one comment go together.
        """
        free = max(0, len(self) - parameters.window_claims)
        while 0 < free < len(self) and self.members[free].key == self.members[free - 1].key:
            free += 1
        if not by_thread:
            return list(range(free))
        room = parameters.kept_claims - (len(self) - free)
        kept = Counter(member.thread_key for member in self.members[free:])
        over, stays = [], set()
        for place in reversed(range(free)):
            member = self.members[place]
            kept[member.thread_key] += 1
            fits = member.thread and kept[member.thread_key] <= parameters.thread_claims and room > 0
            if fits or member.key in stays:
                stays.add(member.key)
                room -= 1
            else:
                over.append(place)
        return over[::-1]

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
