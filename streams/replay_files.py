"""The files that a replay writes: all of them or none, and in bounded memory.

What is known only at the end (the narrative of a claim that was held back, the id of one that merged) is kept
as a few numbers a claim; texts wait in a file. An edited comment is written as it was last, a deleted one not
at all. Everything is written in a temporary folder inside the target
and renamed at the end, so that an interrupted replay leaves the files of the one before.
"""

import hashlib
import tempfile
import zlib
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from models.outcome import Assignment, Event, EventType, Mention, NarrativeView, Stance, WatchMatch
from models.preparation import Draft
from streams.comments import Comment
from streams.errors import OutputError
from streams.ingest.base import RawComment
from streams.replay_mentions import MentionLines

__all__ = [
    "EVENTS",
    "MENTIONS",
    "NARRATIVES",
    "OUTPUT_FILES",
    "WATCHES",
    "ReplayFiles",
    "replacing_files",
]

ASSIGNMENTS, EVENTS, NARRATIVES = "assignments.jsonl", "events.jsonl", "narratives.jsonl"
REJECTED, WATCHES, MENTIONS = "rejected.jsonl", "watches.jsonl", "mentions.jsonl"
OUTPUT_FILES = (ASSIGNMENTS, EVENTS, MENTIONS, NARRATIVES, REJECTED, WATCHES)

_SIMILARITY_DIGITS = 6
_EXCERPT_BYTES = 200
_UNASSIGNED = -1
_DELETED = 0
_STANCES = (None, *Stance)

_encode = msgspec.json.Encoder().encode


class _MatchLine(msgspec.Struct):
    """A match as it waits: `row` is the claim's, if it has one."""

    row: int
    fields: dict[str, object]


_decode_match = msgspec.json.Decoder(_MatchLine).decode


@contextmanager
def replacing_files(out: Path) -> Iterator[Path]:
    """A temporary folder for the block; what is in it replaces the output files in `out` at its end.

    After an exception `out` is as it was. Raises OutputError when something cannot be written.
    """
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".replay-") as name:
            folder = Path(name)
            yield folder
            for file in OUTPUT_FILES:
                if (folder / file).exists():
                    (folder / file).replace(out / file)
                else:
                    (out / file).unlink(missing_ok=True)  # of an earlier replay: it would mislead
    except OSError as error:
        _remove_if_empty(out, made)
        raise OutputError(f"cannot write to {out}: {error.strerror or error}") from error
    except BaseException:
        _remove_if_empty(out, made)
        raise


def _remove_if_empty(out: Path, made: bool) -> None:
    if made and out.is_dir() and not any(out.iterdir()):
        out.rmdir()


