"""How a foreground command ends when it is asked to from outside."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["end_on_sigterm"]


@contextmanager
def end_on_sigterm() -> Iterator[None]:
    """Inside the block SIGTERM and SIGHUP end the command the orderly way, so that nothing is left behind.

    Raises SystemExit with 128 + the signal's number in the block. Only in the main thread.
    """
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
