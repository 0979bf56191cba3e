"""Text of strangers on its way into a chat: what it would do there, it does not do.

It cannot call anybody (@here, <!channel>), look like something else (bold, links, quotes of its own, reversed
writing), load a picture, or be a link that is one tap away.
"""

import html
import re
from collections.abc import Callable

__all__ = ["for_mattermost", "for_slack", "one_line"]

_LONGEST_ESCAPE = 6  # "&amp;" and a break
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
    """For an object of type plain_text, or a text with "mrkdwn": false; of at most `limit` characters.

    Slack counts them as they are sent, and refuses a message that has one too many.
    """
    return _fitting(lambda line: html.escape(_defused(line), quote=False), text, limit)


def for_mattermost(text: str, limit: int) -> str:
    """For a message in Markdown; of at most `limit` characters."""
    return _fitting(lambda line: _defused(_MARKDOWN.sub(r"\\\1", line)), text, limit)


def _fitting(escape: Callable[[str], str], text: str, limit: int) -> str:
    """The text, escaped, and cut as often as it takes to fit: before it is escaped, so that no escape is."""
    characters = limit
    while len(escaped := escape(one_line(text, characters))) > limit:
        characters -= max(1, (len(escaped) - limit) // _LONGEST_ESCAPE)
    return escaped


def _defused(text: str) -> str:
    return _LINK.sub(lambda found: found[0] + _BREAK, _MENTION.sub(lambda found: found[0] + _BREAK, text))
