"""`python -m tests.bench.watches`: how well watches find the comments that make a claim, and what else.

A watch has two phrases, one in French and one in English. The engine reads a labelled stream with all watches
of that stream; a comment is found when one of its claims matches. Without options it writes docs/watches.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import numpy as np
from numpy.typing import NDArray

from models.background import Background, background_of
from models.embedding import Embedder
from models.engine import Engine
from models.language import LanguageDetector
from models.preparation import ClaimMaker, Original
from models.watches import WATCH_SIMILARITY, make_watch
from tests.bench.sets import BESIDE, Comment, Stream
from tests.bench.sets import SETS as STREAMS
from tests.bench.vectors import stored_embedder
from tests.bench.watch_phrases import SHORT_PHRASES
from tests.worlds import FOLDER

__all__ = ["Found", "Share", "main", "shares"]

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "watches.md"
_THRESHOLDS = (0.18, 0.20, 0.22, 0.24, 0.26, 0.28, 0.30)
_LEAST_COMMENTS = 5  # a narrative that fewer make says nothing about shares
_CHOSEN_ON = ("i", "j", "k", "l", "m", "n")
_CHECKED_ON = ("o", "p", "a", "b", "c")  # the five others would take as long again

_INTRODUCTION = """\
# How well watches find what they watch for

Made by `python -m tests.bench.watches`. A watch has a phrase in French and one in English; it is measured by
the comments that, by the labels of the stream, make (or rebut) that claim in any language. *Precision*: the
share of what it finds that does; *recall*: the share of those that it finds; *false*: comments found in vain
among a thousand read. Means over the watches. *Crossed* are precision and recall in comments of the other
language, where a watch has its French or its English phrase alone.

