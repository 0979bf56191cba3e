"""How long a worker takes to be back with an empty disk: `python -m tests.bench.recovery`.

Fills the topic of state on an Apache Kafka of its own with made-up narratives, comments that were seen and a
full window, starts a worker, and measures until it is ready and until it has dealt with some comments.
"""

import asyncio
import tempfile
import time
from itertools import islice
from pathlib import Path

import click
import numpy as np

from models.embedding import load_embedder
from models.engine import Engine
from models.language import LanguageDetector
from models.narrative import Narrative, member_of
from models.outcome import State
from models.packaged import default_cache_dir
from streams.apache.broker import ApacheBroker
from streams.desks import Shard
from streams.engines import EngineMaker
from streams.ordering import PartitionMerge
from streams.records import ClaimBatch
from streams.settings import Settings, load_settings
from streams.state_store import StateStore
from streams.topics import create_topics
from tests.apache import QUICK_RESTART
from tests.bench.made_claims import made_claims
from tests.bench.made_rows import MadeRows
from tests.faults.stage import cpu_seconds, resident_bytes
from tests.faults.traffic import traffic
from tests.integration.live import Worker, send, wait_until_done

_MENTIONS = 6  # of each narrative: most have few
_WINDOW_CLAIMS = 1_100  # fills the window
_LAST_CLAIMS = 200  # until the next review, which finds that nothing in the window is of the narratives


@click.command()
@click.option("--narratives", default=50_000, show_default=True)
def main(narratives: int) -> None:
    """Print how long it takes."""
    cache = default_cache_dir()
    with (
        tempfile.TemporaryDirectory(prefix="narrawatch-recovery-") as folder,
        ApacheBroker(cache_dir=cache, properties=QUICK_RESTART) as broker,
    ):
        settings = load_settings(
            kafka_bootstrap=broker.address,
            partitions=1,
            model="packaged",
            data_dir=Path(folder),
            cache_dir=cache,
            metrics_port=0,
            author_key="a key of authors for the bench",
            hot_narratives=max(1_000, narratives),
        )
        create_topics(settings)
        size = _fill(settings, narratives)
        click.echo(f"{narratives:,} narratives of {_MENTIONS} mentions saved: {size / 2**20:,.0f} MiB")
        with (Path(folder) / "worker.log").open("w+") as log:
            begun = time.monotonic()
            with Worker(settings, log) as worker:
                worker.ready()
                ready, work = time.monotonic() - begun, cpu_seconds(worker)
                send(settings, [(line.key, line.value) for line in traffic(20)])
                wait_until_done(settings)
                done = time.monotonic() - begun
                resident = resident_bytes(worker)
        click.echo(f"ready after {ready:.1f} s, 20 comments dealt with after {done:.1f} s from its start")
        click.echo(f"processor time until it was ready: {work:.1f} s")
        click.echo(f"resident: {resident / 2**20:,.0f} MiB")


def _fill(settings: Settings, narratives: int) -> int:
    """Save a shard of one desk; returns the bytes of its pieces."""
    embedder = load_embedder(settings.model, cache_dir=settings.cache_dir)
    engine = EngineMaker(settings, embedder, LanguageDetector())(settings.desk)
    _stock(engine, narratives)
    merge = PartitionMerge[tuple[int, ClaimBatch]](range(1), lateness_seconds=settings.lateness_seconds)
    shard = Shard(lambda _: engine, dimensions=embedder.dimensions, merge=merge)
    shard.adopt(settings.desk)
    pieces, _ = shard.changes(embedder.name, everything=True)

    async def save() -> None:
        store = StateStore(settings, lambda: embedder.name)
        await store.take(0)
        await store.save(0, pieces, [])
        await store.close()

    asyncio.run(save())
    return sum(map(len, pieces.values()))


def _stock(engine: Engine, count: int) -> None:
    """Give an engine a full window, and so many narratives whose claims have left it."""
    claims = made_claims(_WINDOW_CLAIMS + count * _MENTIONS + _LAST_CLAIMS)
    engine.observe([claim] for claim in islice(claims, _WINDOW_CLAIMS))
    made = MadeRows(1_000)
    now = engine.now_ms or 0
    for number in range(count):
        uid = engine._centroids.create(now)
        narrative = Narrative(uid=uid, narrative_id=f"n{uid:016x}", state=State.EMERGED, emerged_ms=now)
        rows = made.claims(np.full(_MENTIONS, number % 1_000))
        for claim, row in zip(islice(claims, _MENTIONS), rows, strict=True):
            member = member_of(claim, now)
            narrative.add(member)
            narrative.settle(member)
            engine._centroids.settle(uid, row)
            engine._seen.put(member.key, 1, now)
        engine._narratives[uid] = narrative
    engine.observe([claim] for claim in claims)


if __name__ == "__main__":
    main()
