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

from streams.errors import BrokerError
from streams.metrics import Metrics
from streams.metrics_server import MetricsServer, new_registry
from streams.settings_fields import Settings
from streams.topics import Topic, describe_topics, topic_name

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
    with MetricsServer(registry, host=settings.metrics_host, port=settings.metrics_port) as server:
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
        # Here and not above: seconds, which no one should wait for whose broker is down.
        from models.embedding import load_embedder  # noqa: PLC0415
        from streams.app import create_app  # noqa: PLC0415
