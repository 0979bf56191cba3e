"""The second half of the worker as a plain object: the desks of one partition of `claims`.

A desk lives in one partition, and its engine sees all of its claims in the order that `streams.ordering`
gives them. The state is a function of the partition's records alone: a `Shard` that is fed them from the
beginning is the shard that was lost with another worker.
"""

import logging
from collections.abc import Callable, Iterable, Sequence, Set
from typing import NamedTuple

from models.engine import Engine
from models.outcome import NarrativeView, Outcome
from models.overview import Overview
from models.readings import Readings
from models.watches import Watch
from streams.claims_log import ClaimsRecord
from streams.errors import RejectedComment, RejectReason
from streams.ordering import PartitionMerge
from streams.records import ClaimBatch, decode_claims
from streams.shard_state import PieceName, SavedShard, ShardState, pack_shard, without_collection

__all__ = ["Observed", "Shard"]

_BYTES_PER_NUMBER = 2  # vectors travel as float16
_OFFSET_BITS = 20  # far more records than a partition takes in a millisecond

_logger = logging.getLogger(__name__)


class Observed(NamedTuple):
    """What the engine made of one comment, without views: see `Shard.changed_views`.

    offset: of its record in `claims`.
    """

    offset: int
    batch: ClaimBatch
    outcome: Outcome


