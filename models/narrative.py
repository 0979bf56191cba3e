"""One narrative: who said it, where, in which words, and whether that is corroboration.

Everything kept here is bounded but the keys of its mentions and authors (8 bytes of payload each), which go
when it leaves hot state. A mention can be taken back as long as its claims are in the window.
"""

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from enum import IntEnum
from typing import NamedTuple, TypeVar

import msgspec

from models.context import thread_key
from models.copies import copy_among, is_copy
from models.lexical import shingles
from models.outcome import Kind, NarrativeView, Quote, Stance, State, instant
from models.pulse import Pulse
from models.types import Claim

__all__ = ["FACET", "HELD_BACK", "Facet", "Member", "Narrative", "Said", "Voice", "key_of", "member_of"]

HELD_BACK = -1  # in place of a uid: of no narrative
SAMPLE_SIZE = 24  # members kept for quotes and labels
MAX_VOICES = 48  # texts compared for near-copies; later ones count as voices of their own
QUOTE_CHARS = 280
FACET = "\x1f"  # between the parts of a facet key
# Answers join the copies, and others who take them up; where nobody organises anything there are no copies.
CAMPAIGN_SHARE = 0.25
CAMPAIGN_AUTHORS = 4  # one quotation of a comment, or two, is conversation


def key_of(*parts: str) -> int:
    """A 63-bit key of some strings, the same on every machine."""
    digest = hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A claim as a narrative keeps it, with what a quote needs."""

    key: int  # of its comment
    rank: int  # pseudo-random, fixed by the claim: which members are kept does not depend on order
    source: str
    comment_id: str
    n: int
    text: str
    author: str
    author_key: int
    thread: str
    language: str
    at_ms: int
    similarity: float
    vector: bytes  # float16, as it came
    substance: float = 0.0  # what it adds to its similarity to anything
    stance: Stance | None = None  # None: not judged
    permalink: str = ""
    matches: dict[str, float] = {}  # watches that it matched when it was new, and how similar it was

    @property
    def thread_key(self) -> str:
        """The thread as `models.context` knows it."""
        return thread_key(self.source, self.thread)

    def at_similarity(self, similarity: float) -> "Member":
        """The same member, with another similarity."""
        return msgspec.structs.replace(self, similarity=similarity)

    def quote(self) -> Quote:
        """The member as evidence."""
        text = self.text if len(self.text) <= QUOTE_CHARS else self.text[: QUOTE_CHARS - 1].rstrip() + "…"
        return Quote(
            text=text,
            author=self.author,
            source=self.source,
            thread=self.thread,
            language=self.language,
            comment_id=self.comment_id,
            at=instant(self.at_ms),
            permalink=self.permalink,
        )


K = TypeVar("K", int, str)


def _take_one(counts: dict[K, int], key: K) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


def _add_all(counts: dict[K, int], more: Mapping[K, int]) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Of equals, the first by name."""
    names = sorted(counts)  # a narrative may be told in thousands of threads: names alone are sorted soonest
    names.sort(key=counts.__getitem__, reverse=True)
    return {name: counts[name] for name in names}


def member_of(claim: Claim, at_ms: int) -> Member:
    """A claim as a member; a claim without author counts as an author of its own."""
    author = claim.author or f"{claim.source}\x1f{claim.comment_id}"
    return Member(
        key=key_of(claim.source, claim.comment_id),
        rank=key_of("rank", claim.source, claim.comment_id, str(claim.n)),
        source=claim.source,
        comment_id=claim.comment_id,
        n=claim.n,
        text=claim.text,
        author=claim.author,
        author_key=key_of("author", author),
        thread=claim.thread,
        language=claim.language,
        at_ms=at_ms,
        similarity=0.0,
        vector=claim.vector,
        permalink=claim.permalink,
    )


class Voice(msgspec.Struct):
    """One text and its near-copies."""

    shingles: bytes  # of the text
    copies: int
    authors: dict[int, int]  # keys to copies


class Said(NamedTuple):
    """What a mention is counted under."""

    facet: str
    author: int  # key
    at_ms: int


class Facet(IntEnum):
    """What mentions are counted by, in the order in which a facet key joins them."""

    SOURCE = 0
    THREAD = 1
    LANGUAGE = 2
    STANCE = 3  # empty where it was not judged


def _no_tallies() -> list[dict[str, int]]:
    return [{} for _ in Facet]


