"""What a watch would have matched: a look back over claims that have their vectors.

As in the engine, a claim is compared when it comes, centred by what the desk has said so far; only the first
hours of a look back differ, since the engine knew the days before.
"""

import heapq
from collections.abc import Sequence

import msgspec

from models.background import Background
from models.errors import ModelError
from models.representation import LanguageMeans
from models.types import Claim, unpack_vectors
from models.watches import Lookout, Watch

__all__ = ["MOST_MATCHES", "Sighting", "Survey"]

MOST_MATCHES = 100_000  # held in memory; a watch that matches more tells nobody anything
_NEAR_KEPT = 200  # near misses from which the nearest are shown; some are edited or deleted later
_TEXT_CHARACTERS = 280

_Key = tuple[str, str, str]  # desk, source, id


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A claim and how near it came. at_ms: epoch ms, None where the comment has no date."""

    similarity: float
    text: str
    language: str
    desk: str
    source: str
    comment_id: str
    n: int
    thread: str
    permalink: str
    at_ms: int | None


class Survey:
    """One watch over claims in stream order. background: what is ordinary, in the space of the vectors."""

    def __init__(self, watch: Watch, dimensions: int, background: Background) -> None:
        self._lookout = Lookout([watch])
        self._threshold = watch.threshold
        self._dimensions = dimensions
        self._background = background
        self._means: dict[str, LanguageMeans] = {}
        self._found: dict[_Key, list[Sighting]] = {}
        self._near: dict[_Key, Sighting] = {}
        self._matches = 0
        self.claims = 0

    def see(self, desk: str, claims: Sequence[Claim]) -> None:
        """The claims of the next comment; they replace what the same comment said before.

        Raises ModelError when more match than anybody could look at.
        """
        if not claims:
            return
        self.withdraw(desk, claims[0].source, claims[0].comment_id)
        seen = [self._look(desk, claim) for claim in claims if claim.vector]
        found = [one for one in seen if one.similarity >= self._threshold]
        key = (desk, claims[0].source, claims[0].comment_id)
        if found:
            self._found[key] = found
            self._matches += len(found)
        elif seen:
            self._near[key] = max(seen, key=_nearness)
        if self._matches > MOST_MATCHES:
            raise ModelError(f"more than {MOST_MATCHES} claims match: that is too broad for a watch")
        if len(self._near) > 2 * _NEAR_KEPT:
            nearest = heapq.nlargest(_NEAR_KEPT, self._near.items(), key=lambda one: _nearness(one[1]))
            self._near = dict(nearest)

    def withdraw(self, desk: str, source: str, comment_id: str) -> None:
        """Forget what a comment said."""
        key = (desk, source, comment_id)
        self._matches -= len(self._found.pop(key, ()))
        self._near.pop(key, None)

    def matches(self) -> list[Sighting]:
        """The claims that match, in stream order."""
        return [one for found in self._found.values() for one in found]

    def near_misses(self, count: int) -> list[Sighting]:
        """The nearest comments of which no claim matches, the nearest first."""
        return heapq.nlargest(count, self._near.values(), key=_nearness)

    def _look(self, desk: str, claim: Claim) -> Sighting:
        means = self._means.setdefault(desk, LanguageMeans(self._dimensions, self._background.means))
        vectors = unpack_vectors([claim.vector, *claim.sentences])
        means.add(claim.language, vectors[0])
        self.claims += 1
        return Sighting(
            similarity=float(self._lookout.similarities(means, claim.text, claim.language, vectors)[0]),
            text=claim.text[:_TEXT_CHARACTERS],
            language=claim.language,
            desk=desk,
            source=claim.source,
            comment_id=claim.comment_id,
            n=claim.n,
            thread=claim.thread,
            permalink=claim.permalink,
            at_ms=claim.created_at_ms,
        )


def _nearness(sighting: Sighting) -> float:
    return sighting.similarity
