"""A store, and a client of the application around it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from streams.settings import Settings
from streams.web.app import create_app
from streams.web.metrics import WebMetrics
from streams.web.progress import Progress
from streams.web.store import Store

ADDRESS = "http://127.0.0.1:8484"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "web.sqlite3")
    yield made
    made.close()


@pytest.fixture
async def client(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """As a reader on this machine, who wants English."""
    app = create_app(store, Settings(), Progress("a test"), WebMetrics(CollectorRegistry()))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=ADDRESS, headers={"accept-language": "en"}
    ) as reader:
        yield reader
