"""How `narrawatch watches test` tells what it found."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from models.survey import Sighting
from streams.commands.options import print_table
from streams.commands.visible import visible
from streams.watch_lookback import Lookback

__all__ = ["lookback_object", "print_lookback"]

_TEXT_CHARACTERS = 120
_HOURS_SHOWN = 48  # a longer stretch is told by days
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_DIGITS = 3


def lookback_object(found: Lookback, *, near: int) -> dict[str, object]:
    """For a program: all matches, in stream order."""
    matches = found.survey.matches()
    return {
        "phrases": list(found.phrases),
        "similarity": found.threshold,
        "model": found.model,
        "comments": found.comments,
        "claims": found.survey.claims,
        "matches": [_sighting_object(one) for one in matches],
        "near_misses": [_sighting_object(one) for one in found.survey.near_misses(near)],
        "by_language": dict(Counter(one.language for one in matches).most_common()),
        "by_day": _counts(matches, _DAY_MS),
        "by_hour": _counts(matches, _HOUR_MS),
    }


def print_lookback(found: Lookback, *, near: int, limit: int) -> None:
    """For a person."""
    matches = found.survey.matches()
    click.echo(
        f"{len(matches)} of {found.survey.claims} claims ({found.comments} comments) match from similarity"
        f" {found.threshold:g}; model: {found.model}"
    )
    if matches:
        nearest = sorted(matches, key=lambda one: -one.similarity)
        print_table("matches", _COLUMNS, [_row(one) for one in nearest[:limit]])
        if len(matches) > limit:
            click.echo(f"… and {len(matches) - limit} more")
        _print_counts(matches)
    misses = found.survey.near_misses(near)
    if misses:
        print_table("near misses", _COLUMNS, [_row(one) for one in misses])


_COLUMNS = ("similarity", "language", "date", "text")


def _row(one: Sighting) -> tuple[str, ...]:
    date = "" if one.at_ms is None else _time(one.at_ms).strftime("%Y-%m-%d %H:%M")
    return f"{one.similarity:.{_DIGITS}f}", one.language, date, visible(one.text, _TEXT_CHARACTERS)


def _print_counts(matches: Sequence[Sighting]) -> None:
    dates = [one.at_ms for one in matches if one.at_ms is not None]
    if not dates:
        return
    step = _HOUR_MS if max(dates) - min(dates) <= _HOURS_SHOWN * _HOUR_MS else _DAY_MS
    languages = [name for name, _ in Counter(one.language for one in matches).most_common()]
    rows = [
        (label, str(sum(counts.values())), *(str(counts.get(language, 0)) for language in languages))
        for label, counts in _counts(matches, step).items()
    ]
    print_table("", ("hour (UTC)" if step == _HOUR_MS else "day (UTC)", "matches", *languages), rows)


def _counts(matches: Sequence[Sighting], step_ms: int) -> dict[str, dict[str, int]]:
    """Matches by time and language; those without date are in none."""
    counts: dict[int, Counter[str]] = {}
    for one in matches:
        if one.at_ms is not None:
            counts.setdefault(one.at_ms // step_ms, Counter())[one.language] += 1
    shape = "%Y-%m-%dT%H:00Z" if step_ms == _HOUR_MS else "%Y-%m-%d"
    return {_time(step * step_ms).strftime(shape): dict(counts[step]) for step in sorted(counts)}


def _sighting_object(one: Sighting) -> dict[str, object]:
    return {
        "similarity": round(one.similarity, _DIGITS),
        "text": one.text,
        "language": one.language,
        "desk": one.desk,
        "source": one.source,
        "comment_id": one.comment_id,
        "claim": one.n,
        "thread": one.thread,
        "permalink": one.permalink,
        "at": None if one.at_ms is None else _time(one.at_ms).isoformat(),
    }


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
