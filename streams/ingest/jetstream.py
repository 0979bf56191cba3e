"""Bluesky: posts as they are written, from a Jetstream, over a websocket.

The network writes about fifty posts a second; a desk wants those about its subject, so options say which, and
answers to what was wanted are wanted, too. The protocol: https://github.com/bluesky-social/jetstream.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from streams.errors import FailureReason, SettingsError, SourceError
from streams.ingest.bluesky_posts import POSTS, Event, Post, Wanted, post_address, post_uri, read_post
from streams.ingest.jetstream_options import JetstreamOptions
from streams.ingest.memory import Memory
from streams.ingest.source import About, BadItem, Context, Page, Probe, Source, SourceComment
from streams.ingest.websocket import opened

__all__ = ["Jetstream", "JetstreamCursor", "JetstreamOptions", "Timing"]

_MICROSECONDS: Final = 1_000_000
_REWIND_US = 3 * _MICROSECONDS  # another instance may have had some events a little later
_PAGE_COMMENTS = 100
_REMEMBERED = 1_500
_FOLLOWED = 500
_GAP_US = 60 * _MICROSECONDS
_SAMPLES = 3
_SAMPLE_OPTIONS: Final = ("keywords=WORD,WORD",)
_WELCOME: Final = b"Welcome to Jetstream"
_SAMPLE_SECONDS = 5.0
_BLUESKY: Final = frozenset({"bsky.app", "bsky.social"})

_logger = logging.getLogger(__name__)


class Timing(NamedTuple):
    """Seconds; others in tests."""

    page: float = 2.0  # so long a comment waits for others
    quiet_page: float = 10.0  # so often the cursor goes on when there are none
    silence: float = 60.0  # a stream that is alive is never silent so long: it tells of accounts, too


class JetstreamCursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where reading stands. Posts are named by digests of their addresses, which are long."""

    time_us: int = 0  # of the last event, in microseconds since 1970; 0: begin now
    known: dict[str, str] = {}  # see `Memory`
    followed: dict[str, str] = {}  # discussions of which all is wanted, and their titles


class _State:
    """The cursor while it is worked on."""

    def __init__(self, cursor: JetstreamCursor) -> None:
        self.time_us = cursor.time_us
        self.memory = Memory(cursor.known, _REMEMBERED)
        self.followed = dict(cursor.followed)

    def follow(self, root: str, title: str) -> None:
        self.followed.setdefault(_digest(root), title[:200])
        while len(self.followed) > _FOLLOWED:
            del self.followed[next(iter(self.followed))]

    def page(self, comments: list[SourceComment | BadItem]) -> Page[JetstreamCursor]:
        return Page(comments, JetstreamCursor(self.time_us, self.memory.kept(), dict(self.followed)))


