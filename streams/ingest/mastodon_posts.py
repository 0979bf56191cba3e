"""What a Mastodon server answers, and what its ids say; `streams.ingest.mastodon` reads it."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from streams.errors import FailureReason, SourceError
from streams.ingest.source import BadItem

__all__ = ["TIME_BITS", "Instance", "Status", "id_before", "limit_ends", "read_status", "seconds_of"]

TIME_BITS = 16  # of an id, below its milliseconds
LIMIT_SECONDS = 300.0  # the time that the limit of requests is for


class Account(msgspec.Struct, frozen=True):
    """Who wrote it. acct: with the host, if it is another one."""

    acct: str
    bot: bool = False


class Card(msgspec.Struct, frozen=True):
    """The preview of a link."""

    title: str = ""


class Boosted(msgspec.Struct, frozen=True):
    """Another post that is passed on."""

    id: str


class Status(msgspec.Struct, frozen=True):
    """A post. content: HTML."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,19}$")]
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    content: str
    account: Account
    in_reply_to_id: str | None = None
    visibility: str = "public"
    language: str | None = None
    url: str | None = None
    uri: str = ""
    card: Card | None = None
    reblog: Boosted | None = None


class Instance(msgspec.Struct, frozen=True):
    """What a server says of itself."""

    domain: str
    version: str
    title: str = ""
    source_url: str = ""

    @property
    def is_mastodon(self) -> bool:
        """Others answer the same requests, but have ids that say nothing of time."""
        return "mastodon" in self.source_url.lower() and "compatible" not in self.version


def read_status(raw: msgspec.Raw) -> Status | BadItem:
    """One entry of a timeline.  Raises SourceError MALFORMED for what is no post at all."""
    try:
        return msgspec.json.decode(raw, type=Status)
    except (msgspec.DecodeError, RecursionError):
        if b'"id"' not in bytes(raw):
            raise SourceError(FailureReason.MALFORMED, "a timeline of an unexpected shape") from None
        return BadItem(bytes(raw), "a post of an unexpected shape")


def id_before(epoch_ms: float) -> int:
    """The highest id before a millisecond; 1 or more."""
    return (max(1, int(epoch_ms)) << TIME_BITS) - 1


def seconds_of(status: Status) -> int:
    """When it was written, in seconds since 1970, as its id has it."""
    return (int(status.id) >> TIME_BITS) // 1_000


def limit_ends(value: str, now: float) -> float:
    """When the limit begins anew, at most five minutes from now."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return now + LIMIT_SECONDS
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(aware.timestamp(), now + LIMIT_SECONDS)
