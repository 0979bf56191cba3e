"""What connectors need to know of HTML: its visible text, and the links that a page declares."""

import hashlib
import re
from typing import Final, NamedTuple
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

__all__ = ["DeclaredLink", "declared_links", "says_nothing", "text_digest", "visible_text"]

_BLANK: Final = re.compile(r"\s+")
# Elements that were left open are opened anew in each block that follows: 35 kB of markup can become a tree
# of more than a gigabyte. With so few tags it stays below 100 MB.
_MAX_TAGS: Final = 800
_BODY: Final = re.compile(r"<body[\s>]", re.IGNORECASE)
_LINK_VALUE: Final = re.compile(
    r"<([^<>]{1,2000})>((?:\s*;\s*[\w!#$&+.^`|~-]+\s*=\s*(?:\"[^\"]*\"|[^\s;,\"]+))*)"
)
_LINK_PARAMETER: Final = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))")


class DeclaredLink(NamedTuple):
    """A link of a page to a relative of it. All lower case but `url` and `title`."""

    relation: str
    url: str
    media_type: str
    title: str


def visible_text(markup: str) -> str:
    """The text of a piece of HTML on one line, without scripts and styles; entities are characters.

    Markup that no comment has so much of is taken for text from some tag on.
    """
    head, rest = _cut(markup)
    root = LexborHTMLParser(f"<body>{head}").body
    if root is None:
        return ""
    root.strip_tags(["script", "style", "template"], recursive=True)
    return _BLANK.sub(" ", f"{root.text(separator=' ')} {rest}").strip()


def _cut(markup: str) -> tuple[str, str]:
    """The markup up to so many tags that it can be parsed, and the rest."""
    if markup.count("<") <= _MAX_TAGS:
        return markup, ""
    *pieces, rest = markup.split("<", _MAX_TAGS + 1)
    return "<".join(pieces), f"<{rest}"


def says_nothing(markup: str) -> bool:
    """Whether no character of the text could be seen."""
    return not any(one.isprintable() and one != " " for one in visible_text(markup))


def text_digest(markup: str) -> int:
    """32 bits of what can be read: attributes that change at every request do not make an edit."""
    return int.from_bytes(hashlib.blake2b(visible_text(markup).encode(), digest_size=4).digest(), "big")


def declared_links(page: str, base: str, link_header: str = "") -> list[DeclaredLink]:
    """The links of an HTML page's head and of the header Link, addresses made absolute.

    base: the address of the page. What is no address is left out.
    """
    head, _ = _cut(_BODY.split(page, maxsplit=1)[0])
    found = [
        (node.attributes.get("rel"), node.attributes.get("href"), node.attributes)
        for node in LexborHTMLParser(head).css("link[rel][href]")
    ]
    for address, parameters in _LINK_VALUE.findall(link_header):
        values = {name.lower(): quoted or bare for name, quoted, bare in _LINK_PARAMETER.findall(parameters)}
        found.append((values.get("rel"), address, values))
    links = []
    for relation, address, values in found:
        try:
            url = urljoin(base, (address or "").strip())
        except ValueError:
            continue
        links.append(
            DeclaredLink(
                (relation or "").strip().lower(),
                url,
                (values.get("type") or "").strip().lower(),
                (values.get("title") or "").strip(),
            )
        )
    return links
