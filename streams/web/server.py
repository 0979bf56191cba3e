"""Runs the page until it is stopped: the read model, whoever fills it, and the HTTP server."""

import logging
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import blake2b
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from streams.errors import BrokerError
from streams.metrics_server import MetricsServer, new_registry
from streams.settings_fields import Settings
from streams.web.app import create_app
from streams.web.folder import fill_from_folder
from streams.web.gate import check_exposure
from streams.web.metrics import WebMetrics
from streams.web.progress import Progress
from streams.web.store import Store
from streams.web.topic_reader import TopicReader

__all__ = ["serve", "shared_store"]

_END_SECONDS = 3  # for answers that are on their way
_FILE = "narratives.sqlite3"

_logger = logging.getLogger(__name__)


def serve(settings: Settings, folder: Path | None, announce: Callable[[str, str | None], None]) -> None:
    """Serve until SIGINT or SIGTERM. folder: of a replay; None reads the topics, and serves metrics.

    announce: is given the address once the page answers, and that of its metrics, if it has any.
    Raises SettingsError (others could read it without a token), InputError (the folder), BrokerError (a
    port), OutputError (the cache).
    """
    check_exposure(settings)
    registry = new_registry()
    metrics = WebMetrics(registry)
    metrics_url = None
    with ExitStack() as stack:
        listener = stack.enter_context(_listener(settings))
        store = stack.enter_context(shared_store(settings) if folder is None else _own_store())
        if folder is None:
            progress = Progress(
                f"Kafka, {settings.kafka_bootstrap}", broker_seconds=settings.ready_broker_seconds
            )
            metrics.follow(store, lambda: not progress.obstacles())
            metrics_url = stack.enter_context(_metrics(settings, registry)).url
            reader = TopicReader(store, settings, progress, metrics)
            reader.start()
            stack.callback(reader.close)
        else:
            progress = Progress(str(folder))
            fill_from_folder(store, folder)
        app = create_app(store, settings, progress, metrics, is_ending=lambda: server.should_exit)
        server = _Server(app, lambda: announce(_address(settings, listener), metrics_url))
        try:
            server.run(sockets=[listener])
        except (KeyboardInterrupt, SystemExit):  # uvicorn hands the signal on once it has ended
            if not server.should_exit:
                raise


class _Server(uvicorn.Server):
    """uvicorn, which tells streams of updates to end before it waits for them."""

    def __init__(self, app: ASGIApp, started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,  # ours is set
                log_level="warning",
                access_log=False,  # addresses bear what readers search for, and once a token
                server_header=False,
                lifespan="off",
                ws="none",
                proxy_headers=False,
                timeout_graceful_shutdown=_END_SECONDS,
            )
        )
        self._announce = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.started:
            self._announce()


def _metrics(settings: Settings, registry: CollectorRegistry) -> MetricsServer:
    return MetricsServer(
        registry,
        host=settings.metrics_host,
        port=settings.web_metrics_port,
        setting="web_metrics_port",
    )


@contextmanager
def _listener(settings: Settings) -> Iterator[socket.socket]:
    """The socket, listening: a port that is taken is said before anything is read."""
    host, port = settings.web_host, settings.web_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise BrokerError(f"web_port {port} of {host} cannot be used: {error.strerror}") from None
        yield listener


def _address(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.web_host}]" if ":" in settings.web_host else settings.web_host
    return f"http://{host}:{listener.getsockname()[1]}/"


@contextmanager
def shared_store(settings: Settings) -> Iterator[Store]:
    """The file that the last page on these topics left, or one of its own where that cannot be had."""
    name = blake2b(f"{settings.kafka_bootstrap} {settings.topic_prefix}".encode(), digest_size=8).hexdigest()
    folder = settings.cache_dir / "web" / name
    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except (OSError, Timeout) as error:  # a read-only image, or another page on the same topics
        _logger.info("%s cannot be used (%s): this page reads all of the topics", folder, error)
        with _own_store() as store:
            yield store
        return
    with lock, closing(Store(folder / _FILE)) as store:
        yield store


@contextmanager
def _own_store() -> Iterator[Store]:
    """A file that goes with this process."""
    with (
        tempfile.TemporaryDirectory(prefix="narrawatch-web-") as name,
        closing(Store(Path(name) / _FILE)) as store,
    ):
        yield store
