"""The agent that reads `claims` and writes `mentions`, `narratives` and `events`.

One worker owns a partition of `claims` and with it the desks that live there. Around the pure `Shard` this
adds what the broker wants: records in, results delivered, and only then the place moved on.

Nothing is kept on disk. A partition that comes to a worker brings its state along: what was saved of it (see
`streams.state_store`), and the records from there to the committed place, which are read once more; what
follows from them is not said again. After a crash the results of the records behind that place are sent a
second time; each replaces its earlier self.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, ParamSpec, TypeVar, cast

from faust import App, EventT, Stream, StreamT, TopicT
from mode.supervisors import CrashingSupervisor
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
)

from models.outcome import NarrativeView, Outcome
from models.snapshot import SnapshotError
from models.watches import Watch
from streams.acks import AckLedger
from streams.backlog import Drained
from streams.claims_log import ClaimsRecord
from streams.desk_gauges import DeskGauges
from streams.desks import Observed, Shard
from streams.errors import BrokenStreamError, BrokerError, RejectedComment
from streams.label_refinement import LabelRefiner
from streams.metrics import Metrics
from streams.outlets import Outlet, Output, deliver, letter_output
from streams.records import dead_letter
from streams.results import joined, narrative_output, outputs_of
from streams.shard_state import Keeper, unpack_shard
from streams.worker_state import WorkerState

__all__ = ["NarrativesAgent", "add_narratives_agent"]

_BATCH_EVENTS = 256  # results are told batch by batch; so many take a quarter of a second, when they wait
_BATCH_SECONDS = 0.05
# Records on their way from the broker to here must not find that time has passed without them: whoever reads
# them again would put them in another order than was told.
_GRACE_MS = 5_000
# One worker that runs another model spoils every claim that it embeds; a stranger can spoil none.
_REFUSED_IN_A_ROW = 1_000
TICK_SECONDS = 0.25
# A broker that is away for longer is a matter for whoever supervises the worker.
_PATIENCE_SECONDS = 600.0
_RETRY_SECONDS = 10.0

_logger = logging.getLogger(__name__)

ReadClaims = Callable[[int, int, int], Iterator[ClaimsRecord]]
"""Partition, first offset, end offset: the records in between."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class _Held:
    shard: Shard
    ledger: AckLedger
    is_stale: bool = False  # it could not be saved: what was saved last is read before anything else is done
    is_saved: bool = True  # nothing has changed since
    saved_at: float = 0.0  # monotonic seconds
    is_foreign: bool = False  # what is saved cannot be used, and is replaced by the first save
    drained: Drained | None = None  # known, but not all claims before its end are taken


class _Taken(NamedTuple):
    records: int
    observed: list[Observed]
    refused: list[tuple[ClaimsRecord, RejectedComment]]
    changed: dict[str, dict[str, NarrativeView]]  # by desk and id


def _now_ms() -> int:
    return round(time.time() * 1000)


