"""What comes in becomes rows. Taking the same record twice changes nothing.

Topics are read side by side, so a mention may come before its narrative, and a merge before or after what was
said of either. In the end it is the same: of a comment and a narrative the record with the highest place
holds, where narratives that merged are one.
"""

import hashlib
import sqlite3
from datetime import datetime

import msgspec

from streams.results import MentionRecord, MergedNarrative, NarrativeRecord
from streams.web.lines import EventLine, MatchLine

__all__ = ["Bounds", "owner_of", "take_event", "take_match", "take_mention", "take_narrative", "trim"]

_MENTION_COLUMNS = (
    "narrative_id, source, comment_id, place, desk, text, author, thread, language, at_ms, similarity,"
    " retroactive, stance, permalink, withdrawn"
)
_LATER_HOLDS = """
    ON CONFLICT (narrative_id, source, comment_id) DO UPDATE SET
        place = excluded.place, desk = excluded.desk, text = excluded.text, author = excluded.author,
        thread = excluded.thread, language = excluded.language, at_ms = excluded.at_ms,
        similarity = excluded.similarity, retroactive = excluded.retroactive, stance = excluded.stance,
        permalink = excluded.permalink, withdrawn = excluded.withdrawn
    WHERE excluded.place >= place
"""
_MAX_CHAIN = 1_000  # of merges; more would be a circle that somebody wrote

_encode = msgspec.json.Encoder().encode


class Bounds(msgspec.Struct, frozen=True):
    """What is kept: so many days before the newest mention, and never more rows than these."""

    days: int
    mentions: int
    narratives: int = 100_000
    events: int = 200_000


def epoch_ms(moment: datetime) -> int:
    """Epoch milliseconds of an aware datetime."""
    return round(moment.timestamp() * 1000)


def owner_of(connection: sqlite3.Connection, narrative_id: str) -> str:
    """The id that a narrative lives on under; its own unless it merged."""
    for _ in range(_MAX_CHAIN):
        row = connection.execute("SELECT owner FROM aliases WHERE id = ?", (narrative_id,)).fetchone()
        if row is None:
            return narrative_id
        narrative_id = row["owner"]
    return narrative_id


def take_narrative(connection: sqlite3.Connection, record: NarrativeRecord | MergedNarrative) -> None:
    """The last state of a narrative, or that it became part of another."""
    if isinstance(record, MergedNarrative):
        _merge(connection, record.narrative_id, record.into)
        return
    for alias in record.aliases:
        _merge(connection, alias, record.narrative_id)
    if owner_of(connection, record.narrative_id) != record.narrative_id:
        return  # told again after a crash: it has merged since
    row = connection.execute(
        """
        INSERT INTO narratives (id, desk, state, kind, mentions, first_ms, last_ms, emerged_ms, view)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET
            desk = excluded.desk, state = excluded.state, kind = excluded.kind, mentions = excluded.mentions,
            first_ms = excluded.first_ms, last_ms = excluded.last_ms, emerged_ms = excluded.emerged_ms,
            view = excluded.view
        RETURNING n
        """,
        (
            record.narrative_id,
            record.desk,
            record.state,
            record.kind,
            record.mentions,
            epoch_ms(record.first_seen),
            epoch_ms(record.last_seen),
            epoch_ms(record.emerged_at),
            _encode(record).decode(),
        ),
    ).fetchone()
    _index(connection, row["n"], record)


def take_mention(connection: sqlite3.Connection, record: MentionRecord, place: int) -> None:
    """A mention, or that one is withdrawn. place: its offset, or its line."""
    connection.execute(
        f"INSERT INTO mentions ({_MENTION_COLUMNS}) VALUES ({', '.join('?' * 15)}) {_LATER_HOLDS}",  # noqa: S608 - constants
        (
            owner_of(connection, record.narrative_id),
            record.source,
            record.comment_id,
            place,
            record.desk,
            record.text,
            record.author,
            record.thread,
            record.language,
            epoch_ms(record.at),
            record.similarity,
            record.retroactive,
            record.stance or "",
            record.permalink,
            record.withdrawn,
        ),
    )


def take_event(connection: sqlite3.Connection, event: EventLine) -> None:
    """An event; one that is equal in every field is the same."""
    encoded = _encode(event)
    connection.execute(
        "INSERT OR IGNORE INTO events (digest, owner, narrative_id, desk, type, at_ms, event)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            hashlib.blake2b(encoded, digest_size=16).digest(),
            owner_of(connection, event.narrative_id),
            event.narrative_id,
            event.desk,
            event.type,
            epoch_ms(event.at),
            encoded.decode(),
        ),
    )


