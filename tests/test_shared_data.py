"""What the project is judged by, on discussions that lie beside the checkout; skipped where they do not."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from streams.replay import ReplayPlan, replay
from streams.settings import Settings

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
THREAD = DATA / "thread-fr.txt"

pytestmark = pytest.mark.skipif(not THREAD.is_file(), reason="../shared/data is not there")

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module", params=["auto", "onnx", "onnx-int8"])
def out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is found does not hang on the last decimals of vectors."""
    folder = tmp_path_factory.mktemp("thread")
    settings = Settings(
        model="packaged",
        encoder=request.param,
        author_key=SecretStr("a key for these tests"),
        data_dir=folder / "data",
    )
    plan = ReplayPlan(
        inputs=[str(THREAD)],
        out=folder / "out",
        watch_phrases=["rachat déguisé", "disguised acquisition"],
    )
    replay(settings, plan, now_ms=1_790_000_000_000, progress=lambda *_: None)
    return folder / "out"


def lines(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_takeover_of_the_thread_emerges(out: Path) -> None:
    assignments = lines(out / "assignments.jsonl")
    assert sum("rachat" in line["text"].lower() for line in assignments) == 4
    found = [
        narrative
        for narrative in lines(out / "narratives.jsonl")
        if "rachat" in " ".join([narrative["label"], *narrative["keywords"]]).lower()
    ]
    assert len(found) == 1
    members = [line for line in assignments if line["narrative_id"] == found[0]["narrative_id"]]
    about = sum("rachat" in line["text"].lower() for line in members)
    assert about >= 3
    assert len(members) - about <= 3


@pytest.mark.parametrize("phrase", ["rachat déguisé", "disguised acquisition"])
def test_a_watch_finds_the_takeover_in_either_language(out: Path, phrase: str) -> None:
    matches = [match for match in lines(out / "watches.jsonl") if match["watch"] == phrase]
    best = max(matches, key=lambda match: float(match["similarity"]))
    assert "rachat déguisé" in best["text"] or "rachat semi-déguisée" in best["text"]
