"""Fits `models.judge` to the labelled worlds, and says how well it does on worlds it has not seen.

`python -m tests.bench.judge` prints the figures: cross-validated over the worlds (a fourth of them held out
each time), and of the judge that ships on `../shared/data/tech-comments` where that lies beside the checkout.
`make fit` also writes models/data/judge.json anew. What is fitted: two logistic regressions over the vector
of a whole comment less the mean of its language, 385 numbers each. C = 10 was chosen on the worlds.

substance: whether a comment makes or denies any narrative (area under the ROC curve). stance: of the comments
that do, whether they support or rebut (macro-averaged F1 of the two).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

from tests.bench.sets import BESIDE
from tests.bench.vectors import StoredEmbedder, stored_embedder
from tests.worlds import names, read_world

ROOT = Path(__file__).resolve().parents[2]
JUDGE = ROOT / "models" / "data" / "judge.json"
MODEL = "intfloat/multilingual-e5-small"
FOLDS = 4
C = 10.0
_DIGITS = 4
_FEW = 8  # comments of a language, below which it has no mean of its own

Rows = NDArray[np.float64]
Truth = NDArray[np.bool_]


class Labelled(NamedTuple):
    """texts and languages, and of each: whether it makes or denies a claim, and whether it denies one."""

    texts: list[str]
    languages: list[str]
    substance: Truth
    rebuts: Truth


class Examples(NamedTuple):
    """Rows (n, d) to learn from, less the means of their languages, with the truth (n,)."""

    rows: Rows
    substance: Truth
    rebuts: Truth


class Line(NamedTuple):
    """A linear score. weights: (d,)."""

    weights: Rows
    intercept: float

    def of(self, rows: Rows) -> Rows:
        """Logits of rows, (n,)."""
        scores: Rows = rows @ self.weights + self.intercept
        return scores


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write models/data/judge.json")
    arguments = parser.parse_args()
    embedder = stored_embedder()
    worlds = [_examples(embedder, _world(name)) for name in names()]
    for fold in range(FOLDS):
        substance, rebuts = fit([one for n, one in enumerate(worlds) if n % FOLDS != fold])
        _tell(f"worlds {', '.join(names()[fold::FOLDS])} held out", substance, rebuts, worlds[fold::FOLDS])
    substance, rebuts = fit(worlds)
    beside = BESIDE / "tech-comments" / "comments.jsonl"
    if beside.is_file():
        _tell("tech-comments, fitted on all worlds", substance, rebuts, [_examples(embedder, _lines(beside))])
    if arguments.write:
        JUDGE.write_bytes(_encoded(substance, rebuts))
        print(f"written to {JUDGE.relative_to(ROOT)}")


def fit(examples: Sequence[Examples]) -> tuple[Line, Line]:
    """The scores of substance and of rebuttal."""
    rows = np.concatenate([one.rows for one in examples])
    substance = np.concatenate([one.substance for one in examples])
    rebuts = np.concatenate([one.rebuts for one in examples])
    return _line(rows, substance, None), _line(rows[substance], rebuts[substance], "balanced")


def _line(rows: Rows, truth: Truth, weighing: str | None) -> Line:
    model = LogisticRegression(C=C, max_iter=3000, class_weight=weighing).fit(rows, truth)
    return Line(model.coef_[0], float(model.intercept_[0]))


def _tell(name: str, substance: Line, rebuts: Line, examples: Sequence[Examples]) -> None:
    rows = np.concatenate([one.rows for one in examples])
    truth = np.concatenate([one.substance for one in examples])
    denied = np.concatenate([one.rebuts for one in examples])[truth]
    area = roc_auc_score(truth, substance.of(rows))
    stance = f1_score(denied, rebuts.of(rows[truth]) > 0.0, average="macro")
    print(f"{name}: substance {area:.3f}, stance {stance:.3f} ({denied.sum()} rebut, {len(denied)} in all)")


def _world(name: str) -> Labelled:
    comments = read_world(name).comments
    return Labelled(
        [one.text for one in comments],
        [one.language for one in comments],
        np.array([bool(one.makes) for one in comments]),
        np.array([not all(one.makes.values()) for one in comments]),
    )


def _lines(path: Path) -> Labelled:
    records = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    stances = [[made["stance"] for made in record["narratives"]] for record in records]
    return Labelled(
        [record["text"] for record in records],
        [record["lang"] for record in records],
        np.array([bool(found) for found in stances]),
        np.array(["rebuts" in found for found in stances]),
    )


def _examples(embedder: StoredEmbedder, labelled: Labelled) -> Examples:
    rows = embedder.embed(labelled.texts).astype(np.float64)
    languages = np.array(labelled.languages)
    of_all = rows.mean(axis=0)
    for language in sorted(set(labelled.languages)):
        mine = languages == language
        rows[mine] -= rows[mine].mean(axis=0) if mine.sum() >= _FEW else of_all
    return Examples(rows, labelled.substance, labelled.rebuts)


def _encoded(substance: Line, rebuts: Line) -> bytes:
    lines = {
        name: {"weights": line.weights.round(_DIGITS).tolist(), "intercept": line.intercept}
        for name, line in (("substance", substance), ("rebuts", rebuts))
    }
    return msgspec.json.format(msgspec.json.encode({"model": MODEL, **lines}), indent=0) + b"\n"


if __name__ == "__main__":
    main()
