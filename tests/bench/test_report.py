"""The page, with peers that are not there."""

from datetime import date

from tests.bench.report import Result, document
from tests.bench.running import Row
from tests.bench.scoring import Figures

FIGURES = Figures(0.5, 0.75, 0.25, 1.5, 0.4, None, None, 0.6, 0.3, 0.8, 4.5)


def test_the_page_names_what_is_missing() -> None:
    rows = [
        Row("narrawatch", FIGURES, 1234.0, 1.0),
        Row("BERTopic, batch", FIGURES, 9.0, 1.0),
        Row("River DBSTREAM", None, None, trouble="not installed: river"),
    ]
    results = [
        Result("worlds", "some worlds", 20, shortened=False, rows=rows),
        Result("tweets", "short texts", 0, shortened=False, rows=[]),
    ]
    page = document(results, model="a model", day=date(2026, 1, 2), budget_seconds=600)
    assert "2026-01-02" in page
    assert (
        "| narrawatch | 0.500 | 0.750 | 0.250 | 1.50 | 0.400 | – | – | 0.600 | 0.300 | 0.800 | 4.5 | 1,234 |"
        in page
    )
    assert "| BERTopic, batch | – | 0.750 |" in page
    assert "| River DBSTREAM | not installed: river |" in page
    assert "Not run: the development data beside the checkout are absent (short texts)." in page
