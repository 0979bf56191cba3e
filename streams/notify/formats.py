"""How a notification looks to each kind of receiver: plain JSON, Slack, Mattermost."""

from typing import Any

import msgspec

from streams.notify.notification import Evidence, Notification, encode_notification
from streams.notify.plain_text import for_mattermost, for_slack
from streams.notify_fields import Receiver

__all__ = ["body_of"]

_TITLE_CHARACTERS = 140  # a header of Slack takes 150
_TEXT_CHARACTERS = 1_000
_QUOTE_CHARACTERS = 400
_PLACE_CHARACTERS = 80
_QUOTES = 3
_COLOURS = {"info": "#2f6fde", "warning": "#d98e04", "critical": "#c62828"}

_encode = msgspec.json.Encoder().encode


def body_of(notification: Notification, receiver: Receiver) -> bytes:
    """The JSON body that a receiver of this format understands."""
    if receiver.format == "slack":
        return _encode(_slack(notification))
    if receiver.format == "mattermost":
        return _encode(_mattermost(notification))
    return encode_notification(notification)


def _title(notification: Notification) -> str:
    return f"Resolved: {notification.title}" if notification.resolved else notification.title


def _slack(notification: Notification) -> dict[str, Any]:
    """Blocks of plain text: Slack looks for markup in none of it but in our own links."""
    title = for_slack(_title(notification), _TITLE_CHARACTERS)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _slack_plain(title)},
        {"type": "section", "text": _slack_plain(for_slack(notification.text, _TEXT_CHARACTERS))},
    ]
    if notification.narrative is not None:
        for quote in notification.narrative.quotes[:_QUOTES]:
            said = f"« {for_slack(quote.text, _QUOTE_CHARACTERS)} »"
            place = for_slack(f"{quote.source}, {quote.at:%Y-%m-%d %H:%M} UTC", _PLACE_CHARACTERS)
            blocks.append({"type": "section", "text": _slack_plain(said)})
            blocks.append({"type": "context", "elements": [_slack_plain(place)]})
    links = [
        f"<{_slack_url(address)}|{name}>"
        for address, name in ((notification.link, "All quotes"), (notification.runbook_url, "What to do"))
        if address.startswith(("http://", "https://"))
    ]
    if links:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(links)}]})
    return {"text": title, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False, "blocks": blocks}


def _slack_plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text or "–", "emoji": False}


def _slack_url(address: str) -> str:
    return address.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")


def _mattermost(notification: Notification) -> dict[str, Any]:
    title = for_mattermost(_title(notification), _TITLE_CHARACTERS)
    lines = [f"#### {title}", for_mattermost(notification.text, _TEXT_CHARACTERS)]
    if notification.narrative is not None:
        lines += _mattermost_quotes(notification.narrative)
    links = [
        f"[{name}](<{address.replace('>', '%3E')}>)"
        for address, name in ((notification.link, "All quotes"), (notification.runbook_url, "What to do"))
        if address.startswith(("http://", "https://"))
    ]
    lines += [" · ".join(links)] if links else []
    # In an attachment nobody is called, whatever it says; the colour is its edge.
    return {
        "attachments": [
            {
                "fallback": title,
                "color": _COLOURS[notification.severity],
                "text": "\n\n".join(lines),
            }
        ]
    }


def _mattermost_quotes(narrative: Evidence) -> list[str]:
    return [
        f"> {for_mattermost(quote.text, _QUOTE_CHARACTERS)}\n>\n"
        f"> {for_mattermost(f'{quote.source}, {quote.at:%Y-%m-%d %H:%M} UTC', _PLACE_CHARACTERS)}"
        for quote in narrative.quotes[:_QUOTES]
    ]
