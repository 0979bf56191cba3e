"""The grids of the peers on the worlds: which thresholds to choose."""

from collections.abc import Iterator, Sequence

from models.embedding import Embedder
from tests.bench.peers import Method
from tests.bench.running import Row, run_peer
from tests.bench.scoring import Figures
from tests.bench.sets import Stream

__all__ = ["fit", "merit"]


def merit(figures: Figures, *, offline: bool) -> float:
    """What thresholds are chosen by: detection and grouping, half each; in [0, 1]."""
    recall = (figures.recall if offline else figures.recall_at_k) or 0.0
    precision = figures.precision or 0.0
    detection = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    return (detection + (figures.bcubed_f1 or 0.0)) / 2


def fit(method: Method, streams: Sequence[Stream], embedder: Embedder) -> Iterator[str]:
    """Each of the grid with its figures, then the best; lines to print."""
    rows: dict[str, float] = {}
    for peer in method.grid:
        row = run_peer(method.name, peer, streams, embedder, budget_seconds=float("inf"))
        if row.figures is None:
            yield f"{peer}: {row.trouble}"
            continue
        rows[str(peer)] = merit(row.figures, offline=method.offline)
        yield f"{rows[str(peer)]:.3f}  {peer}  {_short(row)}"
    if rows:
        best = max(rows, key=lambda one: rows[one])
        yield f"{method.name}: best {best}, chosen {method.chosen}"


def _short(row: Row) -> str:
    assert row.figures is not None
    shown = {
        name: value
        for name, value in row.figures._asdict().items()
        if name in {"recall_at_k", "recall", "precision", "bcubed_f1"} and value is not None
    }
    return ", ".join(f"{name} {value:.3f}" for name, value in shown.items()) + f", {row.seconds:.1f} s"
