"""The Faust app: its topics, its two agents and what they share. Building it starts nothing.

Faust moves the records and knows who owns which partition; what is decided is in `streams.claim_stage` and
`streams.desks`. It keeps no tables (state is rebuilt from the topic of claims), makes no topics (see
`streams.topics`) and serves no pages.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import faust
from faust import TopicT
from faust.exceptions import ConsumerNotStarted
from faust.types import TP
from kafka import TopicPartition
from prometheus_client import CollectorRegistry

from models.embedding import Embedder
from models.errors import ModelError
from models.language import LanguageDetector
from models.preparation import ClaimMaker
from streams.agents.claims import Executors, add_claims_agent
from streams.agents.narratives import NarrativesAgent, add_narratives_agent
from streams.author_key import resolve_author_key
from streams.backlog import BacklogFollower
from streams.broker_contact import last_answer, last_polls
from streams.claim_stage import ClaimStage
from streams.claims_log import read_claims
from streams.connection import open_consumer
from streams.desk_gauges import DeskGauges
from streams.desks import Shard
from streams.embedders import embedder_of
from streams.engines import EngineMaker
from streams.errors import BrokerError
from streams.faust_options import faust_options
from streams.fetching import GatheringApp
from streams.health import Phase
from streams.label_client import LabelClient
from streams.label_refinement import LabelRefiner
from streams.metrics import Metrics
from streams.narrative_series import NarrativeSeries
from streams.ordering import PartitionMerge
from streams.outlets import FaustOutlet, Outlet
from streams.settings_fields import Settings
from streams.state_store import StateStore
from streams.topics import Topic, topic_name
from streams.watch_topic import StoredWatches
from streams.watchlist import WatchFollower
from streams.worker_state import Place, WorkerState

__all__ = ["create_app"]

_BUFFERED_EVENTS = 512  # beside the batch in hand; a comment may have a megabyte
_REPORT_SECONDS = 1.0
_RETRY_SECONDS = 5.0
_LEAVE_SECONDS = 3.0  # a worker that is told to stop has ten in all

_logger = logging.getLogger(__name__)


def create_app(
    settings: Settings,
    *,
    embedder: Embedder | None = None,
    metrics: Metrics | None = None,
    outlet: Outlet | None = None,
    comment_partitions: int | None = None,
    state: WorkerState | None = None,
    on_assigned: Callable[[], None] = lambda: None,
    stored_watches: StoredWatches | None = None,
) -> faust.App:
    """The app of one worker, not started.

    embedder: by default the one of the settings, which is loaded here and takes seconds; metrics: by default
    on a registry of their own; outlet: where results go, by default to the broker; comment_partitions: of the
    topic as the broker has it, by default as the settings say; state: of this worker, for who looks at it;
    on_assigned: called whenever this worker has its partitions and their state; stored_watches: what is in
    the topic of watches, which is read on from there.
    Raises SettingsError or ModelError when the settings cannot be met.
    """
    embedder = embedder or embedder_of(settings)
    metrics = metrics or Metrics(CollectorRegistry())
    author_key = resolve_author_key(settings)
    app = _bare_app(settings)
    state = state or WorkerState(metrics)
    outlet = outlet or FaustOutlet(app, settings)
    detector = LanguageDetector()
    stored = stored_watches or StoredWatches()
    make_engine = EngineMaker(settings, embedder, detector, stored=stored)
    maker = ClaimMaker(embedder, detector, sentences=bool(make_engine.watchlist.names))
    metrics.watches(make_engine.watchlist.names)
    reading = ThreadPoolExecutor(1, thread_name_prefix="reading")
    embedding = ThreadPoolExecutor(1, thread_name_prefix="embedding")
    clustering = ThreadPoolExecutor(1, thread_name_prefix="clustering")
    add_claims_agent(
        app,
        _source(app, settings, Topic.COMMENTS),
        ClaimStage(settings, maker, metrics, author_key=author_key),
        settings=settings,
        outlet=outlet,
        executors=Executors(reading, embedding),
        state=state,
        end_of=partial(_end_of, app),
    )

    partitions = comment_partitions or settings.partitions

    def make_shard() -> Shard:
        merge = PartitionMerge[Any](range(partitions), lateness_seconds=settings.lateness_seconds)
        return Shard(make_engine, dimensions=embedder.dimensions, merge=merge)

    refiner = None
    if settings.label_api_url is not None:
        refiner = LabelRefiner(partial(LabelClient, settings), metrics)
    # The embedded broker keeps nothing, and knows no transactions.
    store = None if settings.kafka_embedded else StateStore(settings, lambda: embedder.name)
    series = NarrativeSeries(metrics, top=settings.top_narratives)
    narratives = NarrativesAgent(
        topic_name(settings, Topic.CLAIMS),
        make_shard,
        partial(read_claims, settings),
        outlet=outlet,
        executor=clustering,
        metrics=metrics,
        gauges=DeskGauges(metrics, series)
        if refiner is None
        else DeskGauges(metrics, series, overlaid=refiner.overlaid),
        state=state,
        end_of=lambda partition: _end_of(app, TP(topic_name(settings, Topic.CLAIMS), partition)),
        keeper=store,
        refiner=refiner,
    )
    if refiner is not None:
        _refine_in_background(app, refiner, narratives)
    add_narratives_agent(app, _source(app, settings, Topic.CLAIMS), narratives)

    async def watches_changed(now: StoredWatches) -> None:
        # In the thread of the model: phrases take their turn with comments.
        await asyncio.get_running_loop().run_in_executor(embedding, make_engine.watchlist.update, now)
        names = make_engine.watchlist.names
        maker.wants_sentences = bool(names)
        await narratives.look_for(make_engine.watchlist.of)
        metrics.watches(names)

    app.task(partial(WatchFollower(settings, stored).run, watches_changed))
    if partitions > 1:
        backlog = BacklogFollower(settings, range(partitions), state.position)
        app.task(partial(backlog.run, lambda: narratives.waiting, narratives.drained))
    _follow_assignment(app, settings, narratives, state, on_assigned, model=lambda: embedder.name)
    _report_regularly(app, state)

    async def shutdown(*_: Any, **__: Any) -> None:
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await narratives.leave()
        except TimeoutError:
            _logger.warning("the state of narratives was not saved at the end: it is read again from claims")
        for executor in (reading, embedding, clustering):
            executor.shutdown(wait=False, cancel_futures=True)

    app.on_before_shutdown.connect(shutdown)
    return app


def _bare_app(settings: Settings) -> faust.App:
    return GatheringApp(
        settings.app_id,
        **faust_options(settings),
        store="memory://",
        datadir=settings.cache_dir / "faust",  # made by Faust at the start, and left empty
        autodiscover=False,
        stream_buffer_maxsize=_BUFFERED_EVENTS,
        # What is in hand at a rebalance or at the end is not acknowledged and comes again: effects are
        # idempotent, and claims that wait to be put in order must not hold a rebalance up.
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        web_bind="127.0.0.1",
        web_tables_enabled=False,
    )


def _source(app: faust.App, settings: Settings, topic: Topic) -> TopicT:
    return app.topic(
        topic_name(settings, topic),
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )


def _follow_assignment(
    app: faust.App,
    settings: Settings,
    narratives: NarrativesAgent,
    state: WorkerState,
    on_assigned: Callable[[], None],
    *,
    model: Callable[[], str],  # waits until it is loaded
) -> None:
    claims = topic_name(settings, Topic.CLAIMS)
    rebalances = itertools.count(1)
    current = 0

    async def take_over(assigned: set[TP], rebalance: int) -> None:
        places = [(place.topic, place.partition) for place in assigned]
        while rebalance == current:  # else the next one is on its way already
            try:
                committed = await asyncio.to_thread(_committed, settings, places)
                state.assigned(committed)
                await narratives.assigned(
                    {partition: offset for (topic, partition), offset in committed.items() if topic == claims}
                )
                await asyncio.to_thread(model)
            except ModelError:  # who loads it says so, and ends this worker
                return
            except BrokerError as error:  # it is away: records wait, and so does this
                _logger.warning("the state of the partitions cannot be read yet: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                if rebalance == current:
                    state.health.enter(Phase.RUNNING)
                    on_assigned()
                return

    async def assigned(_: Any, /, *arguments: Any, **__: Any) -> None:
        nonlocal current
        current = next(rebalances)
        state.health.enter(Phase.REBUILDING)
        # Not here and now: the group waits for the end of this callback. Records wait for the agent's lock.
        app.add_future(take_over(arguments[0], current))

    async def revoked(*_: Any, **__: Any) -> None:
        state.health.enter(Phase.JOINING)

    app.on_partitions_revoked.connect(revoked)
    app.on_partitions_assigned.connect(assigned)


def _committed(settings: Settings, places: list[Place]) -> dict[Place, int]:
    """Where the group of workers is in each partition."""
    if not places:
        return {}
    with open_consumer(settings, group_id=settings.app_id) as consumer:
        return {place: consumer.committed(TopicPartition(*place)) or 0 for place in places}


def _end_of(app: faust.App, place: TP) -> int | None:
    """The offset after the last record of a partition; None as long as nothing was fetched from it."""
    try:
        return cast("int | None", app.consumer.highwater(place))
    except (ConsumerNotStarted, AssertionError):  # the latter where it is not ours (any more)
        return None


def _refine_in_background(app: faust.App, refiner: LabelRefiner, narratives: NarrativesAgent) -> None:
    async def refine() -> None:
        await refiner.run(narratives.refined)

    app.task(refine)


def _report_regularly(app: faust.App, state: WorkerState) -> None:
    async def report() -> None:
        assigned = app.consumer.assignment()
        known = {(place.topic, place.partition): _end_of(app, place) for place in assigned}
        ends = {place: end for place, end in known.items() if end is not None}
        state.report(known, ends, last_polls(app, known))
        answered = last_answer(app)
        if answered is not None:
            state.health.broker_answered(answered)

    app.timer(_REPORT_SECONDS)(report)
