"""The worker process: checks that it can run, runs the Faust app, and ends when it is told to.

Everything that a user can put right is found before the app starts, and is one line. Faust's own program is
not used: it would configure the logging, take over the signals and call `sys.exit`.
"""

import asyncio
import logging
import os
import signal
import threading
from importlib import metadata
from pathlib import Path

import faust
from threadpoolctl import threadpool_limits

from models.embedding import load_embedder
from models.errors import NarrawatchError
from streams.app import create_app
from streams.errors import BrokerError
from streams.metrics import Metrics
from streams.metrics_server import MetricsServer, new_registry
from streams.settings_fields import Settings
from streams.topics import Topic, describe_topics, topic_name
from streams.worker_logs import filter_worker_logs

__all__ = ["STOP_SECONDS", "run_worker"]

STOP_SECONDS = 10.0  # after this the process ends, whatever still hangs; what is lost comes again
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_logger = logging.getLogger(__name__)


def run_worker(settings: Settings) -> int:
    """Process comments until SIGTERM or SIGINT; returns the exit code. Call it in the main thread.

    Says on standard output when it is ready, and where its metrics are. Raises BrokerError (broker down,
    topics missing, port taken), ModelError or SettingsError before it has begun, and whatever user-facing
    error ended it later.
    """
    partitions = _comment_partitions(settings)
    registry = new_registry()
    metrics = Metrics(registry)
    metrics.build(_version())
    with (
        MetricsServer(registry, host=settings.metrics_host, port=settings.metrics_port) as server,
        # The engine's matrices are small: a second thread of the linear algebra costs it half of its speed
        # on a machine that has other things to do. The model's threads are of another kind.
        threadpool_limits(limits=1, user_api="blas"),
    ):
        return asyncio.run(_Run(settings, metrics, server.url).serve(partitions))


class _Run:
    """One run of the app, from its start to its end."""

    def __init__(self, settings: Settings, metrics: Metrics, metrics_url: str) -> None:
        self._settings = settings
        self._metrics = metrics
        self._metrics_url = metrics_url
        self._is_ready = False
        self._stop = asyncio.Event()
        self._deadline: threading.Timer | None = None

    async def serve(self, partitions: int) -> int:
        """Run until a signal or a crash. Raises the user-facing error behind a crash."""
        loop = asyncio.get_running_loop()
        embedder = load_embedder(self._settings.model, cache_dir=self._settings.cache_dir)
        self._metrics.model(embedder.name, _origin(self._settings, embedder.name))
        app = create_app(
            self._settings,
            embedder=embedder,
            metrics=self._metrics,
            comment_partitions=partitions,
            on_assigned=self._say_ready,
        )
        filter_worker_logs()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        try:
            return await self._run(app)
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            if self._deadline is not None:
                self._deadline.cancel()

    async def _run(self, app: faust.App) -> int:
        self._settings.cache_dir.mkdir(parents=True, exist_ok=True)
        starting = asyncio.create_task(app.start())
        stopping = asyncio.create_task(self._stop.wait())
        running = asyncio.create_task(app.wait_until_stopped())
        # A start that ends well is no reason to stop; one that fails crashes the app or raises.
        await asyncio.wait({stopping, running}, return_when=asyncio.FIRST_COMPLETED)
        self._set_deadline()
        await app.stop()
        for task in (starting, stopping, running):
            task.cancel()
        await asyncio.gather(starting, stopping, running, return_exceptions=True)
        return self._result(app.crash_reason)

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
            print(f"narrawatch worker ready: metrics {self._metrics_url}", flush=True)

    def _on_signal(self) -> None:
        if self._stop.is_set():
            _leave_at_once()  # asked twice
        self._stop.set()

    def _set_deadline(self) -> None:
        self._deadline = threading.Timer(STOP_SECONDS, _leave_at_once)
        self._deadline.daemon = True
        self._deadline.start()


def _leave_at_once() -> None:
    _logger.warning("the worker did not come to an end by itself")
    os._exit(1)


def _comment_partitions(settings: Settings) -> int:
    """How many the topic of comments has. Raises BrokerError: the broker is down, a topic is missing."""
    states = describe_topics(settings)
    missing = [state.name for state in states if state.partitions == 0]
    if missing:
        raise BrokerError(
            f"the broker at {settings.kafka_bootstrap} lacks the topics {', '.join(missing)}:"
            " run narrawatch topics create"
        )
    comments = topic_name(settings, Topic.COMMENTS)
    return next(state.partitions for state in states if state.name == comments)


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
