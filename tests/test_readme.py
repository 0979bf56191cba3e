"""The README tells the truth: its commands exist, its names exist, and what needs no broker runs."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from streams.cli import narrawatch
from streams.metric_specs import METRICS
from streams.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


def ours() -> list[list[str]]:
    return [shlex.split(line)[1:] for line in COMMANDS if line.startswith("narrawatch ")]


def test_there_is_something_to_check() -> None:
    assert {"make demo", "make test"} <= set(COMMANDS)
    assert len(ours()) >= 4


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("make ")])
def test_make_targets_exist(line: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{line.removeprefix('make ')}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("words", ours(), ids=" ".join)
def test_commands_and_their_options_exist(words: list[str]) -> None:
    command: click.Command = narrawatch
    context = click.Context(narrawatch)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, words
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_settings_of_the_table_exist() -> None:
    table = README.split("| setting |")[1].split("\n\n")[0]
    names = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert len(names) > 5
    assert set(names) <= set(Settings.model_fields)


def test_metrics_that_are_named_exist() -> None:
    named = set(re.findall(r"narrawatch_[a-z_]+", README))
    assert named
    assert named <= {spec.name for spec in METRICS}


def test_replay_runs_as_shown(tmp_path: Path) -> None:
    sample = (ROOT / "streams" / "samples" / "comments.jsonl").read_bytes()
    (tmp_path / "comments.jsonl").write_bytes(sample)
    words = next(words for words in ours() if words[0] == "replay")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NARRAWATCH_")}
    environment |= {"PYTHONPATH": str(ROOT), "NARRAWATCH_DATA_DIR": str(tmp_path / "data")}
    subprocess.run(
        [sys.executable, "-m", "streams", *words, "--model", "hash"],
        cwd=tmp_path,
        env=environment,
        check=True,
        timeout=300,
    )
    written = {path.name for path in (tmp_path / "found").iterdir()}
    promised = set(re.findall(r"^\| `(\w+\.jsonl)` \|", README, re.MULTILINE))
    assert promised - {"rejected.jsonl"} <= written
