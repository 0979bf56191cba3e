"""Text of strangers on a page: seen as it is, never obeyed.

Markup is escaped. Characters that reverse the direction of writing, hide, or control a device are shown as
what they are, and the whole stands in a `bdi` element, so that right-to-left writing stays inside. Links are
made of http and https addresses alone.
"""

import re
import unicodedata
from urllib.parse import urlsplit

from markupsafe import Markup, escape

__all__ = ["link_host", "safe_link", "stranger", "visible_text"]

_MAX_CHARACTERS = 4_000  # of one text on a page; the export has all of it
# Joiners and variation selectors make emoji and are needed by some scripts; they move nothing.
_HARMLESS = frozenset("\n\u200c\u200d\ufe0e\ufe0f")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ACCENT = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
# More than three accents on one letter are a tower that hides the lines above.
_TOWER = re.compile(f"({_ACCENT}{{3}}){_ACCENT}+")


def stranger(text: str) -> Markup:
    """The text as HTML, isolated; hidden characters become marks such as U+202E."""
    parts = [
        Markup('<span class="mark">{}</span>').format(_name(character))
        if _is_hidden(character)
        else escape(character)
        for character in _cut(text)
    ]
    return Markup("<bdi>{}</bdi>").format(Markup("").join(parts))


def visible_text(text: str) -> str:
    """The same for places that hold no markup, such as titles: hidden characters as [U+202E]."""
    return "".join(f"[{_name(one)}]" if _is_hidden(one) else one for one in _cut(text))


def safe_link(address: str) -> str | None:
    """The address if it is one of the web, as a link may carry it; None otherwise."""
    if any(_is_hidden(character) or character.isspace() for character in address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in ("http", "https") and parts.hostname else None


def link_host(address: str) -> str:
    """The host that a link leads to, as a reader should see it; names beyond ASCII in their ASCII form."""
    host = urlsplit(address).hostname or ""
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host.encode("ascii", "backslashreplace").decode()


def _cut(text: str) -> str:
    short = text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
    return _TOWER.sub(r"\1", short)


def _is_hidden(character: str) -> bool:
    return character not in _HARMLESS and unicodedata.category(character) in _HIDDEN_CATEGORIES


def _name(character: str) -> str:
    return f"U+{ord(character):04X}"