class NarrativesAgent:
    """The shards of this worker. Everything runs on one loop, the engines in the thread of `executor`.

    make_shard: an empty shard; read_claims: see `streams.claims_log`; end_of: the offset after the last
    record of a partition, as far as it is known; keeper: None where no state is saved; refiner: None where
    labels are not refined; clock: epoch ms.
    """

    def __init__(
        self,
        topic: str,
        make_shard: Callable[[], Shard],
        read_claims: ReadClaims,
        *,
        outlet: Outlet,
        executor: Executor,
        metrics: Metrics,
        gauges: DeskGauges,
        state: WorkerState,
        end_of: Callable[[int], int | None] = lambda _: None,
        keeper: Keeper | None = None,
        refiner: LabelRefiner | None = None,
        clock: Callable[[], int] = _now_ms,
    ) -> None:
        self._topic = topic
        self._make_shard = make_shard
        self._read_claims = read_claims
        self._outlet = outlet
        self._executor = executor
        self._metrics = metrics
        self._gauges = gauges
        self._state = state
        self._end_of = end_of
        self._keeper = keeper
        self._refiner = refiner
        self._clock = clock
        self._held: dict[int, _Held] = {}
        self._lock = asyncio.Lock()
        self._refused_in_a_row = 0
        self._is_leaving = False  # soon nothing runs in the thread any more

    async def process(self, events: Sequence[EventT[bytes]]) -> None:
        """Take some events; they are acknowledged when what they lead to is with the broker.

        Raises BrokenStreamError when nothing that comes is of use here.
        """
        for event in events:
            event.message.incref()  # ours, see `streams.agents.claims`
        partitions: dict[int, list[EventT[bytes]]] = {}
        for event in events:
            partitions.setdefault(event.message.partition, []).append(event)
        async with self._state.in_hand(), self._lock:
            for partition, own in partitions.items():
                await self._guarded(partition, self._process(partition, own))
            await self._save_what_is_due()
            await self._show(only_when_due=True)

    @property
    def waiting(self) -> dict[int, int]:
        """The next serial of each partition where claims wait to be put in order."""
        return {key: held.shard.next_serial for key, held in self._held.items() if held.shard.waiting}

    def drained(self, partition: int, drained: Drained) -> None:
        """What of the comments is known to be empty; it counts as soon as all claims before are taken."""
        if partition in self._held:
            self._held[partition].drained = drained

    async def tick(self) -> None:
        """Release what has waited long enough, and show the gauges. To be called a few times a second."""
        if self._lock.locked() or self._is_leaving:
            return  # records are being taken, which releases and shows as well
        async with self._lock:
            now = self._clock() - _GRACE_MS
            for partition, held in list(self._held.items()):
                is_behind = (self._end_of(partition) or 0) > held.shard.next_offset
                _apply_drained(held)
                if held.shard.waiting and not held.is_stale and not is_behind:
                    await self._guarded(partition, self._advance(partition, held, now))
            await self._save_what_is_due()
            await self._show(only_when_due=self._gauges.is_costly)

    async def assigned(self, committed: dict[int, int]) -> None:
        """These partitions are this worker's, from these offsets on; all others are not any more."""
        async with self._lock:
            for partition in self._held.keys() - committed.keys():
                if self._refiner is not None:
                    self._refiner.forget_desks(self._held[partition].shard.desks)
                self._drop(partition)
                if self._keeper is not None:
                    await self._keeper.release(partition)
            for partition, offset in committed.items():
                await self._guarded(partition, self._catch_up(partition, offset))
            for held in self._held.values():
                held.shard.wait_anew(self._clock() - _GRACE_MS)
            await self._show(only_when_due=False)

    async def leave(self) -> None:
        """Save what is not saved yet, so that whoever comes next has little to read; the last thing done."""
        self._is_leaving = True
        async with self._lock:
            for partition, held in list(self._held.items()):
                if self._keeper is not None:
                    if not held.is_saved and not held.is_stale:
                        await self._save(self._keeper, partition, held)
                    await self._keeper.release(partition)

    async def look_for(self, watches_of: Callable[[str], Sequence[Watch]]) -> None:
        """From now on look for the watches that this gives for each desk; called in the engines' thread."""
        async with self._lock:
            for held in [] if self._is_leaving else list(self._held.values()):
                await self._in_thread(held.shard.look_for, watches_of)
                self._gauges.touch((held.shard, desk) for desk in held.shard.desks)

    async def refined(self, desk: str, narrative_id: str) -> None:
        """A label has come: the narrative is sent again. One that is over by now is left alone."""
        if self._refiner is None:
            return
        async with self._lock:
            for held in [] if self._is_leaving else list(self._held.values()):
                view = await self._in_thread(held.shard.narrative, desk, narrative_id)
                if view is not None:
                    output = narrative_output(desk, self._refiner.overlaid(desk, view))
                    self._gauges.touch([(held.shard, desk)])
                    try:
                        await deliver(self._outlet, [output])
                    except BrokerError as error:  # told with the narrative's next change
                        _logger.warning("a refined label was not sent: %s", error)

    async def _process(self, partition: int, events: Sequence[EventT[bytes]]) -> None:
        held = await self._catch_up(partition, events[0].message.offset)
        _apply_drained(held)
        fresh = []
        waiting = held.shard.waiting_offsets
        for event in events:
            offset = event.message.offset
            if offset >= held.shard.next_offset or offset in held.ledger or offset in waiting:
                held.ledger.hold(offset, event)
            else:
                event.ack()  # a rebalance brought it back; it is done
            if offset >= held.shard.next_offset:
                written_ms = round(event.message.timestamp * 1000)
                fresh.append(ClaimsRecord(offset, written_ms, event.value or b"", event.message.key))
        taken = await self._in_thread(_take, held.shard, fresh)
        await self._tell(partition, held, taken)

    async def _advance(self, partition: int, held: _Held, now_ms: int) -> None:
        await self._tell(partition, held, await self._in_thread(_advanced, held.shard, now_ms))

    async def _catch_up(self, partition: int, offset: int) -> _Held:
        """The shard as it is after all records before `offset`. Waits for a broker that is away."""
        known = self._held.get(partition)
        if known is not None and not known.is_stale and offset <= known.shard.next_offset:
            return known
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(BrokerError),
            wait=wait_exponential(max=_RETRY_SECONDS),
            stop=stop_after_delay(_PATIENCE_SECONDS),
            before_sleep=_say_that_we_wait,
            reraise=True,
        ):
            with attempt:
                held = await self._taken_over(partition, offset)
                if offset > held.shard.next_offset:
                    records = self._read_claims(partition, held.shard.next_offset, offset)
                    await self._in_thread(held.shard.rebuild, records)
                    held.shard.next_offset = offset
                    held.is_saved = False
        self._gauges.touch((held.shard, desk) for desk in held.shard.desks)
        if self._refiner is not None:
            for desk in held.shard.desks:
                self._refiner.offer(desk, await self._in_thread(held.shard.narratives, desk))
        return held

    async def _taken_over(self, partition: int, offset: int) -> _Held:
        """The shard in memory, or what was saved of it, or an empty one; events that are held stay held."""
        held = self._held.get(partition)
        if held is not None and not held.is_stale:
            return held
        if held is not None:
            self._gauges.forget(held.shard)
        if self._keeper is None:
            shard, is_usable = await self._in_thread(self._make_shard), True
        else:
            await self._keeper.take(partition)
            shard, is_usable = await self._in_thread(self._restored, self._keeper, partition, offset)
        if held is None:
            held = _Held(shard, AckLedger(lambda done: self._state.processed(self._topic, partition, done)))
        held.shard, held.is_foreign, held.is_stale = shard, not is_usable, False
        held.drained = None  # it was said of another one's serials
        held.saved_at = time.monotonic()
        self._held[partition] = held
        return held

    def _restored(self, keeper: Keeper, partition: int, offset: int) -> tuple[Shard, bool]:
        """The shard that was saved, or an empty one; and False when what was saved is of no use.

        It is read and unpacked before anything asks for the model, which may still be on its way.
        """
        try:
            saved = unpack_shard(keeper.read(partition))
            shard = self._make_shard()
            if saved is None:
                return shard, True
            if saved.state.model != keeper.model:
                raise SnapshotError(f"it is of the model {saved.state.model}, this is {keeper.model}")
            shard.restore(saved, partial(self._read_claims, partition))
        except SnapshotError as error:
            _logger.warning(
                "the saved state of %s[%d] cannot be used (%s): narratives are found anew from the claims",
                self._topic,
                partition,
                error,
            )
            return self._make_shard(), False
        end = keeper.claims_end(partition)
        if shard.next_offset > end:
            _logger.warning(
                "%s[%d] ends at %d and was read to %d: it was made anew, and is read from where the group is",
                self._topic,
                partition,
                end,
                shard.next_offset,
            )
            shard.next_offset = offset
        return shard, True

    async def _save_what_is_due(self) -> None:
        if self._keeper is None:
            return
        for partition, held in list(self._held.items()):
            due = time.monotonic() - held.saved_at >= self._keeper.save_seconds
            if due and not held.is_saved and not held.is_stale:
                await self._save(self._keeper, partition, held)

    async def _save(self, keeper: Keeper, partition: int, held: _Held) -> None:
        pieces, dropped = await self._in_thread(held.shard.changes, keeper.model, everything=held.is_foreign)
        try:
            await keeper.save(partition, pieces, dropped, everything=held.is_foreign)
        except BrokerError as error:
            _logger.warning("%s: the partition is read again before it goes on", error)
            held.is_stale = True
            return
        held.is_foreign, held.is_saved, held.saved_at = False, True, time.monotonic()

    async def _tell(self, partition: int, held: _Held, taken: _Taken) -> None:
        """Deliver what was found, count it, and let the events go."""
        outcomes = joined(((one.batch.desk, one.outcome) for one in taken.observed), taken.changed)
        if self._refiner is not None:
            for desk, outcome in outcomes.items():
                self._refine(self._refiner, desk, outcome)
        outputs = [output for desk, outcome in outcomes.items() for output in outputs_of(desk, outcome)]
        outputs += [self._put_aside(partition, *refused) for refused in taken.refused]
        await deliver(self._outlet, outputs)
        for _, rejection in taken.refused:
            self._metrics.rejected(rejection.reason)
        held.is_saved = False
        self._gauges.count(taken.observed)
        self._gauges.touch((held.shard, desk) for desk in outcomes)
        for offset in [one.offset for one in taken.observed] + [record.offset for record, _ in taken.refused]:
            held.ledger.done(offset)
        self._state.claims_waiting = sum(one.shard.waiting for one in self._held.values())
        self._stop_if_none_is_of_use(taken)

    def _stop_if_none_is_of_use(self, taken: _Taken) -> None:
        none_was = taken.records == len(taken.refused)
        self._refused_in_a_row = self._refused_in_a_row + taken.records if none_was else 0
        if taken.refused and self._refused_in_a_row >= _REFUSED_IN_A_ROW:
            _, last = taken.refused[-1]
            raise BrokenStreamError(
                f"{self._refused_in_a_row:,} records of {self._topic} in a row were put aside, the last for"
                f" {last.detail}: do all workers run the same model?"
            )

    def _refine(self, refiner: LabelRefiner, desk: str, outcome: Outcome) -> None:
        refiner.forget(desk, outcome.retired)
        refiner.offer(desk, outcome.changed.values())
        outcome.changed = {key: refiner.overlaid(desk, view) for key, view in outcome.changed.items()}

    async def _guarded(self, partition: int, work: Awaitable[object]) -> None:
        """A shard whose results may not have been told is worth nothing: it is rebuilt before it goes on."""
        complete = False
        try:
            await work
            complete = True
        finally:
            if not complete:
                self._drop(partition)

    def _drop(self, partition: int) -> None:
        held = self._held.pop(partition, None)
        if held is not None:
            self._gauges.forget(held.shard)

    async def _show(self, *, only_when_due: bool) -> None:
        if self._gauges.is_due or not only_when_due:
            await self._in_thread(self._gauges.show)

    def _put_aside(self, partition: int, record: ClaimsRecord, rejection: RejectedComment) -> Output:
        rejection.at(self._topic, partition, record.offset)
        at = datetime.fromtimestamp(self._clock() / 1000, UTC)
        return letter_output(dead_letter(record.value, rejection, at=at, key=record.key))

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: function(*args, **kwargs))


