"""A fake Grafana that runs, and a client of it that never sleeps for long."""

from collections.abc import Iterator

import pytest

from dashboards.connection import Address, Grafana
from tests.grafana.fake import ADMIN, FakeGrafana, running


@pytest.fixture
def fake() -> Iterator[FakeGrafana]:
    with running(FakeGrafana()) as grafana:
        yield grafana


@pytest.fixture
def naps() -> list[float]:
    """The pauses that the client would have made."""
    return []


@pytest.fixture
def grafana(fake: FakeGrafana, naps: list[float]) -> Grafana:
    return Grafana(Address(fake.url, ADMIN, timeout_seconds=5), sleep=naps.append)
