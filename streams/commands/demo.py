"""`narrawatch demo`: the whole of it, on sample comments, in two minutes."""

from typing import Any

import click

from streams.commands.options import common_options, kafka_option, model_option, start
from streams.demo import run_demo

__all__ = ["demo"]


@click.command(epilog="\b\nExample:\n  narrawatch demo")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds of the sample per second; the default squeezes its five days into two minutes.",
)
@kafka_option
@model_option
@common_options
def demo(*, speed: float | None, **options: Any) -> None:
    """Start a broker, a worker and a stream of sample comments, and show narratives as they emerge."""
    click.get_current_context().exit(run_demo(start(options, quiet=True), speed=speed))
