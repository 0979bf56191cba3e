"""The figures on cases small enough to count by hand, and against the scorer beside the checkout."""

import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.bench.bcubed import bcubed_f1
from tests.bench.found import Found
from tests.bench.scoring import mean_of, score
from tests.bench.sets import BESIDE, Comment, comment_of

START = datetime(2026, 1, 1, tzinfo=UTC)
SCORER = BESIDE.parent / "tools" / "score.py"


def comment(n: int, labels: str, *, thread: str = "t", lang: str = "fr") -> Comment:
    """Comment n, n minutes after the start; a letter of `labels` is a label."""
    return comment_of(
        {
            "id": f"c{n}",
            "thread": thread,
            "created_at": (START + timedelta(minutes=n)).isoformat(),
            "lang": lang,
            "text": f"text {n}",
            "gold": list(labels),
        }
    )


def found(narratives: Sequence[str], emerged: Mapping[str, int]) -> Found:
    """A letter of an item is a narrative of that comment; when each emerged, in minutes."""
    return Found(
        {f"c{n}": list(ids) for n, ids in enumerate(narratives) if ids},
        {one: START + timedelta(minutes=minutes) for one, minutes in emerged.items()},
        1.0,
    )


def test_a_perfect_result() -> None:
    comments = [comment(n, "ab"[n % 2]) for n in range(12)]
    figures = score(comments, found(["xy"[n % 2] for n in range(12)], {"x": 4, "y": 5}))
    assert figures.recall_at_k == figures.recall == figures.precision == figures.duplicates == 1
    assert figures.bcubed_f1 == pytest.approx(1)
    assert figures.nmi == pytest.approx(1)
    assert figures.ari == figures.coverage == 1
    assert figures.delay_mentions == 3  # each had three mentions when it emerged
    assert figures.ari_per_thread is None  # one thread
    assert figures.cross_lingual is None  # one language


def test_nothing_found() -> None:
    figures = score([comment(n, "a") for n in range(6)], found([], {}))
    assert figures.recall == figures.recall_at_k == figures.precision == figures.coverage == 0
    assert figures.duplicates is None
    assert figures.delay_mentions is None


def test_late_doubled_and_wrong_narratives() -> None:
    comments = [comment(n, "a") for n in range(8)] + [comment(n, "") for n in range(8, 12)]
    # x and y hold half of "a" each, z is chatter; x emerged after the sixth mention (minute 5).
    figures = score(comments, found([*"xxxxyyyyzzzz"], {"x": 6, "y": 7, "z": 11}))
    assert figures.recall == 1
    assert figures.recall_at_k == 0
    assert figures.precision == pytest.approx(2 / 3)
    assert figures.duplicates == 2
    assert figures.delay_mentions == 7


@pytest.mark.parametrize(("strangers", "matches"), [(3, 1.0), (4, 0.0)])
def test_a_match_is_half_of_the_narrative(strangers: int, matches: float) -> None:
    comments = [comment(n, "a" if n < 6 else "") for n in range(12)]
    narratives = ["x"] * 3 + [""] * 3 + ["x"] * strangers
    assert score(comments, found(narratives, {"x": 9})).precision == matches


def test_a_match_is_three_comments() -> None:
    comments = [comment(n, "a") for n in range(6)]
    assert score(comments, found(["x", "x"], {"x": 2})).precision == 0


def test_languages_held_by_one_narrative_or_by_two() -> None:
    comments = [comment(n, "a", lang="fr" if n < 4 else "en") for n in range(8)]
    emerged = {"x": 3, "y": 7}
    assert score(comments, found([*"xxxxyyyy"], emerged)).cross_lingual == 0
    assert score(comments, found([*"xxxxxxyy"], emerged)).cross_lingual == 1


