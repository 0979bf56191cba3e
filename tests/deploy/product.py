"""What files of deploy/ say of the product, held against the product: its commands, options and settings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from streams.cli import COMMANDS, narrawatch
from streams.settings import ENV_PREFIX
from streams.settings_fields import Settings

__all__ = [
    "DEPLOY",
    "ROOT",
    "check_command",
    "check_environment",
    "check_image",
    "documents",
    "secret_sample",
]

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_SAMPLE = "a sample of a secret, long enough"
_PINNED = re.compile(r"^[a-z0-9./-]+:v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z0-9-]+)?$")


def documents(path: Path) -> list[dict[str, Any]]:
    """The YAML documents of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def check_command(arguments: Sequence[str]) -> None:
    """The command line takes these arguments. Nothing is run."""
    command: click.Command = narrawatch
    rest = [str(argument) for argument in arguments]
    if rest[0] not in COMMANDS:
        pytest.skip(f"narrawatch has no command {rest[0]} yet")
    while isinstance(command, click.Group):
        context = click.Context(command, info_name="narrawatch")
        found = command.get_command(context, rest[0])
        assert found is not None, f"no command {rest[0]}"
        command, rest = found, rest[1:]
    context = command.make_context(str(command.name), rest)
    context.close()


def check_environment(environment: Mapping[str, str]) -> None:
    """What begins with the prefix is a setting, and the settings take these values together."""
    given = {key: value for key, value in environment.items() if key.startswith(ENV_PREFIX)}
    names = {key.removeprefix(ENV_PREFIX).lower() for key in given}
    unknown = names - Settings.model_fields.keys()
    parts = {name.split("_")[0] for name in unknown}
    if parts and not any(field.split("_")[0] in parts for field in Settings.model_fields):
        pytest.skip(f"there are no settings {', '.join(sorted(unknown))} yet")
    assert not unknown
    values: dict[str, Any] = {}
    for key, value in given.items():
        name = key.removeprefix(ENV_PREFIX).lower()
        # As the settings read the environment: structures are JSON.
        values[name] = yaml.safe_load(value) if value.startswith(("[", "{")) else value
    Settings(**values)


def check_image(image: str) -> None:
    """It is named with a version, not with a tag that moves."""
    assert _PINNED.fullmatch(image), image


def secret_sample(names: Iterable[str]) -> dict[str, str]:
    """Values for secrets, long enough for each."""
    return dict.fromkeys(names, _SAMPLE)
