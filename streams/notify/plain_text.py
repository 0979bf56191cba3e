"""Text of strangers on its way into a chat: what it would do there, it does not do.

It cannot call anybody (@here, <!channel>), look like something else (bold, links, quotes of its own, reversed
writing), load a picture, or be a link that is one tap away.
"""

import re

__all__ = ["for_mattermost", "for_slack", "one_line"]

_BREAK = "\N{ZERO WIDTH SPACE}"
_MENTION = re.compile(r"[@＠](?=\S)")
# What a chat makes a link of: a scheme, or a name that begins with www.
_LINK = re.compile(r"(?<=[A-Za-z]):(?=//)|(?<=\bwww)\.|(?<=\bmailto):", re.IGNORECASE)
_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")  # all of ASCII's punctuation, as CommonMark lets it be escaped


def one_line(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters, without any that cannot be seen."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def for_slack(text: str, limit: int) -> str:
    """For an object of type plain_text, or a text with "mrkdwn": false."""
    return _defused(one_line(text, limit)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def for_mattermost(text: str, limit: int) -> str:
    """For a message in Markdown."""
    return _defused(_MARKDOWN.sub(r"\\\1", one_line(text, limit)))


def _defused(text: str) -> str:
    return _LINK.sub(lambda found: found[0] + _BREAK, _MENTION.sub(lambda found: found[0] + _BREAK, text))
