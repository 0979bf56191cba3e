"""How well labels say what a narrative claims: `python -m tests.bench.labels`.

Makes a label of up to 24 labelled comments of every narrative of `tests.worlds` (and of the labelled comments
in `../shared/data/tech-comments`, where they lie beside the checkout) and compares it with the title that a
person gave the narrative: mean cosine of their vectors, each less the mean of its language. Beside it stand
simpler labels. The weights of `models.clauses` were chosen on every second world; the others were held out.

Stances are those of the judge, as in the engine. Embedding the comments takes minutes the first time; vectors
are kept, as those of the other benches.
"""

import argparse
import json
import random
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.background import Background, background_of
from models.labels import Label, describe
from models.lexical import LexicalView, terms
from models.narrative import SAMPLE_SIZE, Member, member_of
from models.types import Claim, pack_vectors
from tests.bench.vectors import StoredEmbedder, stored_embedder
from tests.worlds import FOLDER, names, read_world

SHARED = Path(__file__).parents[3] / "shared" / "data" / "tech-comments"
LEAST_MEMBERS = 8
WIDTH = 90


class Comment(NamedTuple):
    """narratives: id to whether it is supported."""

    comment_id: str
    source: str
    thread: str
    language: str
    author: str
    at: datetime
    text: str
    narratives: dict[str, bool]


class Corpus(NamedTuple):
    """titles: narrative id to language to title."""

    name: str
    comments: list[Comment]
    titles: dict[str, dict[str, str]]
    held_out: bool


class Case(NamedTuple):
    """One narrative: its members, its titles, and which members support it by the labels."""

    corpus: Corpus
    narrative_id: str
    members: list[Member]
    supporters: frozenset[str]
    view: LexicalView

    def title(self, language: str) -> str:
        titles = self.corpus.titles[self.narrative_id]
        return titles.get(language, titles["en"])


def corpora() -> Iterable[Corpus]:
    """All labelled comments there are."""
    for place, name in enumerate(names()):
        titles = {}
        for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            if line.startswith("N | "):
                _, narrative_id, _, english, french = line.split(" | ", 4)
                titles[narrative_id] = {"en": english, "fr": french}
        comments = [
            Comment(
                one.comment_id, one.source, one.thread, one.language, one.author, one.at, one.text, one.makes
            )
            for one in read_world(name).comments
        ]
        yield Corpus(name, comments, titles, held_out=place % 2 == 1)
    if SHARED.exists():
        yield _shared()


