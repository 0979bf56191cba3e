"""Words that carry no content, and whether a text is written in sentences at all."""

from functools import cache

import stop_words

from models.lexical import fold, words

__all__ = ["function_words", "is_prose"]

# Share of function words. Comments have 0.6, and one in a hundred has less than this; headlines and texts
# stripped for a search engine have next to none.
_PROSE_SHARE = 0.25


@cache
def function_words(language: str) -> frozenset[str]:
    """The folded stop words of a language (ISO 639-1), with the French and English ones: threads mix them."""
    return _listed(language) | _listed("fr") | _listed("en")


@cache
def _listed(language: str) -> frozenset[str]:
    if language not in stop_words.AVAILABLE_LANGUAGES and language not in stop_words.LANGUAGE_MAPPING:
        return frozenset()
    return frozenset(fold(word) for word in stop_words.get_stop_words(language))


def is_prose(text: str, language: str) -> bool:
    """Whether a text has the function words of sentences; False for keywords and for an empty text."""
    found = words(text)
    common = function_words(language)
    return bool(found) and sum(word in common for word in found) >= _PROSE_SHARE * len(found)
