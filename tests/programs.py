"""Programs of the system that tests need: skip without them, and fail with CI=true."""

import os
import shutil
import subprocess

import pytest

__all__ = ["checked", "require_programs"]


def require_programs(*names: str) -> None:
    """Skip the test where one of them is not on the path; with CI=true that is a failure."""
    missing = [name for name in names if shutil.which(name) is None]
    if not missing:
        return
    reason = f"not on the path: {', '.join(missing)} (Debian: prometheus, prometheus-alertmanager)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def checked(*command: str) -> str:
    """What a program prints; it must end well."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
