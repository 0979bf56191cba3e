"""A moment as an argument: a date, or how long ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

__all__ = ["Moment"]

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType):
    """A date, or how long ago."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment that is meant, with its time zone; fails as click wants it."""
        if isinstance(value, datetime):
            return value
        try:
            ago = re.fullmatch(r"(\d{1,9})([smhd])", value)
            if ago is not None:
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            moment = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither a date like 2026-03-01T12:00 nor an age like 30m, 6h or 2d", param, ctx
            )
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
