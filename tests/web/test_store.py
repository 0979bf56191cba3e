"""The file of the read model: kept, thrown away, and protected from endless questions."""

import sqlite3
from pathlib import Path

import pytest

from streams.errors import OutputError
from streams.web.store import Store
from tests.web.records import fill, mention, narrative


def mentions_in(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.execute("SELECT count(*) FROM mentions").fetchone()[0])


def test_a_file_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "some" / "folder" / "web.sqlite3"
    for expected in (0, 1):
        store = Store(path)
        assert mentions_in(store) == expected
        fill(store, [narrative()], [mention()])
        store.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b""])
def test_what_is_no_database_is_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "web.sqlite3"
    path.write_bytes(content)
    store = Store(path)
    fill(store, [narrative()], [mention()])
    assert mentions_in(store) == 1
    store.close()


def test_a_file_of_another_version_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "web.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mentions (something_else)")
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    store = Store(path)
    assert mentions_in(store) == 0
    store.close()


def test_clear_forgets_everything(store: Store) -> None:
    fill(store, [narrative()], [mention()])
    version = store.version
    store.clear()
    assert mentions_in(store) == 0
    assert store.version != version
    with store.reading() as connection:
        query = "SELECT count(*) FROM mention_words WHERE mention_words MATCH 'comment'"
        assert connection.execute(query).fetchone()[0] == 0


def test_readers_cannot_write(store: Store) -> None:
    with store.reading() as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM mentions")


def test_an_endless_question_is_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.web.store._QUERY_LOOKS", 3)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(sqlite3.OperationalError, match="interrupted"), store.reading() as connection:
        connection.execute(endless)
    assert mentions_in(store) == 0


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        Store(tmp_path / "file" / "web.sqlite3")
