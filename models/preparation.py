"""From comments to claims with their vectors: the one path that the worker and `replay` share.

Cleaning, language, splitting and embedding in one place, so that both give the same claims to the bit.
Embedding is one call for a whole batch; it takes seconds and belongs off an event loop.
"""

from collections.abc import Sequence
from itertools import islice

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.claims import asserts, split_claims, split_sentences
from models.embedding import Embedder
from models.language import LanguageDetector
from models.text import clean_comment
from models.types import Claim, pack_vectors

__all__ = ["ClaimMaker", "Draft", "Original"]


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """A valid comment before its text is read. `author` is a keyed hash; times are epoch ms."""

    source: str
    comment_id: str
    text: str  # as delivered: markup and all
    thread: str
    author: str
    created_at_ms: int | None
    thread_title: str = ""
    parent: str | None = None
    language_hint: str = ""
    permalink: str = ""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One claim that waits for its vector. `asserts` is False for a claim of nothing: it is not embedded."""

    original: Original
    n: int
    of: int
    text: str
    language: str
    asserts: bool
    sentences: list[str] = []  # where it has several and they are wanted


class ClaimMaker:
    """Makes claims of comments.

    split: False makes one claim of each comment, and takes its text as it stands when it has no markup.
    sentences: embed the sentences of a claim, too, as watches want it; it costs about as much again. It is
    the attribute `wants_sentences`, and may change from one comment to the next.
    """

    def __init__(
        self,
        embedder: Embedder,
        detector: LanguageDetector | None = None,
        *,
        split: bool = True,
        sentences: bool = False,
    ) -> None:
        self.embedder = embedder
        self._detector = detector or LanguageDetector()
        self._split = split
        self.wants_sentences = sentences

    def draft(self, comment: Original) -> list[Draft]:
        """The claims of one comment without vectors; [] when nothing readable is left of its text."""
        cleaned = clean_comment(comment.text)
        # Who only quotes says that, or forgot to begin a new line after the quote.
        text = cleaned.text or "\n".join(cleaned.quotes)
        if not text:
            return []
        language = self._detector.detect(text, comment.language_hint or None)
        parts = split_claims(text, language) if self._split else [text]
        return [
            Draft(
                original=comment,
                n=n,
                of=len(parts),
                text=part,
                language=language,
                asserts=asserts(part),
                sentences=self._sentences(part, language),
            )
            for n, part in enumerate(parts)
        ]

    def _sentences(self, text: str, language: str) -> list[str]:
        found = split_sentences(text, language) if self.wants_sentences else []
        return found if len(found) > 1 else []

    def make(self, comments: Sequence[Original]) -> list[list[Claim]]:
        """The claims of each comment, embedded in one call; [] for a comment without readable text."""
        return self.embed([self.draft(comment) for comment in comments])

    def embed(self, drafts: Sequence[Sequence[Draft]]) -> list[list[Claim]]:
        """Claims of drafts, one list for each list."""
        texts = [draft.text for group in drafts for draft in group if draft.asserts]
        sentences = [text for group in drafts for draft in group if draft.asserts for text in draft.sentences]
        vectors = self.embedder.embed([*texts, *sentences])
        return self.attach(drafts, vectors[: len(texts)], vectors[len(texts) :])

    def attach(
        self,
        drafts: Sequence[Sequence[Draft]],
        vectors: NDArray[np.float32],
        of_sentences: NDArray[np.float32] | None = None,
    ) -> list[list[Claim]]:
        """Claims of drafts and their vectors: (n, d) float32, a row for each draft that asserts, in order.

        of_sentences: (m, d), a row for each sentence of these, in order; None for none at all.
        Raises ValueError when the number of rows is another.
        """
        packed = iter(pack_vectors(vectors))
        parts = iter(pack_vectors(vectors[:0] if of_sentences is None else of_sentences))
        wanted = sum(draft.asserts for group in drafts for draft in group)
        if len(vectors) != wanted:
            raise ValueError(f"{len(vectors)} vectors for {wanted} claims")
        return [
            [
                _claim(draft, next(packed), list(islice(parts, len(draft.sentences))))
                if draft.asserts
                else _claim(draft, b"", [])
                for draft in group
            ]
            for group in drafts
        ]


def _claim(draft: Draft, vector: bytes, sentences: list[bytes]) -> Claim:
    original = draft.original
    return Claim(
        source=original.source,
        comment_id=original.comment_id,
        n=draft.n,
        of=draft.of,
        text=draft.text,
        language=draft.language,
        thread=original.thread,
        author=original.author,
        created_at_ms=original.created_at_ms,
        vector=vector,
        parent=original.parent,
        thread_title=original.thread_title,
        permalink=original.permalink,
        sentences=sentences,
    )
