"""`narrawatch dead-letters`: see what was put aside, send it again, or give it up."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import click

from streams.commands.dead_letter_views import (
    letter_object,
    print_counts,
    print_letters,
    print_report,
    print_summary,
)
from streams.commands.moments import Moment
from streams.commands.options import common_options, json_option, kafka_option, start
from streams.commands.visible import visible
from streams.dead_letter_desk import DeadLetterDesk, Refusal, obstacle
from streams.dead_letter_log import DeadLetterLog, open_dead_letters
from streams.dead_letters import Choice, Treatment
from streams.errors import InputError, RejectReason
from streams.settings import Settings
from streams.topics import Topic, topic_name

__all__ = ["dead_letters"]

_SHOWN = 50  # letters of a table; --limit shows more

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _choice_options(function: _Function) -> _Function:
    """Options that say which letters are meant."""
    decorators = (
        click.argument("places", nargs=-1, metavar="[PLACE]..."),
        click.option(
            "--reason",
            "reasons",
            multiple=True,
            type=click.Choice([reason.value for reason in RejectReason]),
            help="Only those put aside for this reason; may be repeated.",
        ),
        click.option(
            "--topic",
            "topics",
            multiple=True,
            type=click.Choice([Topic.COMMENTS.value, Topic.CLAIMS.value]),
            help="Only records of this topic; may be repeated.",
        ),
        click.option(
            "--since",
            type=Moment(),
            metavar="WHEN",
            help="Only those put aside since this date (UTC unless it says otherwise), or 30m, 6h, 2d ago.",
        ),
    )
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def _treatment_options(function: _Function) -> _Function:
    """Options of what changes something."""
    decorators = (
        click.option("--all", "everything", is_flag=True, help="All open dead letters."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
    )
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


@click.group(
    epilog="\b\nExamples:\n  narrawatch dead-letters list --since 1d\n"
    "  narrawatch dead-letters replay --reason failed --dry-run"
)
def dead_letters() -> None:
    """See what was put aside, send it again, or give it up.

    A dead letter is open until it was replayed or dropped; that is kept in the topic itself, so that it does
    not matter from which machine. PLACE is where a record came from, as list shows it.
    """


@dead_letters.command(
    name="list",
    epilog="\b\nExamples:\n  narrawatch dead-letters list --reason invalid_json --since 6h\n"
    "  narrawatch dead-letters list --summary",
)
@_choice_options
@click.option("--limit", type=click.IntRange(min=1), help=f"So many, the oldest; {_SHOWN} unless --json.")
@click.option("--all", "include_treated", is_flag=True, help="Those that were dealt with, too.")
@click.option("--summary", is_flag=True, help="Only how many, by topic and reason.")
@kafka_option
@json_option
@common_options
def list_letters(
    *,
    places: tuple[str, ...],
    reasons: tuple[str, ...],
    topics: tuple[str, ...],
    since: datetime | None,
    limit: int | None,
    include_treated: bool,
    summary: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """List the open dead letters, oldest first.

    With --json an object a line, with the original bytes and the key in base64.
    """
    settings = start(options, quiet=True)
    choice = _choice(settings, places, reasons, topics, since)
    with open_dead_letters(settings) as log:
        found = log.letters(choice, include_treated=include_treated)
        if summary:
            print_summary(found, as_json=as_json)
        elif as_json:
            for number, one in enumerate(found, 1):
                click.echo(json.dumps(letter_object(one)))  # ASCII: a terminal obeys none of it
                if number == limit:
                    break
        else:
            print_letters(found, limit or _SHOWN, include_treated=include_treated)
        if log.foreign_count and not as_json:
            click.echo(f"{log.foreign_count} records of the topic are no dead letters", err=True)


@dead_letters.command(
    epilog="\b\nExamples:\n  narrawatch dead-letters replay 'comments[2]@57'\n"
    "  narrawatch dead-letters replay --reason failed --yes"
)
@_choice_options
@_treatment_options
@kafka_option
@json_option
@common_options
def replay(**options: Any) -> None:
    """Send the original records to the topics they came from, with their keys, once.

    What still cannot be processed comes back as a new dead letter. A comment that was edited in the meantime
    is taken back to what the record says: of two versions the one that arrives last counts.
    Records that were cut, or never were in a topic, cannot be sent and stay open; then the exit code is 1.
    """
    _treat(Treatment.REPLAYED, **options)


@dead_letters.command(
    epilog="\b\nExamples:\n  narrawatch dead-letters drop --reason empty_text\n"
    "  narrawatch dead-letters drop --all --yes"
)
@_choice_options
@_treatment_options
@kafka_option
@json_option
@common_options
def drop(**options: Any) -> None:
    """Give dead letters up: they are not listed or replayed any more. Nothing is deleted."""
    _treat(Treatment.DROPPED, **options)


class _Survey(NamedTuple):
    """What a choice comes to before anything is done. refusals: of a replay."""

    counts: Counter[tuple[str, str]]
    refusals: list[Refusal]
    places: set[str]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def _treat(
    treatment: Treatment,
    *,
    places: tuple[str, ...],
    reasons: tuple[str, ...],
    topics: tuple[str, ...],
    since: datetime | None,
    everything: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    if not (everything or places or reasons or topics or since):
        raise click.UsageError("say which: PLACE, --reason, --topic, --since, or --all")
    if everything and places:
        raise click.UsageError("either PLACE or --all")
    asks = not (yes or dry_run)
    if asks and (as_json or not click.get_text_stream("stdin").isatty()):
        raise click.UsageError("nobody can be asked here: --yes or --dry-run")
    settings = start(options, quiet=True)
    choice = _choice(settings, places, reasons, topics, since)
    with open_dead_letters(settings) as log:
        survey = _survey(log, choice, settings, treatment)
        _require_places(log, choice, survey)
        if asks and survey.total:
            print_counts(survey.counts)
            verb = "Send these again" if treatment is Treatment.REPLAYED else "Drop these"
            click.confirm(f"{verb}?", abort=True)
        done, refusals = survey.counts.copy(), survey.refusals
        if not dry_run:
            done, refusals = _carry_out(log, choice, settings, treatment)
    print_report(treatment, done, refusals, as_json=as_json, dry_run=dry_run)
    click.get_current_context().exit(1 if refusals else 0)


def _survey(log: DeadLetterLog, choice: Choice, settings: Settings, treatment: Treatment) -> _Survey:
    survey = _Survey(Counter(), [], set())
    for _, letter, _ in log.letters(choice):
        survey.places.add(letter.place)
        why = obstacle(letter, settings) if treatment is Treatment.REPLAYED else None
        if why is None:
            survey.counts[letter.topic or "files", letter.reason.value] += 1
        else:
            survey.refusals.append(Refusal(letter.place, why))
    return survey


def _require_places(log: DeadLetterLog, choice: Choice, survey: _Survey) -> None:
    """Raises InputError for a place of which there is no letter; one dealt with already is no error."""
    missing = set(choice.places) - survey.places
    if missing:
        treated = log.letters(Choice(places=missing), include_treated=True)
        missing -= {found.letter.place for found in treated}
    if missing:
        raise InputError(f"no dead letter is of {', '.join(visible(place, 80) for place in sorted(missing))}")


def _carry_out(
    log: DeadLetterLog, choice: Choice, settings: Settings, treatment: Treatment
) -> tuple[Counter[tuple[str, str]], list[Refusal]]:
    with DeadLetterDesk(settings) as desk:
        letters = log.letters(choice)
        desk.replay(letters) if treatment is Treatment.REPLAYED else desk.drop(letters)
        return desk.treated, desk.refusals


def _choice(
    settings: Settings,
    places: Iterable[str],
    reasons: Iterable[str],
    topics: Iterable[str],
    since: datetime | None,
) -> Choice:
    return Choice(
        reasons={RejectReason(reason) for reason in reasons},
        topics={topic_name(settings, Topic(topic)) for topic in topics},
        places=set(places),
        since=since,
    )
