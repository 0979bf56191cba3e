"""What a narrative is called and shown by: a label that states the claim, key words, and quotes.

The label is a clause of a member's text, chosen because its words are those that all share, because it stands
near the middle of the narrative, and because it reads as a statement (`models.clauses`). Key words are runs
of one to three words of the narrative's main language, scored by how many of its voices use them and how rare
they are elsewhere (class-based tf-idf). No language model is asked.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.claims import sentences
from models.clauses import MAX_CHARS, Clause, Form, clauses_of, form_of
from models.lexical import fold
from models.narrative import QUOTE_CHARS, Member
from models.prose import function_words
from models.types import unpack_vectors

__all__ = ["MAX_LABEL_CHARS", "Label", "Mean", "Rarity", "describe"]

KEYWORDS = 6
MAX_LABEL_CHARS = MAX_CHARS
QUOTES = 3
MAX_PHRASE_WORDS = 3
LONGER_PHRASE = 0.35  # what each further content word adds: "rachat déguisé" tells more than "rachat"
GOOD_QUOTE_WORDS = range(6, 36)  # shorter says too little, longer is not read
_READ_CHARS = 4_000  # of a text; claims are far shorter
_STATING_MEMBERS = 12  # whose clauses are looked at: those nearest to the middle of all
_JUDGED_CLAUSES = 48  # whose form is looked at: those with the best words
_WORD_CHARS = 40
_KNOWN_TEXTS = 4_096  # as many as take part in labels more than once within a few reviews
_NO_LENGTH = 1e-6
# A capital in the middle of a sentence.
_NAME = re.compile(r"(?<=[\w,;'’«\"] )(?:[dlDL]['’])?([A-ZÀ-ÖØ-Þ][\w-]+)")
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_ELISION = re.compile(r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu)['’]", re.IGNORECASE)

Rarity = Callable[[list[str]], NDArray[np.float64]]
Mean = Callable[[str], NDArray[np.floating]]


class Label(msgspec.Struct, frozen=True):
    """What a narrative is called and shown by.

    label: a statement of at most `MAX_LABEL_CHARS` characters; quotes: members, long texts cut to the
    sentences that matter.
    """

    label: str
    keywords: list[str]
    representative: Member
    quotes: list[Member]


# What makes a clause a good label: fitted to the titles that people gave to labelled narratives (see
# tests/bench/labels.py) and rounded; those of the form are higher than the fit would have them where a reader
# stumbles. Each is of a figure from 0 to 1.
_CENTRAL = 0.15  # its words are those of all
_NEAR = 0.1  # its member's vector is near the mean of all ...
_NEAR_ALONE = 0.28  # ... and the clause is much of what the member says
_NAMES = 0.1  # it names what several name
_TELLING = 0.1  # it has many words that tell something, `_MANY_STEMS` or more
_MANY_STEMS = 8
_FORM = Form(
    states=0.1,
    subject=0.03,
    points=-0.06,
    hangs=-0.12,
    asks=-0.08,
    exclaims=-0.03,
    speaks_of_me=-0.06,
    speaks_to_you=-0.04,
    quotes=-0.03,
)
_MOST_FORM = sum(weight for weight in _FORM if weight > 0.0)
_QUOTE_NEAR = 2.0


def describe(members: Sequence[Member], rarity: Rarity, mean: Mean) -> Label:
    """Label, key words, representative and quotes of some members (at least one).

    rarity: folded words to their inverse document frequencies, natural logarithm; mean: of a language's
    vectors, (d,), by which those of members are centred.
    """
    language = _main_language(members)
    nearness = _nearness(members, mean)
    texts = sorted({member.text[:_READ_CHARS] for member in members if member.language == language})
    mine = _supporting([one for one in nearness if one.member.language == language])
    vocabulary = _Vocabulary(texts, function_words(language), rarity)
    keywords = vocabulary.keywords()
    ranked = _ranked(mine, vocabulary, keywords)
    others = _supporting([one for one in nearness if one.member.language != language])
    chosen = _different([*ranked, *(one.member for one in others), *members])
    quotes = [_excerpt(member, vocabulary) for member in chosen]
    claim = _claim(mine, language, vocabulary, _shared_names(members))
    return Label(_sentence(claim or ranked[0].text), keywords, ranked[0], quotes)


class _Vocabulary:
    """The words of some texts, and how much each tells of what they share.

    A word counts by its first letters, so that "rachat" and "rachats" are one. Sums are exact (`math.fsum`):
    the order of a set differs from one process to the next, and a label must not.
    """

    def __init__(self, texts: Sequence[str], stops: frozenset[str], rarity: Rarity) -> None:
        self._texts = [_tokens(text) for text in texts]
        self._folded = [_folded(text) for text in texts]
        content = sorted(
            word
            for word in {word for words in self._folded for word in words}
            if len(word) > 2 and word not in stops and not word.isdigit()
        )
        self._rarity: dict[str, float] = dict(zip(content, rarity(content).tolist(), strict=True))
        self._stem_of = {word: _stem(word) for word in content}
        used = Counter(stem for words in self._folded for stem in self.stems_of(words))
        weight: dict[str, float] = {}
        for word, rare in self._rarity.items():
            weight[_stem(word)] = max(rare, weight.get(_stem(word), 0.0))
        least = min(2, len(texts))
        self._own = weight
        self._squares = {stem: value**2 for stem, value in weight.items()}
        self._shared = {stem: weight[stem] * n / len(texts) for stem, n in used.items() if n >= least}
        self._norm = math.sqrt(math.fsum(value**2 for value in self._shared.values())) or 1.0

    def stems_of(self, folded: Iterable[str]) -> set[str]:
        """Of the telling words among folded ones; words that no text has tell nothing."""
        return {self._stem_of[word] for word in folded if word in self._stem_of}

    def stems(self, text: str) -> set[str]:
        """Of the telling words of a text."""
        return self.stems_of(_folded(text))

    def central(self, stems: set[str]) -> float:
        """Cosine of a text with the mean of all, 0 to 1."""
        length = math.sqrt(math.fsum(map(self._squares.__getitem__, stems))) or 1.0
        both = math.fsum(self._own[stem] * self._shared[stem] for stem in stems & self._shared.keys())
        return both / (length * self._norm)

    def weight(self, stems: set[str]) -> float:
        """Of the shared words among these."""
        return math.fsum(self._shared[stem] for stem in stems & self._shared.keys())

    def keywords(self) -> list[str]:
        """The best phrases that add a word of their own."""
        taken: set[str] = set()
        chosen: list[str] = []
        for _, phrase, written in self._scored():
            stems = self.stems_of(phrase.split())
            if not stems & taken:
                chosen.append(written)
                taken |= stems
            if len(chosen) == KEYWORDS:
                break
        return chosen

    def _scored(self) -> list[tuple[float, str, str]]:
        """(score, folded phrase, spelling), best first; of two texts or more, if there are two."""
        used: Counter[str] = Counter()
        spelling: dict[str, Counter[str]] = {}
        least = min(2, len(self._texts))
        often = Counter(word for folded in self._folded for word in set(folded))
        for tokens, folded in zip(self._texts, self._folded, strict=True):
            shared = [often[word] >= least for word in folded]
            for phrase, written in self._phrases(tokens, folded, shared).items():
                used[phrase] += 1
                spelling.setdefault(phrase, Counter())[written] += 1
        scored = []
        for phrase, count in used.items():
            if count < least:
                continue
            content = [self._rarity[word] for word in phrase.split() if word in self._rarity]
            weight = sum(content) / len(content) * (1.0 + LONGER_PHRASE * (len(content) - 1))
            written = min(spelling[phrase], key=lambda form: (-spelling[phrase][form], form))
            scored.append((weight * count / len(self._texts), phrase, written))
        return sorted(scored, key=lambda item: (-item[0], item[1]))

    def _phrases(self, tokens: Sequence[str], folded: Sequence[str], shared: list[bool]) -> dict[str, str]:
        """Folded phrase to its first spelling in the text. shared: which words enough texts have."""
        found: dict[str, str] = {}
        tells = [word in self._rarity for word in folded]
        for start in range(len(tokens)):
            if tells[start]:
                for end in range(start + 1, min(start + MAX_PHRASE_WORDS, len(tokens)) + 1):
                    if not shared[end - 1]:
                        break
                    if tells[end - 1]:
                        found.setdefault(" ".join(folded[start:end]), " ".join(tokens[start:end]))
        return found


@lru_cache(maxsize=8192)
def _fold_word(word: str) -> str:
    return fold(word)


@lru_cache(maxsize=_KNOWN_TEXTS)
def _tokens(text: str) -> tuple[str, ...]:
    return tuple(_bare(word[:_WORD_CHARS]) for word in _WORD.findall(text))


@lru_cache(maxsize=_KNOWN_TEXTS)
def _folded(text: str) -> tuple[str, ...]:
    return tuple(_fold_word(token) for token in _tokens(text))


@lru_cache(maxsize=_KNOWN_TEXTS)
def _clauses(text: str, language: str) -> tuple[Clause, ...]:
    return tuple(clauses_of(text, language))


@lru_cache(maxsize=8192)
def _bare(word: str) -> str:
    return _ELISION.sub("", word)


def _stem(word: str) -> str:
    return word[:6]


def _main_language(members: Sequence[Member]) -> str:
    counts = Counter(member.language for member in members)
    return min(counts, key=lambda language: (-counts[language], language))


class _Near(NamedTuple):
    """A member and the cosine of its vector with the mean of all, centred."""

    member: Member
    nearness: float


def _nearness(members: Sequence[Member], mean: Mean) -> list[_Near]:
    """Of all members to those who support the claim, the nearest first."""
    vectors = unpack_vectors([member.vector for member in members])
    means = {language: mean(language) for language in {member.language for member in members}}
    rows = vectors - np.stack([means[member.language] for member in members])
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _NO_LENGTH)
    supports = np.array([member.stance != "rebuts" for member in members])
    middle = rows[supports if supports.any() else ~supports].mean(axis=0)
    cosines = rows @ middle / max(float(np.linalg.norm(middle)), _NO_LENGTH)
    found = [_Near(member, round(float(cosine), 6)) for member, cosine in zip(members, cosines, strict=True)]
    return sorted(found, key=lambda one: (-one.nearness, one.member.at_ms, one.member.rank))


def _supporting(found: Sequence[_Near]) -> list[_Near]:
    """Those who do not deny the claim; all, if nobody supports it."""
    return [one for one in found if one.member.stance != "rebuts"] or list(found)


def _ranked(found: Sequence[_Near], vocabulary: _Vocabulary, keywords: Sequence[str]) -> list[Member]:
    """Members by how well they speak for all: near the mean, with the shared words, of readable length."""
    wanted = vocabulary.stems(" ".join(keywords))
    scores = []
    for member, nearness in found:
        stems = vocabulary.stems(member.text[:_READ_CHARS])
        share = len(stems & wanted) / max(len(wanted), 1)
        words = share + vocabulary.central(stems)
        scores.append((_QUOTE_NEAR * nearness + words) * _length_fit(member.text))
    order = sorted(range(len(found)), key=lambda i: (-scores[i], i))
    return [found[i].member for i in order]


def _length_fit(text: str) -> float:
    count = len(_WORD.findall(text[:_READ_CHARS]))
    if count in GOOD_QUOTE_WORDS:
        return 1.0
    return 0.8 if count > GOOD_QUOTE_WORDS.stop else 0.4


def _different(ranked: Sequence[Member]) -> list[Member]:
    """The best three of different authors and texts."""
    chosen: list[Member] = []
    for member in ranked:
        new_author = all(member.author_key != other.author_key for other in chosen)
        if new_author and all(_read(member) != _read(other) for other in chosen):
            chosen.append(member)
        if len(chosen) == QUOTES:
            break
    return chosen


def _read(member: Member) -> str:
    return fold(member.text[:_READ_CHARS])


def _excerpt(member: Member, vocabulary: _Vocabulary) -> Member:
    """The member; of a text that is too long to be read, the sentences in a row that tell most."""
    if len(member.text) <= QUOTE_CHARS:
        return member
    parts = sentences(member.text[:_READ_CHARS], member.language)
    stems = [vocabulary.stems(part) for part in parts]
    best, most = (0, 1), -1.0
    for start in range(len(parts)):
        held: set[str] = set()
        length = 0
        for end in range(start, len(parts)):
            length += len(parts[end]) + 1
            if end > start and length > QUOTE_CHARS - 3:
                break
            held |= stems[end]
            if vocabulary.weight(held) > most:
                best, most = (start, end + 1), vocabulary.weight(held)
    before = "… " if best[0] else ""
    after = " …" if best[1] < len(parts) else ""
    text = _cut(" ".join(parts[best[0] : best[1]]), QUOTE_CHARS - len(before) - len(after))
    return msgspec.structs.replace(member, text=f"{before}{text}{after}")


class _Candidate(NamedTuple):
    clause: Clause
    says: float  # what it says, without how


def _claim(
    found: Sequence[_Near], language: str, vocabulary: _Vocabulary, names: frozenset[str]
) -> str | None:
    """The clause that says best what all say; None if no member has one."""
    candidates = []
    for member, nearness in found[:_STATING_MEMBERS]:
        for clause in _clauses(member.text[:_READ_CHARS], language):
            words = set(_folded(clause.text))
            stems = vocabulary.stems_of(words)
            part = len(clause.text) / len(member.text)
            says = _CENTRAL * vocabulary.central(stems) + (_NEAR + _NEAR_ALONE * part) * nearness
            says += _NAMES * (not names.isdisjoint(words))
            says += _TELLING * min(1.0, len(stems) / _MANY_STEMS)
            candidates.append(_Candidate(clause, says))
    candidates.sort(key=lambda one: -one.says)  # stable: found is in order
    best, most = None, -math.inf
    for candidate in candidates[:_JUDGED_CLAUSES]:
        if candidate.says + _MOST_FORM < most:
            break
        score = candidate.says + _form(candidate.clause)
        if score > most:
            best, most = candidate.clause.text, score
    return best


@lru_cache(maxsize=_KNOWN_TEXTS)
def _form(clause: Clause) -> float:
    return sum(value * weight for value, weight in zip(form_of(clause), _FORM, strict=True))


def _shared_names(members: Sequence[Member]) -> frozenset[str]:
    """Folded words that two texts or more write with a capital within a sentence, in any language."""
    texts = {member.text[:_READ_CHARS] for member in members}
    used = Counter(name for text in texts for name in {fold(word) for word in _NAME.findall(text)})
    return frozenset(name for name, count in used.items() if count >= 2)


def _sentence(text: str) -> str:
    """One line that begins like a sentence, of at most `MAX_LABEL_CHARS` characters."""
    line = _cut(" ".join(text[:_READ_CHARS].split()), MAX_LABEL_CHARS)
    return line[:1].upper() + line[1:]


def _cut(text: str, room: int) -> str:
    """The text, or its first words and "…"; only a word longer than the room is cut itself."""
    if len(text) <= room:
        return text
    kept = text[: room - 1]
    if not text[room - 1].isspace() and " " in kept:
        kept = kept.rsplit(" ", 1)[0]
    return kept.rstrip(" ,;:.…") + "…"
