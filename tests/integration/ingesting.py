"""Ingester processes that follow live sources, and what they have brought to the broker."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from streams.comments import Comment, decode_comment
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics
from tests.integration.live import ROOT, environment_of, records

__all__ = ["Arrived", "Ingester", "arrived", "ingest_settings", "write_config"]

STOP_SECONDS = 10.0


def write_config(path: Path, sources: Sequence[Mapping[str, Any]]) -> Path:
    """A configuration file with these sources. Values are as JSON has them, which TOML has the same way."""
    tables = [
        "[[sources]]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in source.items())
        for source in sources
    ]
    path.write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    return path


def ingest_settings(folder: Path, **more: Any) -> Settings:
    """Settings of an ingester that reads sites on loopback without pauses, and their topics.

    more: where the broker is, and how its topics are called.
    """
    settings = load_settings(
        data_dir=folder,
        cache_dir=folder,
        author_key="a key of authors for the tests",
        ingest_allow_private=True,
        ingest_interval_seconds=0,
        ingest_metrics_port=0,
        **more,
    )
    create_topics(settings)
    return settings


class Ingester:
    """A process `narrawatch ingest`; killed at the end of the block if it still runs."""

    def __init__(self, settings: Settings, config: Path, log: Path) -> None:
        self._log = log
        with log.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams", "ingest", "--config", str(config)],
                cwd=ROOT,
                env=environment_of(settings),
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self.metrics_url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def ready(self) -> Self:
        """Wait for the line that says so."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "ready" in line, f"the ingester did not start: {self.log}"
        self.metrics_url = line.split()[-1]
        return self

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")[-4_000:]

    def stop(self) -> None:
        """End it as an operator does."""
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(STOP_SECONDS) == 0, self.log
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            pytest.fail(f"the ingester hangs: {self.log}")

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Arrived(NamedTuple):
    """What is on the broker. now: the last version of each comment by id; every: all records in order."""

    now: dict[str, Comment]
    every: list[Comment]
    raw: list[bytes]

    @property
    def standing(self) -> dict[str, Comment]:
        """Those that were not deleted."""
        return {key: comment for key, comment in self.now.items() if not comment.deleted}


def arrived(settings: Settings) -> Arrived:
    """Everything in the topic of comments. All versions of a comment are in one partition, in order."""
    raw = [record.value or b"" for record in records(settings, Topic.COMMENTS)]
    every = [decode_comment(value, settings.max_comment_bytes) for value in raw]
    return Arrived({comment.id: comment for comment in every}, every, raw)
