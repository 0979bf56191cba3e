"""What is shown of watches: those of the settings, and those whose matches are known."""

import sqlite3
from collections.abc import Sequence

from streams.settings_fields import Watch as WatchSetting
from streams.web.queries import DAY_MS, WEEK_BINS, as_of_ms, instant, pages_of, week_bin
from streams.web.shapes import Watch, WatchMatch, WatchPage

__all__ = ["find_watch", "watch_page", "watches"]

_PAGE_SIZE = 50


def watches(connection: sqlite3.Connection, settings: Sequence[WatchSetting]) -> list[Watch]:
    """All watches by name: those of the settings, those added by command, those whose matches are known."""
    now = as_of_ms(connection)
    number, start = week_bin(now)
    known = {watch.name: watch for watch in _added(connection)} | {watch.name: watch for watch in settings}
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
        _shown(name, known.get(name), counts.get(name, (0, 0)), weeks.get(name, [0] * WEEK_BINS))
        for name in sorted({*known, *counts})
    ]


def find_watch(connection: sqlite3.Connection, settings: Sequence[WatchSetting], name: str) -> Watch | None:
    """The watch of that name, if there is one."""
    return next((watch for watch in watches(connection, settings) if watch.name == name), None)


def _added(connection: sqlite3.Connection) -> list[WatchSetting]:
    rows = connection.execute("SELECT fields FROM watches")
    return [WatchSetting.model_validate_json(row["fields"]) for row in rows]


def _shown(name: str, watch: WatchSetting | None, counts: tuple[int, int], week: list[int]) -> Watch:
    """watch: None when it is known by its matches alone."""
    fields = {} if watch is None else watch.model_dump(exclude={"name"})
    return Watch(name=name, **fields, matches=counts[0], last_day=counts[1], week=week)


def watch_page(connection: sqlite3.Connection, watch: Watch, page: int = 1) -> WatchPage:
    """One page of its matches, newest first, each with the label of its narrative and the link it has."""
    rows = connection.execute(
        """
        SELECT w.*, coalesce(a.owner, w.narrative_id) AS owner, json_extract(n.view, '$.label') AS label,
            (SELECT m.permalink FROM mentions m WHERE m.narrative_id = n.id AND m.source = w.source
                AND m.comment_id = w.comment_id) AS mentioned_at
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
                thread=row["thread"],
                author=row["author"],
                language=row["language"],
                permalink=row["permalink"] or row["mentioned_at"] or "",
            )
            for row in rows
        ],
    )
