"""What every live source can be told; a connector adds fields of its own in a subclass.

The description of a field says what is allowed: it is what an error prints and `narrawatch sources list`.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from streams.comments import DESK_PATTERN

__all__ = ["SiteUrl", "SourceOptions", "moment"]

_AGE: Final = re.compile(r"(\d{1,9})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,63}$"


def moment(text: str, now: datetime) -> datetime:
    """A date like 2026-03-01 or 2026-03-01T12:00 (UTC unless it says otherwise), or an age like 6h or 2d.

    Raises ValueError for anything else.
    """
    age = _AGE.fullmatch(text)
    try:
        if age is not None:
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError("neither a date nor an age") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _site_url(value: str) -> str:
    parts = urlsplit(value)  # raises ValueError
    # The port is read where it is asked for: a bad one raises then.
    if not parts.hostname or (parts.port is not None and parts.port <= 0):
        raise ValueError("no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a name or password in an address would be logged")
    return value


SiteUrl = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[!-~]+$", max_length=500),
    AfterValidator(_site_url),
]
"""An http or https address in ASCII without a name or password."""


def _valid_moment(value: object) -> object:
    text = value.isoformat() if isinstance(value, datetime) else str(value)  # TOML has dates of its own
    moment(text, datetime(2026, 1, 1, tzinfo=UTC))
    return text


class SourceOptions(BaseModel):
    """The options of one source. Frozen; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SiteUrl | None = Field(default=None, description="an address, http:// or https://")
    desk: str | None = Field(default=None, pattern=DESK_PATTERN, description="a desk; none: the setting desk")
    name: str | None = Field(
        default=None,
        pattern=_NAME,
        description="what its comments are said to come from, 1 to 64 of A-Z a-z 0-9 . _ : / @ -;"
        " none: the host",
    )
    since: Annotated[str, BeforeValidator(_valid_moment)] | None = Field(
        default=None,
        description="from when on comments are wanted the first time: a date, or an age like 6h or 2d",
    )
    poll_seconds: float = Field(
        default=60.0, gt=0, le=86_400, description="above 0 to 86400: how long to wait before looking again"
    )
    robots: bool = Field(
        default=True,
        description="false when the site lets you read whatever its robots.txt says; else true",
    )

    def source_name(self, kind: str) -> str:
        """The name, or the host and port of the url (without www.), or the kind."""
        if self.name is not None:
            return self.name
        return kind if self.url is None else urlsplit(self.url).netloc.lower().removeprefix("www.")
