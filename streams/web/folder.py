"""Fills the read model from a folder that `replay` wrote, without any broker."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from streams.errors import InputError, RejectedComment
from streams.replay_files import EVENTS, MENTIONS, NARRATIVES, WATCHES
from streams.results import decode_narrative
from streams.web.intake import take_event, take_match, take_mention, take_narrative
from streams.web.lines import decode_event_line, decode_match, decode_mention
from streams.web.store import Store

__all__ = ["fill_from_folder"]

T = TypeVar("T")


def fill_from_folder(store: Store, folder: Path) -> None:
    """Take all that is in the folder, or nothing.

    Raises InputError when it is no folder of a replay, or a line in it is broken (with its place).
    """
    with store.writing() as connection:
        for _, narrative in _lines(folder / NARRATIVES, decode_narrative):
            take_narrative(connection, narrative)
        for number, mention in _lines(folder / MENTIONS, decode_mention):
            take_mention(connection, mention, number)
        for _, event in _lines(folder / EVENTS, decode_event_line):
            take_event(connection, event)
        if (folder / WATCHES).exists():  # only where something is watched
            for _, match in _lines(folder / WATCHES, decode_match):
                take_match(connection, match)


def _lines(path: Path, decode: Callable[[bytes], T]) -> Iterator[tuple[int, T]]:
    """What the lines say, each with its number from 1."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield number, decode(line)
                except RejectedComment as error:
                    raise InputError(f"{path}:{number}: {error.detail}") from error
    except FileNotFoundError:
        raise InputError(f"there is no {path}: write the folder with narrawatch replay --out") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
