"""`narrawatch demo`: the whole of it, on sample comments, in two minutes."""

from typing import Any

import click

from streams.commands.options import common_options, kafka_option, model_option, start
from streams.demo import run_demo
from streams.demo_full import full_chain, require_programs

__all__ = ["demo"]


@click.command(epilog="\b\nExamples:\n  narrawatch demo\n  narrawatch demo --full")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds of the sample per second; the default squeezes its five days into two minutes.",
)
@click.option(
    "--full",
    is_flag=True,
    help="Prometheus, Alertmanager and a webhook as well; needs the first two on the PATH.",
)
@kafka_option
@model_option
@common_options
def demo(*, speed: float | None, full: bool, **options: Any) -> None:
    """Start a broker, a worker and a stream of sample comments, and show narratives as they emerge.

    With --full each alert on them goes through Prometheus and Alertmanager to a webhook that prints it.
    """
    settings = start(options, quiet=True)
    if full:
        require_programs()
    companion = full_chain if full else None
    click.get_current_context().exit(run_demo(settings, speed=speed, companion=companion))
