"""When the clusters of a peer emerge, and what becomes of joined ones."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.bench.found import Material, OutOfTimeError, Tracker
from tests.bench.leader import Leader
from tests.bench.peer import centred
from tests.bench.sets import comment_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def minute(n: int) -> datetime:
    return START + timedelta(minutes=n)


def material(authors: str, *, budget_seconds: float = 60.0) -> Material:
    """A comment a minute; a letter is an author."""
    comments = [
        comment_of({"id": n, "created_at": minute(n).isoformat(), "author": one, "text": "x", "gold": []})
        for n, one in enumerate(authors)
    ]
    return Material(comments, np.eye(len(authors), 8, dtype=np.float32), budget_seconds)


def test_emerges_with_the_third_author() -> None:
    tracker = Tracker(material("aabcd"))
    for place in range(5):
        tracker.put(place, 7)
    found = tracker.found()
    assert found.emerged == {"7": minute(3)}
    assert found.narratives == {str(n): ["7"] for n in range(5)}


def test_what_never_emerges_is_no_narrative() -> None:
    tracker = Tracker(material("aaaaab"))
    for place in range(6):
        tracker.put(place, 7)
    assert tracker.found()[:2] == ({}, {})


def test_joined_clusters_emerge_together_and_stay_joined() -> None:
    tracker = Tracker(material("abcd"))
    tracker.put(0, 0)
    tracker.put(1, 1)
    tracker.put(2, 1)
    tracker.merge(1, 0, decided=2)
    tracker.put(3, 1)
    found = tracker.found()
    assert found.emerged == {"0": minute(2)}
    assert found.narratives == {str(n): ["0"] for n in range(4)}


def test_a_batch_emerges_when_it_is_decided() -> None:
    tracker = Tracker(material("abcd"))
    for place in range(3):
        tracker.put(place, 0, decided=3)
    assert tracker.found().emerged == {"0": minute(3)}


def test_time_runs_out() -> None:
    with pytest.raises(OutOfTimeError):
        Tracker(material("a", budget_seconds=-1.0)).put(0, 0)


def test_a_leader_finds_directions() -> None:
    some = material("abcdef")
    rows = np.eye(2, 8, dtype=np.float32)[[0, 1, 0, 1, 0, 1]]
    found = Leader(0.9, centre=False)(some._replace(vectors=rows))
    assert found.emerged == {"0": minute(4), "1": minute(5)}


def test_centring_knows_the_past_alone() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    assert np.allclose(centred(vectors)[:10], centred(vectors[:10]))
    assert np.allclose(np.linalg.norm(centred(vectors)[1:], axis=1), 1, atol=1e-5)
