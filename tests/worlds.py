"""Reads the labelled worlds of `tests/data/worlds` (the format is in the README there)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "data" / "worlds"


class Labelled(NamedTuple):
    """A comment and what it makes: narrative id to whether it supports it."""

    comment_id: str
    parent: str | None
    thread: str
    source: str
    title: str
    at: datetime
    language: str
    author: str
    text: str
    makes: dict[str, bool]


class World(NamedTuple):
    """The comments of one world, by time, and its narratives with their kind."""

    comments: list[Labelled]
    narratives: dict[str, str]


def names() -> list[str]:
    """The worlds there are."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def read_world(name: str) -> World:
    """One world.  Raises ValueError or KeyError where a line is not of the format."""
    narratives: dict[str, str] = {}
    threads: dict[str, list[str]] = {}
    comments = []
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        fields = [field.strip() for field in line.split(" | ", 6)]
        if fields[0] == "N":
            narratives[fields[1]] = fields[2]
        elif fields[0] == "T":
            threads[fields[1]] = fields
        elif line:
            comments.append(_comment(name, fields, threads, narratives))
    return World(sorted(comments, key=lambda one: one.at), narratives)


def _comment(
    name: str, fields: list[str], threads: dict[str, list[str]], narratives: dict[str, str]
) -> Labelled:
    numbers, thread, minutes, language, author, labels, text = fields
    number, _, parent = numbers.partition(">")
    makes = {label[:-1]: label[-1] == "+" for label in labels.split(",") if label != "-"}
    if unknown := makes.keys() - narratives.keys():
        raise ValueError(f"{name} {number}: no narrative {unknown}")
    _, _, source, title, start = threads[thread]
    return Labelled(
        comment_id=f"{name}-{number}",
        parent=f"{name}-{parent}" if parent else None,
        thread=thread,
        source=source,
        title=title,
        at=datetime.fromisoformat(start).replace(tzinfo=UTC) + timedelta(minutes=int(minutes)),
        language=language,
        author=author,
        text=text,
        makes=makes,
    )
