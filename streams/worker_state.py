"""How far this worker is: what its gauges of queue and lag say."""

from collections.abc import Iterable, Mapping

from streams.metrics import Metrics

__all__ = ["Place", "WorkerState"]

Place = tuple[str, int]
"""Topic and partition."""


class WorkerState:
    """Counts of the moment, kept by the agents and shown by `report`. All on one event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._next: dict[Place, int] = {}  # offset of the first record that is not processed
        self._shown: set[Place] = set()
        self.comments_waiting = 0  # in the batch that is being embedded
        self.claims_waiting = 0  # to be put in order

    def processed(self, topic: str, partition: int, offset: int) -> None:
        """Everything up to this offset is done."""
        place = (topic, partition)
        self._next[place] = max(self._next.get(place, 0), offset + 1)

    def assigned(self, committed: Mapping[Place, int]) -> None:
        """The partitions that this worker has from now on, and where it begins in each."""
        self._next = dict(committed)

    def report(self, assigned: Iterable[Place], ends: Mapping[Place, int]) -> None:
        """Show the gauges. ends: offset after the last record of each partition, where it is known."""
        mine = set(assigned)
        for topic, partition in self._shown - mine:
            self._metrics.forget_lag(topic, partition)
        self._shown &= mine
        for place in mine & ends.keys() & self._next.keys():
            self._metrics.lag(*place, max(0, ends[place] - self._next[place]))
            self._shown.add(place)
        self._metrics.queue(self.comments_waiting + self.claims_waiting)
