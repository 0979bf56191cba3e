"""What the bench of spikes says of its own certainty, and that it finds alarms where there are some."""

import pytest

from tests.bench.spikes import Bench, interval


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (4, 1.0899, 10.242), (20, 12.217, 30.888)],
)
def test_the_interval_is_that_of_tables_of_the_poisson_distribution(
    count: int, low: float, high: float
) -> None:
    assert interval(count, 1.0) == pytest.approx((low, high), abs=1e-3)
    assert interval(count, 10.0) == pytest.approx((low / 10, high / 10), abs=1e-4)
    narrower = interval(count, 1.0, chance=0.5)
    assert low <= narrower[0] < narrower[1] < high


def test_a_table_of_false_alarms_has_a_row_for_each_rate_with_its_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.bench.spikes.RATES", (0.05,))
    lines: list[str] = []
    Bench(1, 0.05, lines.append).false_alarms("calm", 2)
    title, head, rule, steady, overdispersed = lines
    assert "calm series" in title
    assert head.startswith("| mentions an hour | series-days | narrawatch | mean + 3 sigma |")
    assert set(rule) == {"|", " ", "-"}
    for name, row in (("0.05", steady), ("0.05, overdispersed", overdispersed)):
        cells = row.strip("| ").split(" | ")
        assert cells[:2] == [name, "24"]
        assert cells[2] == "0.00 (0.00 to 15.37)"  # none in 24 days is compatible with one in seven
        assert float(cells[3]) > 10
