"""The whole chain on one machine: a narrative emerges, its metric, the alert, the webhook; and the page."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import narrawatch
from streams.monitoring import missing_programs
from tests.programs import require_programs


@pytest.mark.integration
def test_each_narrative_comes_to_the_webhook_with_its_quotes(model_cache_dir: Path) -> None:
    if missing_programs():
        require_programs("prometheus", "prometheus-alertmanager")
    environment = os.environ | {"NARRAWATCH_CACHE_DIR": str(model_cache_dir)}
    done = subprocess.run(
        [sys.executable, "-m", "streams", "demo", "--full", "--model", "hash", "--speed", "20000"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "web page at http://127.0.0.1:" in done.stdout
    assert "Campaign in demo: Les fournisseurs ne sont plus payés depuis juin" in done.stdout
    told = re.search(r"^notifications: (\d+), with quotes: (\d+)$", done.stdout, re.MULTILINE)
    assert told is not None
    assert int(told[1]) == int(told[2]) >= 20
    assert "? mentions" not in done.stdout


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(narrawatch, ["demo", "--full"])
    assert done.exit_code == 1
    assert "--full needs prometheus and alertmanager on the PATH" in done.stderr
