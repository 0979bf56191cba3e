"""Small charts as SVG: plain geometry, so that a page needs no script and no style of its own to draw them.

Colours come from the stylesheet by class. Each chart has its text beside it, which says what it shows.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from streams.web.shapes import Bin, Event, Timeline

__all__ = ["Bar", "Marker", "Spark", "TimelineChart", "sparkline", "timeline_chart"]

_SPARK_WIDTH, _SPARK_HEIGHT = 112, 28
_WIDTH, _HEIGHT = 1_000, 160  # stretched to the width of the page
_LEAST_PEAK = 4  # mentions that fill the height at least: one mention must not look like a flood


class Bar(NamedTuple):
    """A rectangle in the chart's own units; css: its class."""

    x: float
    y: float
    width: float
    height: float
    css: str


class Spark(NamedTuple):
    """A sparkline. peak, total: mentions."""

    width: int
    height: int
    bars: list[Bar]
    peak: int
    total: int


class Marker(NamedTuple):
    """A vertical line at an event."""

    x: float
    type: str


class TimelineChart(NamedTuple):
    """The timeline of a narrative, and what its text says. peak_at: where the fullest bin begins."""

    width: int
    height: int
    bars: list[Bar]
    markers: list[Marker]
    peak: int
    peak_at: datetime
    total: int
    ticks: list[datetime]  # first, middle and last bin


def sparkline(counts: Sequence[int]) -> Spark:
    """A bar for each count, oldest first; the last four (a day) stand out."""
    peak = max(counts, default=0)
    step = _SPARK_WIDTH / max(1, len(counts))
    scale = _SPARK_HEIGHT / max(peak, _LEAST_PEAK)
    bars = []
    for place, count in enumerate(counts):
        height = round(max(count * scale, 1.0), 2)  # an empty bin is a line at the bottom
        css = "none" if not count else "late" if place >= len(counts) - 4 else "early"
        bars.append(
            Bar(round(place * step, 2), round(_SPARK_HEIGHT - height, 2), round(step - 1, 2), height, css)
        )
    return Spark(_SPARK_WIDTH, _SPARK_HEIGHT, bars, peak, sum(counts))


def timeline_chart(timeline: Timeline, events: Sequence[Event]) -> TimelineChart | None:
    """Bars stacked by stance, with a line at each event; None when there is nothing to draw."""
    bins = timeline.bins
    if not bins:
        return None
    fullest = max(bins, key=lambda one: one.mentions)
    step = _WIDTH / len(bins)
    scale = _HEIGHT / max(fullest.mentions, _LEAST_PEAK)
    bars = [bar for place, one in enumerate(bins) for bar in _stack(one, place * step, step, scale)]
    start = bins[0].at.timestamp()
    span = timeline.bin_seconds * len(bins)
    markers = [
        Marker(round((event.at.timestamp() - start) / span * _WIDTH, 2), event.type)
        for event in events
        if 0 <= event.at.timestamp() - start <= span
    ]
    return TimelineChart(
        _WIDTH,
        _HEIGHT,
        bars,
        markers,
        fullest.mentions,
        fullest.at,
        sum(one.mentions for one in bins),
        [bins[0].at, bins[len(bins) // 2].at, bins[-1].at],
    )


def _stack(one: Bin, x: float, step: float, scale: float) -> list[Bar]:
    bars, top = [], float(_HEIGHT)
    gap = min(2.0, step / 4)
    for css, count in (("supports", one.supports), ("unjudged", one.unjudged), ("rebuts", one.rebuts)):
        if count:
            height = count * scale
            top -= height
            bars.append(Bar(round(x, 2), round(top, 2), round(step - gap, 2), round(height, 2), css))
    return bars
