"""Breaks things while workers run, and says what was lost: `make faults`, or `python -m tests.faults NAME`.

On Apache Kafka, over loopback, bounded. After each fault all topics are read and held against a replay of the
same comments; see `tests.faults.verdict` for the figures.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import click

from models.packaged import default_cache_dir
from streams.apache.broker import ApacheBroker
from tests.apache import QUICK_COMPACTION, QUICK_RESTART
from tests.faults.stage import Stage
from tests.faults.traffic import Line, deletion, edited, forged, fuzzed, traffic
from tests.faults.verdict import Verdict, judge

_MIN_ARI = 0.98
_BROKER_AWAY_SECONDS = 120.0


class Scale(NamedTuple):
    """How much of everything."""

    comments: int
    kills: int
    fuzzed: int
    away_seconds: float


class Result(NamedTuple):
    """recovery: seconds from each break until something was dealt with again."""

    verdict: Verdict
    recovery: list[float]
    exact: bool
    note: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing is lost, double or changed."""
        one = self.verdict
        return one.lost == one.double == one.changed == 0 and one.ari >= _MIN_ARI


Fault = Callable[[Path, Path, Scale, random.Random], Result]


def _kills(cache: Path, folder: Path, scale: Scale, dice: random.Random) -> Result:
    """kill -9 of one of two workers at random moments; another takes its place."""
    recovery = []
    with _broker(cache) as broker, Stage(broker, folder / "stage", partitions=1) as stage:
        lines = traffic(scale.comments)
        stage.start()
        stage.start()
        sender = stage.send(lines, rate=scale.comments / (9.0 * scale.kills))
        for _ in range(scale.kills):
            time.sleep(dice.uniform(0.2, 6.0))
            before, since = stage.progress(), time.monotonic()
            stage.kill_one(dice)
            stage.start(wait=False)
            if sender.is_alive():
                recovery.append(stage.recovery_seconds(before, since))
        stage.wait_until_done(sender)
        return Result(judge(stage.settings, lines, exact=True), recovery, exact=True)


def _broker_restart(cache: Path, folder: Path, scale: Scale, dice: random.Random) -> Result:
    """kill -9 of the only broker, which comes back after a moment, and once after two minutes."""
    recovery = []
    with _broker(cache, data=folder / "kafka") as broker, Stage(broker, folder / "s", partitions=1) as stage:
        lines = traffic(scale.comments)
        stage.start()
        sender = stage.send(lines, rate=scale.comments / (60.0 + scale.away_seconds))
        for away in (dice.uniform(1.0, 5.0), scale.away_seconds):
            time.sleep(dice.uniform(5.0, 10.0))
            before = stage.progress()
            broker.kill(1)
            time.sleep(away)
            since = time.monotonic()
            broker.start_node(1)
            recovery.append(stage.recovery_seconds(before, since))
        survived = all(worker.process.poll() is None for worker in stage.workers)
        stage.wait_until_done(sender)
        note = "" if survived else "a worker had ended"
        return Result(judge(stage.settings, lines, exact=True), recovery, exact=True, note=note)


def _one_of_three(cache: Path, folder: Path, scale: Scale, dice: random.Random) -> Result:
    """kill -9 of one of three brokers, each record on all of them; then it comes back."""
    recovery = []
    with _broker(cache, nodes=3) as broker, Stage(broker, folder / "s", partitions=1, copies=3) as stage:
        lines = traffic(scale.comments)
        stage.start()
        sender = stage.send(lines, rate=scale.comments / 60.0)
        for node in dice.sample([1, 2, 3], 2):
            time.sleep(dice.uniform(5.0, 8.0))
            before, since = stage.progress(), time.monotonic()
            broker.kill(node)
            recovery.append(stage.recovery_seconds(before, since))
            broker.start_node(node)
        stage.wait_until_done(sender)
        return Result(judge(stage.settings, lines, exact=True), recovery, exact=True)


def _rebalances(cache: Path, folder: Path, scale: Scale, dice: random.Random) -> Result:
    """One worker, three, one again, under load, with four partitions."""
    recovery = []
    with _broker(cache) as broker, Stage(broker, folder / "stage", partitions=4) as stage:
        lines = traffic(scale.comments)
        stage.start()
        sender = stage.send(lines, rate=scale.comments / 60.0)
        for change in (stage.start, stage.start, stage.kill_one, stage.kill_one):
            time.sleep(dice.uniform(4.0, 8.0))
            before, since = stage.progress(), time.monotonic()
            if change == stage.kill_one:
                stage.kill_one(dice)
            else:
                stage.start()
            if sender.is_alive():
                recovery.append(stage.recovery_seconds(before, since))
        stage.wait_until_done(sender)
        return Result(judge(stage.settings, lines, exact=False), recovery, exact=False)


