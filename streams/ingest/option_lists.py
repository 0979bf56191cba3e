"""Options that are lists: in a configuration file a list, on the command line one text with commas."""

from typing import Annotated

from pydantic import BeforeValidator

__all__ = ["Words"]


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(word for word in (part.strip() for part in value.split(",")) if word)


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""Some words or phrases."""
