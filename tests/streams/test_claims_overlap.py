"""Reading, embedding and delivering go on side by side, in order; nothing is done before it has arrived."""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, cast

import faust
import numpy as np
import pytest
from faust import EventT
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from models.embedding import HashEmbedder
from streams.app import create_app
from streams.claim_stage import ClaimStage, StageError
from streams.metrics import Metrics
from streams.output import Output
from streams.records import decode_claims
from streams.settings import Settings, load_settings
from tests.streams.test_agents import NOW_SECONDS, comment, until

BATCH = 3


class CountingEmbedder:
    def __init__(self) -> None:
        self._inner = HashEmbedder()
        self.name = "counting"
        self.dimensions = self._inner.dimensions
        self.batches: list[int] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(texts) <= BATCH:  # more are the ordinary texts that come first
            self.batches.append(len(texts))
        return self._inner.embed(texts)


class HeldOutlet:
    """Takes records; they have arrived when it is let go."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.may_arrive = asyncio.Event()

    async def send(self, output: Output) -> Awaitable[object]:
        self.outputs.append(output)
        return asyncio.ensure_future(self.may_arrive.wait())

    @property
    def comments(self) -> list[str]:
        return [decode_claims(output.value).comment_id for output in self.outputs]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        data_dir=tmp_path,
        cache_dir=tmp_path,
        batch_max_comments=BATCH,
        batch_wait_seconds=0.05,
        partitions=1,
        model="hash",
        kafka_embedded=True,
    )


def app_of(settings: Settings, embedder: CountingEmbedder, outlet: HeldOutlet) -> faust.App:
    return create_app(settings, embedder=embedder, metrics=Metrics(CollectorRegistry()), outlet=outlet)


async def put(claims: Any, comment_id: str) -> EventT[bytes]:
    event = await claims.put(comment(comment_id), timestamp=NOW_SECONDS, wait=False)
    event.message.incref()  # as Faust's conductor does for each stream that gets a message
    return cast("EventT[bytes]", event)


async def test_a_batch_is_embedded_while_the_one_before_is_on_its_way(settings: Settings) -> None:
    embedder, outlet = CountingEmbedder(), HeldOutlet()
    agent = cast("Any", app_of(settings, embedder, outlet).agents["claims"])
    async with agent.test_context() as claims:
        events = [await put(claims, f"c{n}") for n in range(4 * BATCH)]
        await until(lambda: len(outlet.outputs) >= 1 and len(embedder.batches) == 2)
        await asyncio.sleep(0.2)
        assert len(embedder.batches) == 2  # no more than one waits for its turn
        assert len(outlet.outputs) <= BATCH
        assert not any(event.message.acked for event in events)
        outlet.may_arrive.set()
        await until(lambda: all(event.message.acked for event in events))
    assert outlet.comments == [f"c{n}" for n in range(4 * BATCH)]


async def test_what_ends_the_stage_ends_the_agent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: ClaimStage, readings: Sequence[object]) -> None:
        raise StageError("comment after comment fails")

    monkeypatch.setattr(ClaimStage, "judge", fails)
    agent = cast("Any", app_of(settings, CountingEmbedder(), HeldOutlet()).agents["claims"])
    async with agent.test_context() as claims:
        event = await put(claims, "c")
        await until(lambda: claims.crash_reason is not None)
        assert isinstance(claims.crash_reason, StageError)
        assert not event.message.acked
