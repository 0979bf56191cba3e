"""`narrawatch ingest`: comments from live sources or from files to the broker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from streams.commands.options import common_options, echo_json, json_option, kafka_option, start
from streams.commands.progress import ReadingProgress
from streams.errors import SettingsError
from streams.ingest.files import STANDARD_INPUT, read_comments
from streams.ingest.producer import CommentProducer
from streams.ingest.registry import SourceOrder, kinds, order
from streams.ingest.service import follow_sources, orders_of
from streams.settings import Settings

__all__ = ["ingest"]


@click.command(
    epilog="\b\nExamples:\n  narrawatch ingest --config narrawatch.toml\n"
    "  narrawatch ingest wordpress https://example.org --desk french-tech\n"
    "  narrawatch ingest comments.jsonl --kafka 127.0.0.1:9092\n"
    "  zcat comments.jsonl.gz | narrawatch ingest -"
)
@click.argument("inputs", nargs=-1, metavar="[INPUT... | KIND [URL]]")
@click.option("--desk", metavar="NAME", help="The desk that reads this source.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="OPTION=VALUE",
    help="An option of this source; repeatable.",
)
@click.option("--once", is_flag=True, help="Read what there is now, and end.")
@click.option(
    "--metrics-port", "ingest_metrics_port", type=int, help="Where to serve /metrics; 0 takes a free port."
)
@kafka_option
@json_option
@common_options
def ingest(
    *,
    inputs: tuple[str, ...],
    desk: str | None,
    assignments: tuple[str, ...],
    once: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Send comments to Kafka: of the sources of the settings, of one source, or from files.

    Without arguments it follows all sources of the configuration file until it is stopped, and goes on where
    it was. KIND is one that narrawatch sources list names, URL the address of a site of that kind.

    INPUT is .jsonl (fields id, text and more), .csv, .txt (a line is a comment), or - for JSON lines on
    standard input. Records that cannot be read are sent, too: the worker puts them aside with their reason.
    Sending a file again does no harm: a comment is counted once.
    """
    live = not inputs or inputs[0] in kinds()
    if live:
        _ingest_live(inputs, desk, assignments, once=once, as_json=as_json, options=options)
        return
    _check_file(inputs[0])
    if desk is not None or assignments or once:
        raise click.UsageError("--desk, --set and --once are for live sources: name its kind, or no file")
    settings = start(options, quiet=True)
    sent, dead = _send(inputs, settings)
    if as_json:
        echo_json({"sent": sent, "dead_letters": dead})
    else:
        aside = f", put {dead} aside that cannot be read" if dead else ""
        click.echo(f"sent {sent} comments to {settings.kafka_bootstrap}{aside}")


def _check_file(name: str) -> None:
    """Whoever meant a site learns how to say that."""
    if "://" in name:
        raise click.UsageError(f"name the kind of source before its address: narrawatch sources probe {name}")
    if name != STANDARD_INPUT and "." not in name and not Path(name).exists():
        raise click.UsageError(f"{name} is neither a file nor a kind of source ({', '.join(kinds())})")


def _send(inputs: tuple[str, ...], settings: Settings) -> tuple[int, int]:
    """Records sent to the comments and to the dead letters."""
    # All files are looked at before the first record is sent.
    sources = [read_comments(path, max_bytes=settings.max_comment_bytes) for path in inputs]
    with ReadingProgress("sending", inputs) as progress, CommentProducer(settings) as producer:
        for source in sources:
            for item in source:
                producer.send(item)
                progress.advance(1, item.size_bytes)
        producer.flush()
        return producer.sent_count, producer.dead_letter_count


def _ingest_live(
    inputs: tuple[str, ...],
    desk: str | None,
    assignments: tuple[str, ...],
    *,
    once: bool,
    as_json: bool,
    options: Mapping[str, Any],
) -> None:
    settings = start(options)
    if inputs:
        orders = [_order(inputs, desk, assignments)]
    elif assignments or desk is not None:
        raise click.UsageError("--desk and --set are for one source: name its kind")
    elif not settings.sources:
        raise click.UsageError("name a file or a kind of source, or a --config with sources")
    else:
        orders = orders_of(settings)
    done = follow_sources(settings, orders, once=once)
    if as_json:
        echo_json({"sent": done.comments, "failed": list(done.failed)})
    else:
        trouble = f"; could not read {', '.join(done.failed)}" if done.failed else ""
        click.echo(f"sent {done.comments} comments to {settings.kafka_bootstrap}{trouble}")
    if once and done.failed:
        click.get_current_context().exit(1)


def _order(inputs: tuple[str, ...], desk: str | None, assignments: tuple[str, ...]) -> SourceOrder:
    kind, *addresses = inputs
    if len(addresses) > 1:
        raise click.UsageError(f"one URL after {kind}; for several sources use a configuration file")
    wanted: dict[str, object] = {"url": addresses[0]} if addresses else {}
    if desk is not None:
        wanted["desk"] = desk
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment!a}: write OPTION=VALUE")
        wanted[name] = value
    return order(kind, wanted, kind)
