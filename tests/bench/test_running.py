"""What becomes of peers that cannot run: they are named in the table, not left out."""

import sys
from pathlib import Path

import pytest

from models.embedding import HashEmbedder
from tests.bench.found import Found, Material
from tests.bench.leader import Leader
from tests.bench.peers import METHODS, Method
from tests.bench.running import run_peer
from tests.bench.sets import SETS, Stream, is_there


@pytest.fixture(scope="module")
def streams() -> list[Stream]:
    stream = next(SETS[0].load())
    return [Stream(stream.name, stream.comments[:60])]


@pytest.mark.parametrize("method", [one for one in METHODS if not isinstance(one.chosen, Leader)])
def test_a_library_that_is_not_installed(
    method: Method, streams: list[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("river.cluster", "bertopic"):
        monkeypatch.setitem(sys.modules, name, None)
    row = run_peer(method.name, method.chosen, streams, HashEmbedder(), budget_seconds=60)
    assert row.figures is None
    assert row.trouble in {"not installed: river", "not installed: bertopic"}


def test_a_budget_that_is_used_up(streams: list[Stream]) -> None:
    row = run_peer("leader", Leader(0.5, centre=False), streams, HashEmbedder(), budget_seconds=0)
    assert row.trouble == "not done after 0 minutes"


def test_a_peer_that_fails_is_reported(streams: list[Stream]) -> None:
    def peer(material: Material) -> Found:
        raise ZeroDivisionError

    row = run_peer("peer", peer, streams, HashEmbedder(), budget_seconds=60)
    assert row.trouble == "failed: ZeroDivisionError"


def test_a_peer_that_runs(streams: list[Stream]) -> None:
    row = run_peer("leader", Leader(0.5, centre=False), streams, HashEmbedder(), budget_seconds=60)
    assert row.figures is not None
    assert row.comments_per_second is not None


def test_what_is_chosen_was_tried() -> None:
    assert [method.name for method in METHODS if method.chosen not in method.grid] == []


def test_a_set_that_is_not_there() -> None:
    assert is_there(SETS[0])
    assert not is_there(SETS[1]._replace(path=Path("nowhere")))
