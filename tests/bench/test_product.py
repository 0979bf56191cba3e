"""The bench runs narrawatch as `narrawatch replay` does."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from models.background import background_of
from models.embedding import HashEmbedder, load_embedder
from streams.replay import ReplayPlan, replay
from streams.settings import Settings
from tests.bench.product import AUTHOR_KEY, narratives_of
from tests.bench.sets import SETS
from tests.bench.vectors import StoredEmbedder


def test_says_what_replay_says(tmp_path: Path) -> None:
    stream = next(SETS[0].load())
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(one.record for one in stream.comments))
    settings = Settings(model="hash", author_key=SecretStr(AUTHOR_KEY), data_dir=tmp_path / "data")
    last = max(one.at for one in stream.comments) + timedelta(days=1)
    plan = ReplayPlan(inputs=[str(tmp_path / "in.jsonl")], out=tmp_path / "out")
    replay(settings, plan, now_ms=int(last.timestamp() * 1000), progress=lambda *_: None)

    embedder = load_embedder("hash")
    found = narratives_of(stream.comments, embedder, background_of(embedder), split=True)
    lines = (tmp_path / "out" / "assignments.jsonl").read_text(encoding="utf-8").splitlines()
    assigned: dict[str, list[str]] = {}
    for line in map(json.loads, lines):
        if line["narrative_id"] is not None:
            assigned.setdefault(line["comment_id"], []).append(line["narrative_id"])
    assert assigned
    assert found.narratives == assigned
    events = (tmp_path / "out" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    emerged = {one["narrative_id"] for one in map(json.loads, events) if one["type"] == "emerged"}
    assert set(found.emerged) == emerged


def test_stored_vectors_are_the_same(tmp_path: Path) -> None:
    texts = ["one text", "another text", "one text"]
    fresh = HashEmbedder().embed(texts)
    first = StoredEmbedder(HashEmbedder(), tmp_path).embed(texts)

    class Refusing(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            raise AssertionError(f"not from the store: {texts}")

    again = StoredEmbedder(Refusing(), tmp_path).embed(texts)
    assert (fresh == first).all()
    assert (fresh == again).all()
