"""The engine over files, without a broker: what a worker would say of the same comments in the same order.

Deterministic: the same files, settings and model give the same output, byte for byte, but for labels that an
endpoint refines at the end. `streams.replay_files` writes the output, `streams.replay_vectors` brings the
vectors.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from models.background import Background, background_of
from models.embedding import Embedder
from models.engine import Engine
from models.language import LanguageDetector
from models.outcome import NarrativeView, Outcome
from models.parameters import Sensitivity, parameters_for
from models.preparation import ClaimMaker
from models.watches import Watch
from streams.author_key import resolve_author_key
from streams.embedders import embedder_of
from streams.errors import InputError, RejectReason
from streams.ingest.base import RawComment
from streams.ingest.files import read_comments
from streams.label_refinement import refine_all
from streams.originals import original_of
from streams.replay_files import ReplayFiles, replacing_files
from streams.replay_vectors import Group, ModelVectors, VectorSource, open_vectors
from streams.settings_fields import Settings
from streams.settings_fields import Watch as WatchFields
from streams.watchlist import watch_of

__all__ = ["ReplayPlan", "ReplayResult", "replay"]

_logger = logging.getLogger(__name__)

# One call of the model: large enough that its passes are full, small enough that the progress bar moves.
_CHUNK_COMMENTS = 1_024
_CHUNK_BYTES = 16 * 1024 * 1024  # a file of the largest comments must not fill the memory

Progress = Callable[[int, int, int], None]
"""Called with the records and the bytes read since the last call, and the narratives so far."""


class ReplayPlan(NamedTuple):
    """What to replay. watch_phrases: a watch of its own each, beside those of the settings."""

    inputs: Sequence[str]
    out: Path
    split: bool = True
    embeddings: Path | None = None
    watch_phrases: Sequence[str] = ()
    model_is_wanted: bool = False  # with `embeddings`: load the model nevertheless


class ReplayResult(NamedTuple):
    """What came out, for a person to read. The files say the rest."""

    model: str
    comments: int
    claims: int
    duplicates: int
    rejected: dict[str, int]  # by reason
    events: dict[str, int]  # by type
    matches: dict[str, int] | None  # by watch; None without watches
    narratives: list[tuple[str, NarrativeView]]  # with their desks, in the order in which they emerged


def replay(settings: Settings, plan: ReplayPlan, *, now_ms: int, progress: Progress) -> ReplayResult:
    """Read the inputs in their order, run the engine of each desk over them, write the files.

    now_ms: epoch ms; when a comment arrived is not known, but it cannot be dated later than this.
    Raises InputError (a file cannot be read, or there is no comment in it), OutputError, ModelError,
    SettingsError; then the output folder is as it was before.
    """
    # Cheap checks first: nobody likes to wait for a model to be told of a misspelt file name.
    sources = [read_comments(path, max_bytes=settings.max_comment_bytes) for path in plan.inputs]
    stored = None if plan.embeddings is None else open_vectors(plan.embeddings, split=plan.split)
    with (
        replacing_files(plan.out) as folder,
        ReplayFiles(folder, watches=[watch.name for watch in _watched(settings, plan)]) as files,
    ):
        run = _Run(
            settings,
            plan,
            files=files,
            stored=stored,
            now_ms=now_ms,
            progress=progress,
        )
        run.read(item for source in sources for item in source)
        return run.finish()


class _Waiting(NamedTuple):
    """A comment that waits to be embedded; deleted: source and id of one that is gone."""

    desk: str
    group: Group
    deleted: tuple[str, str] | None = None

    @property
    def call(self) -> tuple[str, tuple[str, str] | None]:
        """Comments of one desk go to its engine together, but for deletions."""
        return self.desk, self.deleted


class _Desks:
    """The engine of each desk, made when its first comment comes."""

    def __init__(
        self,
        settings: Settings,
        dimensions: int,
        background: Background,
        watches: Sequence[tuple[str | None, Watch]],
    ) -> None:
        self._parameters = parameters_for(Sensitivity(settings.sensitivity), settings.hot_narratives)
        self._dimensions = dimensions
        self._background = background
        self._watches = watches
        self.engines: dict[str, Engine] = {}

    def engine(self, desk: str) -> Engine:
        if desk not in self.engines:
            self.engines[desk] = Engine(
                self._dimensions,
                self._parameters,
                desk=desk,
                background=self._background,
                watches=[watch for only, watch in self._watches if only in (None, desk)],
            )
        return self.engines[desk]


class _Run:
    """One replay in progress."""

    def __init__(
        self,
        settings: Settings,
        plan: ReplayPlan,
        *,
        files: ReplayFiles,
        stored: VectorSource | None,
        now_ms: int,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._files = files
        self._now_ms = now_ms
        self._progress = progress
        self._vectors, self._desks, self._model = _prepare(settings, plan, stored)
        self._author_key = resolve_author_key(settings)
        self._records = 0
        self._duplicates = 0
        self._rejected: Counter[str] = Counter()
        self._first_rejection = ""
        self._waiting: list[_Waiting] = []
        self._unreported = 0  # records
        self._bytes = 0  # of the records since the last chunk

    def read(self, items: Iterator[RawComment]) -> None:
        """Take all records, in order."""
        for item in items:
            self._take(item)
            self._records += 1
            self._unreported += 1
            self._bytes += item.size_bytes
            if len(self._waiting) >= _CHUNK_COMMENTS or self._bytes >= _CHUNK_BYTES:
                self._observe()
        self._observe()

    def finish(self) -> ReplayResult:
        """Write the files. Raises InputError when there was no comment, or vectors are left over."""
        if not self._files.comments:
            raise InputError(f"there is no comment in {', '.join(self._plan.inputs)}{self._why_none()}")
        self._vectors.finish(self._records)
        for desk, engine in self._desks.engines.items():
            for view in engine.narratives():
                self._files.view(desk, view)
        self._files.views = refine_all(self._settings, self._files.views)
        self._files.finish()
        return ReplayResult(
            model=self._model,
            comments=self._files.comments,
            claims=self._files.claims,
            duplicates=self._duplicates,
            rejected=dict(sorted(self._rejected.items())),
            events=dict(sorted(self._files.event_counts.items())),
            matches=self._files.match_counts or None,
            narratives=list(self._files.views.values()),
        )

    def _take(self, item: RawComment) -> None:
        if item.comment is None:
            if item.rejection is not None:
                self._reject(item, item.rejection.reason, item.rejection.detail)
            return
        desk = item.comment.desk or self._settings.desk
        if not self._files.hear(desk, item.comment):
            self._duplicates += 1
            return
        if item.comment.deleted:
            self._files.drop(desk, item.comment.source, item.comment.id)
            gone = (item.comment.source, item.comment.id)
            self._waiting.append(_Waiting(desk, Group(self._records, []), gone))
            return
        original = original_of(
            item.comment,
            author_key=self._author_key,
            arrival_ms=self._now_ms,
            future_tolerance_seconds=self._settings.future_tolerance_seconds,
        )
        try:
            drafts = self._vectors.maker.draft(original)
        except Exception as error:  # as in a worker: this comment is put aside with the cause, others go on
            _logger.warning("%s failed", item.place, exc_info=True)
            self._reject(item, RejectReason.FAILED, f"{type(error).__name__}: {error}")
            return
        if not drafts:
            self._reject(item, RejectReason.EMPTY_TEXT, "nothing readable is left of the text")
            return
        self._files.add(desk, drafts)
        self._waiting.append(_Waiting(desk, Group(self._records, drafts)))

    def _reject(self, item: RawComment, reason: RejectReason, detail: str) -> None:
        self._first_rejection = self._first_rejection or f"{item.place}: {reason}: {detail}"
        self._rejected[reason.value] += 1
        self._files.reject(item, reason.value, detail)

    def _why_none(self) -> str:
        refused = self._rejected.total()
        return f": {refused} records refused, the first {self._first_rejection}" if refused else ""

    def _observe(self) -> None:
        """Embed what waits and let the engines judge it, in stream order across desks."""
        claims = self._vectors.claims([one.group for one in self._waiting])
        runs = groupby(zip(self._waiting, claims, strict=True), key=lambda pair: pair[0].call)
        for (desk, gone), run in runs:
            engine = self._desks.engine(desk)
            if gone is None:
                self._tell(desk, engine.observe([comment for _, comment in run]))
            else:
                self._tell(desk, engine.withdraw(*gone))
        self._waiting.clear()
        self._progress(self._unreported, self._bytes, len(self._files.views))
        self._unreported = self._bytes = 0

    def _tell(self, desk: str, outcome: Outcome) -> None:
        for assignment in outcome.assignments:
            self._files.assign(desk, assignment)
        for mention in outcome.mentions:
            self._files.mention(desk, mention)
        for event in outcome.events:
            self._files.event(desk, event)
        for view in outcome.changed.values():
            self._files.view(desk, view)
        for match in outcome.matches:
            self._files.match(desk, match)


def _watched(settings: Settings, plan: ReplayPlan) -> list[WatchFields]:
    """The watches of the settings, and one for each phrase."""
    phrases = dict.fromkeys(plan.watch_phrases)
    # Not validated: what the command line gives may be of any length.
    return [*settings.watches, *(WatchFields.model_construct(name=one, phrases=(one,)) for one in phrases)]


def _prepare(
    settings: Settings, plan: ReplayPlan, stored: VectorSource | None
) -> tuple[VectorSource, _Desks, str]:
    """The vectors, the engines to come, and the name of the model."""
    watched = _watched(settings, plan)
    if stored is not None and not watched and not plan.model_is_wanted:
        return stored, _Desks(settings, stored.maker.embedder.dimensions, background_of(None), ()), "none"
    embedder = embedder_of(settings)
    if stored is not None:
        _check_dimensions(plan, stored, embedder)
    detector = LanguageDetector()
    watches = [
        (watch.desk, watch_of(watch, embedder.embed, lambda text: detector.detect(text, None)))
        for watch in watched
    ]
    desks = _Desks(settings, embedder.dimensions, background_of(embedder), watches)
    maker = ClaimMaker(embedder, detector, split=plan.split, sentences=bool(watched))
    return stored or ModelVectors(maker), desks, embedder.name


def _check_dimensions(plan: ReplayPlan, stored: VectorSource, embedder: Embedder) -> None:
    """Watches and vectors must be of one space. Raises InputError when they cannot be."""
    found = stored.maker.embedder.dimensions
    if found != embedder.dimensions:
        raise InputError(
            f"{plan.embeddings} has vectors of {found} dimensions, the model {embedder.name} of"
            f" {embedder.dimensions}: give the --model that made them"
        )
