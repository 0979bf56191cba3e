"""What a fault plays on: a broker, workers that can be killed, and comments that keep coming."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from streams.apache.broker import ApacheBroker
from streams.connection import open_consumer, producer_options
from streams.errors import BrokerError
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics, topic_name
from tests.faults.traffic import Line
from tests.integration.live import Worker

__all__ = ["Sender", "Stage", "cpu_seconds", "resident_bytes"]

_AT_ONCE = 50  # records that are sent before they are waited for
_DONE_SECONDS = 600.0
_READY_SECONDS = 120.0


class Sender(threading.Thread):
    """Sends records in order, `rate` a second (None: as fast as it goes), again until each has arrived."""

    def __init__(self, settings: Settings, lines: Sequence[Line], *, rate: float | None) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self._lines = lines
        self._rate = rate
        self.sent = 0

    def run(self) -> None:
        begun = time.monotonic()
        producer: KafkaProducer | None = None
        topic = topic_name(self._settings, Topic.COMMENTS)
        while self.sent < len(self._lines):
            batch = self._lines[self.sent : self.sent + _AT_ONCE]
            try:
                producer = producer or KafkaProducer(**producer_options(self._settings))
                for future in [producer.send(topic, line.value, key=line.key) for line in batch]:
                    future.get(60)
            except KafkaError:  # the broker is away: some may have arrived, and come twice
                if producer is not None:
                    producer.close(timeout=1)
                producer = None
                time.sleep(1)
                continue
            self.sent += len(batch)
            if self._rate is not None:
                time.sleep(max(0.0, begun + self.sent / self._rate - time.monotonic()))
        if producer is not None:
            producer.close()


class Stage:
    """Topics and a group of its own on a broker, and worker processes. A context manager.

    copies: of each record. model, cache_dir: by default the fake model, which needs no cache.
    """

    def __init__(
        self,
        broker: ApacheBroker,
        folder: Path,
        *,
        partitions: int,
        copies: int = 1,
        model: str = "hash",
        cache_dir: Path | None = None,
    ) -> None:
        name = f"f{time.monotonic_ns()}"
        self._folder = folder
        folder.mkdir(parents=True)
        self.settings = load_settings(
            kafka_bootstrap=broker.address,
            topic_prefix=f"{name}-",
            app_id=name,
            partitions=partitions,
            replication_factor=copies,
            model=model,
            data_dir=folder,
            cache_dir=cache_dir or folder / "cache",
            metrics_port=0,
            author_key="a key of authors for the faults",
            save_seconds=5,
        )
        create_topics(self.settings)
        self.workers: list[Worker] = []
        self._logs: list[IO[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.communicate()
        for log in self._logs:
            log.close()

    def start(self, *, wait: bool = True) -> Worker:
        """Start one more worker."""
        log = (self._folder / f"worker-{len(self._logs)}.log").open("w")
        self._logs.append(log)
        worker = Worker(self.settings, log)
        self.workers.append(worker)
        if wait:
            worker.ready()
        return worker

    def kill(self, worker: Worker) -> None:
        """As a crash does."""
        worker.process.kill()
        worker.process.communicate()
        self.workers.remove(worker)

    def stop(self, worker: Worker) -> float:
        """In order; returns how many seconds it took."""
        begun = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(60)
        worker.process.communicate()
        self.workers.remove(worker)
        return time.monotonic() - begun

    def kill_one(self, dice: random.Random) -> None:
        """Any of them."""
        self.kill(dice.choice(self.workers))

    def send(self, lines: Sequence[Line], *, rate: float | None = None) -> Sender:
        """Begin to send."""
        sender = Sender(self.settings, lines, rate=rate)
        sender.start()
        return sender

    def committed(self) -> dict[TopicPartition, int]:
        """Where the group is. Raises BrokerError."""
        with open_consumer(self.settings, group_id=self.settings.app_id) as consumer:
            return {place: consumer.committed(place) or 0 for place in self._places()}

    def progress(self) -> int:
        """Records that are dealt with, of comments and of claims; -1 while the broker is away."""
        try:
            return sum(self.committed().values())
        except BrokerError:
            return -1

    def recovery_seconds(self, before: int, since: float, *, patience: float = 180.0) -> float:
        """How long it takes until more than before is dealt with. since: monotonic seconds."""
        self.wait(lambda: self.progress() > before, "nothing goes on", patience)
        return time.monotonic() - since

    def wait_until_done(self, sender: Sender) -> None:
        """Return when everything was sent and is dealt with."""
        sender.join(_DONE_SECONDS)
        self.wait(self.is_done, "the workers do not come to an end", _DONE_SECONDS)

    def wait(self, holds: Callable[[], bool], complaint: str, patience: float) -> None:
        """Raises TimeoutError with the complaint, and the last words of the workers."""
        deadline = time.monotonic() + patience
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{complaint}: {self.last_words()}")
            time.sleep(0.3)

    def last_words(self) -> str:
        """What the workers said last."""
        return "\n".join(Path(log.name).read_text()[-1_500:] for log in self._logs[-3:])

    def is_done(self) -> bool:
        """Whether nothing of what was sent waits for a worker; no, as long as the broker is away."""
        try:
            with open_consumer(self.settings, group_id=self.settings.app_id) as consumer:
                ends = consumer.end_offsets(self._places())
                return all((consumer.committed(place) or 0) >= end for place, end in ends.items())
        except BrokerError:
            return False

    def _places(self) -> list[TopicPartition]:
        return [
            TopicPartition(topic_name(self.settings, topic), number)
            for topic in (Topic.COMMENTS, Topic.CLAIMS)
            for number in range(self.settings.partitions)
        ]


def resident_bytes(worker: Worker) -> int:
    """Memory of a worker."""
    pages = int(Path(f"/proc/{worker.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(worker: Worker) -> float:
    """What a worker has taken of the processors so far."""
    fields = Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
