"""`narrawatch topics`: make the topics on the broker, and look at them."""

from typing import Any

import click

from streams.commands.options import common_options, echo_json, json_option, kafka_option, print_table, start
from streams.topics import create_topics, describe_topics

__all__ = ["topics"]


@click.group(epilog="\b\nExample:\n  narrawatch topics create --kafka 127.0.0.1:9092")
def topics() -> None:
    """Make the topics on the broker, and list them."""


@topics.command(
    epilog="\b\nExample:\n  narrawatch topics create --kafka broker-1:9092,broker-2:9092 --partitions 8"
)
@click.option("--partitions", type=int, help="Partitions of the topics that scale out.")
@click.option("--replication-factor", type=int, help="Copies of each record; 3 in production.")
@kafka_option
@json_option
@common_options
def create(*, as_json: bool, **options: Any) -> None:
    """Make the topics that are missing; those that exist stay as they are."""
    created = create_topics(start(options, quiet=True))
    if as_json:
        echo_json({"created": created})
    else:
        click.echo(f"created {', '.join(created)}" if created else "all topics exist already")


@topics.command(name="list", epilog="\b\nExample:\n  narrawatch topics list --json")
@kafka_option
@json_option
@common_options
def list_topics(*, as_json: bool, **options: Any) -> None:
    """List the topics: partitions on the broker, partitions wanted, days kept."""
    states = describe_topics(start(options, quiet=True))
    if as_json:
        echo_json(
            [
                {
                    "name": state.name,
                    "partitions": state.partitions,
                    "wanted_partitions": state.wanted_partitions,
                    "retention_days": state.spec.retention_days,
                    "holds": state.spec.holds,
                }
                for state in states
            ]
        )
        return
    rows = [
        (
            state.name,
            str(state.partitions or "missing"),
            str(state.wanted_partitions),
            "for ever" if state.spec.retention_days is None else str(state.spec.retention_days),
            state.spec.holds,
        )
        for state in states
    ]
    print_table("", ("topic", "partitions", "wanted", "days kept", "holds"), rows)
