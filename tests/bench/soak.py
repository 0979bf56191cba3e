"""A day of traffic, as fast as it goes: does a worker's memory level off? `python -m tests.bench.soak`.

Comments are dated fifty to a second (see `--rate`) and sent as fast as the worker takes them, to a broker
of its own; the fake model stands for the real one, whose vectors would take days. Topics come, are spoken of
by several hundred or thousand people for some hours, and go; half of all comments are of no topic. There are
two workers: the comments are sent to a partition of the one that does not have the desk's claims, so one
makes claims of them and the other finds narratives, each on a core of its own. Prints a line for each
fiftieth, and at the end how the last third of each worker's memory compares with the middle one.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import click
import numpy as np
from kafka import KafkaProducer, TopicPartition

from models.packaged import default_cache_dir
from streams.apache.broker import ApacheBroker
from streams.connection import producer_options
from streams.topics import Topic, topic_name
from tests.apache import QUICK_RESTART
from tests.faults.stage import Stage, resident_bytes
from tests.integration.live import Worker
from tests.worlds import names, read_world

_OPEN_TOPICS = 200
_TOPIC_COMMENTS = 1_000  # of a topic, on average, until it is over
_OPEN_THREADS = 40
_THREAD_COMMENTS = 200
_AUTHORS = 20_000
_CHATTER = 0.5
_AHEAD = 20_000  # comments that are sent and not dealt with: the broker keeps no more than some gigabytes
_POLL_SECONDS = 0.5
_WORKERS = 2
_MARKS = 50
_SMALL_DISK = {
    # Comments and claims of a day are twenty gigabytes: what was read is not kept.
    "log.retention.bytes": str(512 * 1024 * 1024),
    "log.segment.bytes": str(64 * 1024 * 1024),
    "log.retention.check.interval.ms": "5000",
}


class _Mark(NamedTuple):
    comments: int
    resident: tuple[int, int]  # bytes, of the worker that makes claims and of the one that finds narratives
    narratives: int
    state_bytes: int
    seconds: float


@click.command()
@click.option("--comments", default=4_320_000, show_default=True)
@click.option("--rate", default=50.0, show_default=True, help="Comments a second by their dates.")
def main(comments: int, rate: float) -> None:
    """Print the curve."""
    marks: list[_Mark] = []
    with (
        tempfile.TemporaryDirectory(prefix="narrawatch-soak-") as folder,
        ApacheBroker(cache_dir=default_cache_dir(), properties=QUICK_RESTART | _SMALL_DISK) as broker,
        Stage(broker, Path(folder) / "stage", partitions=_WORKERS) as stage,
    ):
        for _ in range(_WORKERS):
            stage.start()
        click.echo(" comments     of claims  of narratives   narratives   state topic    comments/s")
        for mark in _run(stage, broker.folder, comments, rate):
            since = mark.seconds - (marks[-1].seconds if marks else 0.0)
            pace = (mark.comments - (marks[-1].comments if marks else 0)) / since
            marks.append(mark)
            of_claims, of_narratives = (one / 2**20 for one in mark.resident)
            click.echo(
                f"{mark.comments:>9,}  {of_claims:>8,.0f} MiB  {of_narratives:>9,.0f} MiB"
                f"  {mark.narratives:>11,}  {mark.state_bytes / 2**20:>7,.0f} MiB  {pace:>12,.0f}"
            )
    third = len(marks) // 3
    for number, role in enumerate(("makes claims", "finds narratives")):
        middle, last = (
            mean(one.resident[number] for one in part) for part in (marks[third:-third], marks[-third:])
        )
        change = f"{last / middle - 1:+.1%}"
        click.echo(f"resident, the worker that {role}: last third against middle third {change}")


def _run(stage: Stage, data: Path, comments: int, rate: float) -> Iterator[_Mark]:
    producer = KafkaProducer(**producer_options(stage.settings))
    topic = topic_name(stage.settings, Topic.COMMENTS)
    claims = [TopicPartition(topic_name(stage.settings, Topic.CLAIMS), one) for one in range(_WORKERS)]
    every = max(1, comments // _MARKS)
    done, begun, next_mark, partition = 0, time.monotonic(), every, 0
    for sent, value in enumerate(_comments(comments, rate), 1):
        producer.send(topic, value, partition=partition)
        if sent < comments and sent - done < _AHEAD:
            continue
        producer.flush()
        # A comment in ten thousand is put aside, and has no claims: at the end it is the lag that counts.
        while sent - done >= _AHEAD // 2 or (sent == comments and not stage.is_done()):
            time.sleep(_POLL_SECONDS)
            if any(worker.process.poll() is not None for worker in stage.workers):
                raise click.ClickException(f"a worker is gone: {stage.last_words()}")
            committed = stage.committed()
            done = sum(committed[place] for place in claims)
            # One desk, so one partition of claims: its worker is to read no comments.
            partition = min(claims, key=lambda place: committed[place]).partition
            if done >= next_mark:
                next_mark += every
                first, second = sorted(stage.workers, key=_narratives)
                yield _Mark(
                    done,
                    (resident_bytes(first), resident_bytes(second)),
                    _narratives(second),
                    _size(data, topic_name(stage.settings, Topic.STATE)),
                    time.monotonic() - begun,
                )
    producer.close()


def _comments(count: int, rate: float) -> Iterator[bytes]:
    """JSON records in the order of their dates."""
    rng = np.random.default_rng(5)
    texts = [comment.text.split()[:40] for name in names() for comment in read_world(name).comments]
    anything = [word for text in texts for word in text]
    topics = rng.integers(len(texts), size=_OPEN_TOPICS)
    weights = 1.0 / np.arange(1, _OPEN_TOPICS + 1)
    cumulated = np.cumsum(weights / weights.sum())
    threads, fresh = list(range(_OPEN_THREADS)), _OPEN_THREADS
    begun = datetime.now(UTC) - timedelta(seconds=count / rate)
    for number in range(count):
        if rng.random() < 1.0 / _TOPIC_COMMENTS * (1.0 - _CHATTER):
            topics[rng.integers(_OPEN_TOPICS)] = rng.integers(len(texts))
        place = int(rng.integers(_OPEN_THREADS))
        if rng.random() < 1.0 / _THREAD_COMMENTS:
            threads[place], fresh = fresh, fresh + 1
        if rng.random() < _CHATTER:
            words = [anything[at] for at in rng.integers(len(anything), size=18)]
        else:
            topic = texts[topics[min(int(np.searchsorted(cumulated, rng.random())), _OPEN_TOPICS - 1)]]
            kept = rng.random(len(topic)) < 0.75
            words = [
                word if keep else anything[rng.integers(len(anything))]
                for word, keep in zip(topic, kept, strict=True)
            ]
        yield json.dumps(
            {
                "id": str(number),
                "source": f"site-{place % 5}",
                "thread": f"thread-{threads[place]}",
                "author": f"author-{rng.integers(_AUTHORS)}",
                "created_at": (begun + timedelta(seconds=number / rate)).isoformat(),
                "lang": "en",
                "text": " ".join(words),
            }
        ).encode()


def _narratives(worker: Worker) -> int:
    return int(worker.metric("narrawatch_narratives"))


def _size(data: Path, topic: str) -> int:
    return sum(file.stat().st_size for folder in data.rglob(f"{topic}-*") for file in folder.glob("*.log"))


if __name__ == "__main__":
    main()
