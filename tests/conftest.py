"""What tests of several folders share."""

from pathlib import Path

import pytest

from models.packaged import default_cache_dir


@pytest.fixture(scope="session")
def model_cache_dir() -> Path:
    """The user's own cache, so that the packaged model is built once on a machine and not once a run."""
    return default_cache_dir()
