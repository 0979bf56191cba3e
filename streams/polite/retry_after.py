"""How long a server asks to be left alone: the header Retry-After, as seconds or as a date (RFC 9110)."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["retry_after_seconds"]


def retry_after_seconds(value: str, now: float) -> float | None:
    """Seconds from `now` (seconds since 1970), 0.0 or more; None where the value is neither."""
    asked = value.strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        date = parsedate_to_datetime(asked)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.fromtimestamp(now, UTC)).total_seconds())
