"""What a site delivers as a comment, turned into plain text: markup, quotes, links and tricks removed.

This is the only place that parses HTML. Where a text's language is decided, see `models.language`; where
it is cut into claims, see `models.claims`.

A comment is other people's input: it may be 5 MB long, 100,000 elements deep or made of invisible
characters. Nothing here raises for any `str`, and the cost is bounded by `max_chars`, not by the input.
"""

import html
import re
import unicodedata
from itertools import groupby
from typing import NamedTuple

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

__all__ = ["CleanText", "clean_comment"]

# Markup is rarely more than a few times its text; what is cut beyond this is not a comment.
_RAW_CHARS_PER_CHAR = 5
_RAW_CHARS_EXTRA = 10_000
# A few patterns of nested tags make an HTML5 parser build a tree that grows with their square: 8,000 tags
# cost 3 s and 1.3 GB, these 0.02 s and 20 MB. Comments have under a hundred.
_MAX_TAGS = 1_000
_MAX_ROUNDS = 3  # of undoing markup that was escaped, or hidden in what the round before removed
_MAX_QUOTES = 20
_MAX_QUOTE_CHARS = 2_000
_MAX_WORD_CHARS = 100  # a longer "word" may be cut in its middle

# Content that is not what the author says to readers: scripts, embedded media, forms, code.
_DROPPED_NAMES = (
    "script|style|iframe|object|embed|applet|svg|math|video|audio|canvas|noscript|template|head|title|form"
    "|button|select|textarea|xmp|noembed|noframes|pre"
)
_QUOTING_NAMES = "blockquote|aside"  # `aside`: how Discourse delivers quotes and previews of linked pages
_BLOCK_NAMES = (
    "p|br|div|li|ul|ol|dl|dt|dd|hr|table|tr|td|th|h[1-6]|section|article|header|footer|main|nav|figure"
    "|figcaption|details|summary|center|body"
)
_INLINE_NAMES = (
    "a|b|i|em|strong|u|s|del|ins|strike|small|big|sub|sup|code|span|font|img|q|cite|abbr|mark|kbd|samp|var|tt"
    "|time|wbr|label|input|link|meta|html|thead|tbody|source"
)
_DROPPED = re.compile(_DROPPED_NAMES)
_QUOTING = re.compile(_QUOTING_NAMES)
_BREAKING = re.compile(f"{_QUOTING_NAMES}|{_BLOCK_NAMES}")

# Stricter than a browser, which would read "a<b and c>d" as a tag: the name must be one of HTML's and
# attributes must have values. Possessive throughout, so that no input makes it backtrack.
_TAG = re.compile(
    rf"</?(?:{_DROPPED_NAMES}|{_QUOTING_NAMES}|{_BLOCK_NAMES}|{_INLINE_NAMES})"
    r"""(?:\s++[a-z][\w:.-]*+\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+'|[^\s"'<>`]++))*+\s*+/?>"""
    r"|<!--[^<>]*+(?<=--)>",
    re.IGNORECASE,
)
# In text that was escaped, these show that a document was (a feed does so), not that a tag is talked about.
_ESCAPED_DOCUMENT = re.compile(r"</[a-z]|<(?:p|br)[\s/>]", re.IGNORECASE)
# Tags that carry the line structure: where one is present, line feeds in the source mean nothing.
_LINE_TAG = re.compile(r"<(?:p|br|div|li)[\s/>]", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Controls, soft hyphen, zero-width and bidi marks, tags, variation selectors, private use, specials.
# The zero-width joiner goes as well: an emoji family becomes its members, which no claim depends on, and
# a text with hidden joiners becomes equal to its copy without.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\U000e0000-\U0010ffff]"
)
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
# After NFC no European orthography needs more than two of these on one letter.
_MARK_RUN = re.compile(f"([{_MARKS}]{{2}})[{_MARKS}]+")
_BARE_URL = r"""(?:(?:https?|ftp)://|(?<![\w.])www\.)[^\s<>"«»“”]*[^\s<>"«»“”.,;:!?…)\]'’]"""
_URL = re.compile(rf"\({_BARE_URL}\)|<{_BARE_URL}>|{_BARE_URL}(?:\.\.\.|…)?", re.IGNORECASE)
_FENCE = re.compile(r"```[^`]*")
_QUOTE_LINE = re.compile(r">(?![:;.<_=-])")  # not the smileys >:( and >.<, nor the operator >=


