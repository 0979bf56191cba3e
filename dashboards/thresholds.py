"""From where on a figure is worth a look: for colours, lines, annotations and alert rules alike.

The defaults are those of the settings `alert_*`; who changes these gets dashboards and rules that agree.
"""

from typing import NamedTuple

__all__ = ["Thresholds"]


class Thresholds(NamedTuple):
    """One figure for each thing that somebody is told of."""

    surprise_decades: float = 4.0  # a chance of one in 10,000: a narrative spikes
    min_mentions: int = 5  # in a window: fewer are no spike
    emerged_seconds: int = 3_600  # how long after it emerged a narrative is news
    lag_records: int = 10_000
    dead_letters: int = 20  # refused for one reason in a quarter of an hour
    embed_seconds: float = 10.0  # 95 of 100 batches take less
    delay_seconds: float = 300.0  # from a comment's arrival to the metrics, 95 of 100
    source_silent_seconds: int = 21_600
    source_failing_seconds: int = 1_800
    for_seconds: int = 60  # how long something must hold before people are told of a narrative
