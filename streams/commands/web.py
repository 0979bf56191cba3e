"""`narrawatch web`: the page with the narratives and their quotes, until it is stopped."""

import importlib
from pathlib import Path
from typing import Any

import click

from streams.commands.options import common_options, kafka_option, start
from streams.commands.signals import end_on_sigterm

__all__ = ["web"]


@click.command(
    epilog="\b\nExamples:\n  narrawatch web --kafka 127.0.0.1:9092\n"
    "  narrawatch replay comments.jsonl --out found && narrawatch web --from found"
)
@click.option(
    "--from",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Show what `replay` wrote to this folder; no broker is needed.",
)
@kafka_option
@click.option("--host", "web_host", help="The address to serve on; any but loopback needs web_token.")
@click.option("--port", "web_port", type=int, help="Where to serve; 0 takes a free port.")
@click.option(
    "--metrics-port",
    "web_metrics_port",
    type=int,
    help="Where to serve /metrics while it reads topics; 0 takes a free port.",
)
@common_options
def web(*, folder: Path | None, **options: Any) -> None:
    """Serve the page: narratives as they emerge, their quotes, timelines, watches, and a JSON API.

    It reads the topics on its own and never asks a worker. Readers on other machines need the token of the
    setting web_token.
    """
    settings = start(options)
    # On demand: --help must not wait for a web server.
    server = importlib.import_module("streams.web.server")
    with end_on_sigterm():
        server.serve(settings, folder, _announce)


def _announce(address: str, metrics_address: str | None) -> None:
    click.echo(f"narrawatch web at {address}")
    if metrics_address is not None:
        click.echo(f"metrics at {metrics_address}")
