"""How much faster two workers are than one: `python -m tests.bench.scaling`.

Four partitions of comments on an Apache Kafka of its own, the packaged model with one thread a worker. All
comments are sent at once to workers that are ready; what counts is the time until all are embedded. Beside
it stands the same ratio of encoders with nothing around them: two processes on two cores of one machine are
in each other's way, and no pipeline scales better than that.
"""

import json
import os
import tempfile
import time
from pathlib import Path

import click
from kafka import TopicPartition

from models.packaged import default_cache_dir
from streams.apache.broker import ApacheBroker
from streams.connection import open_consumer
from streams.topics import Topic, topic_name
from tests.apache import QUICK_RESTART
from tests.bench.bare_encoders import bare_speed
from tests.faults.stage import Stage
from tests.faults.traffic import traffic

_PARTITIONS = 4
_GAP_SECONDS = (
    0.02  # their dates are as dense as their arrival; a quiet desk is looked through far more often
)
_PATIENCE_SECONDS = 1_800.0
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NARRAWATCH_ENCODER_THREADS")


@click.command()
@click.option("--comments", default=2_000, show_default=True)
def main(comments: int) -> None:
    """Print the speeds and their ratio."""
    os.environ |= dict.fromkeys(_ONE_THREAD, "1")
    speeds = {}
    with (
        tempfile.TemporaryDirectory(prefix="narrawatch-scaling-") as folder,
        ApacheBroker(cache_dir=default_cache_dir(), properties=QUICK_RESTART) as broker,
    ):
        for workers in (1, 2):
            seconds = _seconds(broker, Path(folder) / str(workers), workers, comments)
            speeds[workers] = comments / seconds
            click.echo(f"{workers} worker(s): {speeds[workers]:,.0f} comments/s")
    texts = [json.loads(line.value)["text"] for line in traffic(max(2, comments // 4))]
    alone = {processes: bare_speed(texts, processes, threads=1) for processes in (1, 2)}
    for processes, speed in alone.items():
        click.echo(f"{processes} bare encoder(s): {speed:,.0f} comments/s, each embedded as a whole")
    ratio, ceiling = speeds[2] / speeds[1], alone[2] / alone[1]
    click.echo(
        f"ratio: {ratio:.2f} on {os.cpu_count()} cores, broker and clustering included;"
        f" bare encoders: {ceiling:.2f}; of what they reach: {ratio / ceiling:.0%}"
    )


def _seconds(broker: ApacheBroker, folder: Path, workers: int, comments: int) -> float:
    stage = Stage(broker, folder, partitions=_PARTITIONS, model="packaged", cache_dir=default_cache_dir())
    with stage:
        for _ in range(workers):
            stage.start()
        places = [TopicPartition(topic_name(stage.settings, Topic.COMMENTS), n) for n in range(_PARTITIONS)]
        # One consumer for all questions: to open one costs as much as a comment.
        with open_consumer(stage.settings, group_id=stage.settings.app_id) as consumer:
            begun = time.monotonic()
            stage.send(traffic(comments, gap_seconds=_GAP_SECONDS))
            stage.wait(
                lambda: sum(consumer.committed(place) or 0 for place in places) >= comments,
                "the comments are not embedded",
                _PATIENCE_SECONDS,
            )
            return time.monotonic() - begun


if __name__ == "__main__":
    main()
