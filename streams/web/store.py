"""The read model: an SQLite file with one writer and any number of readers.

Nothing in it is precious: a file of another version, or one that is no database, is thrown away and made
again.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from queue import Empty, Full, LifoQueue
from threading import Lock
from typing import Literal

from streams.errors import OutputError

__all__ = ["Counted", "Store"]

Counted = Literal["narratives", "mentions"]

_VERSION = 1  # of the schema; a file of another one is made anew
_IDLE_READERS = 8
_QUERY_OPCODES = 100_000  # between two looks at whether a query has been running for too long
_QUERY_LOOKS = 5_000  # some ten seconds: no question of a page is that hard
_BUSY_SECONDS = 10.0
_CACHE_KIB = 16 * 1024  # of each connection; SQLite's own 2 MiB are little for the indexes of a million rows
_TABLES = (
    "narratives",
    "aliases",
    "facets",
    "narrative_words",
    "mentions",
    "events",
    "watches",
    "matches",
    "places",
    "facts",
)


class Store:
    """The file, open from construction to `close`.

    path: is made with its folder when missing. Raises OutputError when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._readers: LifoQueue[sqlite3.Connection] = LifoQueue(_IDLE_READERS)
        self._version = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._usable() or self._made()
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"cannot write to {path}: {error}") from error

    @property
    def version(self) -> int:
        """Another number after each change."""
        return self._version

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of the block or, after an exception, nothing of it."""
        with self._lock, self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            before = self._writer.total_changes
            yield self._writer
        if self._writer.total_changes != before:
            self._version += 1

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A view of one moment, whatever is written meanwhile. An endless query raises OperationalError."""
        try:
            connection = self._readers.get_nowait()
        except Empty:
            connection = self._connect()
            connection.execute("PRAGMA query_only = 1")
        _limit(connection)
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.rollback()
            try:
                self._readers.put_nowait(connection)
            except Full:
                connection.close()

    def size_bytes(self) -> int:
        """What the file takes, with what is not yet in its place."""
        paths = (self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    def count(self, table: Counted) -> int:
        """Rows of a table."""
        with self.reading() as connection:
            query = f"SELECT count(*) FROM {table}"  # noqa: S608 - one of these names
            return int(connection.execute(query).fetchone()[0])

    def clear(self) -> None:
        """Forget everything."""
        with self.writing() as connection:
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own

    def close(self) -> None:
        """Close the file; it stays."""
        with contextlib.suppress(Empty):
            while True:
                self._readers.get_nowait().close()
        self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = 1")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    def _usable(self) -> sqlite3.Connection | None:
        """The file as it is there, if it is of this version; any other goes."""
        if not self.path.exists():
            return None
        try:
            with contextlib.closing(sqlite3.connect(self.path)) as probe:
                version = probe.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError:  # no database, or not one any more
            version = None
        if version == _VERSION:
            return self._connect()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        return None

    def _made(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(files("streams.web").joinpath("schema.sql").read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        return connection


def _limit(connection: sqlite3.Connection) -> None:
    looks = 0

    def look() -> int:
        nonlocal looks
        looks += 1
        return looks > _QUERY_LOOKS

    connection.set_progress_handler(look, _QUERY_OPCODES)
