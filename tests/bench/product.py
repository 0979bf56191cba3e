"""narrawatch itself, as `narrawatch replay` runs it with default settings, without its files.

A test makes sure that both say the same.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from threadpoolctl import threadpool_limits

from models.background import Background
from models.embedding import Embedder
from models.engine import Engine
from models.outcome import EventType, Outcome
from models.parameters import Sensitivity, parameters_for
from models.preparation import ClaimMaker, Draft
from models.types import Claim
from streams.comments import decode_comment
from streams.originals import original_of
from streams.settings import Settings
from tests.bench.found import Found
from tests.bench.sets import Comment

__all__ = ["AUTHOR_KEY", "claims_of", "narratives_of", "new_engine"]

AUTHOR_KEY = "not a secret: a bench's"
_CHUNK_COMMENTS = 1_024  # as replay; the result does not depend on it
_TO_READ = timedelta(minutes=1)  # a comment arrives after it was written


def narratives_of(
    comments: Sequence[Comment], embedder: Embedder, background: Background, *, split: bool
) -> Found:
    """What the engine of one desk says of a stream.  split: whether a comment may make several claims."""
    engine = new_engine(embedder, background)
    claims = claims_of(comments, ClaimMaker(embedder, split=split))
    with threadpool_limits(1):  # one core, so that speeds compare
        started = time.process_time()
        outcomes = [
            engine.observe(claims[start : start + _CHUNK_COMMENTS])
            for start in range(0, len(claims), _CHUNK_COMMENTS)
        ]
        seconds = time.process_time() - started
    return _found(outcomes, seconds)


def new_engine(embedder: Embedder, background: Background) -> Engine:
    """The engine of the default desk, by default settings."""
    settings = Settings()
    return Engine(
        embedder.dimensions,
        parameters_for(Sensitivity(settings.sensitivity), settings.hot_narratives),
        desk=settings.desk,
        background=background,
    )


def claims_of(comments: Sequence[Comment], maker: ClaimMaker) -> list[list[Claim]]:
    """The claims of each comment."""
    settings = Settings()
    arrival_ms = int((max(one.at for one in comments) + _TO_READ).timestamp() * 1000)
    return maker.embed([_drafts(one.record, maker, settings, arrival_ms) for one in comments])


def _drafts(record: bytes, maker: ClaimMaker, settings: Settings, arrival_ms: int) -> list[Draft]:
    original = original_of(
        decode_comment(record, settings.max_comment_bytes),
        author_key=AUTHOR_KEY.encode(),
        arrival_ms=arrival_ms,
        future_tolerance_seconds=settings.future_tolerance_seconds,
    )
    return maker.draft(original)


def _found(outcomes: Sequence[Outcome], seconds: float) -> Found:
    """The last word on every claim, with the narratives that merged under the id that lives on."""
    last: dict[tuple[str, int], str | None] = {}
    into: dict[str, str] = {}
    emerged: dict[str, datetime] = {}
    for outcome in outcomes:
        last.update({(one.comment_id, one.n): one.narrative_id for one in outcome.assignments})
        for event in outcome.events:
            if event.type is EventType.EMERGED:
                emerged.setdefault(event.narrative_id, event.at)
            elif event.type is EventType.MERGED and event.into is not None:
                into[event.narrative_id] = event.into
    narratives: dict[str, list[str]] = defaultdict(list)
    for (comment_id, _), narrative_id in sorted(last.items()):
        if narrative_id is not None:
            narratives[comment_id].append(_alive(narrative_id, into))
    return Found(dict(narratives), emerged, seconds)


def _alive(narrative_id: str, into: dict[str, str]) -> str:
    while narrative_id in into:
        narrative_id = into[narrative_id]
    return narrative_id
