"""The fault suite in small: what `make faults` does at length."""

import random
from pathlib import Path

import pytest

from tests.apache import require_apache
from tests.faults.__main__ import FAULTS, Scale

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", ["compaction", "duplicates"])
def test_nothing_is_lost_or_counted_twice(name: str, model_cache_dir: Path, tmp_path: Path) -> None:
    require_apache(model_cache_dir)
    scale = Scale(comments=250, kills=1, fuzzed=0, away_seconds=1.0)
    dice = random.Random(name)  # noqa: S311 - moments, not secrets
    result = FAULTS[name](model_cache_dir, tmp_path / "fault", scale, dice)
    assert result.is_good, result
