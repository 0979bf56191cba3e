"""The narrative engine of one desk: claims in, narratives and their life-cycle events out.

A pure object: time comes with the claims, nothing is random, and the result depends on the order of the
comments alone, not on how calls group them or on snapshots taken in between.

A claim near a living narrative is a mention at once. Every other claim is held back in a window, which is
reviewed again and again: with today's means and term weights, average linkage groups the held-back claims and
the narratives near them. A group around a narrative joins it retroactively; a group of enough distinct voices
emerges as a narrative; the rest goes on waiting. See `models.linkage` for the clustering, `models.narrative`
for what counts as corroboration, `models.labels` for names.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.background import Background
from models.centroids import Centroids
from models.clock import EventClock
from models.context import Context, thread_key
from models.corroboration import is_corroborated
from models.labels import describe
from models.lexical import terms
from models.linkage import average_linkage
from models.narrative import HELD_BACK, Member, Narrative, key_of, member_of
from models.outcome import (
    Assignment,
    Event,
    EventType,
    Mention,
    NarrativeView,
    Outcome,
    Stance,
    State,
    WatchMatch,
    instant,
)
from models.parameters import Parameters
from models.prose import is_prose
from models.representation import Representation, mirrored
from models.snapshot import Snapshot, SnapshotError, pack, unpack
from models.types import Claim, unpack_vectors
from models.watches import Watch, best_match
from models.window import Window

__all__ = ["Engine"]

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_MOST_CAUTION = 2.0  # of a young desk: this many times the threshold convinces it, too


class Engine:
    """Online, bounded, deterministic.

    dimensions: of the claims' vectors. background: what is ordinary, in the space of those vectors.
    """

    def __init__(
        self,
        dimensions: int,
        parameters: Parameters | None = None,
        *,
        desk: str = "default",
        background: Background | None = None,
        watches: Sequence[Watch] = (),
    ) -> None:
        self.desk = desk
        self.parameters = parameters or Parameters()
        self.watches = watches
        self._representation = Representation(dimensions, background)
        self._centroids = Centroids(
            self._representation.dimensions, self.parameters.idle_factor, self.parameters.doubt
        )
        self._context = Context(self.parameters.same_thread)
        self._judge = None if background is None else background.judge
        self._narratives: dict[int, Narrative] = {}
        self._in_thread: dict[str, set[int]] = {}  # uids of the narratives with mentions there
        self._window = Window()
        self._seen: dict[int, int] = {}  # comment key to the event time it was seen at, oldest first
        self._clock = EventClock()
        self._swept_ms = self._reviewed_ms = 0
        self._unreviewed = 0
        self._outcome = Outcome()
        self._changed: dict[int, None] = {}

    def observe(self, comments: Iterable[Sequence[Claim]]) -> Outcome:
        """Judge the claims of some comments, in stream order; an item holds the claims of one comment."""
        for claims in comments:
            if claims:
                self._observe_comment(claims)
        return self._hand_out()

    def narratives(self) -> list[NarrativeView]:
        """The narratives in hot state, by the time they emerged."""
        by_age = sorted(self._narratives.values(), key=lambda one: (one.emerged_ms, one.uid))
        return [one.view() for one in by_age]

    @property
    def held_back(self) -> int:
        """How many claims of the window wait for corroboration."""
        return self._window.owners.count(HELD_BACK)

    @property
    def now_ms(self) -> int | None:
        """Event time, epoch ms; None before the first comment."""
        return self._clock.now_ms

    def _hand_out(self) -> Outcome:
        outcome, changed = self._outcome, self._changed
        self._outcome, self._changed = Outcome(), {}
        for uid in changed:
            if uid in self._narratives:
                outcome.changed[self._narratives[uid].narrative_id] = self._narratives[uid].view()
        return outcome

    # -- one comment ---------------------------------------------------------------------------------------

    def _observe_comment(self, claims: Sequence[Claim]) -> None:
        first = claims[0]
        key = key_of(first.source, first.comment_id)
        if key in self._seen:
            self._outcome.duplicates += 1
            return
        now = self._clock.advance(first.created_at_ms, first.author or str(key))
        self._seen[key] = now
        at = now if first.created_at_ms is None else min(first.created_at_ms, now)
        self._sweep(now)
        for claim in claims:
            if claim.vector:
                self._observe_claim(claim, now, at)
            else:
                self._assign(member_of(claim, at), None)
        if self._review_is_due(now):
            self._review(now, at)

    def _observe_claim(self, claim: Claim, now: int, at: int) -> None:
        vector = unpack_vectors([claim.vector])[0]
        found = terms(claim.text)
        thread = thread_key(claim.source, claim.thread)
        self._representation.count(claim.language, vector, found)
        member = self._judged(member_of(claim, at), vector)
        self._context.count(thread, member.substance, now)
        substance = np.array([member.substance], dtype=np.float32)
        row = self._representation.rows([claim.language], vector[None, :], [found], substance)[0]
        threshold = self._threshold()
        uid, similarity = self._centroids.nearest(row, self._gains(thread), threshold)
        joins = similarity >= threshold
        member = member.at_similarity(similarity if joins else 0.0)
        self._window.append(member, vector, found, uid if joins else HELD_BACK)
        self._unreviewed += 1
        narrative = self._narratives[uid] if joins else None
        if narrative is not None:
            self._centroids.add(uid, row, now)
            self._take_in(narrative, member, now, at, retroactive=False)
        else:
            self._assign(member, None)
        self._watch(claim, narrative, at)

    def _judged(self, member: Member, vector: NDArray[np.float32]) -> Member:
        if self._judge is None or not is_prose(member.text, member.language):
            return member
        verdict = self._judge.of(vector - self._representation.means.mean(member.language))
        substance = self.parameters.substance_weight * verdict.substance
        stance = Stance.REBUTS if verdict.rebuts else Stance.SUPPORTS
        return msgspec.structs.replace(member, substance=substance, stance=stance)

    def _gains(self, thread: str) -> dict[int, float]:
        around = self._in_thread.get(thread, ())
        return {uid: self._context.gain(thread, self._narratives[uid].where) for uid in around}

    def _threshold(self) -> float:
        read = self._representation.lexical.documents
        caution = min(1.0 + self.parameters.young_claims / max(read, 1), _MOST_CAUTION)
        return self.parameters.link_similarity * caution

    def _take_in(self, narrative: Narrative, member: Member, now: int, at: int, *, retroactive: bool) -> None:
        counted = narrative.add(member)
        self._in_thread.setdefault(member.thread_key, set()).add(narrative.uid)
        self._centroids.touch(narrative.uid, now)
        self._changed[narrative.uid] = None
        self._assign(member, narrative.narrative_id)
        if not counted:
            return
        self._outcome.mentions.append(_mention(narrative.narrative_id, member, retroactive=retroactive))
        if narrative.state is State.FADED:
            narrative.state = State.EMERGED
            self._tell(EventType.REVIVED, narrative, at, {"authors": float(len(narrative.authors))})
        if narrative.mentions >= self.parameters.relabel_growth * narrative.labelled_mentions:
            self._label(narrative)

    def _assign(self, member: Member, narrative_id: str | None) -> None:
        self._outcome.assignments.append(
            Assignment(
                source=member.source,
                comment_id=member.comment_id,
                n=member.n,
                narrative_id=narrative_id,
                similarity=0.0 if narrative_id is None else member.similarity,
                stance=None if narrative_id is None else member.stance,
            )
        )

    # -- review --------------------------------------------------------------------------------------------

    def _review_is_due(self, now: int) -> bool:
        if self._unreviewed == 0:
            return False
        enough = max(1, len(self._window) // self.parameters.reviews_per_window)
        late = now - self._reviewed_ms >= self.parameters.review_minutes * _MINUTE_MS
        return late or self._unreviewed >= enough

    def _review(self, now: int, at: int) -> None:
        """Group what is held back with what is near, and act on the groups."""
        self._unreviewed, self._reviewed_ms = 0, now
        if not len(self._window):
            return
        rows = self._window.rows(self._representation)
        self._centroids.refresh(rows, self._window.owner_array())
        self._context.measure(self._window.threads(), rows)
        held = self._window.held_back()
        uids = self._centroids.related(rows[held], self._threshold() - self._context.most)
        joined: dict[int, list[int]] = {}
        emerged: list[int] = []
        for places, around in self._groups(rows, held, uids):
            if around:
                joined[self._unite(around, at)] = places
            elif is_corroborated([self._window.members[place] for place in places], self.parameters):
                uid = self._found(places, now, at)
                joined[uid] = places
                emerged.append(uid)
        for uid, places in joined.items():
            for place in places:
                self._window.owners[place] = uid
        self._centroids.refresh(rows, self._window.owner_array())
        for uid, places in joined.items():
            self._join_retroactively(uid, places, rows, now, at, is_new=uid in emerged)
        self._slide(rows)

    def _groups(
        self, rows: NDArray[np.float32], held: list[int], uids: list[int]
    ) -> list[tuple[list[int], list[int]]]:
        """(places of held-back claims, uids of narratives) of each group, in order of the first item."""
        sums, sizes, active = self._centroids.items(uids)
        items = np.concatenate([rows[held], sums])
        members = np.concatenate([np.ones(len(held)), sizes])
        factor = np.concatenate([np.ones(len(held)), np.where(active, 1.0, self.parameters.idle_factor)])
        products = (items @ mirrored(items).T) / np.maximum(factor[:, None], factor[None, :])
        where = [self._window.members[place].where for place in held]
        gains = self._context.matrix([*where, *(self._narratives[uid].where for uid in uids)])
        products += gains * np.outer(members, members)
        labels = average_linkage(
            products.astype(np.float32), members, self._threshold(), self.parameters.doubt
        )
        groups: dict[int, tuple[list[int], list[int]]] = {}
        for item, label in enumerate(labels.tolist()):
            places, around = groups.setdefault(label, ([], []))
            if item < len(held):
                places.append(held[item])
            else:
                around.append(uids[item - len(held)])
        return list(groups.values())

    def _unite(self, uids: list[int], at: int) -> int:
        """Merge narratives that have become one; the oldest keeps its identity."""
        keep, *others = sorted(
            (self._narratives[uid] for uid in uids), key=lambda one: (one.emerged_ms, one.uid)
        )
        for gone in others:
            self._tell(EventType.MERGED, gone, at, {"threshold": self._threshold()}, into=keep.narrative_id)
            self._outcome.retired.append(gone.narrative_id)
            keep.absorb(gone)
            self._centroids.merge(keep.uid, gone.uid)
            self._window.hand_over(gone.uid, keep.uid)
            self._leave_threads(gone)
            del self._narratives[gone.uid]
            for thread in keep.where:
                self._in_thread.setdefault(thread, set()).add(keep.uid)
            self._changed[keep.uid] = None
        return keep.uid

    def _leave_threads(self, narrative: Narrative) -> None:
        for thread in narrative.where:
            self._in_thread[thread].discard(narrative.uid)
            if not self._in_thread[thread]:
                del self._in_thread[thread]

    def _found(self, places: list[int], now: int, at: int) -> int:
        first = self._window.members[places[0]]
        founder = key_of("narrative", self.desk, first.source, first.comment_id, str(first.n))
        uid = self._centroids.create(now)
        # The id comes from the claim that was first, so that it can be given only once.
        self._narratives[uid] = Narrative(uid=uid, narrative_id=f"n{founder:016x}", emerged_ms=at)
        return uid

    def _join_retroactively(
        self, uid: int, places: list[int], rows: NDArray[np.float32], now: int, at: int, *, is_new: bool
    ) -> None:
        narrative = self._narratives[uid]
        centroid = self._centroids.mean(uid)
        for place in places:
            member = self._window.members[place].at_similarity(float(rows[place, :-2] @ centroid[:-2]))
            self._take_in(narrative, member, now, at, retroactive=True)
        if is_new:
            self._label(narrative)
            figures = {
                "authors": float(len(narrative.authors)),
                "required_authors": float(self.parameters.min_authors),
                "voices": float(narrative.distinct_voices),
                "cohesion": self._centroids.cohesion(uid),
                "required_cohesion": self._threshold(),
            }
            self._tell(EventType.EMERGED, narrative, at, figures)

    def _slide(self, rows: NDArray[np.float32]) -> None:
        over = max(0, len(self._window) - self.parameters.window_claims)
        for place in range(over):
            owner = self._window.owners[place]
            if owner != HELD_BACK:
                self._centroids.settle(owner, rows[place])
        self._window.drop_oldest(over)

    # -- telling -------------------------------------------------------------------------------------------

    def _tell(
        self,
        kind: EventType,
        narrative: Narrative,
        at: int,
        figures: dict[str, float],
        *,
        into: str | None = None,
    ) -> None:
        self._changed[narrative.uid] = None
        self._outcome.events.append(
            Event(
                type=kind,
                narrative_id=narrative.narrative_id,
                at=instant(at),
                mentions=narrative.mentions,
                narrative=narrative.view(),
                trigger=figures,
                into=into,
            )
        )

    def _label(self, narrative: Narrative) -> None:
        representation = self._representation
        found = describe(narrative.sample, representation.lexical.rarity, representation.means.mean)
        narrative.label, narrative.keywords = found.label, found.keywords
        narrative.representative = found.representative.text
        narrative.quotes = [member.quote() for member in found.quotes]
        narrative.labelled_mentions = narrative.mentions

    def _watch(self, claim: Claim, narrative: Narrative | None, at: int) -> None:
        if not self.watches:
            return
        vectors = unpack_vectors([claim.vector, *claim.sentences])
        for watch in self.watches:
            similarity = best_match(watch, self._representation.means, claim.text, claim.language, vectors)
            if similarity < watch.threshold:
                continue
            self._outcome.matches.append(
                WatchMatch(
                    watch=watch.name,
                    source=claim.source,
                    comment_id=claim.comment_id,
                    n=claim.n,
                    text=claim.text,
                    similarity=similarity,
                    narrative_id=None if narrative is None else narrative.narrative_id,
                    at=instant(at),
                )
            )

    # -- forgetting ----------------------------------------------------------------------------------------

    def _sweep(self, now: int) -> None:
        """Fade what has gone quiet and forget what is old; at most once per interval of event time."""
        if now - self._swept_ms < self.parameters.sweep_minutes * _MINUTE_MS:
            return
        self._swept_ms = now
        for uid in self._centroids.idle_since(now - self.parameters.fade_after_hours * _HOUR_MS):
            narrative = self._narratives[uid]
            if narrative.state is State.EMERGED:
                narrative.state = State.FADED
                quiet = {"quiet_hours": float(self.parameters.fade_after_hours)}
                self._tell(EventType.FADED, narrative, now, quiet)
        forget_ms = now - self.parameters.forget_after_hours * _HOUR_MS
        forgotten = self._centroids.idle_since(forget_ms)
        for uid in forgotten:
            self._leave_threads(self._narratives[uid])
            self._outcome.retired.append(self._narratives.pop(uid).narrative_id)
            self._centroids.drop(uid)
        self._window.forget(set(forgotten), forget_ms)
        self._context.forget(forget_ms)
        self._forget_comments(now - self.parameters.remember_comments_hours * _HOUR_MS)

    def _forget_comments(self, before_ms: int) -> None:
        expired = []
        for key, seen_ms in self._seen.items():
            if seen_ms >= before_ms:
                break
            expired.append(key)
        for key in expired:
            del self._seen[key]

    # -- state ---------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """All that the future depends on; an engine of equal settings continues from it identically."""
        lexical = self._representation.lexical
        return pack(
            Snapshot(
                clock=self._clock,
                swept_ms=self._swept_ms,
                reviewed_ms=self._reviewed_ms,
                unreviewed=self._unreviewed,
                means=self._representation.means.state(),
                threads=list(self._context.sizes.items()),
                alike=self._context.alike,
                usual={k: v.astype("<f4").tobytes() for k, v in self._representation.usual.items()},
                documents=lexical.documents,
                frequencies=lexical.frequencies.astype("<i4").tobytes(),
                centroids=self._centroids.state(),
                narratives=list(self._narratives.values()),
                window=self._window.state(),
                seen=list(self._seen.items()),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Continue from what `snapshot` returned.  Raises SnapshotError for anything else."""
        state = unpack(snapshot)
        try:
            self._representation.means.load(state.means)
            self._centroids.load(state.centroids)
        except ValueError as error:
            raise SnapshotError(str(error)) from error
        self._representation.lexical.documents = state.documents
        self._representation.lexical.frequencies = np.frombuffer(state.frequencies, dtype="<i4").copy()
        self._context.sizes, self._context.alike = dict(state.threads), dict(state.alike)
        self._representation.usual = {
            language: np.frombuffer(raw, dtype="<f4").copy() for language, raw in state.usual.items()
        }
        self._narratives = {narrative.uid: narrative for narrative in state.narratives}
        self._in_thread = {}
        for narrative in state.narratives:
            for thread in narrative.where:
                self._in_thread.setdefault(thread, set()).add(narrative.uid)
        self._window.load(state.window)
        self._seen = dict(state.seen)
        self._clock, self._swept_ms = state.clock, state.swept_ms
        self._reviewed_ms, self._unreviewed = state.reviewed_ms, state.unreviewed


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
        stance=member.stance,
        permalink=member.permalink,
    )
