"""How near the whole pipeline comes to its encoder: `python -m tests.bench.pipeline`.

On a broker of its own, with the packaged model and as many threads as there are cores. In turn, several
times, so that all are slowed alike by what else runs on the machine: one worker, that has read some comments,
from the first further one sent to the last one counted; before and after it, the encoder with nothing around
it, on the same claims; a plain pipeline (see `tests.bench.plain_pipeline`) on the same comments. Then
comments at half and at four fifths of its speed, and how long it takes until the metrics know of each.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
from kafka import KafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from models.embedding import HashEmbedder
from models.language import LanguageDetector
from models.packaged import build_packaged_model, default_cache_dir
from models.preparation import ClaimMaker
from streams.apache.broker import ApacheBroker
from streams.comments import decode_comment
from streams.connection import producer_options
from streams.originals import original_of
from streams.topics import Topic, topic_name
from tests.apache import QUICK_RESTART
from tests.bench.bare_encoders import bare_speed
from tests.faults.stage import Stage, cpu_seconds, resident_bytes
from tests.faults.traffic import Line, traffic
from tests.integration.live import ROOT, Worker

_PARTITIONS = 4
_GAP_SECONDS = 0.02
_PATIENCE_SECONDS = 1_800.0
# Between two looks at the metrics, to serve which takes a worker's time: at least, at most, and what share of
# the time spent already, since the last look may come as much too late.
_POLL_SECONDS = (0.1, 2.0)
_POLL_SHARE = 0.02
# What would hold the plain pipeline back.
_THREADS = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LOADS = (0.5, 0.8)
_WARM = 200  # comments before any that is measured, as the others have read a text or are not asked
_COUNTED = "narrawatch_comments_total"
_DELAY = "narrawatch_comment_to_metric_seconds"
_ENCODED = "narrawatch_embed_batch_texts_sum"
_ENCODING = "narrawatch_embed_seconds_sum"


class _Run(NamedTuple):
    """One worker, after its first comments."""

    seconds: float
    start_seconds: float
    encoding_seconds: float
    processor_seconds: float
    texts: float
    resident: int  # bytes


@click.command()
@click.option(
    "--comments", default=4_500, show_default=True, help="Of each run; the worlds have 5,000 or so."
)
@click.option("--rounds", default=2, show_default=True)
@click.option("--load-seconds", default=60.0, show_default=True, help="Of each load; 0: none.")
def main(comments: int, rounds: int, load_seconds: float) -> None:
    """Print the speeds as ratios, with their parts."""
    lines = traffic(_WARM + comments, gap_seconds=_GAP_SECONDS)
    texts = _claims(lines[_WARM:])
    model = build_packaged_model(default_cache_dir())
    click.echo(f"{comments:,} comments, {len(texts):,} claims, the packaged model\n")
    with (
        tempfile.TemporaryDirectory(prefix="narrawatch-bench-") as folder,
        ApacheBroker(cache_dir=default_cache_dir(), properties=QUICK_RESTART) as broker,
    ):
        runs, bare, plain = list[_Run](), list[float](), list[float]()
        for number in range(rounds):
            before = bare_speed(texts, 1)
            with _stage(broker, Path(folder) / f"whole-{number}") as stage:
                runs.append(_whole(stage, lines))
            bare.append((before + bare_speed(texts, 1)) / 2.0)  # the machine does not stay as fast
            plain.append(_plain(broker, Path(folder) / f"plain-{number}", model, lines[_WARM:]))
        _tell(runs, bare, plain, comments)
        speed = comments / median(run.seconds for run in runs)
        for load in _LOADS if load_seconds else ():
            with _stage(broker, Path(folder) / f"load-{load}") as stage:
                _tell_delay(stage, load, load * speed, load_seconds)


def _claims(lines: Sequence[Line]) -> list[str]:
    """What a worker embeds of these comments."""
    maker = ClaimMaker(HashEmbedder(), LanguageDetector())
    found = []
    for line in lines:
        original = original_of(
            decode_comment(line.value, max_bytes=len(line.value)),
            author_key=b"no matter",
            arrival_ms=round(time.time() * 1000),
            future_tolerance_seconds=0.0,
        )
        found += [draft.text for draft in maker.draft(original) if draft.asserts]
    return found


def _stage(broker: ApacheBroker, folder: Path) -> Stage:
    return Stage(broker, folder, partitions=_PARTITIONS, model="packaged", cache_dir=default_cache_dir())


# -- throughput ----------------------------------------------------------------------------------------------


def _whole(stage: Stage, lines: Sequence[Line]) -> _Run:
    begun = time.monotonic()
    worker = stage.start()
    started = time.monotonic()
    stage.send(lines[:_WARM])
    _wait(worker, _WARM)
    processor, encoding, texts = cpu_seconds(worker), worker.metric(_ENCODING), worker.metric(_ENCODED)
    warm = time.monotonic()
    stage.send(lines[_WARM:])
    _wait(worker, len(lines))
    seconds = time.monotonic() - warm
    return _Run(
        seconds=seconds,
        start_seconds=started - begun,
        encoding_seconds=worker.metric(_ENCODING) - encoding,
        processor_seconds=cpu_seconds(worker) - processor,
        texts=worker.metric(_ENCODED) - texts,
        resident=resident_bytes(worker),
    )


def _wait(worker: Worker, comments: int) -> None:
    begun = time.monotonic()
    first = _counted(worker)
    while (counted := _counted(worker)) < comments:
        spent = time.monotonic() - begun
        if spent > _PATIENCE_SECONDS or worker.process.poll() is not None:
            raise click.ClickException("the worker does not come to an end")
        left = spent * (comments - counted) / max(counted - first, 1.0)
        least, most = _POLL_SECONDS
        time.sleep(min(max(left / 2.0, least), max(_POLL_SHARE * spent, least), most))


def _counted(worker: Worker) -> float:
    """Comments of all desks. To parse all metrics would take time from the worker."""
    lines = worker.exposition().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(_COUNTED))


def _plain(broker: ApacheBroker, folder: Path, model: Path, lines: Sequence[Line]) -> float:
    """Seconds of the plain pipeline; it is ready before the first comment is sent."""
    with _stage(broker, folder) as stage:
        topic = topic_name(stage.settings, Topic.COMMENTS)
        options = ["--comments", str(len(lines))]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.bench.plain_pipeline",
                stage.settings.kafka_bootstrap,
                topic,
                str(model),
                *options,
            ],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in _THREADS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            if process.stdin is None or process.stdout is None or "ready" not in process.stdout.readline():
                raise click.ClickException("the plain pipeline does not start: is the extra `bench` there?")
            stage.send(lines)
            process.stdin.write("\n")
            process.stdin.flush()
            return float(process.stdout.readline())
        finally:
            process.kill()
            process.communicate()


def _tell(runs: Sequence[_Run], bare: Sequence[float], plain: Sequence[float], comments: int) -> None:
    whole = [run.texts / run.seconds for run in runs]
    click.echo("| | claims/s, each round | ratio, median | of rounds |")
    click.echo("|---|---|---|---|")
    click.echo(f"| encoder alone | {_figures(bare)} | | |")
    shares = [one / alone for one, alone in zip(whole, bare, strict=True)]
    click.echo(
        f"| end to end | {_figures(whole)} | {median(shares):.2f} of the encoder | {_ratios(shares)} |"
    )
    gains = [seconds / run.seconds for seconds, run in zip(plain, runs, strict=True)]
    rates = [comments / seconds for seconds in plain]
    click.echo(
        f"| plain pipeline, comments/s | {_figures(rates)} "
        f"| ours is {median(gains):.2f} times as fast | {_ratios(gains)} |"
    )
    run = sorted(runs, key=lambda one: one.seconds)[len(runs) // 2]
    click.echo(
        f"\nOf {run.seconds:.1f} s of the middle run {run.encoding_seconds:.1f} s went by while texts were"
        f" embedded;\nthe worker used {run.processor_seconds:.1f} s of processor time,"
        f" {run.processor_seconds / comments * 1000:.1f} ms a comment. It was ready"
        f"\n{run.start_seconds:.1f} s after its start, and had {run.resident / 2**20:,.0f} MiB resident"
        " at the end.\n"
    )


def _figures(values: Sequence[float]) -> str:
    return ", ".join(f"{value:,.0f}" for value in values)


def _ratios(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


# -- delay ---------------------------------------------------------------------------------------------------


def _tell_delay(stage: Stage, load: float, rate: float, seconds: float) -> None:
    """Comments one by one, evenly, and what the histogram says, without the first ones."""
    worker = stage.start()
    lines = traffic(_WARM + max(1, round(rate * seconds)), gap_seconds=1.0 / rate)
    stage.send(lines[:_WARM])
    _wait(worker, _WARM)
    before = _buckets(worker)
    producer = KafkaProducer(**producer_options(stage.settings))
    topic = topic_name(stage.settings, Topic.COMMENTS)
    begun = time.monotonic()
    for number, line in enumerate(lines[_WARM:]):
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        producer.send(topic, line.value, key=line.key)
    producer.close()
    _wait(worker, len(lines))
    counts = {bound: count - before[bound] for bound, count in _buckets(worker).items()}
    click.echo(
        f"At {load:.0%} load ({rate:.1f} comments/s for {seconds:.0f} s), from comment to metric: "
        f"p50 {quantile(counts, 0.5):.2f} s, p99 {quantile(counts, 0.99):.2f} s"
    )


def _buckets(worker: Worker) -> dict[float, float]:
    """Cumulated counts by upper bound."""
    found = {}
    for family in text_string_to_metric_families(worker.exposition()):
        for sample in family.samples:
            if sample.name == f"{_DELAY}_bucket":
                found[float(sample.labels["le"])] = sample.value
    return dict(sorted(found.items()))


def quantile(counts: Mapping[float, float], share: float) -> float:
    """As Prometheus has it: evenly spread in the bucket where it falls. counts: cumulated, by upper bound."""
    wanted = share * max(counts.values())
    lower, below = 0.0, 0.0
    for upper, count in counts.items():
        if count >= wanted:
            inside = count - below
            return lower if upper == float("inf") else lower + (upper - lower) * (wanted - below) / inside
        lower, below = upper, count
    return lower


if __name__ == "__main__":
    main()
