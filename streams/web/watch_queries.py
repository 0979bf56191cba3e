"""What is shown of watches: those of the settings, and those whose matches are known."""

import sqlite3
from collections.abc import Sequence

from streams.settings_fields import Watch as WatchSetting
from streams.web.queries import DAY_MS, WEEK_BINS, as_of_ms, instant, pages_of, week_bin
from streams.web.shapes import Watch, WatchMatch, WatchPage

__all__ = ["find_watch", "watch_page", "watches"]

_PAGE_SIZE = 50


def watches(connection: sqlite3.Connection, settings: Sequence[WatchSetting]) -> list[Watch]:
    """All watches by name: a watch that several desks have is one here."""
    now = as_of_ms(connection)
    number, start = week_bin(now)
    phrases: dict[str, list[str]] = {}
    desks: dict[str, str | None] = {}
    for watch in settings:
        known = phrases.setdefault(watch.name, [])
        known += [phrase for phrase in watch.phrases if phrase not in known]
        desks[watch.name] = watch.desk
    counts = {
        row["watch"]: (row["found"], row["late"])
        for row in connection.execute(
            "SELECT watch, count(*) AS found, coalesce(sum(at_ms > ?), 0) AS late FROM matches GROUP BY 1",
            (now - DAY_MS,),
        )
    }
    weeks: dict[str, list[int]] = {}
    for row in connection.execute(
        f"SELECT watch, {number} AS bin, count(*) AS found FROM matches"  # noqa: S608 - numbers of our own
        " WHERE at_ms > ? AND at_ms <= ? GROUP BY 1, 2",
        (start, now),
    ):
        weeks.setdefault(row["watch"], [0] * WEEK_BINS)[row["bin"]] = row["found"]
    return [
        Watch(
            name=name,
            desk=desks.get(name),
            phrases=phrases.get(name, []),
            matches=counts.get(name, (0, 0))[0],
            last_day=counts.get(name, (0, 0))[1],
            week=weeks.get(name, [0] * WEEK_BINS),
        )
        for name in sorted({*phrases, *counts})
    ]


def find_watch(connection: sqlite3.Connection, settings: Sequence[WatchSetting], name: str) -> Watch | None:
    """The watch of that name, if there is one."""
    return next((watch for watch in watches(connection, settings) if watch.name == name), None)


def watch_page(connection: sqlite3.Connection, watch: Watch, page: int = 1) -> WatchPage:
    """One page of its matches, newest first, each with the label of its narrative and the link it has."""
    rows = connection.execute(
        """
        SELECT w.*, coalesce(a.owner, w.narrative_id) AS owner, json_extract(n.view, '$.label') AS label,
            (SELECT m.permalink FROM mentions m WHERE m.narrative_id = n.id AND m.source = w.source
                AND m.comment_id = w.comment_id) AS permalink
        FROM matches w LEFT JOIN aliases a ON a.id = w.narrative_id
        LEFT JOIN narratives n ON n.id = coalesce(a.owner, w.narrative_id)
        WHERE watch = ? ORDER BY w.at_ms DESC, w.w DESC LIMIT ? OFFSET ?
        """,
        (watch.name, _PAGE_SIZE, (page - 1) * _PAGE_SIZE),
    )
    return WatchPage(
        watch=watch,
        total=watch.matches,
        page=page,
        pages=pages_of(watch.matches, _PAGE_SIZE),
        matches=[
            WatchMatch(
                source=row["source"],
                comment_id=row["comment_id"],
                claim=row["claim"],
                desk=row["desk"],
                text=row["text"],
                similarity=row["similarity"],
                at=instant(row["at_ms"]),
                narrative_id=row["owner"] if row["label"] is not None else None,
                label=row["label"],
                permalink=row["permalink"] or "",
            )
            for row in rows
        ],
    )
