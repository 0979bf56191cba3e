"""The sketch: what is kept of a row, and what is found."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models import sketch as sketch_module
from models.first_look import Look
from models.folding import folded, folding
from models.instructions import SIEVE_SHIFT, can_multiply_bytes
from models.lexical import LEXICAL_DIMENSIONS
from models.means import Means
from models.sketch import Sketch
from models.sketch_tables import FIRST_WIDTH, TILE

DENSE = 96
WIDTH = DENSE + LEXICAL_DIMENSIONS + 2
SLOTS = 40
Array = NDArray[np.float32]


def rows_at_random() -> Array:
    rows = np.random.default_rng(5).standard_normal((SLOTS, WIDTH)).astype(np.float32)
    return rows / np.float32(np.sqrt(WIDTH))


def means_of(rows: Array, scale: Array | None = None) -> Means:
    """Means that are the rows, or these times a scale of at most 1."""
    sizes = np.ones(len(rows), dtype=np.float32) if scale is None else (1.0 / scale).astype(np.float32)
    return Means(rows, sizes, np.ones(len(rows), dtype=np.bool_), np.float32(0.0), np.float32(2.0))


def every_slot() -> NDArray[np.intp]:
    return np.arange(SLOTS, dtype=np.intp)


def parts(sketch: Sketch) -> list[bytes]:
    tables = sketch._tables
    return [array.tobytes() for array in (tables.facts, tables.scale, tables.coarse, tables.fine)]


def test_what_is_kept_of_a_row_does_not_depend_on_the_others() -> None:
    rows, scale = rows_at_random(), np.linspace(0.1, 1.0, SLOTS).astype(np.float32)
    at_once, one_by_one = Sketch(WIDTH, SLOTS), Sketch(WIDTH, SLOTS)
    at_once.put(every_slot(), means_of(rows, scale))
    for slot in every_slot()[::-1]:
        one_by_one.put(slot[None], means_of(rows, scale))
    assert parts(at_once) == parts(one_by_one)


def test_products_of_folded_rows_are_those_of_the_rows_but_for_noise() -> None:
    rows = rows_at_random()[:, :-2]
    by = folding(WIDTH)
    sums = np.stack([folded(row, *by) for row in rows])
    exact = rows @ rows.T
    rough = sums[:, :128] @ sums[:, :128].T
    finer = sums @ sums.T / 4
    assert np.abs(rough - exact).std() < 0.12
    assert np.abs(finer - exact).std() < np.abs(rough - exact).std()
    assert (rough - exact).mean() == pytest.approx(0.0, abs=0.01)


NOTHING = np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.float32)


def bars(*values: float) -> Array:
    return np.array(values, dtype=np.float32)


def nearest(
    sketch: Sketch, rows: Array, gained: tuple[NDArray[np.intp], Array], bar: float = 0.1
) -> tuple[int, float]:
    """To row 7."""
    looks = sketch.look(rows[7:8], bars(bar), used=SLOTS)
    return sketch.nearest(looks, 0, means_of(rows), gained=gained)


def test_the_most_similar_is_found_and_of_equals_the_first() -> None:
    rows = rows_at_random()
    rows[31] = rows[7]
    sketch = Sketch(WIDTH, SLOTS)
    sketch.put(every_slot(), means_of(rows))
    slot, similarity = nearest(sketch, rows, NOTHING)
    assert slot == 7
    assert similarity == pytest.approx(float(np.vecdot(rows[7], rows[7])), abs=1e-5)


def test_what_slots_gain_counts_for_one_search() -> None:
    rows = rows_at_random()
    sketch = Sketch(WIDTH, SLOTS)
    sketch.put(every_slot(), means_of(rows))
    gained = np.array([13], dtype=np.intp), np.array([5.0], dtype=np.float32)
    slot, similarity = nearest(sketch, rows, gained)
    assert slot == 13
    assert similarity == pytest.approx(5.0 + float(np.vecdot(rows[7], rows[13])), abs=1e-5)
    assert nearest(sketch, rows, NOTHING)[0] == 7


def test_what_reaches_the_bar_nowhere_finds_nothing() -> None:
    rows = rows_at_random()
    sketch = Sketch(WIDTH, SLOTS)
    sketch.put(every_slot(), means_of(rows))
    assert nearest(sketch, rows, NOTHING, bar=7.0)[0] == -1


def test_a_look_serves_until_the_next() -> None:
    rows = rows_at_random()
    sketch = Sketch(WIDTH, SLOTS)
    sketch.put(every_slot(), means_of(rows))
    before = sketch.look(rows[:2], bars(0.1, 0.1), used=SLOTS)
    sketch.look(rows[:2], bars(0.1, 0.1), used=SLOTS)
    with pytest.raises(ValueError, match="anew"):
        sketch.nearest(before, 0, means_of(rows))


def seen(plain: tuple[Any, ...]) -> list[tuple[int, int]]:
    """Slots, and their products."""
    look = Look(*plain)
    stretches = [slice(*pair) for pair in zip(look.starts.tolist(), look.ends.tolist(), strict=True)]
    return [
        pair
        for one in stretches
        for pair in zip(look.slots[one].tolist(), look.products[one].tolist(), strict=True)
    ]


def test_all_that_a_sieve_puts_into_one_number_fits() -> None:
    largest = FIRST_WIDTH * 127 * 63  # what is kept, by what is looked for
    assert TILE <= 2**SIEVE_SHIFT
    # The last four columns hold less: the noise is looked for by 10, and one has no meaning.
    assert largest - 127 * (53 + 63) < 2 ** (31 - SIEVE_SHIFT)


@pytest.mark.skipif(not can_multiply_bytes(), reason="the processor has no AVX-512 VNNI")
@pytest.mark.parametrize("slots", [60, 1_984, 4_100])
def test_what_is_seen_does_not_depend_on_the_processor(slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    rows = (rng.standard_normal((slots, WIDTH)) / np.sqrt(WIDTH)).astype(np.float32)
    claims, least = rows[rng.integers(slots, size=131)], rng.uniform(-0.1, 0.4, 131).astype(np.float32)
    found = []
    for has_instructions in (True, False):
        monkeypatch.setattr(sketch_module, "can_multiply_bytes", lambda here=has_instructions: here)
        sketch = Sketch(WIDTH, slots)
        sketch.put(np.arange(slots), means_of(rows))
        sketch.look(claims[:9], least[:9], used=slots)
        sketch.put(np.arange(0, slots, 7), means_of(rows[::-1].copy()))  # some change between two looks
        looks = sketch.look(claims, least, used=slots - 3)
        found.append([seen(looks.of(place)) for place in range(131)])
    assert found[0] == found[1]
    assert 0 < min(map(len, found[0])) < max(map(len, found[0])) < slots


@pytest.mark.parametrize("claims", [1, 3, 4, 17, 130])
def test_a_look_sees_the_same_however_many_look(claims: int) -> None:
    rows = rows_at_random()
    sketch = Sketch(WIDTH, SLOTS)
    sketch.put(every_slot(), means_of(rows))
    many = rows[np.arange(claims) % SLOTS]
    looks = sketch.look(many, np.zeros(claims, dtype=np.float32), used=SLOTS)
    for place in range(claims):
        alone = sketch.look(many[place : place + 1], np.zeros(1, dtype=np.float32), used=SLOTS)
        assert seen(alone.of(0)) == seen(looks.of(place))
        assert len(seen(alone.of(0))) > 1


def test_rows_need_a_dense_part() -> None:
    with pytest.raises(ValueError, match="no dense part"):
        Sketch(LEXICAL_DIMENSIONS + 2, SLOTS)
