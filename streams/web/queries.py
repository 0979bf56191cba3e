"""What lists of narratives show: choice, order, pages, and the figures beside each.

"Now" is the newest date in the stream: a folder of old comments is looked at as on its last day, and a worker
that stopped shows the day on which it did.
"""

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from streams.web.search import match_query
from streams.web.shapes import Choices, NarrativePage, Overview, Summary

__all__ = [
    "BIN_MS",
    "DAY_MS",
    "PAGE_SIZE",
    "WEEK_BINS",
    "Choice",
    "Sort",
    "as_of_ms",
    "choices",
    "find_narratives",
    "instant",
    "overview",
    "pages_of",
    "summaries",
]

Sort = Literal["recent", "mentions", "emerged", "rising"]
State = Literal["alive", "new", "spiking", "faded"]

DAY_MS = 86_400_000
BIN_MS = DAY_MS // 4
WEEK_BINS = 28
PAGE_SIZE = 25
_SPIKING_MS = DAY_MS // 4
_MAX_CHOICES = 200
_MAX_MATCHING_MENTIONS = 20_000  # of a search; the narratives that mention the words most are among them

_ORDERS: dict[Sort, str] = {
    "recent": "last_ms DESC",
    "mentions": "mentions DESC",
    "emerged": "emerged_ms DESC",
    "rising": (
        "(SELECT count(*) FROM mentions m WHERE m.narrative_id = narratives.id AND NOT m.withdrawn"
        " AND m.at_ms > :day) DESC"
    ),
}
_IS_SPIKING = (
    "EXISTS (SELECT 1 FROM events e WHERE e.owner = narratives.id AND e.type = 'spiking'"
    " AND e.at_ms > :spiking)"
)
_STATES: dict[State, str] = {
    "alive": "state <> 'faded'",
    "new": "emerged_ms > :day",
    "spiking": _IS_SPIKING,
    "faded": "state = 'faded'",
}


class Choice(NamedTuple):
    """Which narratives; None or "" where everything goes."""

    q: str = ""
    desk: str | None = None
    state: State | None = None
    kind: str | None = None
    language: str | None = None
    source: str | None = None


