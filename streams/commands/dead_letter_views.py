"""How `narrawatch dead-letters` prints: nothing that a letter holds is obeyed by a terminal."""

import base64
from collections import Counter
from collections.abc import Iterable
from datetime import UTC

import click

from streams.commands.options import echo_json, print_table
from streams.commands.visible import visible, visible_bytes
from streams.dead_letter_desk import Refusal
from streams.dead_letter_log import Found
from streams.dead_letters import Treatment

__all__ = ["letter_object", "print_counts", "print_letters", "print_report", "print_summary"]

_SHOWN_REFUSALS = 10
_EXCERPT_CHARACTERS = 60
_DETAIL_CHARACTERS = 80
_PLACE_CHARACTERS = 60

Counts = Counter[tuple[str, str]]
"""Letters by topic ("files" for what never was in one) and reason."""


def letter_object(found: Found) -> dict[str, object]:
    """One letter as --json shows it; bytes in base64."""
    letter = found.letter
    return {
        "id": found.id,
        "place": letter.place,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": letter.reason.value,
        "detail": letter.detail,
        "cause": letter.cause,
        "at": letter.at.isoformat(),
        "key": None if letter.key is None else base64.b64encode(letter.key).decode(),
        "key_was_lost": letter.key_was_lost,
        "original": base64.b64encode(letter.original).decode(),
        "original_size_bytes": letter.original_size_bytes,
        "sha256": letter.sha256 or None,
        "is_whole": letter.is_whole,
        "treatment": None if found.treated is None else found.treated.treatment.value,
        "treated_at": None if found.treated is None else found.treated.at.isoformat(),
    }


def print_letters(found: Iterable[Found], limit: int, *, include_treated: bool) -> None:
    """A table of the first `limit`, and how many there are of all."""
    rows: list[tuple[str, ...]] = []
    counts: Counts = Counter()
    for one in found:
        letter = one.letter
        counts[letter.topic or "files", letter.reason.value] += 1
        if len(rows) < limit:
            state = () if not include_treated else (one.treated.treatment if one.treated else "open",)
            rows.append((*_row(one), *state))
    if not rows:
        click.echo("no dead letters" if include_treated else "no open dead letters")
        return
    columns = ("place", "put aside", "reason", "why", "bytes", "begins with")
    print_table("", (*columns, "state") if include_treated else columns, rows)
    click.echo("")
    if counts.total() > len(rows):
        click.echo(f"… and {counts.total() - len(rows)} more (--limit)")
    print_counts(counts)


def _row(found: Found) -> tuple[str, ...]:
    letter = found.letter
    return (
        visible(letter.place, _PLACE_CHARACTERS),
        f"{letter.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        letter.reason.value,
        visible(letter.cause or letter.detail, _DETAIL_CHARACTERS),
        str(letter.original_size_bytes) if letter.is_whole else f"{letter.original_size_bytes}, cut",
        visible_bytes(letter.original, _EXCERPT_CHARACTERS),
    )


def print_summary(found: Iterable[Found], *, as_json: bool) -> None:
    """Only how many, by topic and reason."""
    counts = Counter((one.letter.topic or "files", one.letter.reason.value) for one in found)
    if as_json:
        echo_json(
            [
                {"topic": topic, "reason": reason, "letters": n}
                for (topic, reason), n in sorted(counts.items())
            ]
        )
    else:
        print_counts(counts)


def print_counts(counts: Counts) -> None:
    """How many, on one line."""
    by_reason = ", ".join(
        f"{count} {reason} of {visible(topic, _PLACE_CHARACTERS)}"
        for (topic, reason), count in counts.most_common()
    )
    click.echo(f"{_number(counts.total())}{': ' if by_reason else ''}{by_reason}")


def print_report(
    treatment: Treatment,
    done: Counts,
    refusals: list[Refusal],
    *,
    as_json: bool,
    dry_run: bool,
) -> None:
    """What was done (or would be), and what could not be."""
    if as_json:
        counts = [
            {"topic": topic, "reason": reason, "letters": n} for (topic, reason), n in sorted(done.items())
        ]
        report: dict[str, object] = {treatment.value: done.total(), "dry_run": dry_run, "counts": counts}
        echo_json(report | {"refused": [refusal._asdict() for refusal in refusals]})
        return
    would = "would be " if dry_run else ""
    click.echo(f"{_number(done.total())} {would}{treatment.value}")
    for place, why in refusals[:_SHOWN_REFUSALS]:
        click.echo(f"cannot be sent again: {visible(place, _PLACE_CHARACTERS)}: {why}", err=True)
    if len(refusals) > _SHOWN_REFUSALS:
        click.echo(f"… and {len(refusals) - _SHOWN_REFUSALS} more that cannot be sent again", err=True)


def _number(letters: int) -> str:
    return f"{letters} dead letter{'' if letters == 1 else 's'}"