class CleanText(msgspec.Struct, frozen=True):
    """A comment as its author meant it to be read."""

    text: str  # NFC; one space between words, "\n" between paragraphs; may be empty
    quotes: tuple[str, ...]  # what the comment quotes of others, not part of `text`
    truncated: bool  # some of the input was left out because of its size


class _Pass(NamedTuple):
    """What one round of cleaning gives."""

    text: str
    quotes: list[str]
    truncated: bool


def clean_comment(raw: str, *, max_chars: int = 20_000) -> CleanText:
    """Plain text of a comment delivered as HTML, escaped HTML, Markdown or plain text.

    max_chars: the most characters of text to keep; a longer text ends at a word.
    Cleaning a clean text changes nothing. The easy mistake is to embed `quotes` along with `text`: a quote
    repeats somebody else's claim, and counting it makes one voice two.
    Never raises for any `raw`; raises ValueError if max_chars < 1.
    """
    if max_chars < 1:
        raise ValueError(f"max_chars must be at least 1, not {max_chars}")
    limit = _RAW_CHARS_PER_CHAR * max_chars + _RAW_CHARS_EXTRA
    cleaned = _until_stable(_printable(raw[:limit]))
    text, cut = _truncate(cleaned.text, max_chars)
    quotes = tuple(_truncate(quote, _MAX_QUOTE_CHARS)[0] for quote in cleaned.quotes[:_MAX_QUOTES])
    return CleanText(text, quotes, cut or cleaned.truncated or len(raw) > limit)


def _until_stable(text: str) -> _Pass:
    """Cleans until another round would change nothing; without "<" and "&" the first is the last."""
    quotes: list[str] = []
    truncated = False
    for _ in range(_MAX_ROUNDS):
        before = text
        text, found, cut = _clean_once(text)
        quotes += found
        truncated |= cut
        if text == before or not ("<" in text or "&" in text):
            return _Pass(text, quotes, truncated)
    # Markup inside markup inside markup is an attack, and its punctuation no loss.
    text, found, cut = _clean_once(text.replace("<", " ").replace("&", " "))
    return _Pass(text, quotes + found, truncated or cut)


def _clean_once(text: str) -> _Pass:
    """Undoes one layer of markup, then removes what is no text; quotes are in the order found."""
    text, quoted, truncated = _without_markup(text)
    lines, cited = _without_quotes(_without_fences(_lines(text)))
    cited += ["\n".join(_lines(quote)) for quote in quoted]
    return _Pass("\n".join(lines), [quote for quote in cited if quote], truncated)


# --- markup


def _without_markup(text: str) -> _Pass:
    """HTML to text. Entities without any tag are HTML, too: sites that escape deliver a line so."""
    if not _is_html(text):
        if "&" not in text:
            return _Pass(text, [], False)
        text = _printable(_ENTITY.sub(_unescaped, text))
        if not _is_html(text) or _ESCAPED_DOCUMENT.search(text) is None:
            return _Pass(_named_tags(text), [], False)
    capped = _cap_tags(text)
    words, quotes = _read_html(capped)
    return _Pass(_named_tags(_printable(words)), [*map(_printable, quotes)], len(capped) < len(text))


def _is_html(text: str) -> bool:
    return "<" in text and _TAG.search(text) is not None


def _unescaped(entity: re.Match[str]) -> str:
    return html.unescape(entity[0])


def _named_tags(text: str) -> str:
    """Leaves only the inside of tags that the site had escaped: the author talks about them."""
    return _TAG.sub(lambda tag: f" {tag[0].strip('<>')} ", text)


def _cap_tags(text: str) -> str:
    """The text up to its `_MAX_TAGS`-th tag."""
    if text.count("<") <= _MAX_TAGS:
        return text
    return "<".join(text.split("<", _MAX_TAGS + 1)[: _MAX_TAGS + 1])


