"""The worker process: checks that it can run, runs the Faust app, and ends when it is told to.

Everything that a user can put right is found before the app starts, and is one line. Faust's own program is
not used: it would configure the logging, take over the signals and call `sys.exit`.
"""

import asyncio
import gc
import logging
import os
import signal
import threading
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import faust
from threadpoolctl import threadpool_limits

from models.arriving import ArrivingEmbedder
from models.embedding import Embedder
from models.errors import NarrawatchError
from models.language import load_language_model
from streams.app import create_app
from streams.embedders import embedder_is_at_hand, embedder_of
from streams.errors import BrokerError
from streams.health import Health, Phase
from streams.metrics import Metrics
from streams.metrics_server import MetricsServer, new_registry
from streams.settings_fields import Settings
from streams.topics import Topic, describe_topics, topic_name
from streams.watch_topic import StoredWatches, read_watches
from streams.worker_logs import filter_worker_logs
from streams.worker_state import WorkerState

__all__ = ["JOINING_STOP_SECONDS", "STOP_SECONDS", "run_worker"]

STOP_SECONDS = 10.0  # after this the process ends, whatever still hangs; what is lost comes again
JOINING_STOP_SECONDS = 3.0  # without partitions; aiokafka would wait for the group for 20 seconds and more
_DRAIN_SECONDS = 4.0  # for the batches in hand
_COMMIT_SECONDS = 6.0  # and for what is saved and committed at the end
_TURN_SECONDS = 1.0
_START_SECONDS = 60.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_logger = logging.getLogger(__name__)


def run_worker(settings: Settings) -> int:
    """Process comments until SIGTERM or SIGINT; returns the exit code. Call it in the main thread.

    Says on standard output when it is ready, and where its metrics are. Raises BrokerError (broker down,
    topics missing, port taken), ModelError or SettingsError before it has begun, and whatever user-facing
    error ended it later.
    """
    partitions = _comment_partitions(settings)
    watches = read_watches(settings)
    registry = new_registry()
    metrics = Metrics(registry)
    metrics.build(_version())
    state = WorkerState(metrics, Health(broker_seconds=settings.ready_broker_seconds))
    metrics.follow_readiness(lambda: state.health.ready().good)
    with (
        MetricsServer(
            registry, host=settings.metrics_host, port=settings.metrics_port, questions=state.health.questions
        ) as server,
        # The engine's matrices are small: a second thread of the linear algebra costs it half of its speed
        # on a machine that has other things to do. The model's threads are of another kind.
        threadpool_limits(limits=1, user_api="blas"),
    ):
        return asyncio.run(_Run(settings, metrics, state, server.url).serve(partitions, watches))


