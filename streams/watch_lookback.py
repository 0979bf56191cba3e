"""What a watch would have matched: in files, which are embedded, or in `claims`, which has vectors."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition

from models.background import background_of
from models.language import LanguageDetector
from models.preparation import ClaimMaker
from models.survey import Survey
from models.types import Claim
from streams.author_key import resolve_author_key
from streams.comments import Comment
from streams.connection import open_consumer
from streams.embedders import embedder_of
from streams.errors import InputError, RejectedComment
from streams.ingest.base import RawComment
from streams.ingest.files import read_comments
from streams.originals import original_of
from streams.partition_reader import assign_all, read_stretch
from streams.records import ClaimBatch, decode_claims
from streams.settings_fields import Settings, Watch
from streams.topics import Topic
from streams.watchlist import watch_of

__all__ = ["Lookback", "LookbackPlan", "look_back"]

_CHUNK_COMMENTS = 256


Progress = Callable[[int, int], None]
"""Called with the comments, and their bytes, since the last call."""


class LookbackPlan(NamedTuple):
    """What to look for and where: in files, or in what workers have read since then (epoch ms)."""

    watch: Watch
    files: Sequence[str] = ()
    since_ms: int | None = None


class Lookback(NamedTuple):
    """What was seen. threshold: the similarity from which a claim matches."""

    phrases: Sequence[str]
    threshold: float
    model: str
    comments: int
    survey: Survey


def look_back(settings: Settings, plan: LookbackPlan, *, now_ms: int, progress: Progress) -> Lookback:
    """Look for a watch. now_ms: epoch ms, no comment is dated later.

    Raises InputError (a file cannot be read, or has no comment; claims of another model), BrokerError,
    ModelError.
    """
    sources = [read_comments(path, max_bytes=settings.max_comment_bytes) for path in plan.files]
    embedder = embedder_of(settings)
    detector = LanguageDetector()
    watch = watch_of(plan.watch, embedder.embed, lambda text: detector.detect(text, None))
    survey = Survey(watch, embedder.dimensions, background_of(embedder, cache_dir=settings.cache_dir))
    look = _Look(settings, survey, plan.watch.desk, progress)
    if plan.since_ms is None:
        maker = ClaimMaker(embedder, detector, sentences=True)
        look.at_files((item for source in sources for item in source), maker, now_ms=now_ms)
    else:
        look.at_topic(embedder.dimensions, plan.since_ms)
    return Lookback(plan.watch.phrases, watch.threshold, embedder.name, look.comments, survey)


class _Look:
    """One look back. desk: only that one's comments, or None."""

    def __init__(self, settings: Settings, survey: Survey, desk: str | None, progress: Progress) -> None:
        self._settings = settings
        self._survey = survey
        self._desk = desk
        self._progress = progress
        self.comments = 0

    def at_files(self, items: Iterator[RawComment], maker: ClaimMaker, *, now_ms: int) -> None:
        """Embed comments, and look at them."""
        author_key = resolve_author_key(self._settings)
        while chunk := list(islice(items, _CHUNK_COMMENTS)):
            comments = [item.comment for item in chunk if item.comment and self._is_wanted(item.comment)]
            originals = [
                original_of(
                    comment,
                    author_key=author_key,
                    arrival_ms=now_ms,
                    future_tolerance_seconds=self._settings.future_tolerance_seconds,
                )
                for comment in comments
                if not comment.deleted
            ]
            made = iter(maker.make(originals))
            for comment in comments:
                desk = comment.desk or self._settings.desk
                if comment.deleted:
                    self._survey.withdraw(desk, comment.source, comment.id)
                else:
                    self._survey.see(desk, next(made))
            self.comments += len(comments)
            self._progress(len(chunk), sum(item.size_bytes for item in chunk))
        if not self.comments:
            raise InputError("there is no comment to look at")

    def at_topic(self, dimensions: int, since_ms: int) -> None:
        """Look at claims. dimensions: of the model that the phrases were embedded with."""
        for batch in _batches(self._settings, since_ms):
            if self._desk not in (None, batch.desk):
                continue
            if batch.deleted:
                self._survey.withdraw(batch.desk, batch.source, batch.comment_id)
            else:
                _check(batch.claims, dimensions)
                self._survey.see(batch.desk, batch.claims)
                self.comments += 1
            self._progress(1, 0)

    def _is_wanted(self, comment: Comment) -> bool:
        return self._desk in (None, comment.desk or self._settings.desk)


def _batches(settings: Settings, since_ms: int) -> Iterator[ClaimBatch]:
    with open_consumer(settings, auto_offset_reset="earliest") as consumer:
        for place, end in assign_all(consumer, settings, Topic.CLAIMS).items():
            yield from _stretch(consumer, place, end, since_ms)


def _stretch(consumer: KafkaConsumer, place: TopicPartition, end: int, since_ms: int) -> Iterator[ClaimBatch]:
    found = consumer.offsets_for_times({place: since_ms}).get(place)
    if found is None:  # nothing is as young
        return
    for record in read_stretch(consumer, place, found.offset, end):
        if record.timestamp < since_ms:
            continue
        try:
            yield decode_claims(record.value or b"")
        except RejectedComment:  # the workers put it aside
            continue


def _check(claims: Iterable[Claim], dimensions: int) -> None:
    for claim in claims:
        if claim.vector and len(claim.vector) != 2 * dimensions:
            raise InputError(
                f"the claims have vectors of {len(claim.vector) // 2} dimensions, the model of {dimensions}:"
                " give the --model of the workers"
            )
