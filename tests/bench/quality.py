"""`make bench-quality`: narrawatch and its peers on all labelled streams, as one page of tables.

Without options it writes docs/quality.md at the end; a run of some sets or some methods only prints.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from models.background import background_of
from tests.bench.fitting import fit
from tests.bench.peers import METHODS, Method
from tests.bench.report import Result, document, table
from tests.bench.running import Row, run_peer, run_product
from tests.bench.sets import SETS, BenchSet, Stream, is_there
from tests.bench.vectors import StoredEmbedder, stored_embedder

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[2]
_PAGE = _ROOT / "docs" / "quality.md"
_PRODUCT = "narrawatch"


@click.command()
@click.option(
    "--set", "sets", multiple=True, type=click.Choice([one.name for one in SETS]), help="Only this set."
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice([_PRODUCT, *(method.name for method in METHODS)]),
    help="Only this method.",
)
@click.option("--limit", type=click.IntRange(min=100), help="Read so many comments of a stream at most.")
@click.option(
    "--budget",
    "budget_minutes",
    default=10.0,
    show_default=True,
    help="Minutes of processor time after which a peer is given up on a set.",
)
@click.option("--fit", "is_fit", is_flag=True, help="Print the grids of the peers on the worlds instead.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the page here, whatever was run.")
def main(
    *,
    sets: Sequence[str],
    methods: Sequence[str],
    limit: int | None,
    budget_minutes: float,
    is_fit: bool,
    out: Path | None,
) -> None:
    """Compare narrawatch with other ways to cluster a stream."""
    embedder = stored_embedder()
    chosen = [method for method in METHODS if not methods or method.name in methods]
    if is_fit:
        _fit(chosen, embedder)
        return
    bench = _Bench(embedder, chosen, limit, budget_minutes * 60, product=not methods or _PRODUCT in methods)
    results = [bench.run(one) for one in SETS if not sets or one.name in sets]
    day = datetime.now(UTC).date()
    page = document(results, model=embedder.name, day=day, budget_seconds=budget_minutes * 60)
    click.echo(page)
    if out or not (sets or methods):
        path = out or _PAGE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
        click.echo(f"written to {path}", err=True)


class _Bench:
    """The methods of a run, on one set after another."""

    def __init__(
        self,
        embedder: StoredEmbedder,
        methods: Sequence[Method],
        limit: int | None,
        budget_seconds: float,
        *,
        product: bool,
    ) -> None:
        self._embedder = embedder
        self._background = background_of(embedder)
        self._methods = methods
        self._limit = limit
        self._budget_seconds = budget_seconds
        self._product = product

    def run(self, one: BenchSet) -> Result:
        """All methods on one set; no rows when its data are not there."""
        if not is_there(one):
            return Result(one.name, one.about, 0, shortened=False, rows=[])
        whole = list(one.load())
        streams = [Stream(stream.name, stream.comments[: self._limit]) for stream in whole]
        rows = [_reported(one.name, row) for row in self._rows(one, streams)]
        click.echo(table(rows), err=True)
        count, all_of_it = (sum(len(stream.comments) for stream in some) for some in (streams, whole))
        return Result(one.name, one.about, count, shortened=count < all_of_it, rows=rows)

    def _rows(self, one: BenchSet, streams: Sequence[Stream]) -> Iterator[Row]:
        if self._product:
            yield run_product(streams, self._embedder, self._background, split=one.split)
        for method in self._methods:
            run = partial(run_peer, method.name, method.chosen, streams, self._embedder)
            yield run(budget_seconds=self._budget_seconds)


def _reported(name: str, row: Row) -> Row:
    said = row.trouble or f"{row.seconds:.1f} s of clustering"
    click.echo(f"{time.strftime('%H:%M:%S')} {name}: {row.method}: {said}", err=True)
    return row


def _fit(methods: Sequence[Method], embedder: StoredEmbedder) -> None:
    (worlds,) = (one for one in SETS if one.name == "worlds")
    streams = list(worlds.load())
    for method in methods:
        for line in fit(method, streams, embedder):
            click.echo(line)


if __name__ == "__main__":
    main()
