"""`narrawatch watches`: what is looked for, and what it would have found."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from streams.commands.moments import Moment
from streams.commands.options import (
    common_options,
    echo_json,
    json_option,
    kafka_option,
    model_option,
    print_table,
    start,
)
from streams.commands.progress import ReadingProgress
from streams.commands.signals import end_on_sigterm
from streams.commands.visible import visible
from streams.commands.watch_views import lookback_object, print_lookback
from streams.errors import InputError, SettingsError
from streams.settings_fields import MAX_WATCHES
from streams.watch_lookback import LookbackPlan, look_back
from streams.watch_topic import (
    WatchOrigin,
    checked_watch,
    merged_watches,
    read_watches,
    write_watch,
)

__all__ = ["watches"]

_SHOWN_CHARACTERS = 80
_NEAR_MISSES = 5

_Function = TypeVar("_Function", bound=Callable[..., Any])


@click.group(
    epilog='\b\nExamples:\n  narrawatch watches add "disguised acquisition" --phrase "rachat déguisé"\n'
    '  narrawatch watches test "rachat déguisé" comments.jsonl'
)
def watches() -> None:
    """Add, list and remove watches; see what a phrase would have matched.

    A watch is a narrative described in advance by phrases, found in any language. Running workers pick up
    what is added or removed within seconds; it applies to comments that come after that. Watches of the
    configuration file are added to these; of one name, the file's counts.
    """


def _watch_options(function: _Function) -> _Function:
    decorators = (
        click.option(
            "--phrase",
            "phrases",
            multiple=True,
            metavar="TEXT",
            help="What somebody who makes the claim might write, in any language; may be repeated.",
        ),
        click.option("--desk", metavar="NAME", help="Only this desk; by default all."),
        click.option(
            "--similarity",
            type=float,
            metavar="X",
            help="How near to a phrase a claim must be, above 0 to 1; by default what suits most phrases.",
        ),
    )
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


@watches.command(
    epilog='\b\nExamples:\n  narrawatch watches add "rachat déguisé"\n'
    '  narrawatch watches add takeover --phrase "rachat déguisé" --phrase "disguised acquisition" \\\n'
    "      --desk french-tech --threshold-per-hour 10"
)
@click.argument("name")
@_watch_options
@click.option(
    "--threshold-per-hour",
    type=int,
    metavar="N",
    help="Alert from so many matches in an hour; by default never.",
)
@click.option(
    "--surprise",
    type=float,
    metavar="X",
    help="Alert when matches are this unlikely: 3 for one chance in a thousand, 6 for one in a million.",
)
@kafka_option
@json_option
@common_options
def add(
    *,
    name: str,
    phrases: tuple[str, ...],
    desk: str | None,
    similarity: float | None,
    threshold_per_hour: int | None,
    surprise: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Add a watch, or replace the one of this name. Without --phrase, NAME is the phrase."""
    settings = start(options, quiet=True)
    fields = {
        "name": name,
        "phrases": phrases or (name,),
        "desk": desk,
        "similarity": similarity,
        "threshold_per_hour": threshold_per_hour,
        "surprise": surprise,
    }
    watch = checked_watch({key: value for key, value in fields.items() if value is not None})
    if watch.name in {one.name for one in settings.watches}:
        raise SettingsError(
            f"the settings have a watch {watch.name!r} already, which counts: change it there"
        )
    stored = read_watches(settings)
    known = watch.name in stored.watches
    total = len(settings.watches) + len(stored.watches) + (0 if known else 1)
    if total > MAX_WATCHES:
        raise SettingsError(f"there are {MAX_WATCHES} watches already: remove one first")
    write_watch(settings, watch.name, watch)
    if as_json:
        echo_json({"watch": watch.model_dump(mode="json"), "replaced": known})
    else:
        click.echo(f"{'replaced' if known else 'added'} {watch.name}: workers know it within seconds")