class Narrative(msgspec.Struct):
    """A narrative, or a group of claims that is looked at as one; `uid` is that of its centroid."""

    uid: int
    narrative_id: str
    state: State = State.EMERGED
    first_ms: int = 0
    last_ms: int = 0
    emerged_ms: int = 0
    settled_first_ms: int = 0  # of mentions that have left the window; 0 without any
    settled_last_ms: int = 0
    comments: dict[int, Said] = {}  # by key
    withdrawn: dict[int, str] = {}  # ids of comments whose mention was taken back, by key; see `absorb`
    older_mentions: int = 0  # comments that are counted, and not known by key any more
    tallies: list[dict[str, int]] = msgspec.field(default_factory=_no_tallies)  # comments by each facet
    authors: dict[int, int] = {}  # keys to the number of comments
    voices: list[Voice] = []
    further_voices: int = 0
    sample: list[Member] = []  # the SAMPLE_SIZE of lowest rank
    aliases: list[str] = []
    label: str = ""
    keywords: list[str] = []
    representative: str = ""
    quotes: list[Quote] = []
    labelled_mentions: int = 0
    pulse: Pulse = msgspec.field(default_factory=Pulse)

    @property
    def mentions(self) -> int:
        """Distinct comments."""
        return len(self.comments) + self.older_mentions

    @property
    def copies(self) -> int:
        """Mentions that are near-copies of a text which several authors posted."""
        return sum(voice.copies for voice in self.voices if len(voice.authors) >= CAMPAIGN_AUTHORS)

    @property
    def distinct_voices(self) -> int:
        """Texts that are not copies of one another."""
        return len(self.voices) + self.further_voices

    @property
    def kind(self) -> Kind:
        """Campaign when near-copies by several authors make up at least a quarter of the mentions."""
        copies = self.copies
        return Kind.CAMPAIGN if copies and copies >= CAMPAIGN_SHARE * self.mentions else Kind.ORGANIC

    def add(self, member: Member) -> bool:
        """Take one claim in; False when its comment is counted already."""
        if member.key in self.comments:
            return False
        # Many mentions have the same.
        facet = sys.intern(FACET.join((member.source, member.thread, member.language, member.stance or "")))
        self._count(member.key, Said(facet, member.author_key, member.at_ms))
        self.first_ms = min(self.first_ms or member.at_ms, member.at_ms)
        self.last_ms = max(self.last_ms, member.at_ms)
        self._hear(shingles(member.text), 1, {member.author_key: 1})
        self._keep([member])
        return True

    def take_back(self, members: Sequence[Member], left_ms: Sequence[int]) -> None:
        """Forget a mention. members: all of the comment's claims here; left_ms: dates of what stays in the
        window.
        """
        first = members[0]
        said = self._uncount(first.key, first.comment_id)
        self._unhear([shingles(member.text) for member in members], said.author)
        self.sample = [member for member in self.sample if member.key != first.key]
        settled = [self.settled_first_ms, self.settled_last_ms] if self.settled_first_ms else []
        dates = [*settled, *left_ms]
        if dates:
            self.first_ms, self.last_ms = min(dates), max(dates)

    def withdraw(self, key: int, comment_id: str) -> Said:
        """Forget the mention of a comment whose claims have left the window.  Raises KeyError."""
        said = self._uncount(key, comment_id)
        self._unhear([shingles(one.text) for one in self.sample if one.key == key], said.author)
        self.sample = [member for member in self.sample if member.key != key]
        return said

    def let_go(self, keys: Set[int]) -> bool:
        """Count these mentions on, and forget which comments they were; returns whether there were any."""
        old = keys & self.comments.keys()
        for key in old:
            del self.comments[key]
        for key in keys & self.withdrawn.keys():
            del self.withdrawn[key]
        self.older_mentions += len(old)
        return bool(old)

    def resample(self, members: Iterable[Member]) -> None:
        """Fill the sample again after mentions were taken back. members: of this narrative, in the window."""
        self._keep([member for member in members if member.key in self.comments])

    def shows(self, member: Member) -> bool:
        """Whether a claim is what the narrative is shown by."""
        return member.text == self.representative or any(
            (quote.source, quote.comment_id) == (member.source, member.comment_id) for quote in self.quotes
        )

    def settle(self, member: Member) -> None:
        """A claim leaves the window: it is here for good."""
        self._settle(member.at_ms, member.at_ms)

    def absorb(self, other: "Narrative") -> dict[int, str]:
        """Take over all that is known of another one, which ends.

        Returns the comments (keys and ids) whose mention was taken back from one of the two and stands in the
        other: who reads the mentions of both as those of one would take them for withdrawn.
        """
        self.withdrawn |= other.withdrawn
        standing = self.comments.keys() | other.comments.keys()
        mixed = {key: self.withdrawn[key] for key in sorted(self.withdrawn.keys() & standing)}
        for key, said in other.comments.items():
            if key not in self.comments:
                self._count(key, said)
        self.first_ms, self.last_ms = min(self.first_ms, other.first_ms), max(self.last_ms, other.last_ms)
        if other.settled_first_ms:
            self._settle(other.settled_first_ms, other.settled_last_ms)
        for voice in other.voices:
            self._hear(voice.shingles, voice.copies, voice.authors)
        self.further_voices += other.further_voices
        self.older_mentions += other.older_mentions
        self._keep(other.sample)
        self.aliases += [other.narrative_id, *other.aliases]
        for key in mixed:
            self.withdrawn.pop(key, None)
        return mixed

    def view(self) -> NarrativeView:
        """What is public about it."""
        sources, threads, languages, stances = map(_most_first, self.tallies)
        is_judged = stances.keys() != {""}
        return NarrativeView(
            narrative_id=self.narrative_id,
            label=self.label,
            keywords=list(self.keywords),
            representative=self.representative,
            kind=self.kind,
            state=self.state,
            mentions=self.mentions,
            supporting=stances.get(Stance.SUPPORTS, 0) if is_judged else None,
            rebutting=stances.get(Stance.REBUTS, 0) if is_judged else None,
            copies=self.copies,
            authors=len(self.authors),
            threads=threads,
            languages=languages,
            sources=sources,
            first_seen=instant(self.first_ms),
            last_seen=instant(self.last_ms),
            emerged_at=instant(self.emerged_ms),
            aliases=list(self.aliases),
            quotes=list(self.quotes),
        )

    def counts(self, facet: Facet) -> dict[str, int]:
        """Mentions by source, thread or language, most first."""
        return _most_first(self.tallies[facet])

    def _settle(self, first_ms: int, last_ms: int) -> None:
        self.settled_first_ms = min(self.settled_first_ms or first_ms, first_ms)
        self.settled_last_ms = max(self.settled_last_ms, last_ms)

    def _count(self, key: int, said: Said) -> None:
        self.comments[key] = said
        self.pulse.add(said.at_ms)
        self.withdrawn.pop(key, None)
        for tally, value in zip(self.tallies, said.facet.split(FACET), strict=True):
            tally[sys.intern(value)] = tally.get(value, 0) + 1  # many narratives have the same
        self.authors[said.author] = self.authors.get(said.author, 0) + 1

    def _uncount(self, key: int, comment_id: str) -> Said:
        said = self.comments.pop(key)
        self.pulse.take_back(said.at_ms)
        self.withdrawn[key] = comment_id
        for tally, value in zip(self.tallies, said.facet.split(FACET), strict=True):
            _take_one(tally, value)
        _take_one(self.authors, said.author)
        return said

    def _hear(self, signature: bytes, copies: int, authors: Mapping[int, int]) -> None:
        place = copy_among([voice.shingles for voice in self.voices], signature)
        if place is not None:
            self.voices[place].copies += copies
            _add_all(self.voices[place].authors, authors)
        elif len(self.voices) < MAX_VOICES:
            self.voices.append(Voice(signature, copies, dict(authors)))
        else:
            self.further_voices += copies

    def _unhear(self, signatures: Sequence[bytes], author: int) -> None:
        """One of these was heard from that author; which claim of a comment made the mention is not kept.

        signatures: empty where the text is not known any more.
        """
        for place, voice in enumerate(self.voices):
            if author in voice.authors and (
                not signatures or any(is_copy(voice.shingles, one) for one in signatures)
            ):
                voice.copies -= 1
                _take_one(voice.authors, author)
                if not voice.copies:
                    del self.voices[place]
                return
        self.further_voices = max(0, self.further_voices - 1)

    def _keep(self, members: Iterable[Member]) -> None:
        if len(self.sample) == SAMPLE_SIZE:
            last = self.sample[-1].rank
            members = [member for member in members if member.rank < last]
            if not members:
                return
        known = {(member.key, member.n) for member in self.sample}
        self.sample += [member for member in members if (member.key, member.n) not in known]
        self.sample.sort(key=lambda member: member.rank)
        del self.sample[SAMPLE_SIZE:]
