"""A comment as it travels in the `comments` topic: JSON in, a judged `Comment` out.

`decode_comment` is total: any bytes give a `Comment` or a `RejectedComment`, nothing else. It decides what
can be decided from the bytes alone; whether a date lies in the future of its arrival is asked of
`believable_time`, what remains of a text without its markup of `models.text`.

Fields: `id` is required, and `text` unless `deleted` is true: such a record says that the comment is gone at
its source. One with another text than before says that it was edited. `thread`, `thread_title`, `source`,
`author`, `created_at`, `parent`, `lang`, `desk`, `permalink` are optional, and null is the same as absent.
Identifiers may be numbers. Unknown fields are ignored, so that a source may send more than is read here.
"""

import hashlib
import re
from datetime import UTC, datetime, timedelta

import msgspec

from streams.errors import RejectedComment, RejectReason

__all__ = [
    "COMMENT_FIELDS",
    "DESK_PATTERN",
    "MAX_ID_CHARACTERS",
    "Comment",
    "believable_time",
    "comment_key",
    "decode_comment",
    "encode_comment",
    "hash_author",
]

DESK_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"  # a desk is a Kafka key and a metric label
MAX_ID_CHARACTERS = 512
_MAX_TITLE_CHARACTERS = 500  # shown, never compared: cut, not refused
_MAX_LINK_CHARACTERS = 2_048
_MAX_DETAIL_CHARACTERS = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_YEAR, _LAST_YEAR = 1995, 2100  # comment sections are younger; beyond it is a broken clock
_BLAKE2B_MAX_KEY_BYTES = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LANGUAGE = re.compile(r"([a-z]{2,3})([-_]|$)")
_LINK = re.compile(r"https?://[^\s\x00-\x1f<>\"']+", re.IGNORECASE)


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """One post by one author in one thread, valid but not yet cleaned. Times are epoch ms, UTC."""

    id: str
    text: str  # as the source sent it: markup, control characters and all; "" of a deleted one
    thread: str = ""
    thread_title: str = ""
    source: str = ""
    author: str = ""  # a name: hash it before it goes anywhere else
    created_at_ms: int | None = None
    date_rejected: bool = False  # a date was given but lies outside 1995–2100: `created_at_ms` is None
    parent: str | None = None
    lang: str = ""  # primary subtag as the source claims it, lower case; a hint only
    desk: str = ""  # "": the desk of the settings
    permalink: str = ""  # http or https, or "": it becomes a link on a page
    deleted: bool = False  # the source has it no more


