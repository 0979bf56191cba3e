"""The demo as a newcomer without a terminal starts it: it ends by itself and shows the three narratives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.demo_state import load_sample


@pytest.mark.integration
def test_the_demo_finds_the_three_narratives_and_ends(model_cache_dir: Path) -> None:
    environment = os.environ | {"NARRAWATCH_CACHE_DIR": str(model_cache_dir)}
    done = subprocess.run(
        [sys.executable, "-m", "streams", "demo", "--model", "packaged"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
        timeout=420,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for title in load_sample().titles.values():
        assert title in done.stdout
    assert "not found" not in done.stdout
    assert "metrics: http://127.0.0.1:" in done.stdout
