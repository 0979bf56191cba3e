"""`narrawatch ingest` for live sources: one event loop that follows all of them until it is told to stop.

`streams.ingest.following` is what happens to one source, `streams.ingest.outbox` the way to the broker.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry

from streams.author_key import resolve_author_key
from streams.errors import SettingsError
from streams.ingest.cursors import SavedCursor, read_cursors
from streams.ingest.following import Follower
from streams.ingest.heartbeat import Heartbeat
from streams.ingest.metrics import IngestMetrics
from streams.ingest.outbox import Outbox
from streams.ingest.outgoing import AuthorOf, Outgoing, hashed_authors, named_authors
from streams.ingest.registry import AnySource, SourceOrder, make_source, order
from streams.ingest.source import Context
from streams.ingest.source_options import moment
from streams.metrics_server import MetricsServer, new_registry
from streams.polite.client import PoliteOptions, Web
from streams.settings_fields import Settings

__all__ = ["Followed", "follow_sources", "orders_of", "polite_options"]

_CLOSE_SECONDS: Final = 2.0

_logger = logging.getLogger(__name__)


class Followed(NamedTuple):
    """What came of it. failed: the sources whose last look ended in a failure."""

    comments: int
    failed: Sequence[str]


class _Prepared(NamedTuple):
    """A source that is to be followed, and how far it was read."""

    key: str
    desk: str
    order: SourceOrder
    saved: SavedCursor


def _now() -> datetime:
    return datetime.now(UTC)


def orders_of(settings: Settings) -> list[SourceOrder]:
    """The sources of the settings, checked.  Raises SettingsError."""
    return [
        order(table.kind, table.options, f"sources[{number}]")
        for number, table in enumerate(settings.sources)
    ]


def polite_options(settings: Settings) -> PoliteOptions:
    """How the settings let sites be asked."""
    return PoliteOptions(
        contact=settings.ingest_contact,
        interval_seconds=settings.ingest_interval_seconds,
        timeout_seconds=settings.ingest_timeout_seconds,
        max_response_bytes=settings.ingest_max_response_bytes,
        allow_private=settings.ingest_allow_private,
    )


def follow_sources(
    settings: Settings,
    orders: Sequence[SourceOrder],
    *,
    once: bool = False,
    clock: Callable[[], datetime] = _now,
) -> Followed:
    """Follow sources until SIGTERM or SIGINT, or look at each once.

    Call it in the main thread.  Raises SettingsError, BrokerError when the broker is not there at the start.
    """
    by_name = settings.ingest_author_names
    author_of: AuthorOf = named_authors if by_name else hashed_authors(resolve_author_key(settings))
    prepared = _prepare(settings, orders)
    if settings.ingest_contact is None:
        _logger.warning("ingest_contact is not set: sites that our requests trouble cannot tell anybody")
    return asyncio.run(_follow(settings, prepared, author_of, once=once, clock=clock))


def _prepare(settings: Settings, orders: Sequence[SourceOrder]) -> list[_Prepared]:
    found: dict[tuple[str, str], SourceOrder] = {}
    for one in orders:
        desk = one.options.desk or settings.desk
        twin = found.setdefault((desk, one.name), one)
        if twin is not one:
            raise SettingsError(
                f"{twin.place} and {one.place} have the same desk and name, {one.name}: their comments could"
                " not be told apart; give one of them a name"
            )
    keys = {f"{desk}/{one.connector.kind}/{name}": (desk, one) for (desk, name), one in found.items()}
    saved = read_cursors(settings, keys)
    return [_Prepared(key, desk, one, saved.get(key, SavedCursor())) for key, (desk, one) in keys.items()]


async def _follow(
    settings: Settings,
    prepared: Sequence[_Prepared],
    author_of: AuthorOf,
    *,
    once: bool,
    clock: Callable[[], datetime],
) -> Followed:
    registry = new_registry()
    outbox = Outbox(settings)
    async with Web(polite_options(settings)) as web, _until_signalled() as stop:
        families = IngestMetrics(registry)
        followers = []
        for one in prepared:
            kind = one.order.connector.kind
            metrics = families.of(one.desk, one.order.name, kind=kind, now=clock().timestamp())
            http = web.client(metrics, robots=one.order.options.robots)
            source = make_source(one.order, Context(http, clock, settings.ingest_allow_private))
            followers.append(
                Follower(
                    one.key,
                    source,
                    cursor=_first_cursor(one.key, source, one.saved, clock()),
                    saved=one.saved.cursor,
                    outgoing=Outgoing(one.order.name, one.desk, author_of, settings.max_comment_bytes),
                    outbox=outbox,
                    metrics=metrics,
                    stop=stop,
                    clock=clock,
                    poll_seconds=one.order.options.poll_seconds,
                    once=once,
                )
            )
        try:
            async with nullcontext() if once else _announced(settings, registry, len(followers)):
                good = await asyncio.gather(*(one.run() for one in followers))
        finally:
            await outbox.close(_CLOSE_SECONDS)
    failed = [one.key for one, well in zip(prepared, good, strict=True) if not well]
    return Followed(sum(one.delivered_count for one in followers), failed)


@asynccontextmanager
async def _announced(settings: Settings, registry: CollectorRegistry, sources: int) -> AsyncIterator[None]:
    """Metrics and health are served in the block, and standard output says where."""
    heartbeat = Heartbeat()
    beating = asyncio.create_task(heartbeat.run())
    with MetricsServer(
        registry,
        host=settings.metrics_host,
        port=settings.ingest_metrics_port,
        questions={"/health": heartbeat.answer},
        setting="ingest_metrics_port",
    ) as server:
        print(f"narrawatch ingest ready: sources {sources}, metrics {server.url}", flush=True)
        try:
            yield
        finally:
            beating.cancel()


def _first_cursor(key: str, source: AnySource, saved: SavedCursor, now: datetime) -> Any:
    """Where to begin: what was saved, or else what the options say."""
    since = source.options.since
    cursor = source.begin(None if since is None else moment(since, now))
    if saved.cursor is not None:
        try:
            cursor = msgspec.json.decode(saved.cursor, type=source.cursor_type)
        except msgspec.DecodeError as error:
            # Of another version, or not ours: what is read again counts once.
            _logger.warning("%s: its cursor cannot be read, beginning anew: %s", key, error)
    return source.recall(cursor, saved.sending)


@asynccontextmanager
async def _until_signalled() -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set, for the block."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
