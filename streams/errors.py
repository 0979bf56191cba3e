"""What can go wrong while records move: settings, broker, input, and single bad records.

    NarrawatchError                (models.errors)
    ├── SettingsError              refused at start: nothing has been read or written yet
    ├── BrokerError                the broker or a port cannot be had: try again later
    ├── InputError                 a file cannot be read: the command stops
    ├── OutputError                a file cannot be written: the command stops, what was there stays
    ├── BrokenStreamError          nearly all records of a topic are refused for long: the worker stops
    ├── DeliveryError              a notification is given up: kept as a dead letter, the rest goes on
    ├── ForbiddenAddressError      a webhook is at an address that is not allowed
    ├── SourceError                a live source cannot be read now: tried again later, the others go on
    ├── ProvisionError             Grafana cannot be reached or refuses: what it holds stays
    ├── RefinementError            no refined label: the narrative keeps its plain one
    └── RejectedComment            one bad record: goes to the dead letters, the stream goes on

The text of each is one line for a person. Only the last two are expected in normal operation.
"""

from enum import StrEnum
from typing import Self

from models import errors

__all__ = [
    "BrokenStreamError",
    "BrokerError",
    "DeliveryError",
    "FailureReason",
    "ForbiddenAddressError",
    "InputError",
    "OutputError",
    "ProvisionError",
    "RefinementError",
    "RefinementOutcome",
    "RejectReason",
    "RejectedComment",
    "SettingsError",
    "SourceError",
]


class SettingsError(errors.NarrawatchError):
    """A setting is unknown, unreadable or out of its bounds."""


class BrokerError(errors.NarrawatchError):
    """A broker does not answer or refuses, or a port to serve on is taken."""


class BrokenStreamError(errors.NarrawatchError):
    """What is wrong is not with single records: see `streams.broken_stream`."""


class DeliveryError(errors.NarrawatchError):
    """A webhook was not delivered. may_pass: it might be later. The text does not name the address."""

    def __init__(self, detail: str, *, may_pass: bool) -> None:
        super().__init__(detail)
        self.may_pass = may_pass


class ForbiddenAddressError(errors.NarrawatchError):
    """A host is at a private address: see `streams.public_address`."""


class FailureReason(StrEnum):
    """Why a live source could not be read. A label of a metric: keep the set small and closed."""

    UNREACHABLE = "unreachable"  # no connection, or it broke; the name is not known; TLS failed
    TIMEOUT = "timeout"
    BUSY = "busy"  # 429, 503 and other statuses that pass
    REFUSED = "refused"  # any other status that is no success: wrong address, no permission, gone
    ROBOTS = "robots"  # robots.txt forbids it, or cannot be asked
    FORBIDDEN_ADDRESS = "forbidden_address"  # a private address, or a redirect that is not followed
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"  # an answer, but not what the protocol says
    FAULT = "fault"  # the connector itself failed
    BROKER = "broker"  # Kafka did not take what it read


class SourceError(errors.NarrawatchError):
    """A live source cannot be read.

    reason: for metrics; status: of HTTP, if that is the matter; retry_after_seconds: what the source asked
    for, or None. The text is one line that quotes nothing a stranger wrote.
    """

    def __init__(
        self,
        reason: FailureReason,
        detail: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class InputError(errors.NarrawatchError):
    """An input file is missing, unreadable or of a format that is not known."""


class OutputError(errors.NarrawatchError):
    """A folder or file cannot be made or written."""


class RejectReason(StrEnum):
    """Why a record was put aside. A label of a metric: keep the set small and closed."""

    TOO_LARGE = "too_large"  # more bytes than `max_comment_bytes`
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"  # not JSON, nested too deep, or half of a surrogate pair in an escape
    INVALID_RECORD = "invalid_record"  # JSON or CSV, but no comment: a field is missing or of a wrong type
    EMPTY_TEXT = "empty_text"  # nothing that could be seen
    BAD_ID = "bad_id"  # an identifier that is empty, overlong or not printable
    BAD_DATE = "bad_date"  # `created_at` is not ISO 8601
    FAILED = "failed"  # well formed, but a later step failed on this record alone; `cause` says how


class RefinementOutcome(StrEnum):
    """What became of a label that was to be refined. A label of a metric: keep the set small and closed."""

    REFINED = "refined"
    DROPPED = "dropped"  # too many were waiting
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BUSY = "busy"  # 429 or 5xx, even after some attempts
    REFUSED = "refused"  # another status: the key, the model or the address is wrong
    UNREADABLE = "unreadable"  # not the JSON of a chat completion
    UNFIT = "unfit"  # an answer that is no label
    FAILED = "failed"  # something else, here and not there


class ProvisionError(errors.NarrawatchError):
    """Grafana cannot be reached, refuses, or holds what is not ours to change."""


class RefinementError(errors.NarrawatchError):
    """No refined label; `outcome` says why. The text quotes neither key nor comments."""

    def __init__(
        self, outcome: RefinementOutcome, detail: str, *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.retry_after_seconds = retry_after_seconds


class RejectedComment(errors.NarrawatchError):
    """A record that cannot be processed, with its place in Kafka once the caller knows it.

    detail: one short line that never quotes the record (the dead letter holds the bytes).
    """

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.topic: str | None = None
        self.partition: int | None = None
        self.offset: int | None = None

    def at(self, topic: str, partition: int, offset: int) -> Self:
        """Add the place of the record; returns the error itself, to be raised or recorded."""
        self.topic, self.partition, self.offset = topic, partition, offset
        return self

    def __str__(self) -> str:
        place = "" if self.topic is None else f" (at {self.topic}[{self.partition}]@{self.offset})"
        return f"{self.reason}: {self.detail}{place}"