def _read_html(markup: str) -> tuple[str, list[str]]:
    """Text and quoted texts; a line feed stands where a block begins or ends."""
    body = LexborHTMLParser(markup).body
    if body is None:  # a frameset has none
        return "", []
    keep_lines = _LINE_TAG.search(markup) is None
    quotes: list[LexborNode] = []
    text = _read_node(body, quotes, keep_lines=keep_lines)
    return text, [_read_node(quote, None, keep_lines=keep_lines) for quote in quotes]


def _read_node(root: LexborNode, quotes: list[LexborNode] | None, *, keep_lines: bool) -> str:
    """Text below a node in document order; quoting elements go to `quotes`, or are read when it is None.

    Uses a stack of its own: the depth of the tree is the sender's choice.
    """
    pieces: list[str] = []
    pending = _children(root)
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            pieces.append(item)
        elif item.is_text_node:
            pieces.append(_node_text(item, keep_lines=keep_lines))
        elif quotes is not None and _is(_QUOTING, item):
            quotes.append(item)
            pieces.append("\n")
        elif not _is(_DROPPED, item):
            pending += _with_breaks(item)
    return "".join(pieces)


def _is(names: re.Pattern[str], node: LexborNode) -> bool:
    return names.fullmatch(node.tag or "") is not None


def _node_text(node: LexborNode, *, keep_lines: bool) -> str:
    text = node.text_content or ""
    return text if keep_lines else text.replace("\n", " ")


def _with_breaks(node: LexborNode) -> list[LexborNode | str]:
    """What to read for an element, last first: its children, between line feeds if it is a block."""
    if _is(_BREAKING, node):
        return ["\n", *_children(node), "\n"]
    return _children(node)


def _children(node: LexborNode) -> list[LexborNode | str]:
    """The children of a node, last first."""
    children: list[LexborNode | str] = [*node.iter(include_text=True)]
    return children[::-1]


# --- characters


def _printable(text: str) -> str:
    """NFC without invisible characters, with "\\n" as the only line end."""
    text = _INVISIBLE.sub("", _LINE_END.sub("\n", _whole_characters(text)))
    if text.isascii():
        return text
    return _MARK_RUN.sub(r"\1", unicodedata.normalize("NFC", text))


def _whole_characters(text: str) -> str:
    """Joins surrogate pairs, as careless JSON decoders leave them; a lone one becomes U+FFFD."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# --- lines


def _lines(text: str) -> list[str]:
    """The lines that say something: no addresses, one space between words."""
    if "://" in text or "www." in text.lower():  # the search itself costs more than all the rest
        text = _URL.sub(" ", text)
    folded = [" ".join(line.split()) for line in text.split("\n")]
    return [line for line in folded if line]


def _without_fences(lines: list[str]) -> list[str]:
    """Drops Markdown code blocks; a fence that nothing closes is left."""
    fences = [n for n, line in enumerate(lines) if line.startswith("```") and _FENCE.fullmatch(line)]
    code = {n for start, end in zip(fences[::2], fences[1::2], strict=False) for n in range(start, end + 1)}
    return [line for n, line in enumerate(lines) if n not in code] if code else lines


def _without_quotes(lines: list[str]) -> tuple[list[str], list[str]]:
    """The lines of the author, and what the other lines quote (neighbours make one quote)."""
    kept: list[str] = []
    quotes: list[str] = []
    for quoted, group in groupby(lines, key=lambda line: _QUOTE_LINE.match(line) is not None):
        if quoted:
            quotes.append("\n".join(line.lstrip("> ") for line in group).strip())
        else:
            kept += group
    return kept, quotes


def _truncate(text: str, max_chars: int) -> tuple[str, bool]:
    """At most `max_chars` of the text, and whether something is missing."""
    if len(text) <= max_chars:
        return text, False
    head = text[:max_chars]
    if not text[max_chars].isspace():
        boundary = max(head.rfind(" "), head.rfind("\n"))
        if boundary >= max(1, max_chars - _MAX_WORD_CHARS):
            head = head[:boundary]
    return head.rstrip(), True
