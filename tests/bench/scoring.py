"""The figures of the bench, from comments with labels and the narratives that were found.

A narrative matches the label that most of its comments bear, if that is at least half of them and at least
three. Detection is asked of the labels with `WANTED_MENTIONS` comments or more. A figure is None where there
is nothing to ask.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from tests.bench.bcubed import bcubed_f1
from tests.bench.found import Found
from tests.bench.sets import Comment

__all__ = ["WANTED_MENTIONS", "Figures", "mean_of", "score"]

WANTED_MENTIONS = 6  # k: by its sixth mention a narrative should have emerged
_MATCH_COMMENTS = 3
_LANGUAGE_MENTIONS = 3  # of a label, for it to be told in a language
_LANGUAGE_HELD = 2  # of these in one narrative, for it to hold the language


class Figures(NamedTuple):
    """In [0, 1] but for two: duplicates (1 is perfect) and delay_mentions (a count)."""

    recall_at_k: float | None  # labels whose narrative had emerged by their k-th mention
    recall: float | None  # labels whose narrative emerged at all
    precision: float | None  # narratives that match a label
    duplicates: float | None  # matching narratives for each label found
    bcubed_f1: float | None  # over all labelled comments
    ari_per_thread: float | None  # mean over the threads with two labels or more
    cross_lingual: float | None  # labels told in several languages that one narrative holds in all
    nmi: float | None  # over the comments with one label
    ari: float | None
    coverage: float | None  # labelled comments that got a narrative
    delay_mentions: float | None  # median number of mentions when the narrative emerged


def score(comments: Sequence[Comment], found: Found) -> Figures:
    """The figures of one stream.  Raises ValueError when no comment has a label."""
    labelled = [one for one in comments if one.labels]
    detection = _Detection(comments, found)
    nmi, ari, ari_per_thread = _agreement(comments, found)
    clusters = {one.comment_id: frozenset(found.narratives.get(one.comment_id, ())) for one in labelled}
    return Figures(
        recall_at_k=detection.recall_at_k(),
        recall=detection.recall(),
        precision=detection.precision(),
        duplicates=detection.duplicates(),
        bcubed_f1=bcubed_f1({one.comment_id: one.labels for one in labelled}, clusters),
        ari_per_thread=ari_per_thread,
        cross_lingual=detection.cross_lingual(),
        nmi=nmi,
        ari=ari,
        coverage=sum(bool(marks) for marks in clusters.values()) / len(labelled),
        delay_mentions=detection.delay_mentions(),
    )


def mean_of(several: Sequence[Figures]) -> Figures:
    """The mean of each figure over the streams that have it."""
    columns = zip(*several, strict=True)
    return Figures(*(_mean([value for value in column if value is not None]) for column in columns))


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _agreement(comments: Sequence[Comment], found: Found) -> tuple[float | None, float | None, float | None]:
    """nmi, ari, ari_per_thread, over the comments with exactly one label."""
    single = [one for one in comments if len(one.labels) == 1]
    if not single:
        return None, None, None
    gold = [next(iter(one.labels)) for one in single]
    main = [_main_narrative(one.comment_id, found) for one in single]
    threads: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(single):
        threads[one.thread].append(place)
    per_thread = [
        adjusted_rand_score([gold[place] for place in places], [main[place] for place in places])
        for places in threads.values()
        if len({gold[place] for place in places}) > 1
    ]
    return (
        normalized_mutual_info_score(gold, main),
        adjusted_rand_score(gold, main),
        _mean(per_thread) if len(threads) > 1 else None,
    )


def _main_narrative(comment_id: str, found: Found) -> str:
    """The narrative of most of its claims, the first of those with as many; one of its own without any."""
    claims = found.narratives.get(comment_id, ())
    return Counter(claims).most_common(1)[0][0] if claims else f"alone: {comment_id}"


class _Detection:
    """Which labels were found, by which narratives, and when."""

    def __init__(self, comments: Sequence[Comment], found: Found) -> None:
        self._emerged = found.emerged
        self._mentions: dict[str, list[Comment]] = defaultdict(list)  # by label
        self._members: dict[str, list[Comment]] = defaultdict(list)  # by narrative
        for one in comments:
            for label in sorted(one.labels):
                self._mentions[label].append(one)
            for narrative in dict.fromkeys(found.narratives.get(one.comment_id, ())):
                self._members[narrative].append(one)
        self._wanted = [
            label for label, mentions in self._mentions.items() if len(mentions) >= WANTED_MENTIONS
        ]
        self._matches: dict[str, list[str]] = defaultdict(list)  # by label
        for narrative in found.emerged:
            if matched := _match(self._members[narrative]):
                self._matches[matched].append(narrative)
        self._found = [label for label in self._wanted if label in self._matches]

    def recall(self) -> float | None:
        return len(self._found) / len(self._wanted) if self._wanted else None

    def recall_at_k(self) -> float | None:
        in_time = sum(
            self._first(label) <= self._mentions[label][WANTED_MENTIONS - 1].at for label in self._found
        )
        return in_time / len(self._wanted) if self._wanted else None

    def precision(self) -> float | None:
        if not self._wanted:
            return None
        return self._matching() / len(self._emerged) if self._emerged else 0.0

    def duplicates(self) -> float | None:
        return self._matching() / len(self._found) if self._found else None

    def delay_mentions(self) -> float | None:
        delays = [sum(one.at <= self._first(label) for one in self._mentions[label]) for label in self._found]
        return float(statistics.median(delays)) if delays else None

    def cross_lingual(self) -> float | None:
        held = [self._is_held(label, told) for label in self._found if len(told := self._told_in(label)) > 1]
        return sum(held) / len(held) if held else None

    def _matching(self) -> int:
        return sum(len(narratives) for narratives in self._matches.values())

    def _first(self, label: str) -> datetime:
        return min(self._emerged[narrative] for narrative in self._matches[label])

    def _told_in(self, label: str) -> list[str]:
        languages = Counter(one.language for one in self._mentions[label] if one.language)
        return [language for language, count in languages.items() if count >= _LANGUAGE_MENTIONS]

    def _is_held(self, label: str, languages: Sequence[str]) -> bool:
        """Whether one narrative has the label's mentions in each of the languages."""
        return any(
            all(held[language] >= _LANGUAGE_HELD for language in languages)
            for held in (self._languages_of(narrative, label) for narrative in self._matches[label])
        )

    def _languages_of(self, narrative: str, label: str) -> Mapping[str, int]:
        return Counter(one.language for one in self._members[narrative] if label in one.labels)


def _match(members: Sequence[Comment]) -> str | None:
    """The label that a narrative of these comments matches; of equals the one borne first."""
    hits = Counter(label for one in members for label in sorted(one.labels))
    if not hits:
        return None
    label, count = hits.most_common(1)[0]
    return label if count >= _MATCH_COMMENTS and 2 * count >= len(members) else None