@watches.command(name="list", epilog="\b\nExample:\n  narrawatch watches list --json")
@kafka_option
@json_option
@common_options
def list_watches(*, as_json: bool, **options: Any) -> None:
    """List all watches, and where each comes from: the settings, or the topic that `add` writes to."""
    settings = start(options, quiet=True)
    merged = merged_watches(settings, read_watches(settings), limit=MAX_WATCHES)
    if as_json:
        echo_json([_listed(one) for one in merged])
    elif merged:
        columns = ("watch", "phrases", "desk", "similarity", "per hour", "surprise", "from")
        print_table("", columns, [_row(one) for one in merged])
    else:
        click.echo("there are no watches")


@watches.command(epilog='\b\nExample:\n  narrawatch watches remove "rachat déguisé"')
@click.argument("name")
@kafka_option
@json_option
@common_options
def remove(*, name: str, as_json: bool, **options: Any) -> None:
    """Remove a watch that was added by command. What it matched stays where it was told."""
    settings = start(options, quiet=True)
    name = " ".join(name.split())
    if name not in read_watches(settings).watches:
        in_settings = name in {one.name for one in settings.watches}
        where = "it is one of the settings: remove it there" if in_settings else "see narrawatch watches list"
        raise InputError(f"no watch {visible(name, _SHOWN_CHARACTERS)} was added: {where}")
    write_watch(settings, name, None)
    if as_json:
        echo_json({"removed": name})
    else:
        click.echo(f"removed {name}")


@watches.command(
    epilog='\b\nExamples:\n  narrawatch watches test "rachat déguisé" comments.jsonl\n'
    '  narrawatch watches test "disguised acquisition" --since 1d --kafka 127.0.0.1:9092'
)
@click.argument("phrase")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@_watch_options
@click.option(
    "--since",
    type=Moment(),
    metavar="WHEN",
    help="Instead of files: what workers have read since this date, or 6h, 1d ago.",
)
@click.option("--near", type=click.IntRange(0, 100), default=_NEAR_MISSES, help="So many near misses.")
@click.option("--limit", type=click.IntRange(min=1), default=20, help="So many matches, the nearest first.")
@kafka_option
@model_option
@json_option
@common_options
def test(
    *,
    phrase: str,
    phrases: tuple[str, ...],
    files: tuple[str, ...],
    since: datetime | None,
    desk: str | None,
    similarity: float | None,
    near: int,
    limit: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Show what a phrase would have matched in FILEs or in the last days.

    The matches, the nearest first; some that came near without matching; how many there were in each day or
    hour, by language. With --phrase, further phrases beside PHRASE.
    """
    if bool(files) == (since is not None):
        raise click.UsageError("either FILEs or --since")
    settings = start(options, quiet=True)
    fields = {"name": "test", "phrases": (phrase, *phrases), "desk": desk, "similarity": similarity}
    watch = checked_watch({key: value for key, value in fields.items() if value is not None})
    plan = LookbackPlan(watch, files, None if since is None else round(since.timestamp() * 1000))
    with end_on_sigterm(), ReadingProgress("looking", files or ("-",)) as bar:
        found = look_back(settings, plan, now_ms=time.time_ns() // 1_000_000, progress=bar.advance)
    if as_json:
        echo_json(lookback_object(found, near=near))
    else:
        print_lookback(found, near=near, limit=limit)


def _listed(one: WatchOrigin) -> dict[str, object]:
    return one.watch.model_dump(mode="json") | {
        "from": "settings" if one.in_config else "topic",
        "unused_because": one.hidden or None,
    }


def _row(one: WatchOrigin) -> tuple[str, ...]:
    watch = one.watch
    origin = "settings" if one.in_config else "topic"
    return (
        watch.name,
        " | ".join(watch.phrases),
        watch.desk or "all",
        *("" if value is None else f"{value:g}" for value in _figures(one)),
        f"{origin}, not used: {one.hidden}" if one.hidden else origin,
    )


def _figures(one: WatchOrigin) -> tuple[float | None, ...]:
    return one.watch.similarity, one.watch.threshold_per_hour, one.watch.surprise
