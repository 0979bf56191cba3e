"""The metrics of `narrawatch notify`, bound to a registry."""

from collections.abc import Iterable
from enum import StrEnum

from prometheus_client import CollectorRegistry

from streams.metric_families import counter, histogram
from streams.metric_specs import NOTIFICATION, NOTIFICATIONS

__all__ = ["Fate", "NotifyMetrics"]


class Fate(StrEnum):
    """What became of a notification for a receiver. A label of a metric."""

    DELIVERED = "delivered"
    SUPPRESSED = "suppressed"  # said already, or too soon after the last one
    GIVEN_UP = "given_up"
    POSTPONED = "postponed"  # not delivered; whoever gave it to us will give it again


class NotifyMetrics:
    """Counts notifications. receivers: their names, all of them, so that each counter begins at 0."""

    def __init__(self, registry: CollectorRegistry, receivers: Iterable[str]) -> None:
        self._fates = counter(NOTIFICATIONS, registry)
        self._seconds = histogram(NOTIFICATION, registry)
        for receiver in receivers:
            for fate in Fate:
                self._fates.labels(receiver=receiver, outcome=fate.value)

    def done(self, receiver: str, fate: Fate) -> None:
        """This became of a notification."""
        self._fates.labels(receiver=receiver, outcome=fate.value).inc()

    def took(self, receiver: str, seconds: float) -> None:
        """So long it took to deliver one."""
        self._seconds.labels(receiver=receiver).observe(seconds)