def instant(epoch_ms: int) -> datetime:
    """Epoch milliseconds as a UTC datetime."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def as_of_ms(connection: sqlite3.Connection) -> int:
    """The newest date in the stream as epoch ms; 0 while there is none."""
    row = connection.execute(
        "SELECT max(coalesce((SELECT max(at_ms) FROM mentions), 0),"
        " coalesce((SELECT max(at_ms) FROM events), 0), coalesce((SELECT max(last_ms) FROM narratives), 0))"
    ).fetchone()
    return int(row[0])


def pages_of(total: int, size: int = PAGE_SIZE) -> int:
    """How many pages there are: one at least."""
    return max(1, -(-total // size))


def overview(connection: sqlite3.Connection) -> Overview:
    """The figures of the whole stream."""
    now = as_of_ms(connection)
    times = _times(now)

    def count(query: str) -> int:
        return int(connection.execute(f"SELECT count(*) FROM {query}", times).fetchone()[0])  # noqa: S608 - constants

    return Overview(
        as_of=instant(now) if now else None,
        narratives=count("narratives"),
        alive=count(f"narratives WHERE {_STATES['alive']}"),
        emerged_last_day=count(f"narratives WHERE {_STATES['new']}"),
        spiking=count(f"narratives WHERE {_IS_SPIKING}"),
        mentions_last_day=count("mentions WHERE at_ms > :day AND NOT withdrawn"),
        mentions_day_before=count("mentions WHERE at_ms > :before AND at_ms <= :day AND NOT withdrawn"),
    )


def choices(connection: sqlite3.Connection) -> Choices:
    """What there is to filter by."""

    def values(query: str) -> list[str]:
        rows = connection.execute(f"{query} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {_MAX_CHOICES}")
        return [row[0] for row in rows]

    return Choices(
        desks=values("SELECT desk FROM narratives"),
        languages=values("SELECT value FROM facets WHERE facet = 'language'"),
        sources=values("SELECT value FROM facets WHERE facet = 'source'"),
    )


def find_narratives(
    connection: sqlite3.Connection, choice: Choice, *, sort: Sort = "recent", page: int = 1
) -> NarrativePage:
    """One page of the narratives of a choice."""
    now = as_of_ms(connection)
    where, values = _conditions(choice)
    values |= _times(now)
    total = connection.execute(f"SELECT count(*) FROM narratives WHERE {where}", values).fetchone()[0]  # noqa: S608 - constants
    rows = connection.execute(
        f"SELECT id FROM narratives WHERE {where} ORDER BY {_ORDERS[sort]}, mentions DESC, id"  # noqa: S608 - constants
        " LIMIT :size OFFSET :skip",
        values | {"size": PAGE_SIZE, "skip": (page - 1) * PAGE_SIZE},
    ).fetchall()
    return NarrativePage(
        as_of=instant(now) if now else None,
        total=total,
        page=page,
        pages=pages_of(total),
        narratives=summaries(connection, [row["id"] for row in rows], now),
    )


def summaries(connection: sqlite3.Connection, ids: Sequence[str], now: int) -> list[Summary]:
    """These narratives in this order; those that are not known are left out."""
    marks = ", ".join("?" * len(ids))
    rows = connection.execute(f"SELECT id, view FROM narratives WHERE id IN ({marks})", ids)  # noqa: S608 - marks
    views = {row["id"]: json.loads(row["view"]) for row in rows}
    weeks = _weeks(connection, ids, now)
    spiking = {
        row["owner"]
        for row in connection.execute(
            f"SELECT DISTINCT owner FROM events WHERE type = 'spiking' AND at_ms > ? AND owner IN ({marks})",  # noqa: S608 - marks
            (now - _SPIKING_MS, *ids),
        )
    }
    found = []
    for narrative_id in ids:
        if narrative_id not in views:
            continue
        week = weeks.get(narrative_id, [0] * WEEK_BINS)
        summary = Summary(
            **views[narrative_id],
            is_new=False,
            is_spiking=narrative_id in spiking,
            last_day=sum(week[-4:]),
            day_before=sum(week[-8:-4]),
            week=week,
        )
        summary.is_new = summary.emerged_at.timestamp() * 1000 > now - DAY_MS
        found.append(summary)
    return found


def week_bin(now: int) -> tuple[str, int]:
    """An SQL expression that numbers the bins of the last seven days, and when the first of them begins.

    The last bin ends with `now` itself.
    """
    start = now - WEEK_BINS * BIN_MS
    return f"(at_ms - {start} - 1) / {BIN_MS}", start


def _weeks(connection: sqlite3.Connection, ids: Sequence[str], now: int) -> dict[str, list[int]]:
    number, start = week_bin(now)
    marks = ", ".join("?" * len(ids))
    rows = connection.execute(
        f"SELECT narrative_id, {number} AS bin, count(*) AS found FROM mentions"  # noqa: S608 - numbers and marks
        f" WHERE narrative_id IN ({marks}) AND at_ms > ? AND at_ms <= ? AND NOT withdrawn GROUP BY 1, 2",
        (*ids, start, now),
    )
    weeks: dict[str, list[int]] = {}
    for row in rows:
        weeks.setdefault(row["narrative_id"], [0] * WEEK_BINS)[row["bin"]] = row["found"]
    return weeks


def _times(now: int) -> dict[str, object]:
    return {"day": now - DAY_MS, "before": now - 2 * DAY_MS, "spiking": now - _SPIKING_MS}


def _conditions(choice: Choice) -> tuple[str, dict[str, object]]:
    conditions, values = ["1"], dict[str, object]()
    if choice.q.strip():
        conditions.append(_matching(choice.q, values))
    for column in ("desk", "kind"):
        wanted = getattr(choice, column)
        if wanted:
            conditions.append(f"{column} = :{column}")
            values[column] = wanted
    for facet in ("language", "source"):
        wanted = getattr(choice, facet)
        if wanted:
            conditions.append(
                "EXISTS (SELECT 1 FROM facets f WHERE f.n = narratives.n"  # noqa: S608 - facet is one of two
                f" AND f.facet = '{facet}' AND f.value = :{facet})"
            )
            values[facet] = wanted
    if choice.state:
        conditions.append(_STATES[choice.state])
    return " AND ".join(conditions), values


def _matching(typed: str, values: dict[str, object]) -> str:
    """By its id, or where the words stand in what is said about it or in one of its mentions."""
    values["id"] = typed.strip()
    query = match_query(typed)
    if query is None:
        return "id = :id"
    values |= {"words": query, "most": _MAX_MATCHING_MENTIONS}
    return (
        "(id = :id OR n IN (SELECT rowid FROM narrative_words WHERE narrative_words MATCH :words)"
        " OR id IN (SELECT narrative_id FROM mentions WHERE NOT withdrawn AND m IN"
        " (SELECT rowid FROM mention_words WHERE mention_words MATCH :words"
        " ORDER BY rowid DESC LIMIT :most)))"
    )
