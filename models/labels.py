"""Names for narratives that a person understands: key phrases and the quote that says it best.

Phrases are runs of one to three words of the narrative's main language, scored by how many of its voices use
them and how rare they are elsewhere (class-based tf-idf). No language model is asked.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

import msgspec
import numpy as np
import stop_words
from numpy.typing import NDArray

from models.lexical import fold
from models.narrative import Member
from models.types import unpack_vectors

__all__ = ["Label", "Rarity", "describe"]

KEYWORDS = 6
LABEL_PHRASES = 3
LABEL_CHARS = 120
QUOTES = 3
MAX_PHRASE_WORDS = 3
LONGER_PHRASE = 0.35  # what each further content word adds: "rachat déguisé" tells more than "rachat"
GOOD_QUOTE_WORDS = range(6, 36)  # shorter says too little, longer is not read
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_ELISION = re.compile(r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu)['’]", re.IGNORECASE)

Rarity = Callable[[list[str]], NDArray[np.float64]]


class Label(msgspec.Struct, frozen=True):
    """What a narrative is called and shown by."""

    label: str
    keywords: list[str]
    representative: Member
    quotes: list[Member]


@cache
def _stop_words(language: str) -> frozenset[str]:
    if language not in stop_words.AVAILABLE_LANGUAGES and language not in stop_words.LANGUAGE_MAPPING:
        return frozenset()
    return frozenset(fold(word) for word in stop_words.get_stop_words(language))


def _stops(language: str) -> frozenset[str]:
    # Threads mix languages: an English "the" in a French narrative is no key word either.
    return _stop_words(language) | _stop_words("fr") | _stop_words("en")


def _tokens(text: str) -> list[str]:
    return [_ELISION.sub("", word) for word in _WORD.findall(text)]


def _phrases(text: str, stops: frozenset[str]) -> dict[str, str]:
    """Folded phrase to its first spelling in the text."""
    found: dict[str, str] = {}
    tokens = _tokens(text)
    folded = [fold(token) for token in tokens]
    content = [len(word) > 2 and word not in stops and not word.isdigit() for word in folded]
    for start in range(len(tokens)):
        for end in range(start + 1, min(start + MAX_PHRASE_WORDS, len(tokens)) + 1):
            if content[start] and content[end - 1]:
                found.setdefault(" ".join(folded[start:end]), " ".join(tokens[start:end]))
    return found


def _main_language(members: Sequence[Member]) -> str:
    counts = Counter(member.language for member in members)
    return min(counts, key=lambda language: (-counts[language], language))


def _scores(texts: Sequence[str], rarity: Rarity, stops: frozenset[str]) -> list[tuple[float, str, str]]:
    """(score, folded phrase, spelling), best first; only phrases of two texts or more, if there are two."""
    used: Counter[str] = Counter()
    spelling: dict[str, Counter[str]] = {}
    for text in texts:
        for phrase, written in _phrases(text, stops).items():
            used[phrase] += 1
            spelling.setdefault(phrase, Counter())[written] += 1
    least = 2 if len(texts) > 1 else 1
    scored = []
    for phrase, count in used.items():
        if count < least:
            continue
        content = [word for word in phrase.split() if word not in stops]
        weight = float(rarity(content).mean()) * (1.0 + LONGER_PHRASE * (len(content) - 1))
        written = min(spelling[phrase], key=lambda form: (-spelling[phrase][form], form))
        scored.append((weight * count / len(texts), phrase, written))
    return sorted(scored, key=lambda item: (-item[0], item[1]))


def _stem(word: str) -> str:
    return word[:6]  # "rachat" and "rachats", "déguisé" and "déguisée" are one key word


def _distinct(scored: Sequence[tuple[float, str, str]], stops: frozenset[str]) -> list[str]:
    """The best phrases that add a word of their own."""
    taken: set[str] = set()
    chosen: list[str] = []
    for _, phrase, written in scored:
        stems = {_stem(word) for word in phrase.split() if word not in stops}
        if not stems & taken:
            chosen.append(written)
            taken |= stems
        if len(chosen) == KEYWORDS:
            break
    return chosen


def _length_fit(text: str) -> float:
    count = len(_WORD.findall(text))
    if count in GOOD_QUOTE_WORDS:
        return 1.0
    return 0.6 if count > GOOD_QUOTE_WORDS.stop else 0.4


def _ranked(members: Sequence[Member], keywords: Sequence[str]) -> list[Member]:
    """Members by how well they speak for all: near the mean, with the key words, of readable length."""
    vectors = unpack_vectors([member.vector for member in members])
    spread = vectors - vectors.mean(axis=0)
    nearness = 1.0 - np.linalg.norm(spread, axis=1)
    stems = {_stem(fold(word)) for phrase in keywords for word in phrase.split()}
    scores = []
    for member, near in zip(members, nearness.tolist(), strict=True):
        held = {_stem(fold(word)) for word in _tokens(member.text)}
        share = len(stems & held) / len(stems) if stems else 0.0
        scores.append((near + share) * _length_fit(member.text))
    order = sorted(range(len(members)), key=lambda i: (-scores[i], members[i].at_ms, members[i].rank))
    return [members[i] for i in order]


def _quotes(ranked: Sequence[Member]) -> list[Member]:
    """The best three of different authors and texts."""
    chosen: list[Member] = []
    for member in ranked:
        new_author = all(member.author_key != other.author_key for other in chosen)
        if new_author and all(fold(member.text) != fold(other.text) for other in chosen):
            chosen.append(member)
        if len(chosen) == QUOTES:
            break
    return chosen


def describe(members: Sequence[Member], rarity: Rarity) -> Label:
    """Label, key words, representative and quotes of some members (at least one).

    rarity: folded words to their inverse document frequencies, natural logarithm.
    """
    language = _main_language(members)
    mine = [member for member in members if member.language == language]
    texts = sorted({member.text: None for member in mine})
    stops = _stops(language)
    keywords = _distinct(_scores(texts, rarity, stops), stops)
    ranked = _ranked(mine, keywords)
    quotes = _quotes([*ranked, *(member for member in members if member.language != language)])
    return Label(_label(keywords, ranked[0].text), keywords, ranked[0], quotes)


def _label(keywords: Sequence[str], representative: str) -> str:
    words = " · ".join(keywords[:LABEL_PHRASES])
    room = LABEL_CHARS - len(words) - 4
    quote = representative.replace("\n", " ")
    if len(quote) > room:
        quote = quote[: max(room - 1, 20)].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
    return f"{words}: “{quote}”" if words else f"“{quote}”"