def test_agreement_inside_each_thread() -> None:
    comments = [comment(n, "aabb"[n % 4], thread="st"[n // 4]) for n in range(8)]
    whole_threads = score(comments, found([*"xxxxyyyy"], {"x": 3, "y": 7}))
    assert whole_threads.ari_per_thread == 0
    split_threads = score(comments, found([*"xxyyvvww"], {}))
    assert split_threads.ari_per_thread == 1
    assert split_threads.ari is not None
    assert split_threads.ari < 1  # across threads the halves are other clusters


def test_bcubed_of_plain_clusters() -> None:
    """Labels aaab, clusters xxyy: precision (1 + 1 + 1/2 + 1/2) / 4, recall (2/3 + 2/3 + 1/3 + 1) / 4."""
    labels = {str(n): frozenset("aaab"[n]) for n in range(4)}
    clusters = {str(n): frozenset("xxyy"[n]) for n in range(4)}
    precision, recall = 3 / 4, 8 / 3 / 4
    assert bcubed_f1(labels, clusters) == pytest.approx(2 * precision * recall / (precision + recall))


def test_bcubed_of_overlapping_clusters() -> None:
    """Both items bear a and b, but share one of their clusters only: half of each pair is recalled."""
    labels = {"0": frozenset("ab"), "1": frozenset("ab")}
    clusters = {"0": frozenset("xy"), "1": frozenset("x")}
    recall = ((1 + 1 / 2) / 2 + (1 / 2 + 1 / 2) / 2) / 2
    assert bcubed_f1(labels, clusters) == pytest.approx(2 * recall / (1 + recall))


def test_bcubed_of_items_without_cluster() -> None:
    labels = {"0": frozenset("a"), "1": frozenset("a")}
    assert bcubed_f1(labels, {}) == pytest.approx(2 * 0.5 / 1.5)


def test_a_mean_leaves_out_what_is_not_there() -> None:
    one = score([comment(n, "a") for n in range(6)], found(["x"] * 6, {"x": 2}))
    other = score([comment(n, "a") for n in range(6)], found([], {}))
    assert mean_of([one, other]).recall == 0.5
    assert mean_of([one, other]).duplicates == 1


def _random_replay(seed: int) -> tuple[list[Comment], Found]:
    """Narratives that follow the labels most of the time, several a comment, some comments without."""
    draw = random.Random(seed)  # noqa: S311
    comments = [
        comment(
            n,
            "".join(draw.sample("abcdefghij", draw.choice((0, 1, 1, 1, 2)))),
            thread=draw.choice("stu"),
            lang=draw.choice(("fr", "en")),
        )
        for n in range(300)
    ]
    narratives = [
        "".join(
            f"{label.upper() if draw.random() < 0.7 else draw.choice('ABCDEFGHIJXYZ')}"
            for label in [*sorted(one.labels), "a"][: draw.choice((0, 1, 1, 2))]
        )
        for one in comments
    ]
    return comments, found(narratives, {one: draw.randrange(300) for one in "ABCDEFGHIJXYZ"})


@pytest.mark.skipif(not SCORER.is_file(), reason="the scorer beside the checkout is not there")
@pytest.mark.parametrize("seed", [1, 2])
def test_agrees_with_the_scorer_beside_the_checkout(tmp_path: Path, seed: int) -> None:
    comments, result = _random_replay(seed)
    (tmp_path / "stream.jsonl").write_bytes(b"\n".join(one.record for one in comments))
    assignments = [
        {"comment_id": comment_id, "narrative_id": one}
        for comment_id, narratives in result.narratives.items()
        for one in narratives
    ]
    events = [
        {"type": "emerged", "narrative_id": one, "at": at.isoformat()} for one, at in result.emerged.items()
    ]
    for name, lines in (("assignments", assignments), ("events", events)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    printed = subprocess.run(
        [sys.executable, SCORER, tmp_path / "stream.jsonl", tmp_path, "--json"],
        env={"PYTHONHASHSEED": "0"},  # it goes through sets of labels
        capture_output=True,
        check=True,
    ).stdout
    theirs = json.loads(printed)
    ours = score(comments, result)._asdict()
    assert 0 < ours["precision"] < 1
    assert ours == pytest.approx({name: theirs[name] for name in ours})