def _shared() -> Corpus:
    titles = {
        narrative_id: {"en": one["title_en"], "fr": one["title_fr"]}
        for narrative_id, one in json.loads((SHARED / "narratives.json").read_text(encoding="utf-8")).items()
    }
    comments = []
    for line in (SHARED / "comments.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        makes = {label["id"]: label["stance"] == "supports" for label in one["narratives"]}
        at = datetime.fromisoformat(one["created_at"])
        comments.append(
            Comment(
                one["id"], one["source"], one["thread"], one["lang"], one["author"], at, one["text"], makes
            )
        )
    return Corpus("shared", comments, titles, held_out=True)


def cases(corpus: Corpus, vectors: StoredEmbedder, background: Background) -> Iterable[Case]:
    """Every narrative of a corpus with enough members: those of lowest rank, as the engine keeps them."""
    view = LexicalView(background.texts)
    for comment in corpus.comments:
        view.count(terms(comment.text))
    wanted = [comment for comment in corpus.comments if comment.narratives]
    rows = vectors.embed([comment.text for comment in wanted])
    members = [
        _member(comment, row, packed, background)
        for comment, row, packed in zip(wanted, rows, pack_vectors(rows), strict=True)
    ]
    for narrative_id in corpus.titles:
        pairs = [(m, c) for m, c in zip(members, wanted, strict=True) if narrative_id in c.narratives]
        pairs = sorted(pairs, key=lambda pair: pair[0].rank)[:SAMPLE_SIZE]
        supporters = frozenset(m.comment_id for m, c in pairs if c.narratives[narrative_id])
        if len(pairs) >= LEAST_MEMBERS:
            yield Case(corpus, narrative_id, [member for member, _ in pairs], supporters, view)


def _member(comment: Comment, row: NDArray[np.float32], packed: bytes, background: Background) -> Member:
    claim = Claim(
        source=comment.source,
        comment_id=comment.comment_id,
        n=0,
        of=1,
        text=comment.text,
        language=comment.language,
        thread=comment.thread,
        author=comment.author,
        created_at_ms=None,
        vector=packed,
    )
    stance = None
    if background.judge is not None:
        mean = background.means.get(comment.language, np.zeros(len(row)))
        stance = "rebuts" if background.judge.of(row.astype(np.float64) - mean).rebuts else "supports"
    member = member_of(claim, round(comment.at.timestamp() * 1000))
    return Member(**{name: getattr(member, name) for name in member.__struct_fields__} | {"stance": stance})


def contenders(case: Case, label: Label) -> dict[str, str]:
    """The label, and what else one could show."""
    chosen = random.Random(case.narrative_id).choice(case.members)  # noqa: S311
    words = " · ".join(label.keywords[:3])
    quote = label.representative.text
    return {
        "label": label.label,
        "key words and a quote": f"{words}: “{quote[: max(116 - len(words), 20)].rsplit(' ', 1)[0]}…”",
        "key words": ", ".join(label.keywords),
        "representative": quote,
        "first member": min(case.members, key=lambda member: member.at_ms).text,
        "random member": chosen.text,
    }


def main() -> None:
    """Print the figures and some examples."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--examples", type=int, default=12, help="how many labels to print")
    shown = arguments.parse_args().examples
    vectors = stored_embedder()
    background = background_of(vectors)
    found = [case for corpus in corpora() for case in cases(corpus, vectors, background)]
    labels, seconds = [], []

    def mean(language: str) -> NDArray[np.float32]:
        return background.means.get(language, background.means["en"])

    for case in found:
        begun = time.perf_counter()
        labels.append(describe(case.members, case.view.rarity, mean))
        seconds.append(time.perf_counter() - begun)
    _print_figures(found, labels, vectors, background)
    print(f"milliseconds a label: median {1e3 * np.median(seconds):.1f}, most {1e3 * max(seconds):.1f}")
    order = random.Random(1).sample(range(len(found)), min(shown, len(found)))  # noqa: S311
    for place in sorted(order):
        _print_example(found[place], labels[place])


def _print_figures(
    found: Sequence[Case], labels: Sequence[Label], vectors: StoredEmbedder, background: Background
) -> None:
    kinds = list(contenders(found[0], labels[0]))
    texts = [contenders(case, label) for case, label in zip(found, labels, strict=True)]
    languages = [label.representative.language for label in labels]
    titles = [case.title(language) for case, language in zip(found, languages, strict=True)]
    goals = _centred(vectors.embed(titles), languages, background)
    print(f"{len(found)} narratives; mean cosine with the title: chosen on, held out")
    held_out = np.array([case.corpus.held_out for case in found])
    for kind in kinds:
        rows = _centred(vectors.embed([one[kind] for one in texts]), languages, background)
        cosines = np.einsum("ij,ij->i", rows, goals)
        print(f"  {kind:24}{cosines[~held_out].mean():.3f}  {cosines[held_out].mean():.3f}")
    lengths = [len(label.label) for label in labels]
    voices = [_is_supported(case, label) for case, label in zip(found, labels, strict=True)]
    quotes = [
        quote.comment_id in case.supporters
        for case, label in zip(found, labels, strict=True)
        for quote in label.quotes
    ]
    print(f"characters: median {np.median(lengths):.0f}, most {max(lengths)}")
    print(f"labels by one who supports the claim: {np.mean(voices):.2f}; quotes: {np.mean(quotes):.2f}")


def _is_supported(case: Case, label: Label) -> bool:
    """Whether a supporter wrote the words of the label."""
    heart = label.label[1:].rstrip("…")
    return any(heart in member.text for member in case.members if member.comment_id in case.supporters)


def _centred(
    rows: NDArray[np.float32], languages: Sequence[str], background: Background
) -> NDArray[np.float32]:
    means = np.stack([background.means.get(one, background.means["en"]) for one in languages])
    less = rows - means
    unit: NDArray[np.float32] = less / np.linalg.norm(less, axis=1, keepdims=True)
    return unit


def _print_example(case: Case, label: Label) -> None:
    print(f"\n{case.narrative_id} {case.title(label.representative.language)}")
    print(f"   » {label.label}")
    print(f"     {', '.join(label.keywords)}")
    for quote in label.quotes:
        print(f"     “{quote.text[: 2 * WIDTH]}”")


if __name__ == "__main__":
    main()