class Jetstream(Source[JetstreamOptions, JetstreamCursor]):
    """Posts of Bluesky that somebody wants."""

    kind = "jetstream"
    about = About(
        title="Bluesky (Jetstream)",
        guarantee="every wanted post within seconds, also those of the last 36 hours in which nobody was"
        " reading; edits and deletions of the last 1,500 wanted posts",
        rate="one websocket, which the instance limits as it sees fit",
        blind_spots="what no rule is for: a desk names keywords, domains, accounts, langs; answers in"
        " discussions older than the last 500 wanted ones; accounts that are deleted as a whole",
    )
    options_type = JetstreamOptions
    cursor_type = JetstreamCursor

    def __init__(self, options: JetstreamOptions, context: Context, *, timing: Timing | None = None) -> None:
        super().__init__(options, context)
        if not (options.keywords or options.domains or options.accounts or options.everything):
            raise SettingsError("give keywords, domains or accounts, or everything = true")
        self._timing = timing or Timing()
        self._wanted: Wanted | None = None
        self._is_gapless = True  # whether the event before the next one was read
        self._suspect = b""  # the last message that could not be read

    def begin(self, since: datetime | None) -> JetstreamCursor:
        """See `Source`."""
        return JetstreamCursor(time_us=0 if since is None else int(since.timestamp() * _MICROSECONDS))

    async def fetch(self, cursor: JetstreamCursor) -> AsyncGenerator[Page[JetstreamCursor]]:
        """See `Source`. Does not end but with a failure."""
        wanted = self._wanted = self._wanted or await self._rules()
        state = _State(cursor)
        # From now on, and not from whenever the connection stands: it may break before the first event.
        state.time_us = state.time_us or int(self.context.clock().timestamp() * _MICROSECONDS)
        self._is_gapless = cursor.time_us == 0
        comments: list[SourceComment | BadItem] = []
        began = heard = self.context.clock()
        async with opened(self._address(state.time_us - _REWIND_US), self.context) as stream:
            while True:
                now = self.context.clock()
                longest = self._timing.page if comments else self._timing.quiet_page
                patience = longest - _seconds(now - began)
                if len(comments) >= _PAGE_COMMENTS or patience <= 0:
                    yield state.page(comments)
                    comments, began = [], now
                    continue
                try:
                    event = await self._next(stream, patience, _seconds(now - heard))
                except SourceError:
                    yield state.page(comments)
                    raise
                if event is not None:
                    heard = now
                    comments += self._news(event, state, wanted)

    def _address(self, cursor_us: int) -> str:
        query = urlencode({"wantedCollections": POSTS, "cursor": max(0, cursor_us)})
        return f"{self.options.url.rstrip('/')}/subscribe?{query}"

    def _notice_gap(self, event: Event, state: _State) -> None:
        if self._is_gapless or event.time_us - state.time_us < _GAP_US:
            self._is_gapless = True
            return
        self._is_gapless = True
        seconds = (event.time_us - state.time_us) // _MICROSECONDS
        _logger.warning("%s: of %d seconds the stream has no more: a gap", self.name, seconds)

    @classmethod
    async def probe(cls, url: str, context: Context) -> Probe | None:
        """Told by the address of Bluesky, or by what an instance says of itself."""
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        if parts.hostname in _BLUESKY:
            base = str(JetstreamOptions.model_fields["url"].default)
        else:
            answer = await context.http.get(base, allow=range(400, 500))
            if answer.status >= 400 or not answer.content.lstrip().startswith(_WELCOME):
                return None
        source = cls(JetstreamOptions(url=base, everything=True), context, timing=Timing(page=0.5))
        return Probe(base, "Bluesky", await source._samples(), _SAMPLE_OPTIONS)

    async def _samples(self) -> list[SourceComment]:
        found: list[SourceComment] = []
        cursor = self.begin(self.context.clock() - timedelta(minutes=1))
        try:
            async with asyncio.timeout(_SAMPLE_SECONDS), aclosing(self.fetch(cursor)) as pages:
                async for page in pages:
                    found += [one for one in page.comments if isinstance(one, SourceComment) and one.text]
                    if len(found) >= _SAMPLES:
                        break
        except TimeoutError:
            pass  # as many as there were
        return found[:_SAMPLES]

    async def _rules(self) -> Wanted:
        """The rules, with the DIDs of the accounts that are named by their handles."""
        accounts = {name: name for name in self.options.accounts if name.startswith("did:")}
        for handle in self.options.accounts:
            if handle not in accounts:
                accounts[handle] = await self._did(handle.removeprefix("@"))
        return Wanted(
            keywords=self.options.keywords,
            langs=self.options.langs,
            accounts=accounts.values(),
            domains=self.options.domains,
            everything=self.options.everything,
        )

    async def _did(self, handle: str) -> str:
        address = f"{self.options.resolver_url.rstrip('/')}/xrpc/com.atproto.identity.resolveHandle"
        answer = await self.context.http.get(address, params={"handle": handle}, allow=(400, 404))
        if answer.status >= 400:
            detail = f"accounts: nobody is known as {ascii(handle)[1:-1][:80]}"
            raise SourceError(FailureReason.REFUSED, detail, status=answer.status)
        resolved: _Resolved = answer.decode(_Resolved)
        return resolved.did

    async def _next(
        self, stream: aiohttp.ClientWebSocketResponse, patience: float, silence: float
    ) -> Event | BadItem | None:
        """The next event; None when none came in time.  Raises SourceError when the stream has ended.

        patience, silence: seconds to wait, and since the last event.
        """
        try:
            message = await stream.receive(timeout=patience)
        except TimeoutError:
            if silence > self._timing.silence:
                raise SourceError(FailureReason.TIMEOUT, "the stream is silent") from None
            return None
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise SourceError(FailureReason.UNREACHABLE, "the stream has ended")
        content: bytes = message.data.encode() if isinstance(message.data, str) else message.data
        try:
            return msgspec.json.decode(content, type=Event)
        except (msgspec.DecodeError, RecursionError) as error:
            if content == self._suspect:  # it comes again and again: put it aside and go on
                return BadItem(content, "an event of an unexpected shape")
            self._suspect = content
            raise SourceError(FailureReason.MALFORMED, "an event of an unexpected shape") from error

    def _news(self, event: Event | BadItem, state: _State, wanted: Wanted) -> list[SourceComment | BadItem]:
        """What an event tells that was not told before."""
        if isinstance(event, BadItem):
            return [event]
        self._notice_gap(event, state)
        replayed = event.time_us <= state.time_us
        state.time_us = max(state.time_us, event.time_us)
        if event.kind != "commit" or event.commit is None or event.commit.collection != POSTS:
            return []
        key = _digest(post_uri(event.did, event.commit.rkey))
        if replayed and key in state.memory:
            return []
        found = self._read(event, key, state, wanted)
        if isinstance(found, SourceComment) and not state.memory.tells_news(found, key=key):
            return []
        return [] if found is None else [found]

    def _read(self, event: Event, key: str, state: _State, wanted: Wanted) -> SourceComment | BadItem | None:
        """What an event of a post says; None if nobody wants it."""
        commit = event.commit
        if commit is not None and commit.operation == "delete":
            return SourceComment(id=post_uri(event.did, commit.rkey), deleted=True)
        post = read_post(event)
        if post is None:
            bad = BadItem(_shown(event), "a post of an unexpected shape")
            return bad if self.options.everything else None
        if key not in state.memory and not self._is_wanted(post, event, state, wanted):
            return None
        return self._comment(event, post, state)

    def _is_wanted(self, post: Post, event: Event, state: _State, wanted: Wanted) -> bool:
        followed = self.options.replies and _digest(post.root) in state.followed
        return wanted(post, {post.root} if followed else (), event.did)

    def _comment(self, event: Event, post: Post, state: _State) -> SourceComment:
        state.follow(post.root, post.title if post.parent is None else "")
        rkey = "" if event.commit is None else event.commit.rkey
        return SourceComment(
            id=post.uri,
            text=post.text,
            thread=post.root,
            thread_title=state.followed.get(_digest(post.root), ""),
            author=event.did,
            created_at=post.at,
            parent=post.parent,
            lang=post.langs[0] if len(post.langs) == 1 else "",
            permalink=post_address(event.did, rkey),
        )


class _Resolved(msgspec.Struct, frozen=True):
    did: str


def _seconds(time: timedelta) -> float:
    return time.total_seconds()


def _digest(uri: str) -> str:
    return hashlib.blake2b(uri.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _shown(event: Event) -> bytes:
    return b"" if event.commit is None else bytes(event.commit.record)
