"""Runs methods over the streams of a set, and says what became of each."""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from threadpoolctl import threadpool_limits

from models.background import Background
from models.embedding import Embedder
from tests.bench.found import Found, Material, OutOfTimeError
from tests.bench.peer import NotInstalledError, Peer
from tests.bench.product import narratives_of
from tests.bench.scoring import Figures, mean_of, score
from tests.bench.sets import Stream

__all__ = ["Row", "run_peer", "run_product"]

_logger = logging.getLogger(__name__)


class Row(NamedTuple):
    """A method on a set: its figures, or why there are none."""

    method: str
    figures: Figures | None
    comments_per_second: float | None
    seconds: float = 0.0
    trouble: str = ""


def run_product(streams: Sequence[Stream], embedder: Embedder, background: Background, *, split: bool) -> Row:
    """narrawatch on a set."""

    def run(stream: Stream, _: float) -> Found:
        return narratives_of(stream.comments, embedder, background, split=split)

    return _row("narrawatch", streams, run, float("inf"))


def run_peer(
    name: str, peer: Peer, streams: Sequence[Stream], embedder: Embedder, *, budget_seconds: float
) -> Row:
    """A peer on a set.  budget_seconds: of processor time in all streams together."""

    def run(stream: Stream, seconds: float) -> Found:
        vectors = embedder.embed([comment.text for comment in stream.comments])
        with threadpool_limits(1):  # one core, so that speeds compare
            return peer(Material(stream.comments, vectors, seconds))

    try:
        return _row(name, streams, run, budget_seconds)
    except NotInstalledError as error:
        return Row(name, None, None, trouble=f"not installed: {error}")
    except OutOfTimeError:
        return Row(name, None, None, budget_seconds, f"not done after {budget_seconds / 60:.0f} minutes")
    except Exception as error:  # of somebody else's code: it is reported in the table, the others go on
        _logger.exception("%s failed", name)
        return Row(name, None, None, trouble=f"failed: {type(error).__name__}")


def _row(
    name: str, streams: Sequence[Stream], run: Callable[[Stream, float], Found], budget_seconds: float
) -> Row:
    several: list[Figures] = []
    seconds = 0.0
    for stream in streams:
        found = run(stream, budget_seconds - seconds)
        several.append(score(stream.comments, found))
        seconds += found.seconds
    comments = sum(len(stream.comments) for stream in streams)
    return Row(name, mean_of(several), comments / seconds if seconds else None, seconds)
