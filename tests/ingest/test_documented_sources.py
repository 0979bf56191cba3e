"""The configurations that docs/sources.md shows are ones that `narrawatch ingest` takes."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from streams.ingest.registry import kinds, make_source, order
from streams.ingest.source import Context
from tests.ingest.looking import visitor
from tests.sites.reader import FakeTime
from tests.sites.talk import make_talk

DOCUMENT = Path(__file__).parents[2] / "docs" / "sources.md"


def shown() -> list[dict[str, Any]]:
    blocks = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return [table for block in blocks for table in tomllib.loads(block).get("sources", [])]


def test_most_kinds_are_shown() -> None:
    assert set(kinds()) - {table["kind"] for table in shown()} <= {"feed"}


@pytest.mark.parametrize("table", shown(), ids=lambda table: table["kind"])
async def test_a_source_that_is_shown_can_be_made(table: dict[str, Any]) -> None:
    options = {name: value for name, value in table.items() if name != "kind"}
    async with visitor(FakeTime(make_talk(1).remarks[0].at)) as context:
        assert isinstance(context, Context)
        source = make_source(order(table["kind"], options, "sources[0]"), context)
        assert source.begin(None) is not None
        await source.close()
