"""Comments from the rows of a CSV file. `streams.ingest.files` is the way in."""

import csv
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import msgspec

from streams.comments import COMMENT_FIELDS
from streams.errors import InputError, RejectedComment, RejectReason
from streams.ingest.base import RawComment, judge
from streams.ingest.lines import BOM, MAX_LINE_BYTES, Line, read_lines
from streams.records import MAX_KEPT_BYTES

__all__ = ["CsvHeader", "read_csv", "read_csv_header"]

_DELIMITERS = ",;\t"
_HEADER_BYTES = 64 * 1024
_YES = frozenset({"true", "yes", "1"})  # in a column "deleted"; JSON has a word of its own for it


class CsvHeader(NamedTuple):
    """What the first line says."""

    delimiter: str
    columns: list[str]  # lower case


def read_csv_header(file: BinaryIO, name: str) -> CsvHeader:
    """The header at the start of the file. Raises InputError when there is none with a column `text`."""
    problem = f"{name}: the first line must name the columns, and one must be text"
    try:
        line = file.readline(_HEADER_BYTES).removeprefix(BOM).decode()
        delimiter = max(_DELIMITERS, key=line.count)
        cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{problem} ({error})") from None
    columns = [cell.strip().lower() for cell in cells]
    if "text" not in columns:
        raise InputError(problem)
    return CsvHeader(delimiter, columns)


def read_csv(file: BinaryIO, name: str, header: CsvHeader, max_bytes: int) -> Iterator[RawComment]:
    """The rows after the header, in order; `place` is the first line of a row that has several.

    A quote that is never closed swallows what follows, up to the end of the file or MAX_LINE_BYTES: all of
    that comes out as one refused record.
    """
    # The module's own limit, 128 KiB, is below what a comment may have; it can only be set for the process.
    csv.field_size_limit(MAX_LINE_BYTES)
    taken: list[Line] = []  # the lines of the row being read
    refused: list[RawComment] = []
    feed = _feed(file, name, taken, refused)
    rows = csv.reader(feed, delimiter=header.delimiter, strict=True)
    next(rows, None)  # the header
    while True:
        taken.clear()
        cells, problem = _next_row(rows)
        yield from refused
        refused.clear()
        if not taken:
            return
        place = f"{name}:{taken[0].number}"
        original = b"".join(line.content for line in taken)
        if problem is None and not _is_utf8(original):
            problem = RejectedComment(RejectReason.INVALID_UTF8, "the row is not UTF-8")
        if problem is None and len(cells) > len(header.columns):
            detail = f"the row has {len(cells)} cells, the header {len(header.columns)}"
            problem = RejectedComment(RejectReason.INVALID_RECORD, detail)
        if problem is not None:
            yield RawComment(place, original[:MAX_KEPT_BYTES], len(original), None, None, problem)
        elif cells:
            yield judge(_record(header, cells, place), max_bytes, place, original)


def _feed(file: BinaryIO, name: str, taken: list[Line], refused: list[RawComment]) -> Iterator[str]:
    for line in read_lines(file):
        too_large = line.too_large(f"{name}:{line.number}")
        if too_large is not None:
            refused.append(too_large)
            continue
        taken.append(line)
        # The reader wants text before we know the row: broken bytes pass through and are found afterwards.
        yield line.content.decode(errors="surrogateescape")


def _next_row(rows: Iterator[list[str]]) -> tuple[list[str], RejectedComment | None]:
    try:
        return next(rows, []), None
    except csv.Error as error:
        problem = RejectedComment(RejectReason.INVALID_RECORD, f"not CSV: {error}")
        problem.__cause__ = error
        return [], problem


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _record(header: CsvHeader, cells: list[str], place: str) -> bytes:
    """The row as the JSON of a comment; an empty cell is an absent field."""
    fields: dict[str, str | bool] = {"id": place, "text": ""}
    fields |= {
        column: cell
        for column, cell in zip(header.columns, cells, strict=False)
        if column in COMMENT_FIELDS and cell
    }
    if "deleted" in fields:
        fields["deleted"] = str(fields["deleted"]).strip().lower() in _YES
    return msgspec.json.encode(fields)
