"""What the subcommands share: options, the start of a command, and how it prints."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.logs import configure_logging, secret_values
from streams.settings import Settings, load_settings

__all__ = [
    "common_options",
    "echo_json",
    "error_console",
    "json_option",
    "kafka_option",
    "model_option",
    "print_table",
    "start",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])

kafka_option = click.option(
    "--kafka", "kafka_bootstrap", metavar="HOST:PORT", help="The Kafka broker; several separated by commas."
)
model_option = click.option(
    "--model",
    metavar="NAME",
    help="A sentence-transformers name or folder, or 'packaged' for the copy that needs no download.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")


def common_options(function: _Function) -> _Function:
    """Options of every subcommand: --config, --log-level, --log-format."""
    decorators = (
        click.option(
            "--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings in a TOML file."
        ),
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
            help="How much to say on standard error.",
        ),
        click.option(
            "--log-format",
            type=click.Choice(["console", "json"], case_sensitive=False),
            help="Log lines for people or for programs.",
        ),
    )
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def start(options: Mapping[str, Any], *, quiet: bool = False) -> Settings:
    """The settings of this command, with logging configured by them.

    options: the arguments that are settings, and `config`; None means not given.
    quiet: warnings only unless a level is asked for, for commands whose output says it all.
    Raises SettingsError.
    """
    overrides = {name: value for name, value in options.items() if name != "config"}
    settings = load_settings(options.get("config"), **overrides)
    asked = "log_level" in settings.model_fields_set
    level = "warning" if quiet and not asked else settings.log_level
    configure_logging(level, settings.log_format, secrets=secret_values(settings))
    return settings


def echo_json(value: object) -> None:
    """Print a JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def error_console() -> Console:
    """Standard error for rich, found when it is asked for."""
    return Console(stderr=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on standard output. Cells are text: nothing in them is taken for markup."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # for a file or a pipe: wide enough that no cell is folded into nonsense
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
