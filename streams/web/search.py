"""What a reader typed, as a question to the full-text index that cannot be misread."""

import re

__all__ = ["match_query"]

_MAX_WORDS = 12
_WORD = re.compile(r"\w+", re.UNICODE)


def match_query(typed: str) -> str | None:
    """All of the words, the last as a beginning; None when there is no word in it.

    Each word is quoted, so that nothing in it is taken for an operator of FTS5.
    """
    words = _WORD.findall(typed.replace("\0", " "))[:_MAX_WORDS]
    if not words:
        return None
    return " ".join(f'"{word}"' for word in words) + "*"
