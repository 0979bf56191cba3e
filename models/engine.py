"""The narrative engine of one desk: claims in, narratives and their life-cycle events out.

A pure object: time comes with the claims, nothing is random, and the result depends on the order of the
comments alone, not on how calls group them or on snapshots taken in between. Clustering is in
`models.clusters`, what counts as corroboration in `models.narrative`, names in `models.labels`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.clock import EventClock
from models.clusters import Clusters
from models.labels import describe
from models.narrative import CAMPAIGN_AUTHORS, Candidate, Facet, Member, key_of, member_of
from models.outcome import (
    Assignment,
    Event,
    EventType,
    Kind,
    Mention,
    NarrativeView,
    Outcome,
    State,
    WatchMatch,
    instant,
)
from models.parameters import Parameters
from models.representation import Representation
from models.snapshot import Snapshot, pack, unpack
from models.types import Claim, unpack_vectors
from models.watches import Watch, best_match

__all__ = ["Engine"]

_HOUR_MS = 3_600_000


class Engine:
    """Online, bounded, deterministic.

    dimensions: of the claims' vectors. prior: mean vector of each language, see `models.calibration`.
    """

    def __init__(
        self,
        dimensions: int,
        parameters: Parameters | None = None,
        *,
        desk: str = "default",
        prior: Mapping[str, NDArray[np.float32]] | None = None,
        watches: Sequence[Watch] = (),
    ) -> None:
        self.desk = desk
        self.parameters = parameters or Parameters()
        self.watches = watches
        self._representation = Representation(dimensions, prior)
        self._clusters = Clusters(self._representation.dimensions)
        self._candidates: dict[int, Candidate] = {}
        self._seen: dict[int, int] = {}  # comment key to the event time it was seen at, oldest first
        self._clock = EventClock()
        self._swept_ms = 0

    def observe(self, comments: Sequence[Sequence[Claim]]) -> Outcome:
        """Judge the claims of some comments, in stream order; an item holds the claims of one comment."""
        outcome = Outcome()
        changed: dict[int, None] = {}
        for claims in comments:
            if claims:
                self._observe_comment(claims, outcome, changed)
        for uid in changed:
            candidate = self._candidates.get(uid)
            if candidate is not None and candidate.narrative_id is not None:
                outcome.changed[candidate.narrative_id] = self.view(candidate)
        return outcome

    def narratives(self) -> list[NarrativeView]:
        """The emerged narratives in hot state, by the time they emerged."""
        public = [c for c in self._candidates.values() if c.narrative_id is not None]
        return [self.view(c) for c in sorted(public, key=lambda c: (c.emerged_ms, c.uid))]

    @property
    def held_back(self) -> int:
        """How many clusters wait for corroboration."""
        return sum(c.state is None for c in self._candidates.values())

    @property
    def now_ms(self) -> int | None:
        """Event time, epoch ms; None before the first comment."""
        return self._clock.now_ms

    # -- one comment ---------------------------------------------------------------------------------------

    def _observe_comment(self, claims: Sequence[Claim], outcome: Outcome, changed: dict[int, None]) -> None:
        first = claims[0]
        key = key_of(first.source, first.comment_id)
        if key in self._seen:
            outcome.duplicates += 1
            return
        now = self._clock.advance(first.created_at_ms, first.author or str(key))
        self._seen[key] = now
        at = now if first.created_at_ms is None else min(first.created_at_ms, now)
        self._sweep(now, outcome, changed)
        for claim in claims:
            self._observe_claim(claim, now, at, outcome, changed)

    def _observe_claim(
        self, claim: Claim, now: int, at: int, outcome: Outcome, changed: dict[int, None]
    ) -> None:
        if not claim.vector:
            outcome.assignments.append(_nothing(claim))
            return
        vector = unpack_vectors([claim.vector])[0]
        row = self._representation.add(claim.language, vector, claim.text)
        uid, similarity = self._join(row, now)
        candidate = self._candidates.get(uid)
        if candidate is None:
            similarity = 0.0
            candidate = self._candidates[uid] = Candidate(uid=uid, founder=_founder(self.desk, claim))
        member = member_of(claim, at, similarity)
        counted = candidate.add(member)
        if counted and candidate.narrative_id is not None:
            outcome.mentions.append(_mention(candidate.narrative_id, member, retroactive=False))
        changed[uid] = None
        candidate = self._settle(candidate, now, at, outcome, changed)
        self._review(candidate, at, outcome)
        outcome.assignments.append(
            Assignment(
                source=claim.source,
                comment_id=claim.comment_id,
                n=claim.n,
                cluster=candidate.uid,
                narrative_id=candidate.narrative_id,
                similarity=similarity,
            )
        )
        self._watch(claim, vector, candidate, at, outcome)

    def _join(self, row: NDArray[np.float32], now: int) -> tuple[int, float]:
        uid, similarity = self._clusters.nearest(row)
        if similarity < self.parameters.link_similarity:
            return self._clusters.create(row, now), similarity
        self._clusters.add(uid, row, now)
        return uid, similarity

    # -- merging -------------------------------------------------------------------------------------------

    def _settle(
        self, candidate: Candidate, now: int, at: int, outcome: Outcome, changed: dict[int, None]
    ) -> Candidate:
        """Merge the changed cluster with its nearest for as long as their average linkage allows."""
        while True:
            other_uid, linkage = self._clusters.nearest_to(candidate.uid)
            if linkage < self.parameters.link_similarity:
                return candidate
            keep, gone = sorted((candidate, self._candidates[other_uid]), key=_seniority)
            self._merge(keep, gone, linkage, at, outcome)
            changed[keep.uid] = None
            candidate = keep

    def _merge(self, keep: Candidate, gone: Candidate, linkage: float, at: int, outcome: Outcome) -> None:
        evidence = self.view(gone) if gone.narrative_id is not None else None
        self._clusters.merge(keep.uid, gone.uid)
        del self._candidates[gone.uid]
        outcome.merges.append((keep.uid, gone.uid))
        fresh = keep.absorb(gone)
        if keep.narrative_id is None:
            return
        outcome.mentions += [_mention(keep.narrative_id, member, retroactive=True) for member in fresh]
        if evidence is not None and gone.narrative_id is not None:
            keep.aliases += [gone.narrative_id, *gone.aliases]
            outcome.retired.append(gone.narrative_id)
            outcome.events.append(
                Event(
                    type=EventType.MERGED,
                    narrative_id=gone.narrative_id,
                    at=instant(at),
                    mentions=gone.mentions,
                    narrative=evidence,
                    trigger={"linkage": linkage, "required_linkage": self.parameters.link_similarity},
                    into=keep.narrative_id,
                )
            )

    # -- life cycle ----------------------------------------------------------------------------------------

    def _review(self, candidate: Candidate, at: int, outcome: Outcome) -> None:
        if candidate.state is None:
            if self._corroborated(candidate):
                self._emerge(candidate, at, outcome)
        elif candidate.state is State.FADED:
            candidate.state = State.EMERGED
            self._tell(EventType.REVIVED, candidate, at, {"authors": len(candidate.authors)}, outcome)
        elif candidate.mentions >= self.parameters.relabel_growth * candidate.labelled_mentions:
            self._label(candidate)

    def _corroborated(self, candidate: Candidate) -> bool:
        if len(candidate.authors) < self.parameters.min_authors:
            return False
        if candidate.distinct_voices >= self.parameters.min_authors:
            return True
        return candidate.kind is Kind.CAMPAIGN and len(candidate.authors) >= CAMPAIGN_AUTHORS

    def _emerge(self, candidate: Candidate, at: int, outcome: Outcome) -> None:
        candidate.narrative_id = _narrative_id(candidate.founder)
        candidate.state, candidate.emerged_ms = State.EMERGED, at
        outcome.emerged[candidate.uid] = candidate.narrative_id
        waiting, candidate.waiting = candidate.waiting, []
        self._label(candidate)
        outcome.mentions += [_mention(candidate.narrative_id, m, retroactive=True) for m in waiting]
        trigger = {
            "authors": float(len(candidate.authors)),
            "required_authors": float(self.parameters.min_authors),
            "voices": float(candidate.distinct_voices),
            "cohesion": self._clusters.cohesion(candidate.uid),
        }
        self._tell(EventType.EMERGED, candidate, at, trigger, outcome)

    def _tell(
        self, kind: EventType, candidate: Candidate, at: int, trigger: dict[str, float], outcome: Outcome
    ) -> None:
        view = self.view(candidate)
        outcome.events.append(
            Event(
                type=kind,
                narrative_id=view.narrative_id,
                at=instant(at),
                mentions=view.mentions,
                narrative=view,
                trigger=trigger,
            )
        )

    def _label(self, candidate: Candidate) -> None:
        found = describe(candidate.sample, self._representation.lexical.rarity)
        candidate.label, candidate.keywords = found.label, found.keywords
        candidate.representative = found.representative.text
        candidate.quotes = [member.quote() for member in found.quotes]
        candidate.labelled_mentions = candidate.mentions

    def view(self, candidate: Candidate) -> NarrativeView:
        """What is public about a candidate that has emerged.  Raises ValueError for one that has not."""
        if candidate.narrative_id is None or candidate.state is None:
            raise ValueError(f"cluster {candidate.uid} is held back and has no public view")
        return NarrativeView(
            narrative_id=candidate.narrative_id,
            label=candidate.label,
            keywords=list(candidate.keywords),
            representative=candidate.representative,
            kind=candidate.kind,
            state=candidate.state,
            mentions=candidate.mentions,
            supporting=None,
            rebutting=None,
            copies=candidate.copies,
            authors=len(candidate.authors),
            threads=candidate.counts(Facet.THREAD),
            languages=candidate.counts(Facet.LANGUAGE),
            sources=candidate.counts(Facet.SOURCE),
            first_seen=instant(candidate.first_ms),
            last_seen=instant(candidate.last_ms),
            emerged_at=instant(candidate.emerged_ms),
            aliases=list(candidate.aliases),
            quotes=list(candidate.quotes),
        )

    # -- forgetting ----------------------------------------------------------------------------------------

    def _sweep(self, now: int, outcome: Outcome, changed: dict[int, None]) -> None:
        """Fade what has gone quiet and forget what is old; at most once per interval of event time."""
        if len(self._clusters) > self.parameters.max_clusters:
            self._evict()
        if now - self._swept_ms < self.parameters.sweep_minutes * 60_000:
            return
        self._swept_ms = now
        for uid in self._clusters.idle_since(now - self.parameters.fade_after_hours * _HOUR_MS):
            candidate = self._candidates[uid]
            if candidate.state is State.EMERGED:
                candidate.state = State.FADED
                quiet = {"quiet_hours": float(self.parameters.fade_after_hours)}
                self._tell(EventType.FADED, candidate, now, quiet, outcome)
                changed[uid] = None
        for uid in self._clusters.idle_since(now - self.parameters.forget_after_hours * _HOUR_MS):
            self._forget(uid, outcome)
        self._forget_comments(now)

    def _forget(self, uid: int, outcome: Outcome) -> None:
        candidate = self._candidates.pop(uid)
        self._clusters.drop(uid)
        if candidate.narrative_id is not None:
            outcome.retired.append(candidate.narrative_id)

    def _forget_comments(self, now: int) -> None:
        oldest = now - self.parameters.remember_comments_hours * _HOUR_MS
        expired = []
        for key, seen_ms in self._seen.items():
            if seen_ms >= oldest:
                break
            expired.append(key)
        for key in expired:
            del self._seen[key]

    def _evict(self) -> None:
        """Forget the longest idle held-back clusters until a tenth of the room is free."""
        held = [uid for uid in self._clusters.by_age() if self._candidates[uid].state is None]
        for uid in held[: len(self._clusters) - self.parameters.max_clusters * 9 // 10]:
            del self._candidates[uid]
            self._clusters.drop(uid)

    # -- watches -------------------------------------------------------------------------------------------

    def _watch(
        self, claim: Claim, vector: NDArray[np.float32], candidate: Candidate, at: int, outcome: Outcome
    ) -> None:
        means = self._representation.means
        for watch in self.watches:
            similarity = best_match(watch, means, claim.text, claim.language, vector)
            if similarity >= watch.threshold:
                outcome.matches.append(
                    WatchMatch(
                        watch=watch.name,
                        source=claim.source,
                        comment_id=claim.comment_id,
                        n=claim.n,
                        text=claim.text,
                        similarity=similarity,
                        narrative_id=candidate.narrative_id,
                        at=instant(at),
                    )
                )

    # -- state ---------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything that the future depends on; an engine of equal settings continues from it identically."""
        lexical = self._representation.lexical
        return pack(
            Snapshot(
                clock=self._clock,
                swept_ms=self._swept_ms,
                means=self._representation.means.state(),
                documents=lexical.documents,
                frequencies=lexical.frequencies.astype("<i4").tobytes(),
                clusters=self._clusters.state(),
                candidates=list(self._candidates.values()),
                seen=list(self._seen.items()),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Continue from what `snapshot` returned.  Raises SnapshotError for anything else."""
        state = unpack(snapshot)
        self._representation.means.load(state.means)
        self._representation.lexical.documents = state.documents
        self._representation.lexical.frequencies = np.frombuffer(state.frequencies, dtype="<i4").copy()
        self._clusters.load(state.clusters)
        self._candidates = {candidate.uid: candidate for candidate in state.candidates}
        self._seen = dict(state.seen)
        self._clock, self._swept_ms = state.clock, state.swept_ms


def _founder(desk: str, claim: Claim) -> str:
    return "\x1f".join((desk, claim.source, claim.comment_id, str(claim.n)))


def _narrative_id(founder: str) -> str:
    """An id for life: made from the claim that was first, so that it can be given only once."""
    return f"n{key_of('narrative', founder):016x}"


def _seniority(candidate: Candidate) -> tuple[bool, int, int]:
    """Orders two candidates by who keeps its identity: emerged before held back, then the older."""
    return candidate.narrative_id is None, candidate.emerged_ms, candidate.uid


def _nothing(claim: Claim) -> Assignment:
    return Assignment(
        source=claim.source,
        comment_id=claim.comment_id,
        n=claim.n,
        cluster=None,
        narrative_id=None,
        similarity=0.0,
    )


def _mention(narrative_id: str, member: Member, *, retroactive: bool) -> Mention:
    return Mention(
        narrative_id=narrative_id,
        source=member.source,
        comment_id=member.comment_id,
        n=member.n,
        text=member.text,
        author=member.author,
        thread=member.thread,
        language=member.language,
        at=instant(member.at_ms),
        similarity=member.similarity,
        retroactive=retroactive,
        permalink=member.permalink,
    )