class ReplayFiles:
    """Takes everything in stream order; `finish` writes what had to wait. A context manager.

    watches: the names of all watches; without any there is no file of them.
    """

    def __init__(self, folder: Path, *, watches: Iterable[str]) -> None:
        self._folder = folder
        self._files = ExitStack()
        self._claims = self._open("claims")
        self._matches = self._open("matches")
        self._mentions = MentionLines(self._open("told"))
        self._events = self._open(EVENTS)
        self._rejected = self._open(REJECTED)
        self._first_row: dict[int, int] = {}  # of each comment, as it was last said
        self._said: dict[int, int] = {}  # digests of comments; _DELETED of deleted ones
        self._replaced: set[int] = set()  # rows of what was edited or deleted
        self._comment_keys = array("Q")  # of each row, and so on for the next two
        self._narrative = array("l")
        self._similarity = array("d")
        self._stance = array("b")  # its place in _STANCES
        self._ids: list[str] = []
        self._index: dict[str, int] = {}
        self._into: dict[str, str] = {}  # narratives that merged
        self.views: dict[str, tuple[str, NarrativeView]] = {}  # desk and last view of every narrative
        self.match_counts: dict[str, int] = dict.fromkeys(watches, 0)  # by watch
        self.event_counts: dict[str, int] = {}

    def __enter__(self) -> "ReplayFiles":
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    @property
    def claims(self) -> int:
        """How many claims there are, without those that were edited away."""
        return self._rows - len(self._replaced)

    @property
    def _rows(self) -> int:
        return len(self._narrative)

    @property
    def comments(self) -> int:
        """How many comments there are, without deleted ones."""
        return len(self._first_row)

    def hear(self, desk: str, comment: Comment) -> bool:
        """Whether a comment is new, or says something else than when it was last heard."""
        key = _key(desk, comment.source, comment.id)
        digest = _DELETED if comment.deleted else max(1, zlib.crc32(comment.text.encode()))
        if self._said.get(key) == digest:
            return False
        self._said[key] = digest
        return True

    def add(self, desk: str, drafts: list[Draft]) -> None:
        """The claims of a comment (at least one); they take the place of what it said before."""
        original = drafts[0].original
        self.drop(desk, original.source, original.comment_id)
        key = _key(desk, original.source, original.comment_id)
        self._first_row[key] = self._rows
        for draft in drafts:
            self._comment_keys.append(key)
            self._narrative.append(_UNASSIGNED)
            self._similarity.append(0.0)
            self._stance.append(0)
            line = {
                "comment_id": original.comment_id,
                "claim": draft.n,
                "text": draft.text,
                "source": original.source,
                "desk": desk,
                "language": draft.language,
            }
            self._claims.write(_encode(line) + b"\n")

    def drop(self, desk: str, source: str, comment_id: str) -> None:
        """What a comment said does not hold any more, if it is known."""
        key = _key(desk, source, comment_id)
        row = self._first_row.pop(key, self._rows)
        while row < self._rows and self._comment_keys[row] == key:
            self._replaced.add(row)
            row += 1

    def reject(self, item: RawComment, reason: str, detail: str) -> None:
        """A record that was refused."""
        line = {
            "place": item.place,
            "reason": reason,
            "detail": detail,
            "size_bytes": item.size_bytes,
            "excerpt": item.original[:_EXCERPT_BYTES].decode(errors="replace"),
        }
        self._rejected.write(_encode(line) + b"\n")

    def assign(self, desk: str, assignment: Assignment) -> None:
        """Where a claim is now; replaces what was said of it before."""
        row = self._row(desk, assignment.source, assignment.comment_id, assignment.n)
        if row is not None:
            self._narrative[row] = self._number(assignment.narrative_id)
            self._similarity[row] = assignment.similarity
            self._stance[row] = _STANCES.index(assignment.stance)

    def mention(self, desk: str, mention: Mention) -> None:
        """What is said of a comment and a narrative; replaces what was said of the two before."""
        self._mentions.add(desk, mention)

    def event(self, desk: str, event: Event) -> None:
        """Something that happened; its view of the narrative is the last for now."""
        if event.type is EventType.MERGED and event.into is not None:
            self._into[event.narrative_id] = event.into
            self.views.pop(event.narrative_id, None)
        else:
            self.view(desk, event.narrative)
        self.event_counts[event.type] = self.event_counts.get(event.type, 0) + 1
        line = {
            "type": event.type,
            "narrative_id": event.narrative_id,
            "at": event.at,
            "mentions": event.mentions,
            "into": event.into,
            "out_of": event.out_of,
            "desk": desk,
            "trigger": event.trigger,
        }
        evidence = msgspec.structs.asdict(event.narrative)
        self._events.write(
            _encode(line | {key: evidence[key] for key in evidence if key not in line}) + b"\n"
        )

    def view(self, desk: str, view: NarrativeView) -> None:
        """The last that is known of a narrative; the first view of it decides its place in the file."""
        self.views[view.narrative_id] = desk, view

    def match(self, desk: str, match: WatchMatch) -> None:
        """A claim that matches a watch."""
        self.match_counts[match.watch] += 1
        row = self._row(desk, match.source, match.comment_id, match.n)
        fields = {
            "watch": match.watch,
            "comment_id": match.comment_id,
            "claim": match.n,
            "text": match.text,
            "similarity": round(match.similarity, _SIMILARITY_DIGITS),
            "at": match.at,
            "source": match.source,
            "desk": desk,
        }
        self._matches.write(_encode(_MatchLine(_UNASSIGNED if row is None else row, fields)) + b"\n")

    def finish(self) -> None:
        """Write what had to wait for the end."""
        for file in (self._claims, self._matches):
            file.seek(0)
        final = [self._resolve(narrative_id) for narrative_id in self._ids]
        self._write_assignments(final)
        if self.match_counts:
            self._write_matches(final)
        with (self._folder / MENTIONS).open("wb") as file:
            self._mentions.write(file, self._resolve)
        with (self._folder / NARRATIVES).open("wb") as file:
            for desk, view in self.views.values():
                file.write(_encode(msgspec.structs.asdict(view) | {"desk": desk}) + b"\n")
        self._files.close()

    def _write_assignments(self, final: list[str]) -> None:
        with (self._folder / ASSIGNMENTS).open("wb") as file:
            rows = zip(self._claims, self._narrative, self._similarity, self._stance, strict=True)
            for row, (line, number, similarity, stance) in enumerate(rows):
                if row in self._replaced:
                    continue
                decided = {
                    "narrative_id": None if number == _UNASSIGNED else final[number],
                    "similarity": round(similarity, _SIMILARITY_DIGITS),
                    "stance": _STANCES[stance],
                }
                # Two JSON objects become one without reading the first again.
                file.write(line[:-2] + b"," + _encode(decided)[1:] + b"\n")

    def _write_matches(self, final: list[str]) -> None:
        with (self._folder / WATCHES).open("wb") as file:
            for line in self._matches:
                match = _decode_match(line)
                number = _UNASSIGNED if match.row == _UNASSIGNED else self._narrative[match.row]
                narrative_id = None if number == _UNASSIGNED else final[number]
                file.write(_encode(match.fields | {"narrative_id": narrative_id}) + b"\n")

    def _resolve(self, narrative_id: str) -> str:
        while narrative_id in self._into:
            narrative_id = self._into[narrative_id]
        return narrative_id

    def _number(self, narrative_id: str | None) -> int:
        if narrative_id is None:
            return _UNASSIGNED
        if narrative_id not in self._index:
            self._index[narrative_id] = len(self._ids)
            self._ids.append(narrative_id)
        return self._index[narrative_id]

    def _row(self, desk: str, source: str, comment_id: str, n: int) -> int | None:
        key = _key(desk, source, comment_id)
        row = self._first_row.get(key, self._rows) + n
        return row if row < self._rows and self._comment_keys[row] == key else None

    def _open(self, name: str) -> BinaryIO:
        return self._files.enter_context((self._folder / name).open("w+b"))


def _key(desk: str, source: str, comment_id: str) -> int:
    """64 bits that stand for a comment of a desk."""
    digest = hashlib.blake2b(_encode((desk, source, comment_id)), digest_size=8).digest()
    return int.from_bytes(digest, "little")
