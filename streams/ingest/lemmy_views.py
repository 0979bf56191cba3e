"""What a Lemmy instance answers, in version 3 or 4 of its interface; `streams.ingest.lemmy` reads it."""

from datetime import UTC, datetime

import msgspec

from streams.ingest.source import BadItem

__all__ = ["Listing", "One", "SiteAnswer", "View", "read_view"]


class Comment(msgspec.Struct, frozen=True):
    """A comment. content: Markdown; path: its ancestors and itself, beginning with 0."""

    id: int
    content: str
    path: str = ""
    ap_id: str = ""
    published: datetime | None = None  # version 3
    published_at: datetime | None = None  # version 4
    deleted: bool = False
    removed: bool = False
    language_id: int = 0


class Creator(msgspec.Struct, frozen=True):
    """Who wrote it."""

    name: str = ""
    actor_id: str = ""  # version 3
    ap_id: str = ""  # version 4
    bot_account: bool = False


class Post(msgspec.Struct, frozen=True):
    """What it is about. ap_id: its address."""

    id: int
    name: str = ""
    ap_id: str = ""


class View(msgspec.Struct, frozen=True):
    """A comment with what belongs to it."""

    comment: Comment
    creator: Creator
    post: Post

    @property
    def published(self) -> datetime | None:
        """When it was written. Up to version 0.18 the time zone is not said: it is UTC."""
        moment = self.comment.published or self.comment.published_at
        return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment

    @property
    def at(self) -> float:
        """The same in seconds since 1970."""
        return 0.0 if self.published is None else self.published.timestamp()


class Listing(msgspec.Struct, frozen=True):
    """An answer with comments, each still to be read."""

    comments: list[msgspec.Raw]
    next_page: str | None = None  # version 4


class One(msgspec.Struct, frozen=True):
    """An answer with one comment."""

    comment_view: View


class Language(msgspec.Struct, frozen=True):
    """A language that the instance knows."""

    id: int
    code: str


class SiteAnswer(msgspec.Struct, frozen=True):
    """What an instance says of itself."""

    version: str
    site_view: msgspec.Raw
    all_languages: list[Language] = []


def read_view(raw: msgspec.Raw) -> View | BadItem:
    """One entry of a list."""
    try:
        return msgspec.json.decode(raw, type=View)
    except (msgspec.DecodeError, RecursionError):
        return BadItem(bytes(raw), "a comment of an unexpected shape")
