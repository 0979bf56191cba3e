"""The processes of `narrawatch notify`: for events, for Alertmanager; and a sample, to see if it arrives."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event
from types import FrameType

from prometheus_client import CollectorRegistry

from streams.errors import SettingsError
from streams.metrics_server import MetricsServer, new_registry
from streams.notify.bridge import Bridge
from streams.notify.dispatcher import Dispatcher, Result
from streams.notify.events import EventReader
from streams.notify.metrics import NotifyMetrics
from streams.notify.narrative_book import NarrativeBook, follow_narratives
from streams.notify.notification import Evidence, Notification, Said, narrative_link, notification_id
from streams.notify.webhook import Webhooks
from streams.settings_fields import Settings

__all__ = ["run_bridge", "run_events", "send_sample"]

_JOIN_SECONDS = 5.0


def run_events(settings: Settings) -> int:
    """Notify of events until SIGTERM or SIGINT.

    Call it in the main thread.  Raises BrokerError, SettingsError.
    """
    _require_receivers(settings)
    with _until_signalled() as stop:
        registry = new_registry()
        with (
            _dispatcher(settings, registry, stop, settings.notify_cooldown_seconds) as dispatcher,
            _metrics(settings, registry) as server,
        ):
            print(f"narrawatch notify ready: metrics {server.url}", flush=True)
            EventReader(settings, dispatcher, stop).run()
    return 0


def run_bridge(settings: Settings) -> int:
    """Take alerts of Alertmanager until SIGTERM or SIGINT; as `run_events`."""
    _require_receivers(settings)
    with _until_signalled() as stop:
        registry = new_registry()
        book = NarrativeBook()
        # No cool-down: Alertmanager decides what is said again, and when.
        with (
            _dispatcher(settings, registry, stop, 0.0) as dispatcher,
            _metrics(settings, registry) as server,
            Bridge(settings, book, dispatcher) as bridge,
        ):
            following = follow_narratives(settings, book, stop)
            print(f"narrawatch notify ready: alerts {bridge.url} metrics {server.url}", flush=True)
            stop.wait()
        following.join(_JOIN_SECONDS)
    return 0


def send_sample(settings: Settings, name: str) -> Result:
    """Send a sample to one receiver, once, whatever it wants to hear of.  Raises SettingsError."""
    wanted = [receiver for receiver in settings.notify if receiver.name == name]
    if not wanted:
        known = ", ".join(receiver.name for receiver in settings.notify) or "none"
        raise SettingsError(f"no receiver {name} in notify; known are {known}")
    receiver = wanted[0].model_copy(update={"desks": (), "types": ("emerged",), "min_severity": "info"})
    one = settings.model_copy(update={"notify": (receiver,)})
    with _dispatcher(one, CollectorRegistry(), Event(), 0.0) as dispatcher:
        return dispatcher.send(_sample(settings), attempts=1)[0]


def _require_receivers(settings: Settings) -> None:
    if not settings.notify:
        raise SettingsError("notify: there is nobody to be told; name a receiver with name and url")


@contextmanager
def _dispatcher(
    settings: Settings, registry: CollectorRegistry, stop: Event, cooldown_seconds: float
) -> Iterator[Dispatcher]:
    webhooks = Webhooks(settings, stop=stop)
    dispatcher = Dispatcher(
        settings.notify,
        webhooks,
        NotifyMetrics(registry, [receiver.name for receiver in settings.notify]),
        cooldown_seconds=cooldown_seconds,
        stop=stop,
    )
    try:
        yield dispatcher
    finally:
        stop.set()
        dispatcher.close()
        webhooks.close()


def _metrics(settings: Settings, registry: CollectorRegistry) -> MetricsServer:
    return MetricsServer(
        registry,
        host=settings.metrics_host,
        port=settings.notify_metrics_port,
        setting="notify_metrics_port",
    )


@contextmanager
def _until_signalled() -> Iterator[Event]:
    """An event that SIGTERM and SIGINT set, for the block."""
    stop = Event()

    def end(_: int, __: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sample(settings: Settings) -> Notification:
    now = datetime.fromtimestamp(time.time(), UTC)
    said = (
        ("The partnership is a takeover in disguise.", "en"),
        ("Ce « partenariat » est un rachat qui ne dit pas son nom.", "fr"),
    )
    quotes = [
        Said(
            text=text,
            source="sample",
            thread=f"thread-{number}",
            language=language,
            at=now - timedelta(minutes=10 * number),
        )
        for number, (text, language) in enumerate(said, 1)
    ]
    evidence = Evidence(
        narrative_id="sample",
        label=said[0][0],
        kind="organic",
        mentions=5,
        supporting=4,
        rebutting=1,
        copies=0,
        authors=5,
        threads=2,
        languages={"en": 3, "fr": 2},
        sources={"sample": 5},
        first_seen=now - timedelta(hours=1),
        last_seen=now,
        emerged_at=now,
        quotes=quotes,
    )
    return Notification(
        id=notification_id("sample", now.isoformat()),
        group="sample/sample",
        type="emerged",
        severity="info",
        desk="sample",
        title="A sample: nothing has happened",
        text="So a notification of narrawatch looks. 5 mentions by 5 authors in 2 threads.",
        at=now,
        link=narrative_link(settings.web_url, "sample"),
        figures={"authors": 5.0, "authors_required": 3.0},
        narrative=evidence,
    )
