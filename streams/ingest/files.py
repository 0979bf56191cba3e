"""Comments from files: `.jsonl`, `.csv`, `.txt`, and `-` for JSON lines on standard input.

Delivery: in the order of the file; every line that is not blank comes out once, with its line number. No
extra dependency, no limit of rate; memory is bounded by the longest line that is read (16 MiB).

- `.jsonl` (or `.ndjson`): a line is a record as `streams.comments` describes it, passed on byte for byte.
- `.csv`: the first line names the columns as the fields of a comment; others are ignored. Separated by
  commas, semicolons or tabs.
- `.txt`: a line is the text of a comment by an author of its own; the file is the thread.

Where a `.csv` or `.txt` gives no id, it is FILE:LINE, so that reading a file again gives the same ids (and
two files of the same name are taken for one).
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from streams.errors import InputError, RejectedComment, RejectReason
from streams.ingest.base import RawComment, judge
from streams.ingest.csv_rows import CsvHeader, read_csv, read_csv_header
from streams.ingest.lines import read_lines

__all__ = ["STANDARD_INPUT", "read_comments"]

STANDARD_INPUT = "-"
_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".txt")


def read_comments(
    path: Path | str, *, max_bytes: int, standard_input: BinaryIO | None = None
) -> Iterator[RawComment]:
    """The comments of a file in its order, the bad ones with their rejection.

    path: a file, or "-" for standard input. max_bytes: the setting `max_comment_bytes`.
    Raises InputError at once, before anything is read, when the file is missing, of an unknown format,
    unreadable, or a `.csv` without a column `text`; while reading only when the disk fails.
    """
    if str(path) == STANDARD_INPUT:
        return _read_jsonl(standard_input or sys.stdin.buffer, "stdin", max_bytes)
    path = Path(path)
    return _read_file(path, _look_at(path), max_bytes)


def _look_at(path: Path) -> CsvHeader | None:
    """Whether the file can be read at all, and the header of a `.csv`."""
    if path.suffix.lower() not in _SUFFIXES and not path.is_dir():
        raise InputError(f"{path}: unknown format; known are .jsonl, .csv, .txt, and - for standard input")
    try:
        with path.open("rb") as file:
            return read_csv_header(file, str(path)) if path.suffix.lower() == ".csv" else None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _read_file(path: Path, header: CsvHeader | None, max_bytes: int) -> Iterator[RawComment]:
    name = "".join(character if character.isprintable() else "?" for character in path.name)
    try:
        with path.open("rb") as file:
            if header is not None:
                yield from read_csv(file, name, header, max_bytes)
            elif path.suffix.lower() == ".txt":
                yield from _read_txt(file, name, max_bytes)
            else:
                yield from _read_jsonl(file, name, max_bytes)
    except OSError as error:
        raise InputError(f"cannot read {path} any further: {error.strerror}") from error


def _read_jsonl(file: BinaryIO, name: str, max_bytes: int) -> Iterator[RawComment]:
    for line in read_lines(file):
        place = f"{name}:{line.number}"
        content = line.content.rstrip(b"\r\n")
        if content.strip():
            yield line.too_large(place) or judge(content, max_bytes, place)


def _read_txt(file: BinaryIO, name: str, max_bytes: int) -> Iterator[RawComment]:
    thread = Path(name).stem
    for line in read_lines(file):
        place = f"{name}:{line.number}"
        content = line.content.rstrip(b"\r\n")
        if not content.strip():
            continue
        too_large = line.too_large(place)
        if too_large is not None:
            yield too_large
            continue
        try:
            fields = {"id": place, "text": content.decode(), "thread": thread}
        except UnicodeDecodeError as error:
            problem = RejectedComment(RejectReason.INVALID_UTF8, f"byte {error.start} is not UTF-8")
            problem.__cause__ = error
            yield RawComment(place, content, len(content), None, None, problem)
            continue
        yield judge(msgspec.json.encode(fields), max_bytes, place, content)