def _compaction(cache: Path, folder: Path, scale: Scale, dice: random.Random) -> Result:
    """Everything compacted again and again; then a worker with an empty disk goes on."""
    recovery = []
    properties = QUICK_RESTART | QUICK_COMPACTION
    with _broker(cache, properties=properties) as broker, Stage(broker, folder / "s", partitions=1) as stage:
        lines = traffic(scale.comments)
        cuts = sorted(dice.sample(range(1, len(lines)), 3))
        for first, last in zip([0, *cuts], [*cuts, len(lines)], strict=True):
            since = time.monotonic()
            before = stage.progress()
            worker = stage.start()
            sender = stage.send(lines[first:last])
            recovery.append(stage.recovery_seconds(before, since))
            stage.wait_until_done(sender)
            time.sleep(7.0)  # the last is saved, and the cleaner comes by
            stage.kill(worker)
            for path in sorted(stage.settings.cache_dir.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        return Result(judge(stage.settings, lines, exact=True), recovery, exact=True)


def _fuzz(cache: Path, folder: Path, scale: Scale, dice: random.Random) -> Result:
    """As many broken records as good ones, mixed."""
    with _broker(cache) as broker, Stage(broker, folder / "stage", partitions=1) as stage:
        good = traffic(scale.fuzzed)
        bad = fuzzed(good, dice)
        lines = [line for pair in zip(good, bad, strict=True) for line in pair]
        stage.start()
        stage.wait_until_done(stage.send(lines))
        return Result(judge(stage.settings, lines, exact=True), [], exact=True)


def _clocks(cache: Path, folder: Path, scale: Scale, dice: random.Random) -> Result:
    """One comment in five has a forged date."""
    with _broker(cache) as broker, Stage(broker, folder / "stage", partitions=1) as stage:
        lines = [forged(one, dice) if dice.random() < 0.2 else one for one in traffic(scale.comments)]
        stage.start()
        stage.wait_until_done(stage.send(lines))
        return Result(judge(stage.settings, lines, exact=True), [], exact=True)


def _duplicates(cache: Path, folder: Path, scale: Scale, dice: random.Random) -> Result:
    """Comments come up to three times, are edited, and deleted; a worker is killed in between."""
    recovery = []
    with _broker(cache) as broker, Stage(broker, folder / "stage", partitions=1) as stage:
        lines: list[Line] = []
        for one in traffic(scale.comments):
            lines += [one] * dice.randrange(1, 4)
            earlier = dice.choice(lines)
            if dice.random() < 0.05:
                lines.append(edited(one, "I take back what I wrote here, it was another company."))
            elif dice.random() < 0.05:
                lines.append(deletion(earlier))
        stage.start()
        sender = stage.send(lines, rate=len(lines) / 40.0)
        for _ in range(2):
            time.sleep(dice.uniform(3.0, 8.0))
            before, since = stage.progress(), time.monotonic()
            stage.kill_one(dice)
            stage.start(wait=False)
            recovery.append(stage.recovery_seconds(before, since))
        stage.wait_until_done(sender)
        return Result(judge(stage.settings, lines, exact=True), recovery, exact=True)


FAULTS: Final[dict[str, Fault]] = {
    "kills": _kills,
    "broker-restart": _broker_restart,
    "one-of-three": _one_of_three,
    "rebalances": _rebalances,
    "compaction": _compaction,
    "fuzz": _fuzz,
    "clocks": _clocks,
    "duplicates": _duplicates,
}


def _broker(
    cache: Path,
    *,
    nodes: int = 1,
    data: Path | None = None,
    properties: dict[str, str] | None = None,
) -> ApacheBroker:
    return ApacheBroker(
        cache_dir=cache,
        nodes=nodes,
        data=data,
        properties=QUICK_RESTART if properties is None else properties,
    )


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(FAULTS)))
@click.option("--comments", default=3_000, show_default=True, help="Comments in each fault.")
@click.option("--kills", default=30, show_default=True, help="Workers that are killed.")
@click.option("--fuzzed", default=10_000, show_default=True, help="Broken records, and good ones.")
@click.option("--away-seconds", default=_BROKER_AWAY_SECONDS, show_default=True, help="Without a broker.")
@click.option("--seed", default="0", show_default=True, help="Of the moments and the choices.")
def main(
    *, names: tuple[str, ...], comments: int, kills: int, fuzzed: int, away_seconds: float, seed: str
) -> None:
    """Break things, and count what is lost. Exits with 1 when something is."""
    given = Scale(comments, kills, fuzzed, away_seconds)
    click.echo(
        "| fault | comments in | mentions | dead letters | lost | double | changed | ARI | recovery, s"
        " (median, most) | took, s |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    bad = []
    for name in names or FAULTS:
        begun, dice = time.monotonic(), random.Random(seed)  # noqa: S311 - moments, not secrets
        with tempfile.TemporaryDirectory(prefix="narrawatch-fault-") as folder:
            result = FAULTS[name](default_cache_dir(), Path(folder), given, dice)
        one, times = result.verdict, result.recovery
        shown = f"{statistics.median(times):.1f}, {max(times):.1f}" if times else "-"
        click.echo(
            f"| {name}{f' ({result.note})' if result.note else ''} | {one.comments:,} | {one.mentions:,} "
            f"| {one.letters:,} | {one.lost} | {one.double} | {one.changed if result.exact else '-'} "
            f"| {one.ari:.3f} | {shown} | {time.monotonic() - begun:.0f} |"
        )
        if not result.is_good or result.note:
            bad.append(name)
    if bad:
        raise SystemExit(f"not as it should be: {', '.join(bad)}")


if __name__ == "__main__":
    main()
