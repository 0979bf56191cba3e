"""`narrawatch demo`: broker, topics, worker and a stream of sample comments, started and stopped together.

The worker is a process of its own, as in real use; everything shown here comes from its topics and metrics.
"""

import http.client
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from kafka import KafkaConsumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.live import Live

from streams.broker import EmbeddedBroker
from streams.connection import open_consumer
from streams.demo_process import demo_process
from streams.demo_state import DemoState, Sample, load_sample
from streams.demo_view import Figures, figures_line, print_emerged, print_summary
from streams.ingest.base import judge
from streams.ingest.producer import CommentProducer
from streams.settings_fields import Settings
from streams.topics import Topic, create_topics, topic_name

__all__ = ["Settle", "Stage", "run_demo"]

PLAY_SECONDS = 110.0  # the sample's five days, unless `speed` says otherwise
READY_SECONDS = 240.0  # the first start builds the packaged model
SETTLE_SECONDS = 120.0  # for a slow machine to catch up after the last comment
QUIET_SECONDS = 4.0  # nothing new for so long: all is read
_READY = "narrawatch worker ready: metrics "
_POLL_MS = 400
_JUDGED = ("total", "rejected_total", "duplicate_total")  # what becomes of a comment


class Stage(NamedTuple):
    """What runs when a companion of the demo comes in."""

    settings: Settings
    metrics_url: str
    scratch: Path
    console: Console


Settle = Callable[[], None]
"""Returns when what a companion does with the sample is done."""


def run_demo(
    settings: Settings,
    *,
    speed: float | None = None,
    companion: Callable[[Stage], AbstractContextManager[Settle]] | None = None,
) -> int:
    """Play the sample; 0 when narratives emerged, 1 otherwise. Stays until Ctrl-C on a terminal.

    speed: seconds of the sample per second; None plays it in `PLAY_SECONDS`. companion: what runs beside the
    worker, from before the first comment to the end.
    Raises BrokerError when the broker or the worker cannot be had.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # for a file or a pipe
    sample = load_sample()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="narrawatch-demo-")))
        own = stack.enter_context(_broker(settings, console))
        create_topics(own)
        console.print("starting a worker (the first start prepares the embedding model) …")
        metrics_url = stack.enter_context(_worker(own, scratch))
        console.print(f"worker ready, metrics at {metrics_url}")
        settle = None
        if companion is not None:
            settle = stack.enter_context(companion(Stage(own, metrics_url, scratch, console)))
        play = _Play(own, sample, metrics_url, console)
        play.run(speed or _span_seconds(sample) / PLAY_SECONDS)
        if settle is not None:
            settle()
        play.summary()
        if console.is_terminal:
            _stay(console, metrics_url)
        return 0 if play.state.emerged else 1


@contextmanager
def _broker(settings: Settings, console: Console) -> Iterator[Settings]:
    """The settings of this run: on the embedded broker, or on the given one under names of their own."""
    app_id = f"narrawatch-demo-{uuid.uuid4().hex[:8]}"
    changes: dict[str, object] = {"partitions": 1, "desk": "demo", "app_id": app_id}
    if "kafka_bootstrap" in settings.model_fields_set:
        changes["topic_prefix"] = f"{app_id}-"
        yield settings.model_copy(update=changes)
        return
    with EmbeddedBroker() as broker:
        console.print(
            f"embedded Kafka-compatible broker at {broker.address} (for trying out only: keeps nothing)"
        )
        changes |= {"kafka_bootstrap": broker.address, "kafka_embedded": True}
        yield settings.model_copy(update=changes)


@contextmanager
def _worker(settings: Settings, scratch: Path) -> Iterator[str]:
    """A worker process for the block; yields the address of its metrics."""
    with demo_process(settings, scratch, "worker", ready=_READY, seconds=READY_SECONDS) as address:
        yield address


class _Play:
    """Sends the sample at its pace and follows what the worker makes of it."""

    def __init__(self, settings: Settings, sample: Sample, metrics_url: str, console: Console) -> None:
        self.state = DemoState(sample, settings.topic_prefix)
        self._settings = settings
        self._sample = sample
        self._metrics_url = metrics_url
        self._console = console
        self._sent = 0
        self._figures = Figures(0, len(sample.records), 0, 0, 0, 0, 0, 0)
        self._news = 0

    def run(self, speed: float) -> None:
        """Play everything, and wait until the worker has read it."""
        with ExitStack() as stack:
            consumer = stack.enter_context(open_consumer(self._settings))
            self._follow(consumer)
            producer = stack.enter_context(CommentProducer(self._settings))
            live = stack.enter_context(Live(console=self._console, auto_refresh=False, transient=True))
            start, origin = time.monotonic(), _seconds(self._sample.times[0])
            for record, moment in zip(self._sample.records, self._sample.times, strict=True):
                due = start + (_seconds(moment) - origin) / speed
                while time.monotonic() < due:
                    self._look(consumer, live, moment)
                producer.send(judge(record, self._settings.max_comment_bytes, "sample"))
                self._sent += 1
            producer.flush()
            self._settle(consumer, live)

    def summary(self) -> None:
        """Say what was found, and where the figures are."""
        print_summary(self._console, self.state.found(), len(self.state.emerged), self._figures)
        self._console.print(f"metrics: {self._metrics_url}")

    def _follow(self, consumer: KafkaConsumer) -> None:
        roles = (Topic.EVENTS, Topic.NARRATIVES, Topic.MENTIONS)
        consumer.assign([TopicPartition(topic_name(self._settings, role), 0) for role in roles])
        consumer.seek_to_beginning()

    def _look(self, consumer: KafkaConsumer, live: Live, moment: str) -> None:
        """Take what is new, and show it."""
        for records in consumer.poll(timeout_ms=_POLL_MS).values():
            for record in records:
                self._news += 1
                event = None if record.value is None else self.state.take(record.topic, record.value)
                if event is not None:
                    print_emerged(self._console, event)
        self._figures = self._measure()
        if self._console.is_terminal:
            live.update(figures_line(self._figures, moment), refresh=True)

    def _settle(self, consumer: KafkaConsumer, live: Live) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        last, since = (-1, -1), time.monotonic()
        while time.monotonic() < deadline:
            self._look(consumer, live, self._sample.times[-1])
            now = (self._news, self._figures.comments)
            if now != last:
                last, since = now, time.monotonic()
            if self._figures.judged >= self._sent and time.monotonic() - since > QUIET_SECONDS:
                return

    def _measure(self) -> Figures:
        text = _page(self._metrics_url)
        totals: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
        return Figures(
            sent=self._sent,
            of=len(self._sample.records),
            judged=int(sum(totals.get(f"narrawatch_comments_{name}", 0.0) for name in _JUDGED)),
            comments=int(totals.get("narrawatch_comments_total", 0)),
            claims=int(totals.get("narrawatch_claims_total", 0)),
            embedded=int(totals.get("narrawatch_embed_batch_texts_sum", 0)),
            lag=int(totals.get("narrawatch_consumer_lag_records", 0)),
            narratives=len(self.state.narratives),
        )


def _page(url: str) -> str:
    """What an http address of this machine answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _span_seconds(sample: Sample) -> float:
    return _seconds(sample.times[-1]) - _seconds(sample.times[0])


def _stay(console: Console, metrics_url: str) -> None:
    console.print(f"still serving {metrics_url}; Ctrl-C ends everything")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopping …")
