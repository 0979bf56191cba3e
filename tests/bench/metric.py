"""Fits `models.metric` to labelled claims, and says what it gains on threads it has not seen.

`python -m tests.bench.metric` prints, before and after: the average precision of telling, inside a thread,
the pairs of comments that make the same narrative, mean over threads. Cross-validated over the worlds (a
fourth of them held out each time), over halves of the topics of argkp, and of the metric that ships on the
other half and on tech-comments; argkp.jsonl and tech-comments lie beside the checkout. With --write also
models/data/metric.json is made anew.

What is fitted: a linear discriminant analysis inside threads. The covariance of comments within a narrative,
shrunk to a multiple of identity, is made round (Hatch et al. 2006, "Within-class covariance normalization"),
and in that space directions count the more the more narratives of one thread differ in them. Of its singular
directions those that it changes most are kept. Three numbers, and how much of it counts in a young thread
(`models.context`), were chosen by comparing some forty forms on the worlds, argkp, tech-comments and one
French thread: see docs/quality.md.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from models.metric import VERSION, Fitted, Metric
from tests.bench.sets import SETS, Comment
from tests.bench.vectors import StoredEmbedder, stored_embedder

FILE = Path(__file__).resolve().parents[2] / "models" / "data" / "metric.json"
MODEL = "intfloat/multilingual-e5-small"
FOLDS = 4
IDENTITY = 0.8  # share of the identity in the covariance within narratives
BETWEEN = 0.25  # how much a direction gains by the narratives that differ in it
DIRECTIONS = 64
_COPY = 0.9  # cosine of near-copies: they say nothing of how one claim is put differently
_FEW = 8  # comments of a language, below which it has no mean of its own

Rows = NDArray[np.float64]
Names = NDArray[np.str_]


class Examples(NamedTuple):
    """Rows (n, d) of comments that make one narrative each, less the means of their languages, of unit
    length; narratives and threads, named so that no two sets share one: (n,).
    """

    rows: Rows
    narratives: Names
    threads: Names

    def only(self, keep: NDArray[np.bool_]) -> "Examples":
        """Those that are to be kept, (n,)."""
        return Examples(self.rows[keep], self.narratives[keep], self.threads[keep])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write models/data/metric.json")
    arguments = parser.parse_args()
    embedder = stored_embedder()
    worlds = _examples_of(embedder, "worlds")
    (topics,) = _examples_of(embedder, "argkp")
    halves = [_of_threads(topics, sorted(set(topics.threads))[part::2]) for part in range(2)]
    for fold in range(FOLDS):
        seen = [one for number, one in enumerate(worlds) if number % FOLDS != fold]
        _tell(f"worlds, fold {fold}", fit([*seen, halves[0]]), worlds[fold::FOLDS])
    _tell("argkp, the other half of its topics", fit([*worlds, halves[0]]), halves[1:])
    fitted = fit([*worlds, halves[1]])
    _tell("argkp, the first half of its topics", fitted, halves[:1])
    _tell("tech-comments", fitted, _examples_of(embedder, "tech-comments"))
    if arguments.write:
        FILE.write_bytes(_encoded(*fitted))
        print(f"written to {FILE.name}")


def fit(parts: Sequence[Examples]) -> tuple[Rows, Rows]:
    """Directions (k, d), orthonormal, and their gains (k,)."""
    known = _without_copies(_joined(parts))
    dimensions = known.rows.shape[1]
    within = _round(_within(known)) * (1.0 - IDENTITY) + np.eye(dimensions) * IDENTITY
    whitening = _power(within, -0.5)
    between = _round(whitening @ _between(known) @ whitening)
    squares, directions = np.linalg.eigh(whitening @ (np.eye(dimensions) + BETWEEN * between) @ whitening)
    gains = np.sqrt(squares / np.median(squares))
    chosen = np.argsort(-np.abs(np.log(gains)), kind="stable")[:DIRECTIONS]
    return directions[:, chosen].T, gains[chosen]


def _within(known: Examples) -> Rows:
    """Covariance of rows about the mean of their narrative, (d, d)."""
    spread = [rows - rows.mean(axis=0) for rows in _groups(known.rows, known.narratives)]
    left = np.concatenate(spread)
    covariance: Rows = left.T @ left / (len(left) - len(spread))
    return covariance


def _between(known: Examples) -> Rows:
    """Covariance of the means of a thread's narratives about the thread's, (d, d)."""
    spread = []
    for thread in np.unique(known.threads):
        here = known.threads == thread
        groups = _groups(known.rows[here], known.narratives[here])
        centre = known.rows[here].mean(axis=0)
        if len(groups) > 1:
            spread += [(rows.mean(axis=0) - centre) * np.sqrt(len(rows)) for rows in groups]
    found = np.stack(spread)
    scatter: Rows = found.T @ found
    return scatter


def _groups(rows: Rows, names: Names) -> list[Rows]:
    return [rows[names == name] for name in np.unique(names)]


def _round(covariance: Rows) -> Rows:
    """Scaled so that its mean eigenvalue is 1."""
    scaled: Rows = covariance / np.trace(covariance) * len(covariance)
    return scaled


def _power(symmetric: Rows, exponent: float) -> Rows:
    values, vectors = np.linalg.eigh(symmetric)
    raised: Rows = (vectors * values**exponent) @ vectors.T
    return raised


def _without_copies(known: Examples) -> Examples:
    keep = np.ones(len(known.rows), dtype=np.bool_)
    for name in np.unique(known.narratives):
        places = np.flatnonzero(known.narratives == name)
        alike = known.rows[places] @ known.rows[places].T > _COPY
        for number in range(1, len(places)):
            keep[places[number]] = not (alike[number, :number] & keep[places[:number]]).any()
    return known.only(keep)


def _joined(parts: Sequence[Examples]) -> Examples:
    return Examples(
        np.concatenate([one.rows for one in parts]),
        np.concatenate([one.narratives for one in parts]),
        np.concatenate([one.threads for one in parts]),
    )


def _of_threads(known: Examples, threads: Iterable[str]) -> Examples:
    return known.only(np.isin(known.threads, list(threads)))


def _tell(name: str, fitted: tuple[Rows, Rows], parts: Sequence[Examples]) -> None:
    directions, gains = (part.astype(np.float32) for part in fitted)
    held_out = _joined(parts)
    before = _told(held_out, held_out.rows)
    rows = held_out.rows.astype(np.float32)
    after = _told(held_out, Metric(directions, gains).of(rows, np.ones(len(rows), dtype=np.float32)))
    print(f"{name} held out: average precision of pairs {before:.3f}, with the metric {after:.3f}")


def _told(known: Examples, rows: NDArray[np.floating]) -> float:
    """Mean over threads of the average precision of pairs by their cosine; near-copies prove nothing."""
    figures = []
    for thread in np.unique(known.threads):
        here = np.flatnonzero(known.threads == thread)
        one, two = np.triu_indices(len(here), 1)
        mine = rows[here] / np.linalg.norm(rows[here], axis=1, keepdims=True)
        same = known.narratives[here][one] == known.narratives[here][two]
        kept = np.sum(known.rows[here][one] * known.rows[here][two], axis=1) < _COPY
        if same[kept].any() and not same[kept].all():
            cosines = np.sum(mine[one] * mine[two], axis=1)
            figures.append(average_precision_score(same[kept], cosines[kept]))
    return float(np.mean(figures))


def _examples_of(embedder: StoredEmbedder, name: str) -> list[Examples]:
    (one,) = (one for one in SETS if one.name == name)
    return [_examples(embedder, f"{name} {stream.name}", stream.comments) for stream in one.load()]


def _examples(embedder: StoredEmbedder, name: str, comments: Sequence[Comment]) -> Examples:
    rows = embedder.embed([one.text for one in comments]).astype(np.float64)
    languages = np.array([one.language for one in comments])
    of_all = rows.mean(axis=0)
    for language in np.unique(languages):
        mine = languages == language
        rows[mine] -= rows[mine].mean(axis=0) if mine.sum() >= _FEW else of_all
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    single = np.array([len(one.labels) == 1 for one in comments])
    return Examples(
        rows[single],
        np.array([f"{name}: {min(one.labels)}" for one in comments if len(one.labels) == 1]),
        np.array([f"{name}: {one.thread}" for one in comments if len(one.labels) == 1]),
    )


def _encoded(directions: Rows, gains: Rows) -> bytes:
    signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
    held = (directions * signs[:, None]).astype("<f2").tobytes()
    fitted = Fitted(version=VERSION, model=MODEL, gains=gains.round(4).tolist(), directions=held)
    return msgspec.json.format(msgspec.json.encode(fitted), indent=1) + b"\n"


if __name__ == "__main__":
    main()
