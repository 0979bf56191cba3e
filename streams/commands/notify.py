"""`narrawatch notify`: webhooks for events, or for the alerts of Alertmanager."""

from typing import Any

import click

from streams.commands.options import common_options, kafka_option, start
from streams.notify.metrics import Fate
from streams.notify.service import run_bridge, run_events, send_sample

__all__ = ["notify"]


@click.command(
    epilog="\b\nExamples:\n  narrawatch notify --config narrawatch.toml\n"
    "  narrawatch notify --config narrawatch.toml --test newsroom\n"
    "  narrawatch notify --config narrawatch.toml --listen"
)
@click.option("--listen", is_flag=True, help="Take the alerts of Alertmanager, and add the quotes.")
@click.option("--test", "test_name", metavar="NAME", help="Send a sample to this receiver, and end.")
@click.option(
    "--metrics-port",
    "notify_metrics_port",
    type=int,
    help="Where to serve /metrics; 0 takes a free port.",
)
@kafka_option
@common_options
def notify(*, listen: bool, test_name: str | None, **options: Any) -> None:
    """Tell the receivers of the settings (notify) what happens to narratives, until Ctrl-C.

    Each event goes out at least once, to a webhook as JSON, or as Slack or Mattermost take it. Where
    Prometheus and Alertmanager decide what is worth telling, run it with --listen instead.
    """
    if test_name is not None:
        result = send_sample(start(options, quiet=True), test_name)
        delivered = result.fate is Fate.DELIVERED
        click.echo(f"{test_name}: {'delivered' if delivered else f'not delivered: {result.detail}'}")
        click.get_current_context().exit(0 if delivered else 1)
    settings = start(options)
    click.get_current_context().exit(run_bridge(settings) if listen else run_events(settings))
