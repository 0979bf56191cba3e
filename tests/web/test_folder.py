"""A folder that `replay` wrote, and one that it did not."""

import json
from pathlib import Path

import pytest

from streams.errors import InputError
from streams.web.folder import fill_from_folder
from streams.web.narrative_queries import detail
from streams.web.store import Store
from tests.web.records import event, mentions, narrative, write_folder


def folder_of(path: Path) -> Path:
    match = {
        "watch": "w",
        "comment_id": "n1-0",
        "claim": 0,
        "text": "x",
        "similarity": 0.9,
        "at": "2026-11-27T11:00:00Z",
    }
    return write_folder(
        path,
        {"narratives": [narrative()], "mentions": mentions(3), "events": [event()], "watches": [match]},
    )


def test_a_folder_is_taken_as_a_whole(store: Store, tmp_path: Path) -> None:
    fill_from_folder(store, folder_of(tmp_path / "found"))
    with store.reading() as connection:
        one = detail(connection, "n1")
        assert (one.kept_mentions, len(one.events)) == (3, 1)
        assert connection.execute("SELECT watch FROM matches").fetchone()["watch"] == "w"


@pytest.mark.parametrize("name", ["narratives", "mentions", "events", "watches"])
@pytest.mark.parametrize("line", [b"{", b'{"narrative_id": 7}', b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_broken_line_is_named_and_nothing_is_taken(
    store: Store, tmp_path: Path, name: str, line: bytes
) -> None:
    folder = folder_of(tmp_path / "found")
    with (folder / f"{name}.jsonl").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(InputError, match=rf"{name}\.jsonl:[24]: not a"):
        fill_from_folder(store, folder)
    with store.reading() as connection:
        assert connection.execute("SELECT count(*) FROM narratives").fetchone()[0] == 0


def test_a_folder_of_something_else_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="narrawatch replay --out"):
        fill_from_folder(store, tmp_path)


def test_events_of_types_to_come_are_taken(store: Store, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "found")
    line = json.loads((folder / "events.jsonl").read_text()) | {"type": "exploded", "unheard_of": {"a": [1]}}
    (folder / "events.jsonl").write_text(json.dumps(line) + "\n")
    fill_from_folder(store, folder)
    with store.reading() as connection:
        assert detail(connection, "n1").events[0].type == "exploded"
