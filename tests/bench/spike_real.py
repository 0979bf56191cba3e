"""Mention times of labelled comments as series: the worlds of this repository, and a stream beside it.

Nobody has marked what is a spike in them, so an alarm is not false for certain; but nearly all are few
mentions within some hours of the first, of which a reader was told when the narrative emerged. The dates of
the stream are made up: its order is kept and spread over four weeks.
"""

from collections.abc import Mapping

import msgspec
import numpy as np

from tests.bench.sets import BESIDE
from tests.bench.spike_series import BIN_SECONDS, DAY, HOUR, Desk, Series
from tests.worlds import names, read_world

__all__ = ["burst_desk", "real_desks"]

_LEAST_MENTIONS = 4
_EMERGES_AT = 3  # mentions
_STREAM_DAYS = 28
_STREAM = BESIDE / "tweets-t.jsonl"


class _Line(msgspec.Struct):
    gold: list[str]


def real_desks() -> Mapping[str, list[Desk]]:
    """Desks by where they come from; without the stream where it is not there."""
    found = {"worlds": [_world(name) for name in names()]}
    if _STREAM.exists():
        lines = [msgspec.json.decode(line, type=_Line) for line in _STREAM.read_bytes().splitlines()]
        times = np.linspace(0, _STREAM_DAYS * DAY, len(lines), endpoint=False)
        series: dict[str, list[float]] = {}
        for line, at in zip(lines, times.tolist(), strict=True):
            for label in line.gold:
                series.setdefault(label, []).append(at)
        found["tweets-t, spread over 28 days"] = [_desk(times.tolist(), series)]
    return found


def _world(name: str) -> Desk:
    world = read_world(name)
    first = world.comments[0].at
    times = [(one.at - first).total_seconds() for one in world.comments]
    series: dict[str, list[float]] = {}
    for at, one in zip(times, world.comments, strict=True):
        for label in one.makes:
            series.setdefault(label, []).append(at)
    return _desk(times, series)


def _desk(comments: list[float], series: Mapping[str, list[float]]) -> Desk:
    """A narrative is watched from when it emerges to two days after the last comment."""
    end = max(comments) + 2 * DAY
    bins = np.bincount((np.array(comments) // BIN_SECONDS).astype(int), minlength=int(end // BIN_SECONDS) + 1)
    found = [
        Series(np.sort(np.array(times)), sorted(times)[_EMERGES_AT - 1])
        for times in series.values()
        if len(times) >= _LEAST_MENTIONS
    ]
    return Desk(bins, found, 0.0, end)


def burst_desk(desk: Desk, rng: np.random.Generator) -> Desk:
    """The same with +6 mentions within an hour in each series, a day or more after it emerged."""
    found = []
    for one in desk.series:
        start = rng.uniform(min(one.born + DAY, desk.end - 2 * HOUR), desk.end - HOUR)
        burst = start + np.sort(rng.uniform(0, HOUR, 6))
        times = np.sort(np.concatenate([one.times, burst]))
        found.append(Series(times, one.born, (float(burst[0]), float(burst[-1]))))
    return desk._replace(series=found)
