"""All dashboards by name, as JSON, and the files of them in this repository."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.board import Options
from dashboards.narrative_board import narrative_board
from dashboards.narratives_board import narratives_board
from dashboards.pipeline_board import pipeline_board
from dashboards.watches_board import watches_board

__all__ = ["BOARDS", "DEFAULTS", "GENERATED", "all_models", "render", "stale", "write"]

BOARDS: Final[Mapping[str, Callable[[Options], Dashboard]]] = {
    "narratives": narratives_board,
    "narrative": narrative_board,
    "watches": watches_board,
    "pipeline": pipeline_board,
}
DEFAULTS: Final = Options()
GENERATED: Final = Path(__file__).parent / "generated"


def all_models(options: Options = DEFAULTS) -> dict[str, dict[str, Any]]:
    """Each dashboard as Grafana stores it: plain JSON values."""
    return {name: json.loads(render(name, options)) for name in BOARDS}


def render(name: str, options: Options = DEFAULTS) -> str:
    """The JSON text of a dashboard, the same for the same options."""
    return json.dumps(BOARDS[name](options), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def stale(folder: Path, options: Options = DEFAULTS) -> list[Path]:
    """The files FOLDER/NAME.json that are not what `write` would make of them, or are missing."""
    return [path for path, text in _files(folder, options) if not _is(path, text)]


def write(folder: Path, options: Options = DEFAULTS) -> list[Path]:
    """Write the dashboards to FOLDER/NAME.json where they differ; returns the files that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    old = [(path, text) for path, text in _files(folder, options) if not _is(path, text)]
    for path, text in old:
        path.write_text(text, encoding="utf-8")
    return [path for path, _ in old]


def _files(folder: Path, options: Options) -> Iterator[tuple[Path, str]]:
    for name in BOARDS:
        yield folder / f"{name}.json", render(name, options)


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text