def add_narratives_agent(app: App, topic: TopicT, agent: NarrativesAgent) -> None:
    """Add the agent and its clock to the app. What it cannot cope with stops the whole worker."""

    async def narratives(stream: StreamT[bytes]) -> None:
        async for events in cast("Stream[bytes]", stream).take_events(_BATCH_EVENTS, within=_BATCH_SECONDS):
            await agent.process(events)

    app.agent(topic, name="narratives", supervisor_strategy=CrashingSupervisor)(narratives)
    app.timer(TICK_SECONDS)(agent.tick)


def _apply_drained(held: _Held) -> None:
    drained = held.drained
    if drained is not None and held.shard.next_offset >= drained.claims_end:
        held.shard.drained(drained.partitions, drained.before)
        held.drained = None


def _say_that_we_wait(attempt: RetryCallState) -> None:
    error = None if attempt.outcome is None else attempt.outcome.exception()
    _logger.warning("%s: waiting for the broker", error)


def _take(shard: Shard, records: Sequence[ClaimsRecord]) -> _Taken:
    observed, refused = list[Observed](), list[tuple[ClaimsRecord, RejectedComment]]()
    for record in records:
        try:
            observed += shard.take(record)
        except RejectedComment as rejection:
            refused.append((record, rejection))
    return _Taken(len(records), observed, refused, shard.changed_views())


def _advanced(shard: Shard, now_ms: int) -> _Taken:
    return _Taken(0, shard.advance(now_ms), [], shard.changed_views())
