"""From comments to claims with their vectors: the one path that the worker and `replay` share.

Cleaning, language, splitting and embedding in one place, so that both give the same claims to the bit.
Embedding is one call for a whole batch; it takes seconds and belongs off an event loop.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.claims import asserts, split_claims
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


class ClaimMaker:
    """Makes claims of comments.

    split: False makes one claim of each comment, and takes its text as it stands when it has no markup.
    """

    def __init__(
        self, embedder: Embedder, detector: LanguageDetector | None = None, *, split: bool = True
    ) -> None:
        self.embedder = embedder
        self._detector = detector or LanguageDetector()
        self._split = split

    def draft(self, comment: Original) -> list[Draft]:
        """The claims of one comment without vectors; [] when nothing readable is left of its text."""
        text = clean_comment(comment.text).text
        if not text:
            return []
        language = self._detector.detect(text, comment.language_hint or None)
        parts = split_claims(text, language) if self._split else [text]
        return [
            Draft(original=comment, n=n, of=len(parts), text=part, language=language, asserts=asserts(part))
            for n, part in enumerate(parts)
        ]

    def make(self, comments: Sequence[Original]) -> list[list[Claim]]:
        """The claims of each comment, embedded in one call; [] for a comment without readable text."""
        return self.embed([self.draft(comment) for comment in comments])

    def embed(self, drafts: Sequence[Sequence[Draft]]) -> list[list[Claim]]:
        """Claims of drafts, one list for each list."""
        texts = [draft.text for group in drafts for draft in group if draft.asserts]
        return self.attach(drafts, self.embedder.embed(texts))

    def attach(self, drafts: Sequence[Sequence[Draft]], vectors: NDArray[np.float32]) -> list[list[Claim]]:
        """Claims of drafts and their vectors: (n, d) float32, a row for each draft that asserts, in order.

        Raises ValueError when the number of rows is another.
        """
        packed = iter(pack_vectors(vectors))
        wanted = sum(draft.asserts for group in drafts for draft in group)
        if len(vectors) != wanted:
            raise ValueError(f"{len(vectors)} vectors for {wanted} claims")
        return [
            [_claim(draft, next(packed) if draft.asserts else b"") for draft in group] for group in drafts
        ]


def _claim(draft: Draft, vector: bytes) -> Claim:
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
    )
