"""A command of narrawatch as a process of its own beside the demo, from its start to its end."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streams.errors import BrokerError
from streams.settings_fields import Settings

__all__ = ["demo_process"]

_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.1


@contextmanager
def demo_process(
    settings: Settings,
    scratch: Path,
    command: str,
    *arguments: str,
    ready: str,
    seconds: float,
) -> Iterator[str]:
    """`narrawatch COMMAND ARGUMENTS` on the broker of the demo, for the block.

    ready: how the line begins that it prints when it is; what follows is yielded. seconds: how long that may
    take; scratch: a folder for what it says and keeps. Raises BrokerError when it does not become ready.
    """
    log = scratch / f"{command}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", command, *arguments],
            env=_environment(settings, scratch),
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        yield _await_ready(process, log, command, ready, seconds)
    finally:
        _stop(process)


def _environment(settings: Settings, scratch: Path) -> dict[str, str]:
    return os.environ | {
        "NARRAWATCH_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "NARRAWATCH_KAFKA_EMBEDDED": str(settings.kafka_embedded).lower(),
        "NARRAWATCH_TOPIC_PREFIX": settings.topic_prefix,
        "NARRAWATCH_APP_ID": settings.app_id,
        "NARRAWATCH_DESK": settings.desk,
        "NARRAWATCH_PARTITIONS": str(settings.partitions),
        "NARRAWATCH_MODEL": settings.model,
        "NARRAWATCH_CACHE_DIR": str(settings.cache_dir),
        "NARRAWATCH_DATA_DIR": str(scratch),
        "NARRAWATCH_METRICS_PORT": "0",
        "NARRAWATCH_WEB_METRICS_PORT": "0",
        "NARRAWATCH_LOG_LEVEL": "warning",
    }


def _await_ready(
    process: subprocess.Popen[bytes], log: Path, command: str, ready: str, seconds: float
) -> str:
    lines: list[str] = []

    def latest() -> str | None:
        return next((line[len(ready) :].strip() for line in lines if line.startswith(ready)), None)

    threading.Thread(target=_collect, args=(process, lines), daemon=True).start()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if (rest := latest()) is not None:
            return rest
        time.sleep(_POLL_SECONDS)
    last: Sequence[str] = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    raise BrokerError(f"the {command} did not become ready: {last[0]}")


def _collect(process: subprocess.Popen[bytes], lines: list[str]) -> None:
    if process.stdout is not None:
        lines.extend(line.decode(errors="replace") for line in iter(process.stdout.readline, b""))


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
