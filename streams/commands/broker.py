"""`narrawatch broker`: the embedded broker in the foreground, to try the other commands with."""

import os
import time
from typing import Any

import click

from streams.broker import EmbeddedBroker
from streams.commands.options import common_options, echo_json, json_option, start
from streams.commands.signals import end_on_sigterm
from streams.errors import BrokerError

__all__ = ["broker"]

_LOOK_SECONDS = 0.5


@click.command(
    epilog="\b\nExample:\n  narrawatch broker --port 9092\n  narrawatch topics create   # in another terminal"
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
def broker(*, port: int, as_json: bool, **common: Any) -> None:
    """Run a Kafka-compatible broker until Ctrl-C, for trying out only: it keeps nothing."""
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
        _wait(running.pid)


def _wait(pid: int | None) -> None:
    """Return never, unless an exception ends it. Raises BrokerError when the broker is gone."""
    while pid is not None:
        time.sleep(_LOOK_SECONDS)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            raise BrokerError("the embedded broker has ended by itself") from None