class _Run:
    """One run of the app, from its start to its end."""

    def __init__(self, settings: Settings, metrics: Metrics, state: WorkerState, metrics_url: str) -> None:
        self._settings = settings
        self._metrics = metrics
        self._state = state
        self._metrics_url = metrics_url
        self._is_ready = False
        self._stop = asyncio.Event()
        self._deadline: threading.Timer | None = None

    async def serve(self, partitions: int, watches: StoredWatches) -> int:
        """Run until a signal or a crash. Raises the user-facing error behind a crash."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        turning = asyncio.create_task(self._turn())
        # Objects of libraries and narratives are made by the million, and none is garbage. Where the broker
        # keeps us waiting, there will be some in time.
        gc.disable()
        loop.call_later(_START_SECONDS, gc.enable)
        try:
            embedder = ArrivingEmbedder(partial(_load, self._settings))
            loading = asyncio.create_task(self._meet(embedder))
            if not embedder_is_at_hand(self._settings):
                # It may take minutes, in which others can deal with the partitions.
                await loading
            return await self._run(self._prepare(partitions, watches, embedder), loading)
        finally:
            turning.cancel()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            if self._deadline is not None:
                self._deadline.cancel()

    async def _turn(self) -> None:
        while True:
            self._state.health.turned()
            await asyncio.sleep(_TURN_SECONDS)

    async def _meet(self, embedder: ArrivingEmbedder) -> None:
        """Wait for the model, and say which it is.  Raises ModelError when there is none."""
        loaded = await asyncio.shield(asyncio.wrap_future(embedder.loaded))
        self._metrics.model(loaded.name, _origin(self._settings, loaded.name))
        self._state.health.model(loaded.name)

    def _prepare(self, partitions: int, watches: StoredWatches, embedder: Embedder) -> faust.App:
        """The app. A model that is on its way is waited for where it is needed, and not before."""
        settings = self._settings
        app = create_app(
            settings,
            embedder=embedder,
            metrics=self._metrics,
            comment_partitions=partitions,
            state=self._state,
            on_assigned=self._say_ready,
            stored_watches=watches,
        )
        filter_worker_logs()
        settings.cache_dir.mkdir(parents=True, exist_ok=True)
        self._state.health.enter(Phase.JOINING)
        return app

    async def _run(self, app: faust.App, loading: asyncio.Task[None]) -> int:
        starting = asyncio.create_task(app.start())
        stopping = asyncio.create_task(self._stop.wait())
        running = asyncio.create_task(app.wait_until_stopped())
        # A start that ends well is no reason to stop; one that fails crashes the app or raises.
        pending: set[asyncio.Task[Any]] = {stopping, running, loading}
        done: set[asyncio.Task[Any]] = set()
        while not done or (done == {loading} and loading.exception() is None):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        is_loading = not loading.done()
        await self._end(app)
        for task in (starting, stopping, running, loading):
            task.cancel()
        await asyncio.gather(starting, stopping, running, loading, return_exceptions=True)
        if loading in done:
            loading.result()
        result = self._result(app.crash_reason)
        if is_loading:
            _leave_at_once(result, "left while the model was loaded")  # which does not end halfway
        return result

    async def _end(self, app: faust.App) -> None:
        """Finish the batches in hand and stop the app: within STOP_SECONDS, or the process ends here."""
        health = self._state.health
        is_joining = health.phase is Phase.JOINING and self._state.is_idle
        health.enter(Phase.STOPPING)
        if app.crash_reason is not None:
            self._set_deadline(STOP_SECONDS, 1, f"the worker stops: {app.crash_reason}")
        elif is_joining:
            # The group waits for the others, or for the broker; there is nothing that could be lost.
            self._set_deadline(JOINING_STOP_SECONDS, 0, "left while the partitions were shared out")
        else:
            self._set_deadline(STOP_SECONDS, 1, "the worker did not come to an end by itself")
            if await self._state.drain(_DRAIN_SECONDS):
                self._set_deadline(_COMMIT_SECONDS, 0, "the broker does not hear of the end")
            else:
                _logger.warning("what is in hand is not done after %g s: it comes again", _DRAIN_SECONDS)
        await app.stop()

    def _result(self, reason: BaseException | None) -> int:
        if reason is None:
            return 0
        if isinstance(reason, NarrawatchError):
            raise reason
        _logger.error("the worker stops: %s: %s", type(reason).__name__, reason)
        return 1

    def _say_ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            gc.freeze()
            gc.enable()
            print(f"narrawatch worker ready: metrics {self._metrics_url}", flush=True)

    def _on_signal(self) -> None:
        if self._state.health.phase is Phase.STARTING:
            os._exit(0)  # a model cannot be loaded halfway, and there is nothing else yet
        if self._stop.is_set():
            _leave_at_once(1, "told to stop a second time")
        self._stop.set()

    def _set_deadline(self, seconds: float, exit_code: int, reason: str) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = threading.Timer(seconds, _leave_at_once, [exit_code, reason])
        self._deadline.daemon = True
        self._deadline.start()


def _leave_at_once(exit_code: int, reason: str) -> None:
    _logger.log(logging.WARNING if exit_code else logging.INFO, "%s", reason)
    os._exit(exit_code)


def _comment_partitions(settings: Settings) -> int:
    """How many the topic of comments has. Raises BrokerError: the broker is down, a topic is missing."""
    states = describe_topics(settings)
    missing = [state.name for state in states if state.partitions == 0]
    if missing:
        raise BrokerError(
            f"the broker at {settings.kafka_bootstrap} lacks the topics {', '.join(missing)}:"
            " run narrawatch topics create"
        )
    partitions = {state.spec.topic: state.partitions for state in states}
    if partitions[Topic.STATE] < partitions[Topic.CLAIMS]:
        raise BrokerError(
            f"the topic {topic_name(settings, Topic.STATE)} has {partitions[Topic.STATE]} partitions, that of"
            f" claims {partitions[Topic.CLAIMS]}: it needs as many"
        )
    return partitions[Topic.COMMENTS]


def _origin(settings: Settings, name: str) -> str:
    if "packaged" in name:
        return "packaged"
    if settings.model == "hash":
        return "none"
    return "folder" if Path(settings.model).expanduser().is_dir() else "hub"


def _version() -> str:
    try:
        return metadata.version("narrawatch")
    except metadata.PackageNotFoundError:  # run from a folder of sources
        return "unknown"


def _load(settings: Settings) -> Embedder:
    """The embedder, and what else the first comment would wait for."""
    embedder = embedder_of(settings)
    load_language_model()
    return embedder
