"""What the fake Grafana answers with, and the checks that all of its parts share."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

__all__ = ["ProblemError", "Reply", "check_fields", "check_uid"]

_UID: Final = re.compile(r"[A-Za-z0-9_-]+")
MAX_UID_CHARACTERS: Final = 40


class Reply(NamedTuple):
    """A status and a JSON body; None: no body at all."""

    status: int
    body: Any = None


class ProblemError(Exception):
    """The request is refused with this status and body."""

    def __init__(self, code: int, message: str, *, status: str = "") -> None:
        super().__init__(message)
        self.reply = Reply(code, {"message": message} | ({"status": status} if status else {}))


def check_fields(
    body: Any, types: Mapping[str, type | tuple[type, ...]], required: Collection[str] = ()
) -> dict[str, Any]:
    """The body, if it is an object of known fields of the right types, and has those that are required."""
    if not isinstance(body, dict):
        raise ProblemError(400, "bad request data")
    unknown = sorted(set(body) - set(types))
    if unknown:
        raise ProblemError(400, f"unknown fields: {', '.join(unknown)}")
    missing = [name for name in required if body.get(name) in (None, "", [])]
    if missing:
        raise ProblemError(400, f"missing fields: {', '.join(missing)}")
    for name, value in body.items():
        if value is not None and not isinstance(value, types[name]):
            raise ProblemError(400, f"field {name} is of the wrong type")
        if isinstance(value, bool) and types[name] is int:
            raise ProblemError(400, f"field {name} is of the wrong type")
    return body


def check_uid(uid: str) -> None:
    """Letters, digits, "-" and "_", 40 at most."""
    if len(uid) > MAX_UID_CHARACTERS:
        raise ProblemError(400, "uid too long, max 40 characters")
    if not _UID.fullmatch(uid):
        raise ProblemError(400, "uid contains illegal characters")
