"""`narrawatch alerts`: the rules for Prometheus, with the thresholds of the settings."""

from pathlib import Path
from typing import Any

import click

from streams.alerts.render import rule_documents
from streams.commands.options import common_options, kafka_option, start
from streams.errors import OutputError
from streams.watch_topic import with_stored_watches

__all__ = ["alerts"]


@click.group(epilog="\b\nExample:\n  narrawatch alerts render --config narrawatch.toml --out rules")
def alerts() -> None:
    """Make alerting rules for Prometheus."""


@alerts.command(
    epilog="\b\nExamples:\n  narrawatch alerts render\n"
    "  narrawatch alerts render --config narrawatch.toml --out rules\n"
    "  narrawatch alerts render --stored-watches --kafka 127.0.0.1:9092 --out rules"
)
@click.option(
    "--out",
    default="-",
    metavar="DIR",
    help="A folder to write the files to; - prints them, one YAML document each.",
)
@click.option("--added", is_flag=True, help="Also for watches that were added by command; asks Kafka.")
@kafka_option
@common_options
def render(*, out: str, added: bool, **options: Any) -> None:
    """Write recording and alerting rules with the thresholds of the settings and of their watches.

    Prometheus reads the files when it is told to reload; deploy/prometheus/rules has those of the defaults.
    """
    settings = start(options, quiet=True)
    documents = rule_documents(with_stored_watches(settings) if added else settings)
    if out == "-":
        click.echo("---\n".join(documents.values()), nl=False)
        return
    folder = Path(out)
    for name, text in documents.items():
        _write(folder / name, text)
        click.echo(str(folder / name))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
