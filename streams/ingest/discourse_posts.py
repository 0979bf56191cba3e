"""Posts of a Discourse forum, and pages of the list that `streams.ingest.discourse` reads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec

from streams.ingest.source import BadItem
from streams.polite.client import Validators

__all__ = ["PAGE_IDS", "REGULAR_POST", "Found", "Latest", "Post"]

PAGE_IDS: Final = 49  # so many ids below another are always on one page
REGULAR_POST: Final = 1  # others are notices of moderators and "moved to"


class Post(msgspec.Struct, frozen=True):
    """A post as it is shown. post_number: its place in the topic; cooked: its text as HTML."""

    id: int
    topic_id: int
    post_number: int
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    username: str = ""
    cooked: str = ""
    topic_slug: str | None = None
    topic_title: str | None = None
    post_type: int = REGULAR_POST
    reply_to_post_number: int | None = None
    hidden: bool = False
    user_deleted: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether readers see a notice in its place."""
        return self.hidden or self.user_deleted


class Latest(msgspec.Struct, frozen=True):
    """An answer with posts, each still to be read."""

    latest_posts: list[msgspec.Raw]


class Found:
    """One page: its posts by id, the lowest first, and what cannot be read as one.

    before: the id that it was asked for; None: the newest.
    """

    def __init__(self, raws: Sequence[msgspec.Raw], before: int | None, validators: Validators) -> None:
        self.before = before
        self.validators = validators
        self.bad: list[BadItem] = []
        self.posts: dict[int, Post] = {}
        for raw in raws:
            try:
                post = msgspec.json.decode(raw, type=Post)
            except (msgspec.DecodeError, RecursionError):
                self.bad.append(BadItem(bytes(raw), "a post of an unexpected shape"))
            else:
                self.posts[post.id] = post
        self.posts = dict(sorted(self.posts.items()))
        self.lowest = min(self.posts, default=0)
        self.highest = max(self.posts, default=0)

    @property
    def floor(self) -> int:
        """The lowest id of which the page tells whether there is such a post."""
        if self.before is None:
            return self.lowest
        return min(self.lowest or self.before, self.before - PAGE_IDS)

    def lacks(self, post_id: int) -> bool:
        """Whether a post is gone: it would have to stand here."""
        if self.bad or post_id in self.posts:  # what cannot be read may be the one that is looked for
            return False
        if self.before is None:
            return bool(self.posts) and post_id > self.lowest
        return self.floor <= post_id < self.before
