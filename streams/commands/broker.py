"""`narrawatch broker`: a broker in the foreground, to try the other commands with, or Apache Kafka itself."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from streams.apache.broker import DEFAULT_HEAP_MB, MAX_NODES, ApacheBroker
from streams.apache.jars import KAFKA_VERSION
from streams.broker import EmbeddedBroker
from streams.commands.options import common_options, echo_json, json_option, start
from streams.commands.signals import end_on_sigterm
from streams.errors import BrokerError
from streams.guarded import is_running

__all__ = ["broker"]

_LOOK_SECONDS = 0.5

_logger = logging.getLogger(__name__)


@click.group(
    invoke_without_command=True,
    epilog="\b\nExample:\n  narrawatch broker --port 9092\n  narrawatch topics create   # in another terminal"
    "\n  narrawatch broker apache --data kafka-data   # the real one, which keeps what it gets",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    show_default="a free one",
    help="The port on this machine to listen on.",
)
@json_option
@common_options
@click.pass_context
def broker(ctx: click.Context, /, *, port: int, as_json: bool, **common: Any) -> None:
    """Run a Kafka-compatible broker until Ctrl-C, for trying out only: it keeps nothing."""
    if ctx.invoked_subcommand is not None:
        if port or as_json or any(value is not None for value in common.values()):
            raise click.UsageError(f"options go behind the word {ctx.invoked_subcommand}")
        return
    start(common, quiet=True)
    with end_on_sigterm(), EmbeddedBroker(port) as running:
        if as_json:
            echo_json({"kafka_bootstrap": running.address, "kafka_embedded": True, "pid": running.pid})
        else:
            click.echo(
                f"An embedded broker answers on {running.address} until Ctrl-C.\n"
                "It is for trying out only: it keeps nothing, and all of it is gone when it ends.\n"
                "Tell the other commands, in the terminal where you run them:\n"
                f"  export NARRAWATCH_KAFKA_BOOTSTRAP={running.address} NARRAWATCH_KAFKA_EMBEDDED=true"
            )
        _wait(lambda: _embedded_runs(running))


@broker.command(
    epilog="\b\nExample:\n  narrawatch broker apache --port 9092 --data kafka-data\n"
    "  narrawatch topics create   # in another terminal"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    show_default="free ones",
    help="The port of the first node; the others take the ones that follow.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the data there, and go on with what is there. Without it they go when the broker ends.",
)
@click.option(
    "--nodes",
    type=click.IntRange(1, MAX_NODES),
    default=1,
    show_default=True,
    help="How many nodes; three keep three copies of each record.",
)
@click.option(
    "--heap-mb",
    type=click.IntRange(256, 65_536),
    default=DEFAULT_HEAP_MB,
    show_default=True,
    help="Memory of each node for its objects, MB.",
)
@json_option
@common_options
def apache(*, port: int, data: Path | None, nodes: int, heap_mb: int, as_json: bool, **common: Any) -> None:
    """Run Apache Kafka on this machine until Ctrl-C. Needs Java 17 or later, the first time also Maven."""
    settings = start(common, quiet=True)
    kafka = ApacheBroker(port, cache_dir=settings.cache_dir, nodes=nodes, data=data, heap_mb=heap_mb)
    with end_on_sigterm(), kafka as running:
        if as_json:
            echo_json(
                {
                    "kafka_bootstrap": running.address,
                    "kafka_embedded": False,
                    "version": KAFKA_VERSION,
                    "folder": str(running.folder),
                    "pids": list(running.pids.values()),
                }
            )
        else:
            kept = "temporary, gone when it ends" if data is None else "kept"
            copies = f" NARRAWATCH_REPLICATION_FACTOR={min(nodes, 3)}" if nodes > 1 else ""
            click.echo(
                f"Apache Kafka {KAFKA_VERSION} answers on {running.address} until Ctrl-C.\n"
                f"Data and logs are in {running.folder} ({kept}).\n"
                "Tell the other commands, in the terminal where you run them:\n"
                f"  export NARRAWATCH_KAFKA_BOOTSTRAP={running.address}{copies}"
            )
        told: set[int] = set()
        _wait(lambda: _nodes_run(running, told))


def _wait(look: Callable[[], None]) -> None:
    """Look again and again; return never, unless an exception ends it."""
    while True:
        time.sleep(_LOOK_SECONDS)
        look()


def _embedded_runs(running: EmbeddedBroker) -> None:
    if running.pid is None or not is_running(running.pid):
        raise BrokerError("the embedded broker has ended by itself")


def _nodes_run(running: ApacheBroker, told: set[int]) -> None:
    """One of several that ends is a warning, as the others go on; the last one is an error."""
    for node in set(running.ended()) - told:
        told.add(node)
        message = f"node {node} of Apache Kafka has ended by itself: {running.last_words(node)}"
        if len(told) == len(running.pids):
            raise BrokerError(message)
        _logger.warning("%s", message)
