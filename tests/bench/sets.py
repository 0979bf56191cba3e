"""The labelled streams of the bench: the worlds of the repository, and the development data beside it."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from models.text import clean_comment
from tests.worlds import Labelled, names, read_world

__all__ = ["BESIDE", "SETS", "BenchSet", "Comment", "Stream", "comment_of", "is_there"]

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
"""The development data beside the checkout; not everybody has it."""


class Comment(NamedTuple):
    """A comment with what it is said to make."""

    comment_id: str
    thread: str
    author: str  # one of its own where the data name none
    at: datetime
    language: str  # "" where the data name none
    text: str  # without markup
    labels: frozenset[str]
    record: bytes  # what a source would send: JSON


class Stream(NamedTuple):
    """Comments in stream order, read by one desk."""

    name: str
    comments: list[Comment]


class BenchSet(NamedTuple):
    """Streams whose figures are averaged. split: whether a comment may make several claims."""

    name: str
    about: str
    split: bool
    path: Path | None  # None: in the repository
    load: Callable[[], Iterator[Stream]]


def is_there(one: BenchSet) -> bool:
    """Whether the data of a set can be read."""
    return one.path is None or one.path.is_file()


def comment_of(record: Mapping[str, Any]) -> Comment:
    """The comment of a JSON record with its labels: `gold`, or `narratives` with an id each."""
    labels = [one["id"] for one in record["narratives"]] if "narratives" in record else record["gold"]
    return Comment(
        comment_id=str(record["id"]),
        thread=record.get("thread") or "",
        author=record.get("author") or f"author of {record['id']}",
        at=datetime.fromisoformat(record["created_at"]),
        language=record.get("lang") or "",
        text=clean_comment(record["text"]).text or record["text"],
        labels=frozenset(labels),
        record=json.dumps(record, ensure_ascii=False).encode(),
    )


def _of_world(one: Labelled) -> Comment:
    record = {
        "id": one.comment_id,
        "source": one.source,
        "thread": one.thread,
        "thread_title": one.title,
        "lang": one.language,
        "author": one.author,
        "created_at": one.at.isoformat(),
        "parent": one.parent,
        "text": one.text,
        "gold": sorted(one.makes),
    }
    return comment_of(record)


def _worlds() -> Iterator[Stream]:
    for name in names():
        yield Stream(name, [_of_world(one) for one in read_world(name).comments])


def _lines(path: Path) -> Iterator[Stream]:
    with path.open(encoding="utf-8") as file:
        yield Stream(path.stem, [comment_of(json.loads(line)) for line in file if line.strip()])


def _beside(name: str, path: Path, about: str, *, split: bool) -> BenchSet:
    return BenchSet(name, about, split, path, lambda: _lines(path))


SETS = (
    BenchSet(
        "worlds",
        "sixteen invented worlds of tech-news comments in French and English (`tests/data/worlds`), a stream"
        " each; the figures are means over the sixteen",
        split=True,
        path=None,
        load=_worlds,
    ),
    _beside(
        "tech-comments",
        BESIDE / "tech-comments" / "comments.jsonl",
        "tech-news comments in French and English with a little German and Spanish, ten threads in six days,"
        " a third of it chatter",
        split=True,
    ),
    _beside(
        "argkp",
        BESIDE / "argkp.jsonl",
        "arguments on 24 debated topics and the key points they make, shuffled (ArgKP 2021); an argument is"
        " one claim",
        split=False,
    ),
    _beside(
        "tweets-t",
        BESIDE / "tweets-t.jsonl",
        "short texts without stop words on 269 stories that come and go (Tweets-T; Yin et al., KDD 2018); a"
        " text is one claim",
        split=False,
    ),
)