def take_match(connection: sqlite3.Connection, match: MatchLine) -> None:
    """A claim that matches a watch; the last word of the two holds."""
    connection.execute(
        "INSERT OR REPLACE INTO matches"
        " (watch, desk, source, comment_id, claim, text, similarity, narrative_id, at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            match.watch,
            match.desk,
            match.source,
            match.comment_id,
            match.claim,
            match.text,
            match.similarity,
            match.narrative_id,
            epoch_ms(match.at),
        ),
    )


def trim(connection: sqlite3.Connection, bounds: Bounds) -> None:
    """Let go of what is older than the bounds, or more than they allow, oldest first."""
    newest = connection.execute("SELECT max(at_ms) FROM mentions").fetchone()[0]
    if newest is not None:
        oldest = newest - bounds.days * 86_400_000
        connection.execute("DELETE FROM mentions WHERE at_ms < ?", (oldest,))
        connection.execute("DELETE FROM events WHERE at_ms < ?", (oldest,))
        connection.execute("DELETE FROM matches WHERE at_ms < ?", (oldest,))
        _forget_narratives(connection, "last_ms < ?", oldest)
    _keep_newest(connection, "mentions", "at_ms", bounds.mentions)
    _keep_newest(connection, "matches", "at_ms", bounds.mentions)
    _keep_newest(connection, "events", "at_ms", bounds.events)
    limit = _nth_newest(connection, "narratives", "last_ms", bounds.narratives)
    if limit is not None:
        _forget_narratives(connection, "last_ms <= ?", limit)
    connection.execute("DELETE FROM aliases WHERE owner NOT IN (SELECT id FROM narratives)")


def _merge(connection: sqlite3.Connection, narrative_id: str, into: str) -> None:
    owner = owner_of(connection, into)
    if owner == narrative_id or owner_of(connection, narrative_id) != narrative_id:
        return
    connection.execute("INSERT INTO aliases (id, owner) VALUES (?, ?)", (narrative_id, owner))
    connection.execute("UPDATE aliases SET owner = ? WHERE owner = ?", (owner, narrative_id))
    others = _MENTION_COLUMNS.removeprefix("narrative_id, ")
    connection.execute(
        f"INSERT INTO mentions ({_MENTION_COLUMNS}) SELECT ?, {others} FROM mentions"  # noqa: S608 - constants
        f" WHERE narrative_id = ? {_LATER_HOLDS}",
        (owner, narrative_id),
    )
    connection.execute("DELETE FROM mentions WHERE narrative_id = ?", (narrative_id,))
    connection.execute("UPDATE events SET owner = ? WHERE owner = ?", (owner, narrative_id))
    connection.execute("UPDATE matches SET narrative_id = ? WHERE narrative_id = ?", (owner, narrative_id))
    _forget_narratives(connection, "id = ?", narrative_id)


def _index(connection: sqlite3.Connection, n: int, record: NarrativeRecord) -> None:
    connection.execute("DELETE FROM facets WHERE n = ?", (n,))
    values = [("language", value) for value in record.languages]
    values += [("source", value) for value in record.sources]
    values += [("keyword", value.casefold()) for value in record.keywords]
    connection.executemany(
        "INSERT OR IGNORE INTO facets (n, facet, value) VALUES (?, ?, ?)",
        [(n, *pair) for pair in values],
    )
    words = [record.label, record.plain_label or "", record.representative, *record.keywords]
    words += [quote.text for quote in record.quotes]
    connection.execute("DELETE FROM narrative_words WHERE rowid = ?", (n,))
    connection.execute("INSERT INTO narrative_words (rowid, words) VALUES (?, ?)", (n, "\n".join(words)))


def _forget_narratives(connection: sqlite3.Connection, condition: str, value: object) -> None:
    connection.execute(
        f"DELETE FROM narrative_words WHERE rowid IN (SELECT n FROM narratives WHERE {condition})",  # noqa: S608 - constants
        (value,),
    )
    connection.execute(f"DELETE FROM narratives WHERE {condition}", (value,))  # noqa: S608 - constants


def _nth_newest(connection: sqlite3.Connection, table: str, column: str, count: int) -> int | None:
    """The time of the first row beyond `count`, newest first; None when there are no more than that."""
    query = f"SELECT {column} FROM {table} ORDER BY {column} DESC LIMIT 1 OFFSET ?"  # noqa: S608 - constants
    row = connection.execute(query, (count,)).fetchone()
    return None if row is None else int(row[0])


def _keep_newest(connection: sqlite3.Connection, table: str, column: str, count: int) -> None:
    limit = _nth_newest(connection, table, column, count)
    if limit is not None:
        connection.execute(f"DELETE FROM {table} WHERE {column} <= ?", (limit,))  # noqa: S608 - constants