class Shard:
    """The desks of a partition of `claims`. Not for several threads at once.

    make_engine: the engine of a desk; dimensions: of its vectors; merge: a new one for this shard.
    `next_offset` is the first offset that it has not been given.
    """

    def __init__(
        self,
        make_engine: Callable[[str], Engine],
        *,
        dimensions: int,
        merge: PartitionMerge[tuple[int, ClaimBatch]],
    ) -> None:
        self._make_engine = make_engine
        self._vector_bytes = dimensions * _BYTES_PER_NUMBER
        self._merge = merge
        self._engines: dict[str, Engine] = {}
        self.next_offset = 0

    @property
    def desks(self) -> list[str]:
        """The desks it has heard of."""
        return list(self._engines)

    @property
    def waiting(self) -> int:
        """How many comments wait to be put in order."""
        return len(self._merge)

    def take(self, record: ClaimsRecord) -> list[Observed]:
        """Take the next record; what comes out may be about earlier ones.

        Raises RejectedComment for a record that no worker of this model wrote; it is left out.
        """
        self.next_offset = max(self.next_offset, record.offset + 1)
        batch = decode_claims(record.value)
        self._check(batch)
        released = self._merge.push(
            (record.offset, batch),
            partition=batch.partition,
            created_at_ms=None if batch.deleted else batch.claims[0].created_at_ms,
            author="" if batch.deleted else batch.claims[0].author,
            sent_ms=batch.arrival_ms,
            more_to_come=batch.more_to_come,
            now_ms=record.written_ms,
        )
        return [self._observe(offset, one) for offset, one in released]

    def advance(self, now_ms: int) -> list[Observed]:
        """What has waited long enough at this time (epoch ms)."""
        return [self._observe(offset, one) for offset, one in self._merge.advance(now_ms)]

    @property
    def next_serial(self) -> int:
        """Of the next comment that is to be put in order."""
        return self._merge.next_serial

    def drained(self, partitions: Iterable[int], before: int) -> None:
        """These partitions of comments hold nothing older than comments with a serial below `before`."""
        self._merge.drained(partitions, before)

    def wait_anew(self, now_ms: int) -> None:
        """Workers have come or gone: give all partitions of comments the time to go on (epoch ms)."""
        self._merge.wait_anew(now_ms)

    def changed_views(self) -> dict[str, dict[str, NarrativeView]]:
        """By desk and id, the narratives that have changed since this was last asked."""
        views = {desk: engine.changed_views() for desk, engine in self._engines.items()}
        return {desk: changed for desk, changed in views.items() if changed}

    def rebuild(self, records: Iterable[ClaimsRecord]) -> int:
        """Take records that were taken before, by a worker that is gone; returns how many.

        Nothing is said of what comes out: it was said then.
        """
        taken = foreign = 0
        for record in records:
            try:
                self.take(record)
            except RejectedComment:
                foreign += 1
            taken += 1
        self.changed_views()
        if foreign:
            _logger.warning("%d records of claims are not of this model: left out", foreign)
        return taken

    def changes(
        self, model: str, *, everything: bool = False
    ) -> tuple[dict[PieceName, bytes], list[PieceName]]:
        """Pieces of the state that differ from the last call, or all; and the names of those that are gone.

        model: whose vectors these are.
        """
        held = self._merge.held()
        state = ShardState(
            model=model,
            next_offset=self.next_offset,
            desks=list(self._engines),
            merge=self._merge.state(),
            waiting={serial: offset for serial, (offset, _) in held.items()},
        )
        pieces, dropped = pack_shard(state), list[PieceName]()
        for desk, engine in self._engines.items():
            changed, gone = engine.changes(everything=everything)
            pieces |= {PieceName(desk, name): content for name, content in changed.items()}
            dropped += [PieceName(desk, name) for name in gone]
        return pieces, dropped

    def restore(self, saved: SavedShard, read: Callable[[int, int], Iterable[ClaimsRecord]]) -> None:
        """Go on from what was saved. read: claims from the first to before the second offset.

        Raises SnapshotError when it does not fit this program or model; then the shard is of no use.
        """
        with without_collection():
            for desk, state in saved.engines.items():
                self.adopt(desk).restore_unpacked(state)
        self.next_offset = saved.state.next_offset
        serials = {offset: serial for serial, offset in saved.state.waiting.items()}
        held = {}
        if serials:
            for record in read(min(serials), self.next_offset):
                if record.offset in serials:
                    held[serials[record.offset]] = (record.offset, decode_claims(record.value))
        self._merge.load(saved.state.merge, held)

    @property
    def waiting_offsets(self) -> set[int]:
        """The records that were taken, and wait to be put in order."""
        return {offset for offset, _ in self._merge.held().values()}

    def narratives(self, desk: str) -> list[NarrativeView]:
        """The narratives of a desk that are in memory."""
        return self._engines[desk].narratives()

    def overview(self, desk: str, top: int) -> Overview:
        """How many narratives a desk has, and those to be shown where there is room for so many."""
        return self._engines[desk].overview(top)

    def readings(self, desk: str, narrative_ids: Set[str], now_ms: int) -> Readings:
        """How unusual these narratives of a desk and its watches are at a time (epoch ms)."""
        return self._engines[desk].readings(narrative_ids, now_ms)

    def now_ms(self, desk: str) -> int | None:
        """Event time of a desk, epoch ms; None before its first comment."""
        return self._engines[desk].now_ms

    def narrative(self, desk: str, narrative_id: str) -> NarrativeView | None:
        """One narrative, if the desk is here and has it in memory."""
        engine = self._engines.get(desk)
        views = [] if engine is None else engine.narratives()
        return next((view for view in views if view.narrative_id == narrative_id), None)

    def look_for(self, watches_of: Callable[[str], Sequence[Watch]]) -> None:
        """From now on look for the watches that this gives for each desk."""
        for desk, engine in self._engines.items():
            engine.watches = watches_of(desk)

    def adopt(self, desk: str) -> Engine:
        """The engine of a desk, made if it is not here yet."""
        if desk not in self._engines:
            self._engines[desk] = self._make_engine(desk)
        return self._engines[desk]

    def _observe(self, offset: int, batch: ClaimBatch) -> Observed:
        engine = self.adopt(batch.desk)
        if batch.deleted:
            outcome = engine.withdraw(batch.source, batch.comment_id, _version(batch), with_views=False)
        else:
            outcome = engine.observe([batch.claims], _version(batch), with_views=False)
        return Observed(offset, batch, outcome)

    def _check(self, batch: ClaimBatch) -> None:
        """Vectors of another model have no place in this one's space."""
        if bool(batch.claims) == batch.deleted:
            raise RejectedComment(RejectReason.INVALID_RECORD, "a record without claims")
        wrong = next(
            (len(c.vector) for c in batch.claims if len(c.vector) not in (0, self._vector_bytes)), None
        )
        if wrong is not None:
            raise RejectedComment(
                RejectReason.INVALID_RECORD,
                f"vectors of {wrong // _BYTES_PER_NUMBER} dimensions,"
                f" the model's have {self._vector_bytes // _BYTES_PER_NUMBER}",
            )


def _version(batch: ClaimBatch) -> int:
    """Grows from one version of a comment to the next, also where the topic of comments was made anew.

    A worker that was killed leaves records that the next one sends again: old versions of what was edited.
    """
    return batch.arrival_ms << _OFFSET_BITS | batch.offset & ((1 << _OFFSET_BITS) - 1)
