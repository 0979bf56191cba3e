"""`make bench-assignment`: how fast claims are assigned, and that a long stream makes it no slower.

Prints as it goes. Times are of one core when OPENBLAS_NUM_THREADS=1, which the make target sets.
"""

import platform
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import click
import msgspec
import numpy as np
from numpy.typing import NDArray

from models.background import background_of
from models.centroids import Centroids
from models.engine import Engine
from models.lexical import terms
from models.parameters import Parameters
from models.representation import Representation
from models.types import Claim, unpack_vectors
from tests.bench.life import live, resident_mib
from tests.bench.made_claims import BUSY, made_claims
from tests.bench.made_rows import DENSE, ROW, MadeRows

__all__ = ["main"]

_PARAMETERS = Parameters()
_THRESHOLD = _PARAMETERS.link_similarity
_LIVE = (100, 1_000, 10_000, 100_000)
_JUDGED = 20_000_000  # comparisons, at most, by which the sketch is judged
_ROUNDS = 7
_A_ROUND = 500
_FOLDED = 130  # as many numbers of 32 bits as the sketch has of 8 for the first look, and two more
_EXACT = 10**9
_A_CALL = 128
_WARM = 2_000


@click.command()
@click.option("--claims", default=1_000_000, show_default=True, help="Length of the long stream; 0: none.")
@click.option("--engine-claims", default=20_000, show_default=True, help="Of the whole engine; 0: none.")
@click.option("--queries", default=2_000, show_default=True, help="Claims by which the sketch is judged.")
def main(*, claims: int, engine_claims: int, queries: int) -> None:
    """Measure the assignment of claims to narratives."""
    click.echo(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}\n")
    _speeds(queries)
    _parts()
    if claims:
        _long_stream(claims)
    if engine_claims:
        _engine(engine_claims)


# -- the step ------------------------------------------------------------------------------------------------


