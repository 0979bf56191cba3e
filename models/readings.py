"""What a spike scorer says of one series at a moment. `models.spikes` computes it."""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["WINDOWS", "Reading", "Readings", "WindowReading"]

WINDOWS: Mapping[str, int] = {"15m": 900, "1h": 3_600, "6h": 21_600, "24h": 86_400}
"""Names of the windows, and their lengths in seconds."""


class WindowReading(NamedTuple):
    """One window that ends now. surprise: -log10 of the chance, see `Reading`."""

    window: str  # a name in WINDOWS
    observed: int
    expected: float
    surprise: float


class Reading(NamedTuple):
    """One series now.

    surprise: -log10 of the chance that a calm series shows as much within a quarter of an hour, in any of the
    windows or as a slow rise.
    """

    surprise: float
    windows: tuple[WindowReading, ...]


class Readings(NamedTuple):
    """All series of a desk: narratives by id, watches by name."""

    narratives: Mapping[str, Reading]
    watches: Mapping[str, Reading]
