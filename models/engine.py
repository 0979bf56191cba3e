"""The narrative engine of one desk: claims in, narratives and their life-cycle events out.

A pure object: time comes with the claims, nothing is random, and the result depends on the order of the
comments alone, not on how calls group them or on snapshots taken in between.

A claim near a living narrative is a mention at once. Every other claim is held back in a window, which is
reviewed again and again: with today's means and term weights, average linkage groups the held-back claims and
the narratives near them. A group around a narrative joins it retroactively; a group of enough distinct voices
emerges as a narrative; the rest goes on waiting. Now and then a review is a revision: all claims of the
window are grouped anew, and move where they belong. See `models.linkage` for the clustering,
`models.revision` for identities, `models.corroboration` for what convinces, `models.labels` for names.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.background import Background
from models.centroids import Centroids, Glance
from models.clock import EventClock
from models.context import Context
from models.corroboration import is_corroborated, is_of_substance
from models.grouping import Grouping, View
from models.labels import describe
from models.mentions import bare_mention, matches_of, mention_of
from models.narrative import HELD_BACK, Member, Narrative, key_of, member_of
from models.outcome import (
    Assignment,
    Event,
    EventType,
    Made,
    NarrativeView,
    Outcome,
    State,
    WatchMatch,
    instant,
)
from models.overview import Overview, overview_of
from models.parameters import Parameters
from models.parts import Parts
from models.reader import Read, Reader
from models.readings import Readings
from models.representation import Representation
from models.revision import homes, main_owner
from models.seen import DELETED, SeenComments
from models.snapshot import (
    CORE,
    NARRATIVE,
    SEEN,
    Changes,
    Core,
    Kept,
    Snapshot,
    SnapshotError,
    pack,
    unpack,
)
from models.spike_parameters import SpikeParameters
from models.spiking import Spiking
from models.types import Claim
from models.watches import Lookout, Watch
from models.window import Window

__all__ = ["Engine"]

_NO_ROWS = np.zeros((0, 2), dtype=np.float32)
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_SECOND_MS = 1_000
_HASTY_SHARE = 2  # of the window, that makes a review due in any case
_TOGETHER = 128  # claims that are compared at once: more gain nothing


class _Arrived(NamedTuple):
    """A comment that was read: event time, its own date, and its claims, bare members without vectors."""

    now: int
    at: int
    claims: list[Read | Member]


class _Decision(NamedTuple):
    """Claims, by their places, and the narrative they belong to, or HELD_BACK."""

    uid: int
    places: list[int]
    is_new: bool = False
    out_of: int | None = None


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
        self._representation = Representation(dimensions, background)
        self._centroids = Centroids(
            self._representation.dimensions, self.parameters.idle_factor, self.parameters.doubt
        )
        self._judge = None if background is None else background.judge
        unjudged = self.parameters.unjudged if self._judge is None else 0.0
        metric = None if background is None else background.metric
        self._context = Context(self.parameters.same_thread - unjudged, metric)
        self._reader = Reader(self._representation, self._context, self._judge, self.parameters)
        self._reader.lookout = Lookout(watches)
        self._arrived: list[_Arrived] = []
        self._waiting = 0  # how many claims with vectors that is
        self._narratives: dict[int, Narrative] = {}
        self._parts = Parts(dimensions)
        self._grouping = Grouping(self._centroids, self._parts, self.parameters)
        self._window = Window()
        self._founded: dict[int, int] = {}  # rank of a claim of the window to the narratives it founded
        self._seen = SeenComments(self.parameters.remember_comments)
        self._clock = EventClock()
        self._spiking = Spiking(SpikeParameters(min_authors=self.parameters.min_authors))
        self._swept_ms = self._reviewed_ms = self._revised_ms = 0
        self._unreviewed = self._unrevised = 0
        self._outcome = Outcome()
        self._changed: dict[int, None] = {}
        self._unsaved: dict[int, None] = {}  # narratives that differ from what `changes` last gave
        self._gone: list[int] = []

    def observe(
        self,
        comments: Iterable[Sequence[Claim]],
        version: int | None = None,
        *,
        with_views: bool = True,
    ) -> Outcome:
        """Judge the claims of some comments, in stream order; an item holds the claims of one comment.

        A comment that was seen before, and now says something else, was edited: it replaces what it was.
        version: of these comments, at least 0; an earlier one than was seen is delivered again, and changes
        nothing. None: they come in order. with_views: False leaves `changed` to `changed_views`, for who
        observes comment by comment and tells them together.
        """
        for claims in comments:
            if claims:
                self._observe_comment(claims, version)
        self._compare()
        return self._hand_out(with_views=with_views)

    def withdraw(
        self, source: str, comment_id: str, version: int | None = None, *, with_views: bool = True
    ) -> Outcome:
        """A comment was deleted: its mentions do not count any more. One that is not known may come yet.

        version, with_views: as for `observe`. What it said stays in the sums, as far as its claims have left
        the window.
        """
        key = key_of(source, comment_id)
        if self._is_known(key, DELETED, version):
            self._outcome.duplicates += 1
        else:
            self._withdraw(source, comment_id)
            self._seen.put(key, DELETED, self._clock.now_ms or 0, version or 0)
            self._outcome.deleted += 1
        return self._hand_out(with_views=with_views)

    def changed_views(self) -> dict[str, NarrativeView]:
        """By id, the narratives whose public view is new since this, or an outcome with views, last told."""
        changed, self._changed = self._changed, {}
        self._unsaved |= changed
        living = (self._narratives[uid] for uid in changed if uid in self._narratives)
        return {narrative.narrative_id: narrative.view() for narrative in living}

    @property
    def watches(self) -> Sequence[Watch]:
        """What is looked for. To set it has an effect on claims that come later, and on nothing else."""
        return self._reader.lookout.watches

    @watches.setter
    def watches(self, watches: Sequence[Watch]) -> None:
        self._reader.lookout = Lookout(watches)

    def narratives(self) -> list[NarrativeView]:
        """The narratives in hot state, by the time they emerged."""
        by_age = sorted(self._narratives.values(), key=lambda one: (one.emerged_ms, one.uid))
        return [one.view() for one in by_age]

    def overview(self, top: int) -> Overview:
        """How many narratives there are, and those to be shown where there is room for so many."""
        return overview_of(self._narratives.values(), top)

    def readings(self, narrative_ids: Set[str], now_ms: int) -> Readings:
        """How unusual these narratives and all watches are at a time (epoch ms). Changes nothing."""
        wanted = [one for one in self._narratives.values() if one.narrative_id in narrative_ids]
        return self._spiking.readings(wanted, [watch.name for watch in self.watches], now_ms)

    @property
    def held_back(self) -> int:
        """How many claims of the window wait for corroboration."""
        return self._window.owners.count(HELD_BACK)

    @property
    def now_ms(self) -> int | None:
        """Event time, epoch ms; None before the first comment."""
        return self._clock.now_ms

    def _hand_out(self, *, with_views: bool) -> Outcome:
        outcome, self._outcome = self._outcome, Outcome()
        if with_views:
            outcome.changed = self.changed_views()
        return outcome

    # -- one comment ---------------------------------------------------------------------------------------

    def _is_known(self, key: int, digest: int, version: int | None) -> bool:
        """Whether this is what was seen last, or something from before that."""
        return self._seen.digest(key) == digest or (
            version is not None and version <= self._seen.version(key)
        )

    def _observe_comment(self, claims: Sequence[Claim], version: int | None) -> None:
        first = claims[0]
        key = key_of(first.source, first.comment_id)
        known, digest = self._seen.digest(key), _digest(claims)
        if self._is_known(key, digest, version):
            self._outcome.duplicates += 1
            return
        if known not in (None, DELETED):
            self._compare()
            self._withdraw(first.source, first.comment_id)
            self._outcome.edited += 1
        now = self._clock.advance(first.created_at_ms, first.author or str(key))
        self._seen.put(key, digest, now, version or 0)
        at = now if first.created_at_ms is None else min(first.created_at_ms, now)
        if self._sweep_is_due(now):
            self._compare()
            self._sweep(now)
        self._arrived.append(_Arrived(now, at, [self._read(claim, now, at) for claim in claims]))
        is_due = self._review_is_due(now)
        if is_due or max(self._waiting, len(self._arrived)) >= _TOGETHER:
            self._compare(then_review=is_due)

    def _read(self, claim: Claim, now: int, at: int) -> Read | Member:
        if not claim.vector:
            return member_of(claim, at)
        self._unreviewed += 1
        self._unrevised += 1
        self._waiting += 1
        return self._reader.read(claim, now, at)

    def _compare(self, *, then_review: bool = False) -> None:
        """Find the narratives of what was read, one comment after the other.

        then_review: review before the last of them is done with.
        """
        arrived, self._arrived, self._waiting = self._arrived, [], 0
        reads = [claim for comment in arrived for claim in comment.claims if isinstance(claim, Read)]
        glance = self._centroids.glance(
            np.stack([read.row for read in reads]) if reads else _NO_ROWS,
            np.array([read.threshold for read in reads], dtype=np.float32),
        )
        compared = 0
        for number, (now, at, claims) in enumerate(arrived, start=1):
            self._spiking.comment(at, now)
            matches = len(self._outcome.matches)
            for claim in claims:
                if isinstance(claim, Read):
                    self._place(claim, glance, compared, now, at)
                    compared += 1
                else:
                    self._assign(claim, None)
            if then_review and number == len(arrived):
                self._review(now, at)
            watches = dict.fromkeys(one.watch for one in self._outcome.matches[matches:])
            self._spiking.matched(watches, at, now)
            self._tell_spikes(now, at)

    def _place(self, read: Read, glance: Glance, number: int, now: int, at: int) -> None:
        uids, gains = self._parts.gains(read.thread, read.plain, read.inside, read.worth)
        uid, similarity = self._centroids.nearest(glance, number, uids, gains)
        joins = similarity >= read.threshold
        member = read.member.at_similarity(similarity if joins else 0.0)
        matched = msgspec.structs.replace(member, matches=read.matches)
        self._window.append(matched, read.vector, read.terms, uid if joins else HELD_BACK)
        narrative = self._narratives[uid] if joins else None
        if narrative is not None:
            self._centroids.add(uid, read.row, now)
            self._parts.add(read.thread, uid, read.plain, read.inside)
            self._take_in(narrative, member, now, at, retroactive=False)
        else:
            self._assign(member, None)
        for match in matches_of(matched, None if narrative is None else narrative.narrative_id):
            self._outcome.matches.append(match)
            self._outcome.match_news.append(match)

    def _take_in(self, narrative: Narrative, member: Member, now: int, at: int, *, retroactive: bool) -> None:
        counted = narrative.add(member)
        self._centroids.touch(narrative.uid, now)
        self._changed[narrative.uid] = None
        self._assign(member, narrative.narrative_id)
        if not counted:
            return
        self._outcome.mentions.append(mention_of(narrative.narrative_id, member, retroactive=retroactive))
        self._spiking.mentioned(narrative.uid)
        self._outcome.made.append(Made(member.language, member.source, member.stance))
        if narrative.state is State.FADED:
            narrative.state = State.EMERGED
            self._tell(EventType.REVIVED, narrative, at, {"authors": float(len(narrative.authors))})

    def _assign(self, member: Member, narrative_id: str | None) -> None:
        if member.matches:
            self._outcome.match_news += matches_of(member, narrative_id, retroactive=True)
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
        since_ms = now - self._reviewed_ms
        if since_ms >= self.parameters.review_minutes * _MINUTE_MS:
            return True
        share = _HASTY_SHARE if self._is_hasty(now) else self.parameters.reviews_per_window
        return self._unreviewed >= max(1, min(self._window_size(), self.parameters.window_claims) // share)

    def _is_hasty(self, now: int) -> bool:
        """Whether claims come so fast that there is no time for every review."""
        hasty = now - self._reviewed_ms < self.parameters.review_seconds * _SECOND_MS
        return hasty and self._window_is_full()

    def _window_is_full(self) -> bool:
        return self._window_size() >= self.parameters.window_claims

    def _window_size(self) -> int:
        return len(self._window) + self._waiting

    def _review(self, now: int, at: int) -> None:
        """Group what is held back with what is near, or everything anew, and act on the groups."""
        fresh = self._unreviewed
        calm = 2 * self.parameters.window_claims // self.parameters.reviews_per_window
        is_hasty = self._is_hasty(now) or fresh > calm
        self._unreviewed, self._reviewed_ms = 0, now
        if not len(self._window):
            return
        view = self._grouping.look(self._window, self._representation, self._context)
        if self._revision_is_due(now):
            self._unrevised, self._revised_ms = 0, now
            left = self._act(
                view, self._revised(view, self._shallow(), now, at, stay=self.parameters.stay), now, at
            )
        else:
            left = self._act(view, self._joined(view, now, at), now, at)
        if not is_hasty:
            for places in self._window.threads_due(self.parameters, self._context.sizes, fresh):
                # Read as a whole, a thread knows better than what was decided when it was young.
                decided = self._revised(view, places, now, at, stay=0.0)
                left |= self._act(view, decided, now, at)
        self._relabel({*self._window.owners, *left} - {HELD_BACK})
        self._slide(view, is_hasty=is_hasty)

    def _revision_is_due(self, now: int) -> bool:
        since_ms = now - self._revised_ms
        is_hasty = since_ms < _HASTY_SHARE * self.parameters.review_seconds * _SECOND_MS
        share = 1 if is_hasty and self._window_is_full() else self.parameters.reviews_per_window
        enough = self._unrevised >= self.parameters.window_claims // share
        late = since_ms >= self.parameters.revise_minutes * _MINUTE_MS
        return bool(self._narratives) and (enough or late)

    def _recent(self) -> list[int]:
        """The places of the latest claims, whatever their thread."""
        return list(range(max(0, len(self._window) - self.parameters.window_claims), len(self._window)))

    def _shallow(self) -> list[int]:
        """The places of the latest claims, but for threads of which more is kept (`Window.threads_due`)."""
        recent = self._recent()
        deep = {member.thread_key for member in self._window.members[: recent[0]]}
        return [place for place in recent if self._window.members[place].thread_key not in deep]

    def _near(self, view: View, places: list[int]) -> set[int]:
        """The narratives of claims, and those that claims without one could join."""
        owners = self._window.owners
        held = [place for place in places if owners[place] == HELD_BACK]
        known = {owners[place] for place in places} - {HELD_BACK}
        return self._grouping.near(view, held, self._reader.threshold(), known)

    def _joined(self, view: View, now: int, at: int) -> list[_Decision]:
        """Held-back claims that join narratives, or are a new one."""
        recent = self._recent()
        held = [place for place in recent if self._window.owners[place] == HELD_BACK]
        uids = sorted(self._near(view, recent))
        products, sizes = self._grouping.products(view, held, uids, self._context.worth)
        item = {place: number for number, place in enumerate(held)}
        decided = []
        for group in self._grouping.groups(products, sizes, held, uids, self._reader.threshold()):
            if group.uids:
                decided.append(_Decision(self._unite(group.uids, at), group.places))
            elif self._is_convincing(products, [item[p] for p in group.places], group.places, split=False):
                decided.append(_Decision(self._found(group.places, now, at), group.places, is_new=True))
        return decided

    def _revised(self, view: View, places: list[int], now: int, at: int, *, stay: float) -> list[_Decision]:
        """Where each of some claims of the window belongs, whatever was decided before."""
        rest = self._grouping.rest_of(view, places, self._window.owners)
        uids = self._grouping.with_rest(self._near(view, places), rest)
        products, sizes = self._grouping.products(view, places, uids, self._context.worth, rest=rest)
        before = {place: self._window.owners[place] for place in places}
        drawn = self._grouping.drawn_together(products, sizes, [*before.values(), *uids], stay)
        groups = self._grouping.groups(drawn, sizes, places, uids, self._reader.threshold())
        item = {place: number for number, place in enumerate(places)}
        decided = []
        for group, living in zip(groups, homes(groups, before), strict=True):
            origin = main_owner(before[place] for place in group.places)
            items = [item[place] for place in group.places]
            if living:
                decided.append(_Decision(self._unite(living, at), group.places))
            elif self._is_convincing(products, items, group.places, split=origin is not None):
                uid = self._found(group.places, now, at)
                decided.append(_Decision(uid, group.places, is_new=True, out_of=origin))
            elif origin is None:
                decided.append(_Decision(HELD_BACK, group.places))
        return decided

    def _is_convincing(
        self, products: NDArray[np.float32], items: list[int], places: list[int], *, split: bool
    ) -> bool:
        """Whether claims are a narrative. The fewer they are, the more they must be as one; and so must those
        that were taken for another narrative. items: the places' rows in products.
        """
        members = [self._window.members[place] for place in places]
        if not is_corroborated(members, self.parameters) or not self._says_something(members):
            return False
        if split:
            threshold = self.parameters.split_factor * self._reader.threshold()
        elif len({member.author_key for member in members}) <= self.parameters.min_authors:
            threshold = self.parameters.few_factor * self._reader.threshold()
        else:
            return True
        among = products[np.ix_(items, items)]
        cores = self._grouping.groups(among, np.ones(len(items)), places, [], threshold)
        return any(
            is_corroborated([self._window.members[place] for place in core.places], self.parameters)
            for core in cores
        )

    def _says_something(self, members: Sequence[Member]) -> bool:
        means = self._representation.means
        return self._judge is None or is_of_substance(members, self._judge, means.mean, self.parameters)

    def _act(self, view: View, decided: list[_Decision], now: int, at: int) -> set[int]:
        """Move claims to where they belong, and tell; returns the narratives that some have left."""
        left: dict[int, list[int]] = {}
        joined: list[tuple[_Decision, list[int]]] = []
        for decision in decided:
            moved = [place for place in decision.places if self._window.owners[place] != decision.uid]
            joined.append((decision, moved))
            for place in moved:
                if self._window.owners[place] != HELD_BACK:
                    left.setdefault(self._window.owners[place], []).append(place)
        for decision, moved in joined:
            for place in moved:
                self._window.owners[place] = decision.uid
        if any(moved for _, moved in joined):
            self._grouping.refresh(view, self._window.owners)
        for uid, places in left.items():
            self._take_out(uid, places)
        for decision, moved in joined:
            if decision.uid == HELD_BACK:
                for place in moved:
                    self._assign(self._window.members[place].at_similarity(0.0), None)
            else:
                self._join_retroactively(decision, moved, view, now, at)
        return set(left)

    def _take_out(self, uid: int, places: list[int]) -> None:
        """Withdraw the mentions of comments whose claims have left a narrative, unless others stayed."""
        narrative = self._narratives[uid]
        members = self._window.members
        stay: dict[int, list[Member]] = {}
        for member in self._window.members_of(uid):
            stay.setdefault(member.key, []).append(member)
        gone: dict[int, list[Member]] = {}
        for place in places:
            gone.setdefault(members[place].key, []).append(members[place])
        dates = [member.at_ms for staying in stay.values() for member in staying]
        for key, left in gone.items():
            if key not in narrative.comments:
                continue
            narrative.take_back([*left, *stay.get(key, ())], dates)
            rest = stay.get(key)
            if rest is None:
                withdrawn = mention_of(narrative.narrative_id, left[0], retroactive=True)
                self._outcome.mentions.append(msgspec.structs.replace(withdrawn, text="", withdrawn=True))
            else:
                narrative.add(rest[0])
                self._outcome.mentions.append(mention_of(narrative.narrative_id, rest[0], retroactive=True))
        narrative.resample([member for staying in stay.values() for member in staying])
        if any(narrative.shows(members[place]) for place in places):
            narrative.labelled_mentions = 0
        self._changed[uid] = None

    def _withdraw(self, source: str, comment_id: str) -> None:
        """Forget what a comment said. The sums of narratives follow at the next review."""
        key = key_of(source, comment_id)
        members, owners = self._window.members, self._window.owners
        places = [place for place, member in enumerate(members) if member.key == key]
        left: dict[int, list[int]] = {}
        for place in places:
            if owners[place] != HELD_BACK:
                left.setdefault(owners[place], []).append(place)
            owners[place] = HELD_BACK
            self._assign(msgspec.structs.replace(members[place], similarity=0.0, matches={}), None)
        self._withdraw_matches(source, comment_id, [members[place] for place in places])
        for uid, own in left.items():
            self._take_out(uid, own)
        self._relabel(left)
        self._window.drop(set(places))
        for narrative in self._narratives.values():
            if key in narrative.comments:
                bare = bare_mention(narrative, comment_id, narrative.withdraw(key, comment_id))
                self._outcome.mentions.append(msgspec.structs.replace(bare, withdrawn=True))
                self._changed[narrative.uid] = None
                self._label(narrative)

    def _withdraw_matches(self, source: str, comment_id: str, members: Sequence[Member]) -> None:
        """What a comment that has left the window matched is not known: it may have been anything."""
        is_new = self._seen.digest(key_of(source, comment_id)) is None
        unknown = () if members or is_new else (watch.name for watch in self.watches)
        for name in dict.fromkeys([*(name for member in members for name in member.matches), *unknown]):
            self._outcome.match_news.append(
                WatchMatch(
                    watch=name,
                    source=source,
                    comment_id=comment_id,
                    n=-1,
                    text="",
                    similarity=0.0,
                    narrative_id=None,
                    at=instant(self._clock.now_ms or 0),
                    withdrawn=True,
                )
            )

    def _unite(self, uids: list[int], at: int) -> int:
        """Merge narratives that have become one; the oldest keeps its identity."""
        keep, *others = sorted(
            (self._narratives[uid] for uid in uids), key=lambda one: (one.emerged_ms, one.uid)
        )
        for gone in others:
            self._tell(
                EventType.MERGED, gone, at, {"threshold": self._reader.threshold()}, into=keep.narrative_id
            )
            self._outcome.retired.append(gone.narrative_id)
            again = keep.absorb(gone)
            self._centroids.merge(keep.uid, gone.uid)
            self._parts.merge(keep.uid, gone.uid)
            self._window.hand_over(gone.uid, keep.uid)
            del self._narratives[gone.uid]
            self._gone.append(gone.uid)
            keep.pulse.told_ms = self._clock.now_ms or 0  # what it took over was told as the other's
            self._tell_again(keep, again)
            self._changed[keep.uid] = None
        return keep.uid

    def _tell_again(self, narrative: Narrative, comments: Mapping[int, str]) -> None:
        """Say that the mentions of these comments (keys and ids) stand."""
        known = {member.key: member for member in narrative.sample}
        for member in self._window.members_of(narrative.uid):
            known.setdefault(member.key, member)
        for key, comment_id in comments.items():
            if key in known:
                mention = mention_of(narrative.narrative_id, known[key], retroactive=True)
            else:
                mention = bare_mention(narrative, comment_id, narrative.comments[key])
            self._outcome.mentions.append(mention)

    def _found(self, places: list[int], now: int, at: int) -> int:
        first = self._window.members[places[0]]
        before = self._founded.get(first.rank, 0)
        self._founded[first.rank] = before + 1
        # The id comes from the claim that was first, and how often it was, so that it is given only once.
        again = (str(before),) if before else ()
        founder = key_of("narrative", self.desk, first.source, first.comment_id, str(first.n), *again)
        uid = self._centroids.create(now)
        self._narratives[uid] = Narrative(uid=uid, narrative_id=f"n{founder:016x}", emerged_ms=at)
        self._narratives[uid].pulse.born_ms = now
        return uid

    def _join_retroactively(
        self, decision: _Decision, places: list[int], view: View, now: int, at: int
    ) -> None:
        narrative = self._narratives[decision.uid]
        if places:
            centroid = self._centroids.mean(decision.uid)
        for place in places:
            member = self._window.members[place].at_similarity(float(view.rows[place, :-2] @ centroid[:-2]))
            self._take_in(narrative, member, now, at, retroactive=True)
        if decision.is_new:
            self._label(narrative)
            figures = {
                "authors": float(len(narrative.authors)),
                "required_authors": float(self.parameters.min_authors),
                "voices": float(narrative.distinct_voices),
                "cohesion": self._centroids.cohesion(decision.uid),
                "required_cohesion": self._reader.threshold(),
            }
            origin = self._narratives.get(HELD_BACK if decision.out_of is None else decision.out_of)
            self._tell(
                EventType.EMERGED,
                narrative,
                at,
                figures,
                out_of=None if origin is None else origin.narrative_id,
            )

    def _slide(self, view: View, *, is_hasty: bool) -> None:
        """Let old comments go; claims of one comment go together."""
        members = self._window.members
        over = self._window.over(self.parameters, by_thread=not is_hasty)
        for place in over:
            owner, thread = self._window.owners[place], view.threads[place]
            self._context.settle(thread, view.rows[place])
            if owner != HELD_BACK:
                self._centroids.settle(owner, view.rows[place])
                self._parts.settle(thread, owner, view.plain[place], view.inside[place])
                self._narratives[owner].settle(members[place])
                self._unsaved[owner] = None
        if over:
            self._window.drop(set(over))
            self._forget_founders()
            known = self._window.threads()
            self._context.keep_means(known)
            self._parts.keep(known)

    # -- telling -------------------------------------------------------------------------------------------

    def _tell(
        self,
        kind: EventType,
        narrative: Narrative,
        at: int,
        figures: dict[str, float],
        *,
        into: str | None = None,
        out_of: str | None = None,
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
                out_of=out_of,
            )
        )

    def _relabel(self, uids: Iterable[int]) -> None:
        """Label those of these narratives that have grown, or lost what they were shown by."""
        for uid in sorted(uids):
            narrative = self._narratives.get(uid)
            if narrative is None or not narrative.mentions:
                continue
            if narrative.mentions >= self.parameters.relabel_growth * narrative.labelled_mentions:
                self._label(narrative)
                self._changed[uid] = None

    def _tell_spikes(self, now: int, at: int) -> None:
        members, owners = self._window.members, self._window.owners
        self._outcome.events += self._spiking.spikes(self._narratives, members, owners, now_ms=now, at_ms=at)

    def _label(self, narrative: Narrative) -> None:
        if not narrative.sample:  # all that was known in full was taken back: the next claims bring a label
            narrative.quotes, narrative.representative = [], ""
            return
        representation = self._representation
        found = describe(narrative.sample, representation.lexical.rarity, representation.means.mean)
        narrative.label, narrative.keywords = found.label, found.keywords
        narrative.representative = found.representative.text
        narrative.quotes = [member.quote() for member in found.quotes]
        narrative.labelled_mentions = narrative.mentions

    # -- forgetting ----------------------------------------------------------------------------------------

    def _sweep_is_due(self, now: int) -> bool:
        return now - self._swept_ms >= self.parameters.sweep_minutes * _MINUTE_MS

    def _sweep(self, now: int) -> None:
        """Fade what has gone quiet and forget what is old."""
        self._swept_ms = now
        for uid in self._centroids.idle_since(now - self.parameters.fade_after_hours * _HOUR_MS):
            narrative = self._narratives[uid]
            if narrative.state is State.EMERGED:
                narrative.state = State.FADED
                quiet = {"quiet_hours": float(self.parameters.fade_after_hours)}
                self._tell(EventType.FADED, narrative, now, quiet)
        forget_ms = now - self.parameters.forget_after_hours * _HOUR_MS
        too_many = len(self._narratives) - self.parameters.hot_narratives
        forgotten = sorted({*self._centroids.idle_since(forget_ms), *self._centroids.least_recent(too_many)})
        for uid in forgotten:
            self._parts.drop(uid)
            self._outcome.retired.append(self._narratives.pop(uid).narrative_id)
            self._centroids.drop(uid)
        self._gone += forgotten
        self._window.forget(set(forgotten), forget_ms)
        self._forget_founders()
        self._context.forget(forget_ms)
        self._forget_comments(now - self.parameters.remember_comments_hours * _HOUR_MS)

    def _forget_founders(self) -> None:
        ranks = {member.rank for member in self._window.members}
        self._founded = {rank: times for rank, times in self._founded.items() if rank in ranks}

    def _forget_comments(self, before_ms: int) -> None:
        keys = self._seen.forget(before_ms)
        if keys:
            for uid, narrative in self._narratives.items():
                if narrative.let_go(keys):
                    self._unsaved[uid] = None

    # -- state ---------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """All that the future depends on; an engine of equal settings continues from it identically."""
        kept = [self._kept(uid) for uid in sorted(self._narratives)]
        return pack(Snapshot(core=self._core(), narratives=kept, seen=self._seen.state()))

    def restore(self, snapshot: bytes) -> None:
        """Continue from what `snapshot` returned.  Raises SnapshotError for anything else."""
        self.restore_unpacked(unpack(snapshot, Snapshot))

    def restore_unpacked(self, state: Snapshot) -> None:
        """Continue from what `snapshot` returned, or from the pieces of `changes` (see `unpack_pieces`).

        Takes the state over, which is of no other use afterwards. Raises SnapshotError where it does not fit.
        """
        core, kept = state.core, state.narratives
        try:
            self._representation.means.load(core.means)
            self._centroids.load(core.centroids, [(one.narrative.uid, one.sums) for one in kept])
            self._parts.load(core.parts)
            self._spiking.load(core.spiking)
            frequencies = np.frombuffer(zlib.decompress(core.frequencies), dtype="<i4")
        except (ValueError, zlib.error) as error:
            raise SnapshotError(str(error)) from error
        self._representation.lexical.documents = core.documents
        self._representation.lexical.frequencies = frequencies.copy()
        self._context.sizes = dict(core.threads)
        self._context.load(core.thread_means)
        self._representation.usual = {
            language: np.frombuffer(raw, dtype="<f4").copy() for language, raw in core.usual.items()
        }
        self._narratives = {one.narrative.uid: one.narrative for one in kept}
        self._window.load(core.window)
        self._founded = dict(core.founded)
        self._seen.load(state.seen)
        self._clock, self._swept_ms = core.clock, core.swept_ms
        self._reviewed_ms, self._unreviewed = core.reviewed_ms, core.unreviewed
        self._revised_ms, self._unrevised = core.revised_ms, core.unrevised

    def changes(self, *, everything: bool = False) -> Changes:
        """What differs from the last call, in pieces that replace one another: see `unpack_pieces`.

        everything: all pieces, also those that are the same.
        """
        waiting = self._unsaved | self._changed
        changed, self._unsaved = dict.fromkeys(self._narratives) if everything else waiting, {}
        gone, self._gone = self._gone, []
        chunks, chunks_gone = self._seen.changes()
        if everything:
            chunks = self._seen.state()
        pieces = {CORE: pack(self._core())}
        pieces |= {f"{NARRATIVE}{uid}": pack(self._kept(uid)) for uid in changed if uid in self._narratives}
        pieces |= {f"{SEEN}{chunk.number}": pack(chunk) for chunk in chunks}
        dropped = [*(f"{NARRATIVE}{uid}" for uid in gone), *(f"{SEEN}{number}" for number in chunks_gone)]
        return Changes(pieces, dropped)

    def _kept(self, uid: int) -> Kept:
        return Kept(self._narratives[uid], self._centroids.kept(uid))

    def _core(self) -> Core:
        lexical = self._representation.lexical
        return Core(
            clock=self._clock,
            swept_ms=self._swept_ms,
            reviewed_ms=self._reviewed_ms,
            unreviewed=self._unreviewed,
            founded=self._founded,
            revised_ms=self._revised_ms,
            unrevised=self._unrevised,
            means=self._representation.means.state(),
            threads=list(self._context.sizes.items()),
            thread_means=self._context.state(),
            parts=self._parts.state(),
            usual={k: v.astype("<f4").tobytes() for k, v in self._representation.usual.items()},
            documents=lexical.documents,
            frequencies=zlib.compress(lexical.frequencies.astype("<i4").tobytes(), level=1),
            centroids=self._centroids.state(),
            window=self._window.state(),
            spiking=self._spiking.state(),
        )


def _digest(claims: Sequence[Claim]) -> int:
    """What a comment says, in 32 bits, never that of a deleted one."""
    return max(1, zlib.crc32("\x1f".join(claim.text for claim in claims).encode("utf-8", "surrogatepass")))
