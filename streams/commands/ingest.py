"""`narrawatch ingest FILE…`: comments from files to the broker."""

from typing import Any

import click

from streams.commands.options import common_options, echo_json, json_option, kafka_option, start
from streams.commands.progress import ReadingProgress
from streams.ingest.files import read_comments
from streams.ingest.producer import CommentProducer
from streams.settings import Settings

__all__ = ["ingest"]


@click.command(
    epilog="\b\nExamples:\n  narrawatch ingest comments.jsonl --kafka 127.0.0.1:9092\n"
    "  zcat comments.jsonl.gz | narrawatch ingest -"
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@kafka_option
@json_option
@common_options
def ingest(*, inputs: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Send comments from files to Kafka, in the order given.

    INPUT is .jsonl (fields id, text and more), .csv, .txt (a line is a comment), or - for JSON lines on
    standard input. Records that cannot be read are sent, too: the worker puts them aside with their reason.
    Sending a file again does no harm: a comment is counted once.
    """
    settings = start(options, quiet=True)
    sent, dead = _send(inputs, settings)
    if as_json:
        echo_json({"sent": sent, "dead_letters": dead})
    else:
        aside = f", put {dead} aside that cannot be read" if dead else ""
        click.echo(f"sent {sent} comments to {settings.kafka_bootstrap}{aside}")


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
