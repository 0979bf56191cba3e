"""Everyday comments in four languages, written for this: what is ordinary before a stream has been read."""

from functools import cache
from importlib import resources

import msgspec

__all__ = ["OrdinaryText", "ordinary_lines", "ordinary_texts"]

_FILE = "background.jsonl"


class OrdinaryText(msgspec.Struct, frozen=True):
    """One of them. lang: two letters."""

    lang: str
    text: str


@cache
def ordinary_lines() -> tuple[OrdinaryText, ...]:
    """All of them, language by language."""
    raw = resources.files("models").joinpath("data", _FILE).read_bytes()
    return tuple(msgspec.json.Decoder(OrdinaryText).decode_lines(raw))


def ordinary_texts() -> list[str]:
    """The texts of all languages."""
    return [line.text for line in ordinary_lines()]