def _speeds(queries: int) -> None:
    click.echo(
        f"One claim assigned and counted, {_ROUNDS} rounds of {_A_ROUND} claims, rows of {ROW} columns\n"
    )
    click.echo("| live narratives | claims/s, median | best round | of the ceiling | full product | recall |")
    click.echo("|---|---|---|---|---|---|")
    for count in _LIVE:
        one = _Standing(count)
        exact = Centroids(ROW, _PARAMETERS.idle_factor, _PARAMETERS.doubt, exact_up_to=_EXACT)
        exact.load(one.centroids.state(), [(uid, one.centroids.kept(uid)) for uid in range(count)])
        found = _found(one.centroids, exact, one.claims(min(queries, _JUDGED // count)))
        rounds = sorted(_round(one.centroids, one.claims(_A_ROUND)) for _ in range(_ROUNDS))
        best, median = 1.0 / rounds[0], 1.0 / rounds[_ROUNDS // 2]
        ceiling, full = 1.0 / _product(_FOLDED, count), 1.0 / _product(count, ROW)
        click.echo(
            f"| {count:,} | {median:,.0f} | {best:,.0f} | {best / ceiling:.0%} of {ceiling:,.0f} "
            f"| {full:,.0f} | {found.recall:.4f} of {found.above:,} |"
        )
    click.echo(
        f"\nThe ceiling is the bare product of a vector and ({_FOLDED} x narratives) numbers, the full"
        f"\nproduct that of (narratives x {ROW}). Recall: of the claims whose most similar narrative reaches"
        "\nthe threshold, the share for which it is found; up to 256 narratives the search is exact.\n"
    )


class _Standing:
    """Narratives as they lie after a while: three to some twenty claims each, few of them in the window."""

    def __init__(self, count: int) -> None:
        self._rng = np.random.default_rng(5)
        self._made = MadeRows(count)
        self._count = count
        self.centroids = Centroids(ROW, _PARAMETERS.idle_factor, _PARAMETERS.doubt)
        for _ in range(count):
            self.centroids.create(0)
        owners = np.repeat(np.arange(count), 2 + self._rng.geometric(0.15, count))
        self._rng.shuffle(owners)
        settled, window = np.split(owners, [max(0, len(owners) - _PARAMETERS.window_claims)])
        for chunk in np.array_split(settled, len(settled) // 1_000 + 1):
            for owner, row in zip(chunk.tolist(), self._made.claims(chunk), strict=True):
                self.centroids.settle(owner, row)
        # What has settled counts from the second time on: the first makes all active.
        self.centroids.refresh(self._made.claims(np.arange(count)), np.arange(count))
        self.centroids.refresh(self._made.claims(window), window)
        self._recent = window

    def claims(self, count: int) -> NDArray[np.float32]:
        """Half of them about what is in the window, half about anything."""
        recent = self._rng.choice(self._recent, count - count // 2)
        anything = self._rng.integers(self._count, size=count // 2)
        return self._made.claims(self._rng.permutation(np.concatenate([recent, anything])))


def _round(centroids: Centroids, rows: NDArray[np.float32]) -> float:
    """Seconds a claim."""
    start = time.perf_counter()
    for first in range(0, len(rows), _A_CALL):
        call = rows[first : first + _A_CALL]
        glance = centroids.glance(call, _thresholds(call))
        for place, row in enumerate(call):
            uid, similarity = centroids.nearest(glance, place)
            if similarity >= _THRESHOLD:
                centroids.add(uid, row, 0)
    return (time.perf_counter() - start) / len(rows)


def _thresholds(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.full(len(rows), _THRESHOLD, dtype=np.float32)


class _Found(NamedTuple):
    above: int
    recall: float


def _found(sketched: Centroids, exact: Centroids, rows: NDArray[np.float32]) -> _Found:
    above = same = 0
    of_sketched, of_exact = (one.glance(rows, _thresholds(rows)) for one in (sketched, exact))
    for place in range(len(rows)):
        right, similarity = exact.nearest(of_exact, place)
        if similarity >= _THRESHOLD:
            above += 1
            same += sketched.nearest(of_sketched, place)[0] == right
    return _Found(above, same / max(above, 1))


def _product(rows: int, columns: int) -> float:
    """Seconds of a bare product, the vector on the side of the shorter lines of the sketch or of a row."""
    rng = np.random.default_rng(1)
    matrix = rng.standard_normal((rows, columns)).astype(np.float32)
    if rows == _FOLDED:
        line = rng.standard_normal(rows).astype(np.float32)
        return _seconds(lambda: line @ matrix)
    column = rng.standard_normal(columns).astype(np.float32)
    return _seconds(lambda: matrix @ column)


def _seconds(call: Callable[[], object], times: int = 200) -> float:
    """The best of a few calls: what else runs on the machine can only add to it."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return min(took)


# -- what else a claim costs ---------------------------------------------------------------------------------


def _parts() -> None:
    claims = list(made_claims(400))
    representation = Representation(DENSE, background_of(None))
    texts = [terms(claim.text) for claim in claims]
    vectors = [unpack_vectors([claim.vector])[0] for claim in claims]
    none = np.zeros(1, dtype=np.float32)
    for claim, vector, text in zip(claims, vectors, texts, strict=True):
        representation.count(claim.language, vector, text)
    claim, vector, text = claims[0], vectors[0], texts[0]
    parts: dict[str, Callable[[], object]] = {
        "terms of the text": lambda: terms(claim.text),
        "counting it": lambda: representation.count(claim.language, vector, text),
        "its row": lambda: representation.rows([claim.language], vector[None, :], [text], none),
    }
    click.echo("What the engine does before it can assign a claim of 20 words, microseconds (best of 200)\n")
    click.echo("| part | µs |\n|---|---|")
    for name, call in parts.items():
        click.echo(f"| {name} | {_seconds(call) * 1e6:,.0f} |")
    click.echo()


# -- long streams --------------------------------------------------------------------------------------------


def _long_stream(claims: int) -> None:
    click.echo(
        f"A stream of {claims:,} claims through assignment, review, fading and forgetting, without texts\n"
    )
    click.echo(
        "| claims | live narratives | joined at once | assignment, µs/claim | review, µs/claim "
        "| yardstick, µs | resident, MiB |"
    )
    click.echo("|---|---|---|---|---|---|---|")
    start = time.perf_counter()
    for mark in live(claims, max(1_000, claims // 10)):
        click.echo(
            f"| {mark.claims:,} | {mark.narratives:,} | {mark.joined:.0%} | {mark.assignment_us:.0f} "
            f"| {mark.review_us:.0f} | {mark.yardstick_us:.0f} | {mark.resident_mib:.0f} |"
        )
    click.echo(
        f"\nIt took {time.perf_counter() - start:.0f} s, making the rows included. The yardstick is one bare"
        " product of 128 x 10,000 numbers,\nalways the same: it shows how fast the machine was just then.\n"
    )


def _engine(claims: int) -> None:
    click.echo(f"The whole engine on {claims:,} claims with texts, fifty a second, {_A_CALL} in a call\n")
    click.echo(
        "| claims | live narratives | joined at once | µs/claim | claims/s | resident, MiB |\n"
        "|---|---|---|---|---|---|"
    )
    # What would take weeks takes hours.
    hasty = msgspec.structs.replace(_PARAMETERS, fade_after_hours=2, forget_after_hours=6)
    engine = Engine(DENSE, hasty, background=background_of(None))
    engine.observe([claim] for claim in made_claims(_WARM, BUSY))  # compiles what is compiled
    engine = Engine(DENSE, hasty, background=background_of(None))
    every = max(1_000, claims // 10)
    spent, joined, number = 0.0, 0, 0
    for call in _batched(made_claims(claims, BUSY), _A_CALL):
        start = time.process_time()
        outcome = engine.observe([[claim] for claim in call])
        spent += time.process_time() - start
        joined += sum(not mention.retroactive for mention in outcome.mentions)
        number += len(call)
        if number // every > (number - len(call)) // every:
            click.echo(
                f"| {number:,} | {len(engine.narratives()):,} | {joined / every:.0%} "
                f"| {spent / every * 1e6:,.0f} | {every / spent:,.0f} | {resident_mib():.0f} |"
            )
            spent, joined = 0.0, 0
    click.echo()


def _batched(claims: Iterator[Claim], size: int) -> Iterator[list[Claim]]:
    """The claims in lists of that size, the last one shorter."""
    while call := list(islice(claims, size)):
        yield call


if __name__ == "__main__":
    main()