class _Wire(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The JSON object before it is judged."""

    id: str | int
    text: str | None = None
    thread: str | int | None = None
    thread_title: str | None = None
    source: str | None = None
    author: str | int | None = None
    created_at: str | None = None
    parent: str | int | None = None
    lang: str | None = None
    desk: str | None = None
    permalink: str | None = None
    deleted: bool | None = None


COMMENT_FIELDS = frozenset(_Wire.__struct_fields__)  # what a source may send

_decoder = msgspec.json.Decoder(_Wire)
_encoder = msgspec.json.Encoder()


def decode_comment(raw: bytes, max_bytes: int) -> Comment:
    """The comment in one JSON record.

    max_bytes: of the record as it stands. A date without an offset is UTC.
    Raises RejectedComment with one reason, the first that is met.
    """
    if len(raw) > max_bytes:
        raise RejectedComment(RejectReason.TOO_LARGE, f"{len(raw)} bytes, allowed are {max_bytes}")
    wire = _parse(raw)
    text = "" if wire.deleted else wire.text
    if text is None:
        raise RejectedComment(RejectReason.INVALID_RECORD, "Object missing required field `text`")
    if not wire.deleted and not any(one.isprintable() and one != " " for one in text):
        raise RejectedComment(RejectReason.EMPTY_TEXT, "text has no visible character")
    created_at_ms, date_rejected = _epoch_ms(wire.created_at)
    return Comment(
        id=_identifier("id", wire.id, printable=True),
        text=text,
        thread=_identifier("thread", wire.thread),
        thread_title=_CONTROL.sub(" ", wire.thread_title or "").strip()[:_MAX_TITLE_CHARACTERS],
        source=_identifier("source", wire.source),
        author=str("" if wire.author is None else wire.author).strip(),
        created_at_ms=created_at_ms,
        date_rejected=date_rejected,
        parent=_identifier("parent", wire.parent) or None,
        lang=_language(wire.lang),
        desk=_desk(wire.desk),
        permalink=_link(wire.permalink),
        deleted=bool(wire.deleted),
    )


def _parse(raw: bytes) -> _Wire:
    try:
        # The decoder skips unknown fields unread: check all of the bytes first.
        raw.decode()
    except UnicodeDecodeError as error:
        detail = f"byte {error.start} is not UTF-8"
        raise RejectedComment(RejectReason.INVALID_UTF8, detail) from error
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError as error:
        detail = str(error)[:_MAX_DETAIL_CHARACTERS]
        raise RejectedComment(RejectReason.INVALID_RECORD, detail) from error
    except msgspec.DecodeError as error:
        detail = str(error)[:_MAX_DETAIL_CHARACTERS]
        raise RejectedComment(RejectReason.INVALID_JSON, detail) from error
    except RecursionError as error:
        raise RejectedComment(RejectReason.INVALID_JSON, "nested too deep") from error


def _identifier(name: str, value: str | int | None, *, printable: bool = False) -> str:
    """`value` as text; with `printable` it must also be non-empty and printable throughout."""
    text = "" if value is None else str(value)
    if len(text) > MAX_ID_CHARACTERS:
        detail = f"{name} has {len(text)} characters, allowed are {MAX_ID_CHARACTERS}"
        raise RejectedComment(RejectReason.BAD_ID, detail)
    if printable and not text.strip():
        raise RejectedComment(RejectReason.BAD_ID, f"{name} is empty")
    # A thread may be named by its title, where a no-break space is good French.
    if _CONTROL.search(text) or (printable and not text.isprintable()):
        raise RejectedComment(RejectReason.BAD_ID, f"{name} has characters that cannot be printed")
    return text


def _epoch_ms(value: str | None) -> tuple[int | None, bool]:
    """(epoch ms or None, whether a well-formed date was put aside as beyond belief)."""
    if value is None or not value.strip():
        return None, False
    try:
        moment = datetime.fromisoformat(value.strip().upper())
    except ValueError as error:
        raise RejectedComment(RejectReason.BAD_DATE, "created_at is not an ISO 8601 date") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return None, True
    return (moment - _EPOCH) // _MILLISECOND, False


def _language(value: str | None) -> str:
    found = _LANGUAGE.match((value or "").strip().lower())
    return found[1] if found else ""


def _desk(value: str | None) -> str:
    if value and not re.fullmatch(DESK_PATTERN, value):
        raise RejectedComment(
            RejectReason.INVALID_RECORD, "desk is not lower-case letters, digits, '-' or '_'"
        )
    return value or ""


def _link(value: str | None) -> str:
    link = (value or "").strip()
    return link if len(link) <= _MAX_LINK_CHARACTERS and _LINK.fullmatch(link) else ""


def encode_comment(comment: Comment) -> bytes:
    """The JSON record of a comment; `decode_comment` gives it back (without `date_rejected`)."""
    wire = _Wire(
        id=comment.id,
        text=comment.text,
        thread=comment.thread or None,
        thread_title=comment.thread_title or None,
        source=comment.source or None,
        author=comment.author or None,
        created_at=None if comment.created_at_ms is None else _isoformat(comment.created_at_ms),
        parent=comment.parent,
        lang=comment.lang or None,
        desk=comment.desk or None,
        permalink=comment.permalink or None,
        deleted=comment.deleted or None,
    )
    return _encoder.encode(wire)


def _isoformat(epoch_ms: int) -> str:
    return (_EPOCH + epoch_ms * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def comment_key(comment: Comment) -> bytes:
    """The Kafka key: all versions of a comment go to one partition, in order."""
    return f"{comment.source}:{comment.id}".encode()


def believable_time(created_at_ms: int | None, arrival_ms: int, tolerance_seconds: float) -> int | None:
    """`created_at_ms`, or None when it lies further ahead of its arrival than clocks differ.

    arrival_ms: epoch ms at which the broker had the record. A comment cannot be younger than that, so a
    forged date cannot move the clock of the stream forward.
    """
    if created_at_ms is None or created_at_ms > arrival_ms + tolerance_seconds * 1000:
        return None
    return created_at_ms


def hash_author(key: bytes, source: str, author: str, *, comment_id: str) -> str:
    """32 hexadecimal digits that stand for an author of a source (BLAKE2b, keyed, 16 bytes).

    An empty author says nothing: such a comment counts as by an author of its own, hence `comment_id`.
    """
    if len(key) > _BLAKE2B_MAX_KEY_BYTES:
        key = hashlib.blake2b(key).digest()
    who = ("author", author) if author else ("comment", comment_id)
    # JSON delimits the parts: ("a", "bc") and ("ab", "c") must differ.
    message = _encoder.encode((source, *who))
    return hashlib.blake2b(message, key=key, digest_size=16, person=b"narrawatch").hexdigest()
