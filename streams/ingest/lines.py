"""Physical lines of a binary file with their numbers, in bounded memory whatever the file holds."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from streams.errors import RejectedComment, RejectReason
from streams.ingest.base import RawComment
from streams.records import MAX_KEPT_BYTES, MAX_RECORD_BYTES

__all__ = ["BOM", "MAX_LINE_BYTES", "Line", "read_lines"]

BOM = b"\xef\xbb\xbf"  # what some editors put before UTF-8
MAX_LINE_BYTES = MAX_RECORD_BYTES - 64 * 1024  # what the topic takes, less key and envelope
_DRAIN_BYTES = 1024 * 1024


class Line(NamedTuple):
    """One line with its end. `content` is only the beginning of a line longer than MAX_LINE_BYTES."""

    number: int  # from 1
    content: bytes
    size_bytes: int

    def too_large(self, place: str) -> RawComment | None:
        """The line as a refused record, if it is too long to be read."""
        if self.size_bytes <= MAX_LINE_BYTES:
            return None
        detail = f"a line of {self.size_bytes} bytes, allowed are {MAX_LINE_BYTES}"
        rejection = RejectedComment(RejectReason.TOO_LARGE, detail)
        return RawComment(place, self.content, self.size_bytes, None, None, rejection)


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """All lines in order, without a byte order mark before the first."""
    number = 0
    while content := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            content = content.removeprefix(BOM)
        size_bytes = len(content)
        if size_bytes > MAX_LINE_BYTES:
            size_bytes += _skip_rest(file, content)
            content = content[:MAX_KEPT_BYTES]
        yield Line(number, content, size_bytes)


def _skip_rest(file: BinaryIO, content: bytes) -> int:
    """Read to the end of the line that began with `content`; returns how many bytes that were."""
    skipped = 0
    while content and not content.endswith(b"\n"):
        content = file.readline(_DRAIN_BYTES)
        skipped += len(content)
    return skipped
