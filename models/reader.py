"""What is known of a claim before it is compared with any narrative.

All of it follows from the claims that came before and from the last review, not from which narratives these
claims joined: claims can be read ahead, and be compared together.
"""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.context import Context, thread_key
from models.judge import Judge
from models.lexical import Terms, terms
from models.narrative import Member, member_of
from models.outcome import Stance
from models.parameters import Parameters
from models.prose import is_prose
from models.representation import Representation
from models.types import Claim, unpack_vectors
from models.watches import Lookout

__all__ = ["Read", "Reader"]

_MOST_CAUTION = 2.0  # of a young desk: this many times the threshold convinces it, too


class Read(NamedTuple):
    """A claim, ready to be compared."""

    member: Member
    matches: dict[str, float]  # watches to similarities
    thread: str
    vector: NDArray[np.float32]  # (dense,)
    terms: Terms
    row: NDArray[np.float32]  # (dimensions,)
    inside: NDArray[np.float32]  # (dense,), the row's dense part as seen inside its thread
    worth: float  # the similarity gained by sharing the thread
    threshold: float

    @property
    def plain(self) -> NDArray[np.float32]:
        """The dense part of the row, (dense,)."""
        return self.row[: len(self.vector)]


class Reader:
    """Counts claims, and reads them by what has been counted.

    representation, context: are counted to. judge: of vectors; None where none knows them. `lookout` has the
    watches.
    """

    def __init__(
        self, representation: Representation, context: Context, judge: Judge | None, parameters: Parameters
    ) -> None:
        self._representation = representation
        self._context = context
        self._judge = judge
        self._parameters = parameters
        self.lookout = Lookout(())

    def read(self, claim: Claim, now_ms: int, at_ms: int) -> Read:
        """The next claim of the stream, which has a vector. now_ms, at_ms: event time, and its own date."""
        vector = unpack_vectors([claim.vector])[0]
        found = terms(claim.text)
        thread = thread_key(claim.source, claim.thread)
        self._representation.count(claim.language, vector, found)
        member = self._judged(member_of(claim, at_ms), vector)
        self._context.count(thread, member.substance, now_ms)
        row = self._representation.row(claim.language, vector, found, member.substance)
        return Read(
            member=member,
            matches=self._matches(claim, member.substance),
            thread=thread,
            vector=vector,
            terms=found,
            row=row,
            inside=self._context.inside_one(thread, row[: len(vector)]),
            worth=self._context.worth(thread),
            threshold=self.threshold(),
        )

    def threshold(self) -> float:
        """The similarity that makes claims one, by now."""
        read = self._representation.lexical.documents
        caution = min(1.0 + self._parameters.young_claims / max(read, 1), _MOST_CAUTION)
        return self._parameters.link_similarity * caution

    def _judged(self, member: Member, vector: NDArray[np.float32]) -> Member:
        if self._judge is None or not is_prose(member.text, member.language):
            return member
        verdict = self._judge.of(vector - self._representation.means.mean(member.language))
        substance = self._parameters.substance_weight * verdict.substance
        stance = Stance.REBUTS if verdict.rebuts else Stance.SUPPORTS
        return msgspec.structs.replace(member, substance=substance, stance=stance)

    def _matches(self, claim: Claim, substance: float) -> dict[str, float]:
        if not self.lookout.watches:
            return {}
        vectors = unpack_vectors([claim.vector, *claim.sentences])
        return self.lookout.matches(self._representation, claim.text, claim.language, vectors, substance)
