"""`narrawatch worker`: comments in, narratives out, until it is stopped."""

from typing import Any

import click

from streams.commands.options import common_options, kafka_option, model_option, start
from streams.worker import run_worker

__all__ = ["worker"]


@click.command(
    epilog="\b\nExample:\n  narrawatch topics create --kafka 127.0.0.1:9092\n"
    "  narrawatch worker --kafka 127.0.0.1:9092"
)
@kafka_option
@model_option
@click.option("--metrics-port", type=int, help="Where to serve /metrics; 0 takes a free port.")
@common_options
def worker(**options: Any) -> None:
    """Read comments from Kafka, find narratives, write them to Kafka and to /metrics, until Ctrl-C.

    Several workers share the partitions of the comments; each needs a metrics port of its own.
    """
    click.get_current_context().exit(run_worker(start(options)))