What a watch finds by a phrase is what is said in like words. Irony, allusions and answers ("exactly, and they
will do it again") it does not find; a comment that makes another claim about the same matter it often does.
Give a phrase in each language, and several in the words of different people. Where nothing may be missed, set
`similarity` lower; where every match wakes somebody, higher.

What makes up the similarity was chosen on the worlds i to n: how many directions of ordinary texts are left
out (from 3 to 8 are alike), how much the nearest sentence counts beside the whole, how much the terms. The
worlds o, p and a to c and tech-comments were looked at beside and show the same gains; they are not unseen:
the scale was set on all of these, so that at the default half or somewhat more of what is found makes the
claim, and the judge that gives chatter its weight was fitted on all worlds. What was tried and found no
better: likeness to ordinary texts taken off (of phrases or of claims), thresholds by phrase against such a
background, surest matches as further phrases, the mean over the phrases of a watch, terms between languages.
"""


class Found(NamedTuple):
    """What a watch makes of n comments. similarity: (n,), -1 without claims; gold: (n,), who makes it."""

    similarity: NDArray[np.float64]
    gold: NDArray[np.bool_]


class Share(NamedTuple):
    """Means over watches at one threshold; precision over those that find anything."""

    precision: float
    recall: float
    false_per_thousand: float


class _Set(NamedTuple):
    name: str
    stream: Stream
    phrases: Mapping[str, Sequence[str]]  # by label: French, English


def shares(found: Sequence[Found], threshold: float) -> Share:
    """What the watches find from a similarity on."""
    precision, recall, false = [], [], []
    for one in found:
        hits = one.similarity >= threshold
        right = int((hits & one.gold).sum())
        if hits.any():
            precision.append(right / int(hits.sum()))
        recall.append(right / int(one.gold.sum()))
        false.append(1000 * float((hits & ~one.gold).mean()))
    return Share(float(np.mean(precision or [np.nan])), float(np.mean(recall)), float(np.mean(false)))


@click.command()
@click.option(
    "--world", "worlds", multiple=True, help="Only this world; may be repeated. Nothing is written."
)
def main(*, worlds: Sequence[str]) -> None:
    """Measure watches on labelled streams."""
    embedder = stored_embedder()
    background = background_of(embedder)
    groups = {
        "worlds i to n, their claims as sentences": [
            one for one in _worlds() if one.stream.name in _CHOSEN_ON
        ],
        "worlds o, p, a to c, their claims as sentences": [
            one for one in _worlds() if one.stream.name in _CHECKED_ON
        ],
        "tech-comments, their claims as sentences": list(_tech(titles=True)),
        "tech-comments, short phrases": list(_tech(titles=False)),
    }
    if worlds:
        groups = {"worlds": [one for one in _worlds() if one.stream.name in worlds]}
    tables = []
    for title, sets in groups.items():
        if sets:
            tables.append(_table(title, sets, embedder, background))
            click.echo(tables[-1])
    if not worlds:
        _PAGE.write_text("\n".join([_INTRODUCTION, *tables]), encoding="utf-8")
        click.echo(f"written to {_PAGE}", err=True)


def _table(title: str, sets: Sequence[_Set], embedder: Embedder, background: Background) -> str:
    found: list[Found] = []
    crossed: list[Found] = []
    for one in sets:
        found += _look(one, one.phrases, embedder, background)
        french = {label: phrases[:1] for label, phrases in one.phrases.items()}
        english = {label: phrases[1:] for label, phrases in one.phrases.items()}
        crossed += _look(one, french, embedder, background, language="en")
        crossed += _look(one, english, embedder, background, language="fr")
    lines = [f"## {title}", "", f"{len(found)} watches.", ""]
    lines += ["| similarity | precision | recall | false | crossed precision | crossed recall |"]
    lines += ["|---|---|---|---|---|---|"]
    for threshold in _THRESHOLDS:
        share, across = shares(found, threshold), shares(crossed, threshold)
        shown = f"**{threshold:.2f}**" if threshold == WATCH_SIMILARITY else f"{threshold:.2f}"
        lines.append(
            f"| {shown} | {share.precision:.2f} | {share.recall:.2f} | {share.false_per_thousand:.1f}"
            f" | {across.precision:.2f} | {across.recall:.2f} |"
        )
    return "\n".join([*lines, ""])


def _look(
    one: _Set,
    phrases: Mapping[str, Sequence[str]],
    embedder: Embedder,
    background: Background,
    *,
    language: str | None = None,
) -> list[Found]:
    """Each watch on the stream. language: what it finds in others does not count."""
    detector = LanguageDetector()
    watches = [
        make_watch(label, texts, embedder.embed, lambda text: detector.detect(text, None), threshold=-1.0)
        for label, texts in phrases.items()
    ]
    engine = Engine(embedder.dimensions, background=background, watches=watches)
    comments = one.stream.comments
    made = ClaimMaker(embedder, detector, sentences=True).make([_original(comment) for comment in comments])
    place = {comment.comment_id: number for number, comment in enumerate(comments)}
    best = {label: np.full(len(comments), -1.0) for label in phrases}
    for match in engine.observe(made).matches:
        row = best[match.watch]
        row[place[match.comment_id]] = max(row[place[match.comment_id]], match.similarity)
    found = []
    for label, similarity in best.items():
        read = np.array([language in (None, one.language) for one in comments])
        gold = np.array([label in one.labels for one in comments])[read]
        if gold.sum() >= _LEAST_COMMENTS:
            found.append(Found(similarity[read], gold))
    return found


def _original(comment: Comment) -> Original:
    return Original(
        source="bench",
        comment_id=comment.comment_id,
        text=comment.text,
        thread=comment.thread,
        author=comment.author,
        created_at_ms=round(comment.at.timestamp() * 1000),
        language_hint=comment.language,
    )


def _worlds() -> Iterator[_Set]:
    (worlds,) = [one for one in STREAMS if one.name == "worlds"]
    for stream in worlds.load():
        lines = (FOLDER / f"{stream.name}.txt").read_text(encoding="utf-8").splitlines()
        told = [line.split(" | ") for line in lines if line.startswith("N | ")]
        yield _Set(stream.name, stream, {label: (fr, en) for _, label, _, en, fr in told})


def _tech(*, titles: bool) -> Iterator[_Set]:
    folder = BESIDE / "tech-comments"
    if not folder.is_dir():
        return
    (tech,) = [one for one in STREAMS if one.name == "tech-comments"]
    for stream in tech.load():
        yield _Set("tech-comments", stream, _titles(folder) if titles else SHORT_PHRASES)


def _titles(folder: Path) -> dict[str, Sequence[str]]:
    raw = msgspec.json.decode((folder / "narratives.json").read_bytes())
    return {label: (one["title_fr"], one["title_en"]) for label, one in raw.items()}


if __name__ == "__main__":
    main()
