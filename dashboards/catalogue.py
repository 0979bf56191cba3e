"""All dashboards by name, as JSON, and the files of them in this repository."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.board import Options
from dashboards.narrative_board import narrative_board
from dashboards.narratives_board import narratives_board
from dashboards.pipeline_board import pipeline_board
from dashboards.watches_board import watches_board

__all__ = ["BOARDS", "DEFAULTS", "GENERATED", "all_models", "render", "write"]

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


def write(folder: Path, options: Options = DEFAULTS) -> list[Path]:
    """Write all dashboards to FOLDER/NAME.json where they differ; returns the files that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in BOARDS:
        path, text = folder / f"{name}.json", render(name, options)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written
