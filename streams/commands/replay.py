"""`narrawatch replay`: the narratives in files, without a broker."""

import time
from pathlib import Path
from typing import Any

import click
from threadpoolctl import threadpool_limits

from streams.commands.options import common_options, echo_json, json_option, model_option, print_table, start
from streams.commands.progress import ReadingProgress
from streams.commands.signals import end_on_sigterm
from streams.replay import ReplayPlan, ReplayResult
from streams.replay import replay as run_replay
from streams.settings import Settings

__all__ = ["replay"]

_SHOWN = 20  # narratives in the summary; the file has all of them


@click.command(
    epilog="\b\nExamples:\n  narrawatch replay comments.jsonl --out found\n"
    '  narrawatch replay thread.txt --out found --watch "rachat déguisé"\n'
    "  zcat comments.jsonl.gz | narrawatch replay - --out found --json"
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder to write to; files of an earlier replay in it are replaced.",
)
@click.option("--no-split", is_flag=True, help="Take each comment as one claim.")
@click.option(
    "--embeddings",
    metavar="FILE.npy",
    type=click.Path(path_type=Path),
    help="Vectors instead of a model: float32, a row for each claim in the order of assignments.jsonl (those"
    " that claim nothing, too); with --no-split a row for each comment of the input.",
)
@click.option(
    "--watch",
    "phrases",
    multiple=True,
    metavar="PHRASE",
    help="Also list the claims that say this, in any language; may be repeated.",
)
@click.option("--desk", help="The desk of comments that name none.")
@click.option(
    "--sensitivity",
    type=click.Choice(["low", "normal", "high"], case_sensitive=False),
    help="How little corroboration a narrative needs.",
)
@model_option
@json_option
@common_options
def replay(
    *,
    inputs: tuple[str, ...],
    out: Path,
    no_split: bool,
    embeddings: Path | None,
    phrases: tuple[str, ...],
    model: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the narratives in files of comments, offline; the same files give the same result.

    INPUT is .jsonl (fields id and text; optional thread, thread_title, source, author, created_at, parent,
    lang, desk, permalink), .csv (the same as columns), .txt (a line is a comment by an author of its own), or
    - for JSON lines on standard input. Several are read one after the other.

    Writes to DIR: assignments.jsonl (a line a claim), mentions.jsonl, narratives.jsonl, events.jsonl,
    rejected.jsonl, and watches.jsonl when something is watched. `narrawatch web --from DIR` shows them.
    """
    settings = start(options | {"model": model}, quiet=as_json)
    plan = ReplayPlan(
        inputs=inputs,
        out=out,
        split=not no_split,
        embeddings=embeddings,
        watch_phrases=phrases,
        model_is_wanted=model is not None,
    )
    result = _run(settings, plan)
    if as_json:
        echo_json(_as_json(result, out))
    else:
        _print(result, out)


def _run(settings: Settings, plan: ReplayPlan) -> ReplayResult:
    with (
        end_on_sigterm(),
        # The engine's matrices are small: further threads of the linear algebra wait for each other, see
        # `streams.worker`.
        threadpool_limits(limits=1, user_api="blas"),
        ReadingProgress("replaying", plan.inputs) as bar,
    ):

        def progress(records: int, size_bytes: int, narratives: int) -> None:
            bar.advance(records, size_bytes, f"{narratives} narratives")

        return run_replay(settings, plan, now_ms=time.time_ns() // 1_000_000, progress=progress)


def _as_json(result: ReplayResult, out: Path) -> dict[str, object]:
    return {
        "out": str(out),
        "model": result.model,
        "comments": result.comments,
        "claims": result.claims,
        "duplicates": result.duplicates,
        "rejected": result.rejected,
        "events": result.events,
        "watches": result.matches,
        "narratives": [
            {
                "narrative_id": view.narrative_id,
                "desk": desk,
                "label": view.label,
                "kind": view.kind,
                "state": view.state,
                "mentions": view.mentions,
                "authors": view.authors,
                "languages": view.languages,
            }
            for desk, view in result.narratives
        ],
    }


def _print(result: ReplayResult, out: Path) -> None:
    refused = ", ".join(f"{count} {reason}" for reason, count in result.rejected.items())
    parts = [f"{result.comments} comments", f"{result.claims} claims"]
    parts += [f"{result.duplicates} duplicates"] if result.duplicates else []
    parts += [f"rejected: {refused}"] if refused else []
    click.echo(f"{'; '.join(parts)}; model: {result.model}")
    for watch, count in (result.matches or {}).items():
        click.echo(f"watch “{watch}”: {count} matches")
    if result.narratives:
        largest = sorted(result.narratives, key=lambda item: -item[1].mentions)[:_SHOWN]
        rows = [
            (
                view.label,
                str(view.mentions),
                str(view.authors),
                " ".join(f"{language}:{count}" for language, count in view.languages.items()),
                view.state if view.kind == "organic" else f"{view.state}, {view.kind}",
            )
            for _, view in largest
        ]
        print_table("", ("narrative", "mentions", "authors", "languages", "state"), rows)
        if len(result.narratives) > _SHOWN:
            click.echo(f"… and {len(result.narratives) - _SHOWN} more")
    else:
        click.echo("no narrative emerged")
    click.echo(f"written to {out}")
