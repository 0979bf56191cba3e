"""Apache Kafka for tests: what they need of the system, and settings that make a broker quick to test."""

import os
from pathlib import Path
from typing import Final

import pytest

from streams.apache.jars import find_java, find_maven, jars_are_here
from streams.errors import BrokerError

__all__ = ["QUICK_COMPACTION", "QUICK_RESTART", "require_apache"]

QUICK_RESTART: Final = {
    # How long a killed node is believed to be alive: for so long it cannot come back.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}
QUICK_COMPACTION: Final = {
    # Segments are closed, and those of compacted topics cleaned, within a second or two.
    "log.roll.ms": "500",
    "log.cleaner.backoff.ms": "200",
    "log.cleaner.min.cleanable.ratio": "0.01",
    "log.cleaner.delete.retention.ms": "100",
}


def require_apache(cache_dir: Path) -> None:
    """Skip the test where Apache Kafka cannot be had, and say why; with CI=true that is a failure."""
    try:
        find_java()
        if not jars_are_here(cache_dir):
            find_maven()
    except BrokerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
