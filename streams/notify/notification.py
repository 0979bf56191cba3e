"""What is said: one notification, as JSON of version 1, with its evidence.

The fields are a contract with receivers: new ones may be added, none is renamed or removed without a new
version. Texts in it are by strangers and are not escaped: who shows them must (see `streams.notify.formats`).
"""

import hashlib
from datetime import datetime
from typing import Literal
from urllib.parse import quote as percent_encoded

import msgspec

from models.outcome import EventType, Kind, NarrativeView
from streams.notify_fields import NotifyKind, NotifySeverity
from streams.results import EventRecord

__all__ = [
    "Evidence",
    "Notification",
    "Said",
    "encode_notification",
    "evidence_of",
    "from_event",
    "narrative_link",
    "notification_id",
    "origin_in_words",
]

_MAX_QUOTES = 5
_MAX_QUOTE_CHARACTERS = 1_000
_MAX_LABEL_CHARACTERS = 300
_ID_HEX_DIGITS = 32

_SEVERITIES: dict[str, NotifySeverity] = {"campaign": "warning", "spiking": "warning"}
_TITLES = {
    "emerged": "New in {desk}: {label}",
    "campaign": "Campaign in {desk}: {label}",
    "spiking": "Spiking in {desk}: {label}",
    "revived": "Back in {desk}: {label}",
    "faded": "Faded in {desk}: {label}",
    "merged": "Merged in {desk}: {label}",
}


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A quote: what one person wrote, and where it stands. at: when."""

    text: str
    source: str
    thread: str
    language: str
    at: datetime
    permalink: str = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The narrative as it stood.

    mentions, authors, threads: how many; languages, sources: mentions by each.
    """

    narrative_id: str
    label: str
    kind: str
    mentions: int
    supporting: int | None
    rebutting: int | None
    copies: int
    authors: int
    threads: int
    languages: dict[str, int]
    sources: dict[str, int]
    first_seen: datetime
    last_seen: datetime
    emerged_at: datetime
    quotes: list[Said]


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is said.

    id: the same whenever the same is sent again; group: what it is about: where one of the same group was
    shown before, this one replaces it; type: what happened; at: when it happened; figures: what made it so,
    beside what was required; text: the same in words; link: the page with all quotes; runbook_url: what to do
    about it; narrative: None where it is about none, or none is known; resolved: it is over.
    """

    id: str
    group: str
    type: NotifyKind
    severity: NotifySeverity
    desk: str
    title: str
    text: str
    at: datetime
    resolved: bool = False
    link: str = ""
    runbook_url: str = ""
    figures: dict[str, float] = {}
    watch: str | None = None
    narrative: Evidence | None = None
    version: Literal[1] = 1


_encode = msgspec.json.Encoder().encode


def encode_notification(notification: Notification) -> bytes:
    """The JSON of a notification: what a receiver of format json gets."""
    return _encode(notification)


def from_event(event: EventRecord, web_url: str) -> Notification:
    """What is said of an event."""
    kind = _kind(event)
    evidence = evidence_of(event.narrative)
    return Notification(
        id=notification_id(event.desk, event.narrative_id, kind, event.at.isoformat()),
        group=f"{event.desk}/{event.narrative_id}",
        type=kind,
        severity=_SEVERITIES.get(kind, "info"),
        desk=event.desk,
        title=_TITLES[kind].format(desk=event.desk, label=evidence.label),
        text=_in_words(evidence),
        at=event.at,
        link=narrative_link(web_url, event.narrative_id),
        figures=dict(event.trigger),
        narrative=evidence,
    )


def evidence_of(view: NarrativeView) -> Evidence:
    """What a receiver is told of a narrative; who wrote what is not, not even as a hash."""
    return Evidence(
        narrative_id=view.narrative_id,
        label=view.label[:_MAX_LABEL_CHARACTERS],
        kind=view.kind.value,
        mentions=view.mentions,
        supporting=view.supporting,
        rebutting=view.rebutting,
        copies=view.copies,
        authors=view.authors,
        threads=len(view.threads),
        languages=view.languages,
        sources=view.sources,
        first_seen=view.first_seen,
        last_seen=view.last_seen,
        emerged_at=view.emerged_at,
        quotes=[
            Said(
                text=quote.text[:_MAX_QUOTE_CHARACTERS],
                source=quote.source,
                thread=quote.thread,
                language=quote.language,
                at=quote.at,
                permalink=quote.permalink,
            )
            for quote in view.quotes[:_MAX_QUOTES]
        ],
    )


def narrative_link(web_url: str, narrative_id: str) -> str:
    """The page of a narrative."""
    return f"{web_url.rstrip('/')}/narratives/{percent_encoded(narrative_id, safe='')}"


def notification_id(*parts: str) -> str:
    """32 hexadecimal digits that say what a notification is about."""
    return hashlib.sha256(_encode(parts)).hexdigest()[:_ID_HEX_DIGITS]


def origin_in_words(evidence: Evidence) -> str:
    """Since when, and in which languages."""
    languages = ", ".join(f"{language} {count}" for language, count in evidence.languages.items())
    return f"First seen {evidence.first_seen:%Y-%m-%d %H:%M} UTC; {languages}."


def _kind(event: EventRecord) -> NotifyKind:
    if event.type is EventType.EMERGED and event.narrative.kind is Kind.CAMPAIGN:
        return "campaign"
    return event.type.value


def _in_words(evidence: Evidence) -> str:
    copies = f", {evidence.copies} of them copies of one text," if evidence.copies else ""
    return (
        f"{evidence.mentions} mentions{copies} by {evidence.authors} authors in {evidence.threads} threads."
        f" {origin_in_words(evidence)}"
    )
