"""What the page of one narrative shows: timeline, mentions, voices, events and neighbours."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator

from streams.web.queries import as_of_ms, instant, pages_of, summaries
from streams.web.shapes import Bin, Detail, Event, Mention, MentionPage, Neighbour, Timeline, Voice

__all__ = ["MENTIONS_PAGE_SIZE", "detail", "latest_events", "mention_page", "mentions_of", "timeline"]

MENTIONS_PAGE_SIZE = 25
_MAX_BINS = 60
_LEAST_BINS = 24  # a narrative of an hour ago is shown with the quiet before it
_BIN_SECONDS = (300, 900, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 86_400, 7 * 86_400, 28 * 86_400)
_SHOWN_VOICES = 10
_SHOWN_NEIGHBOURS = 6
_LEAST_SCORE = 3  # one common author, or a thread or two, is chance
_COMPARED = 200  # threads, authors: so many of its own are looked for elsewhere
_STANCES = {"supports": "supports", "rebuts": "rebuts"}


def detail(connection: sqlite3.Connection, narrative_id: str) -> Detail:
    """One narrative by its own id (not an alias), which is known."""
    (summary,) = summaries(connection, [narrative_id], as_of_ms(connection))
    view = json.loads(
        connection.execute("SELECT view FROM narratives WHERE id = ?", (narrative_id,)).fetchone()["view"]
    )
    return Detail(
        **summary.model_dump(),
        aliases=view["aliases"],
        quotes=view["quotes"],
        kept_mentions=_count(connection, narrative_id),
        top_authors=_voices(connection, narrative_id, "author"),
        top_threads=_voices(connection, narrative_id, "thread"),
        events=list(_events(connection, "owner = ? ORDER BY at_ms, e", narrative_id)),
        neighbours=_neighbours(connection, narrative_id),
    )


def timeline(connection: sqlite3.Connection, narrative_id: str) -> Timeline:
    """Mentions from the first that is kept to the newest date in the stream, in 24 to 60 bins."""
    first = connection.execute(
        "SELECT min(at_ms) FROM mentions WHERE narrative_id = ? AND NOT withdrawn", (narrative_id,)
    ).fetchone()[0]
    if first is None:
        return Timeline(narrative_id=narrative_id, bin_seconds=_BIN_SECONDS[0], bins=[])
    now = as_of_ms(connection)
    width = next(
        (one for one in _BIN_SECONDS if (now - first) / 1000 / one < _MAX_BINS - 1), _BIN_SECONDS[-1]
    )
    start = min(first // (width * 1000), now // (width * 1000) - _LEAST_BINS + 1)
    rows = connection.execute(
        "SELECT at_ms / ? - ? AS bin, stance, count(*) AS found FROM mentions"
        " WHERE narrative_id = ? AND NOT withdrawn GROUP BY 1, 2",
        (width * 1000, start, narrative_id),
    ).fetchall()
    last = max(now // (width * 1000) - start, *(row["bin"] for row in rows))
    bins = [Bin(at=instant((start + number) * width * 1000)) for number in range(last + 1)]
    for row in rows:
        name = _STANCES.get(row["stance"], "unjudged")
        setattr(bins[row["bin"]], name, getattr(bins[row["bin"]], name) + row["found"])
    return Timeline(narrative_id=narrative_id, bin_seconds=width, bins=bins)


def mention_page(connection: sqlite3.Connection, narrative_id: str, page: int = 1) -> MentionPage:
    """One page of mentions, newest first."""
    total = _count(connection, narrative_id)
    skip = (page - 1) * MENTIONS_PAGE_SIZE
    return MentionPage(
        narrative_id=narrative_id,
        total=total,
        page=page,
        pages=pages_of(total, MENTIONS_PAGE_SIZE),
        mentions=list(mentions_of(connection, narrative_id, limit=MENTIONS_PAGE_SIZE, skip=skip)),
    )


def mentions_of(
    connection: sqlite3.Connection, narrative_id: str, *, limit: int = -1, skip: int = 0
) -> Iterator[Mention]:
    """Mentions that stand, newest first; all of them unless there is a limit."""
    rows = connection.execute(
        "SELECT * FROM mentions WHERE narrative_id = ? AND NOT withdrawn"
        " ORDER BY at_ms DESC, m DESC LIMIT ? OFFSET ?",
        (narrative_id, limit, skip),
    )
    for row in rows:
        fields = {name: row[name] for name in Mention.model_fields if name not in ("at", "stance")}
        yield Mention(**fields, at=instant(row["at_ms"]), stance=row["stance"] or None)


def latest_events(connection: sqlite3.Connection, *, limit: int, after: int = 0) -> list[Event]:
    """The newest events, newest first. after: only those that came in after this number."""
    return list(_events(connection, "e > ? ORDER BY at_ms DESC, e DESC LIMIT ?", after, limit))


def _events(connection: sqlite3.Connection, condition: str, *values: object) -> Iterator[Event]:
    for row in connection.execute(f"SELECT owner, event FROM events WHERE {condition}", values):  # noqa: S608 - constants
        yield Event(**json.loads(row["event"]), lives_on_as=row["owner"])


def _count(connection: sqlite3.Connection, narrative_id: str) -> int:
    query = "SELECT count(*) FROM mentions WHERE narrative_id = ? AND NOT withdrawn"
    return int(connection.execute(query, (narrative_id,)).fetchone()[0])


def _voices(connection: sqlite3.Connection, narrative_id: str, column: str) -> list[Voice]:
    rows = connection.execute(
        f"SELECT {column} AS name, source, count(*) AS mentions FROM mentions"  # noqa: S608 - constants
        f" WHERE narrative_id = ? AND NOT withdrawn AND {column} <> '' GROUP BY 1, 2"
        " ORDER BY 3 DESC, 1 LIMIT ?",
        (narrative_id, _SHOWN_VOICES),
    )
    return [Voice(**row) for row in rows]


def _neighbours(connection: sqlite3.Connection, narrative_id: str) -> list[Neighbour]:
    """Those with which it shares most. An author weighs more than a thread: threads are shared by many."""
    threads = _shared(connection, narrative_id, "source, thread")
    authors = _shared(connection, narrative_id, "author")
    words: dict[str, list[str]] = {}
    for row in connection.execute(
        "SELECT o.id, theirs.value FROM narratives n"
        " JOIN facets ours ON ours.n = n.n AND ours.facet = 'keyword'"
        " JOIN facets theirs ON theirs.facet = 'keyword' AND theirs.value = ours.value AND theirs.n <> n.n"
        " JOIN narratives o ON o.n = theirs.n WHERE n.id = ? LIMIT 1000",
        (narrative_id,),
    ):
        words.setdefault(row["id"], []).append(row["value"])
    scores: Counter[str] = Counter()
    for counts, weight in ((threads, 1), (authors, 2)):
        for other, count in counts.items():
            scores[other] += weight * min(count, 5)
    for other, shared in words.items():
        scores[other] += 3 * len(shared)
    return _named(connection, scores, threads, authors, words)


def _named(
    connection: sqlite3.Connection,
    scores: Counter[str],
    threads: dict[str, int],
    authors: dict[str, int],
    words: dict[str, list[str]],
) -> list[Neighbour]:
    found: list[Neighbour] = []
    for other in sorted(scores, key=lambda one: (-scores[one], one)):
        if scores[other] < _LEAST_SCORE:
            break
        row = connection.execute("SELECT view FROM narratives WHERE id = ?", (other,)).fetchone()
        if row is None:
            continue  # mentions of one that is not known any more
        view = json.loads(row["view"])
        found.append(
            Neighbour(
                narrative_id=other,
                label=view["label"],
                mentions=view["mentions"],
                state=view["state"],
                threads=threads.get(other, 0),
                authors=authors.get(other, 0),
                keywords=words.get(other, []),
            )
        )
        if len(found) == _SHOWN_NEIGHBOURS:
            break
    return found


def _shared(connection: sqlite3.Connection, narrative_id: str, columns: str) -> dict[str, int]:
    """How many threads or authors each other narrative has in common with this one."""
    last = columns.rsplit(", ", maxsplit=1)[-1]
    join = " AND ".join(f"m.{column} = mine.{column}" for column in columns.split(", "))
    rows = connection.execute(
        f"SELECT m.narrative_id AS id, count(DISTINCT m.{last}) AS found FROM"  # noqa: S608 - constants
        f" (SELECT DISTINCT {columns} FROM mentions WHERE narrative_id = ? AND NOT withdrawn AND {last} <> ''"
        f" LIMIT {_COMPARED}) AS mine JOIN mentions m ON {join} AND m.narrative_id <> ? AND NOT m.withdrawn"
        " GROUP BY 1 ORDER BY 2 DESC LIMIT 50",
        (narrative_id, narrative_id),
    )
    return {row["id"]: row["found"] for row in rows}
