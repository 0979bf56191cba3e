"""What a notification says, and that strangers' texts do nothing in a chat."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.outcome import EventType, Kind, Quote
from streams.notify.formats import body_of
from streams.notify.notification import Notification, from_event
from streams.notify.plain_text import for_mattermost, for_slack, one_line
from streams.notify.signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOLERANCE_SECONDS,
    signature_headers,
    verified,
)
from streams.notify_fields import Receiver
from tests.streams.narratives_told import NOON, event, view

WEB = "https://watch.example.org"
HOSTILE = (
    "<!channel> @here @everyone <@U123> *bold* _it_ `code` [click](http://evil.example) ![x](http://p.example)"
    " https://evil.example www.evil.example\n> quote\n# head\x00\N{RIGHT-TO-LEFT OVERRIDE}abc &amp; <b>"
)


def receiver(form: str = "json") -> Receiver:
    return Receiver.model_validate({"name": "r", "url": "https://hooks.example.org/x", "format": form})


def hostile() -> Notification:
    quote = Quote(
        text=HOSTILE,
        author="a",
        source="blog @here",
        thread="t",
        language="en",
        comment_id="c",
        at=NOON,
    )
    return from_event(event(narrative=view(label=HOSTILE, quotes=[quote])), WEB)


def test_json_says_all_that_is_known_and_not_who_wrote_it() -> None:
    body = body_of(from_event(event(), WEB), receiver())
    said = json.loads(body)
    assert b"hash-of-somebody" not in body
    quotes = said["narrative"].pop("quotes")
    assert quotes[0] == {
        "text": "They are being bought.",
        "source": "blog",
        "thread": "t1",
        "language": "en",
        "at": "2026-03-02T12:00:00Z",
        "permalink": "https://blog.example.org/c1",
    }
    assert said["narrative"] == {
        "narrative_id": "n-1",
        "label": "The partnership is a takeover in disguise",
        "kind": "organic",
        "mentions": 7,
        "supporting": 6,
        "rebutting": 1,
        "copies": 0,
        "authors": 5,
        "threads": 2,
        "languages": {"en": 4, "fr": 3},
        "sources": {"blog": 7},
        "first_seen": "2026-03-02T09:30:00Z",
        "last_seen": "2026-03-02T12:00:00Z",
        "emerged_at": "2026-03-02T12:00:00Z",
    }
    del said["narrative"], said["id"]
    assert said == {
        "version": 1,
        "group": "tech/n-1",
        "type": "emerged",
        "severity": "info",
        "desk": "tech",
        "title": "New in tech: The partnership is a takeover in disguise",
        "text": "7 mentions by 5 authors in 2 threads. First seen 2026-03-02 09:30 UTC; en 4, fr 3.",
        "at": "2026-03-02T12:00:00Z",
        "resolved": False,
        "link": "https://watch.example.org/narratives/n-1",
        "runbook_url": "",
        "figures": {"authors": 5.0, "authors_required": 3.0},
        "watch": None,
    }


@pytest.mark.parametrize(
    ("changes", "kind", "severity"),
    [
        ({}, "emerged", "info"),
        ({"narrative": view(kind=Kind.CAMPAIGN, copies=6)}, "campaign", "warning"),
        ({"type": EventType.SPIKING}, "spiking", "warning"),
        ({"type": EventType.FADED}, "faded", "info"),
        ({"type": EventType.FADED, "narrative": view(kind=Kind.CAMPAIGN)}, "faded", "info"),
        ({"type": EventType.MERGED, "into": "n-2"}, "merged", "info"),
        ({"type": EventType.REVIVED}, "revived", "info"),
    ],
)
def test_types_and_severities(changes: dict[str, Any], kind: str, severity: str) -> None:
    said = from_event(event(**changes), WEB)
    assert (said.type, said.severity) == (kind, severity)


def test_the_id_is_that_of_what_happened() -> None:
    first, later = from_event(event(), WEB), from_event(event(mentions=99, narrative=view(label="x")), WEB)
    assert first.id == later.id
    assert len({first.id, from_event(event(desk="other"), WEB).id}) == 2
    assert len({first.id, from_event(event(type=EventType.SPIKING), WEB).id}) == 2


def every_text(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in every_text(one)]
    if isinstance(value, list):
        return [text for one in value for text in every_text(one)]
    return [value] if isinstance(value, str) else []


def test_slack_gets_plain_text_that_calls_nobody() -> None:
    body = json.loads(body_of(hostile(), receiver("slack")))
    texts = every_text(body)
    ours = [text for text in texts if text.startswith("<https://watch.example.org/narratives/n-1|")]
    assert len(ours) == 1
    others = [text for text in texts if text not in ours]
    assert any("evil" in text for text in others)
    for text in others:
        assert not re.search(r"[<>]|@(?=\w)|://|www\.(?=\w)", text)
        assert all(character.isprintable() or character == "\N{ZERO WIDTH SPACE}" for character in text)
    assert body["mrkdwn"] is False
    assert body["unfurl_links"] is False
    markup = [block for block in body["blocks"] if "mrkdwn" in json.dumps(block)]
    assert [every_text(block)[-1] for block in markup] == ours
    assert all(len(block["text"]["text"]) <= 150 for block in body["blocks"] if block["type"] == "header")


def test_mattermost_gets_markdown_that_is_none() -> None:
    body = json.loads(body_of(hostile(), receiver("mattermost")))
    (attachment,) = body["attachments"]
    text = attachment["text"].replace("[All quotes](<https://watch.example.org/narratives/n-1>)", "")
    text = re.sub(r"^(#### |> ?)", "", text, flags=re.MULTILINE)
    assert "evil" in text
    assert not re.search(r"(?<!\\)[*_`\[\]()#<>!~|]", text)
    assert not re.search(r"@(?=\w)|://|www\.(?=\w)", text)


@given(st.text(max_size=300))
def test_whatever_is_written_stays_text(text: str) -> None:
    slack, mattermost = for_slack(text, 200), for_mattermost(text, 200)
    assert not re.search(r"[<>]|@\w|[A-Za-z]://|\n", slack)
    assert not re.search(r"(?<!\\)(\\\\)*[*_`\[\]()#<>!~|]|@\w|[A-Za-z]://|\n", mattermost)
    assert max(len(one_line(text, 200)), len(slack), len(mattermost)) <= 200


def test_what_grows_when_it_is_escaped_is_cut_between_two_escapes() -> None:
    assert for_slack("&" * 50, 21) == "&amp;&amp;&amp;&amp;…"
    assert for_mattermost("*" * 50, 10) == r"\*\*\*\*…"


def test_an_ordinary_text_stays_as_it_is() -> None:
    assert for_slack("Un rachat, déguisé : « oui »", 100) == "Un rachat, déguisé : « oui »"
    assert one_line("a" * 50, 10) == "aaaaaaaaa…"


def test_what_is_signed_is_verified_and_not_for_long() -> None:
    now, key = time.time(), "a key of some length"
    headers = signature_headers(key, b"body", now=now)
    stamp, signature = headers[TIMESTAMP_HEADER], headers[SIGNATURE_HEADER]
    assert verified(key, stamp, signature, b"body", now=now)
    assert not verified("another key of some length", stamp, signature, b"body", now=now)
    assert not verified(key, stamp, signature, b"bodY", now=now)
    assert verified(key, stamp, signature, b"body", now=now + TOLERANCE_SECONDS - 1)
    assert not verified(key, stamp, signature, b"body", now=now + TOLERANCE_SECONDS + 2)
    assert not verified(key, str(int(now) + 1), signature, b"body", now=now)
    assert not verified(key, "now", signature, b"body", now=now)
