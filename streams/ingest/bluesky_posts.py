"""Posts of Bluesky as a stream has them (`streams.ingest.jetstream`), and which of them somebody wants.

Records are made by anybody with any program: nothing but their being JSON can be relied on.
The shape of a post: https://github.com/bluesky-social/atproto/blob/main/lexicons/app/bsky/feed/post.json.
"""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

__all__ = ["POSTS", "Event", "Post", "Wanted", "post_address", "post_uri", "read_post"]

POSTS: Final = "app.bsky.feed.post"
_DID: Final = re.compile(r"at://(did:[a-z]+:[A-Za-z0-9._:%-]+)/")
_MICROSECONDS: Final = 1_000_000
_LAST_MICROSECOND: Final = 4_102_444_800 * _MICROSECONDS  # the year 2100


class _Commit(msgspec.Struct, frozen=True):
    operation: str
    collection: str
    rkey: str
    record: msgspec.Raw = msgspec.Raw(b"null")


class Event(msgspec.Struct, frozen=True):
    """One message of the stream. time_us: microseconds since 1970, when the stream had it."""

    did: str
    time_us: Annotated[int, msgspec.Meta(ge=0, le=_LAST_MICROSECOND)]
    kind: str = ""
    commit: _Commit | None = None


class _Ref(msgspec.Struct, frozen=True):
    uri: str


class _Reply(msgspec.Struct, frozen=True):
    root: _Ref
    parent: _Ref


class _Record(msgspec.Struct, frozen=True):
    text: str
    createdAt: str = ""  # noqa: N815 - as the protocol has it
    langs: Any = None
    reply: _Reply | None = None
    embed: Any = None
    facets: Any = None
    tags: Any = None


class Post(NamedTuple):
    """What is read of a post. links: addresses that it leads to; words: all that can be searched."""

    uri: str
    text: str
    at: datetime
    langs: Sequence[str]
    root: str
    parent: str | None
    title: str
    links: Collection[str]
    words: str


def post_uri(did: str, rkey: str) -> str:
    """What names a post for ever."""
    return f"at://{did}/{POSTS}/{rkey}"


def post_address(did: str, rkey: str) -> str:
    """Where people read a post."""
    return f"https://bsky.app/profile/{did}/post/{rkey}"


def read_post(event: Event) -> Post | None:
    """The post that an event tells of; None where its record cannot be read as one."""
    if event.commit is None:
        return None
    try:
        record = msgspec.json.decode(event.commit.record, type=_Record)
    except (msgspec.DecodeError, RecursionError):
        return None
    uri = post_uri(event.did, event.commit.rkey)
    external = _external(record.embed)
    title, about, address = (external.get(name, "") for name in ("title", "description", "uri"))
    links = {address, *_texts(_features(record.facets, "uri"))} - {""}
    return Post(
        uri=uri,
        text=record.text,
        at=_moment(record.createdAt, event.time_us),
        langs=[lang.partition("-")[0].lower() for lang in _texts(record.langs)],
        root=uri if record.reply is None else record.reply.root.uri,
        parent=None if record.reply is None else record.reply.parent.uri,
        title=title,
        links=links,
        words="\n".join([record.text, title, about, *(f"#{tag}" for tag in _texts(record.tags))]),
    )


class Wanted:
    """Which posts are wanted: those that any of the rules is for, in one of the languages if some are named.

    keywords: words and phrases as they stand in a text, whatever their case; accounts: DIDs whose posts, and
    answers to them, are wanted; domains: sites that a post leads to.
    """

    def __init__(
        self,
        *,
        keywords: Sequence[str],
        langs: Sequence[str],
        accounts: Collection[str],
        domains: Sequence[str],
        everything: bool,
    ) -> None:
        self._langs = frozenset(lang.lower() for lang in langs)
        self._accounts = frozenset(accounts)
        self._domains = tuple(domain.lower().removeprefix("www.") for domain in domains)
        self._everything = everything
        alternatives = "|".join(_pattern(word) for word in keywords)
        self._keywords = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE) if keywords else None

    def __call__(self, post: Post, followed: Collection[str], author: str) -> bool:
        """Whether a post is wanted. followed: first posts of discussions of which all is."""
        if self._langs and post.langs and self._langs.isdisjoint(post.langs):
            return False
        return (
            self._everything
            or author in self._accounts
            or post.root in followed
            or any(_account(uri) in self._accounts for uri in (post.root, post.parent or ""))
            or any(map(self._leads_there, post.links))
            or (self._keywords is not None and self._keywords.search(post.words) is not None)
        )

    def _leads_there(self, link: str) -> bool:
        try:
            host = (urlsplit(link).hostname or "").lower()
        except ValueError:
            return False
        return any(host == domain or host.endswith(f".{domain}") for domain in self._domains)


def _pattern(phrase: str) -> str:
    """A phrase with any blanks between its words."""
    return r"\s+".join(map(re.escape, phrase.split()))


def _account(uri: str) -> str:
    found = _DID.match(uri)
    return found[1] if found else ""


def _moment(written: str, time_us: int) -> datetime:
    """When a post says that it was written, but not later than it was there."""
    there = datetime.fromtimestamp(time_us / _MICROSECONDS, UTC)
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return there
    return min(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC), there)


def _external(embed: Any) -> dict[str, str]:
    """The card of a link, which may come with a quoted post."""
    for holder in (embed, embed.get("media") if isinstance(embed, dict) else None):
        card = holder.get("external") if isinstance(holder, dict) else None
        if isinstance(card, dict):
            return {name: value for name, value in card.items() if isinstance(value, str)}
    return {}


def _features(facets: Any, name: str) -> list[Any]:
    """One field of all that is marked in a text."""
    marked = (
        [one.get("features") for one in facets if isinstance(one, dict)] if isinstance(facets, list) else []
    )
    features = [one for some in marked if isinstance(some, list) for one in some if isinstance(one, dict)]
    return [one.get(name) for one in features]


def _texts(found: Any) -> list[str]:
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
