"""Labels state the claim, whatever people write around it."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.clauses import MAX_CHARS, MIN_CHARS, clauses_of
from models.embedding import HashEmbedder
from models.labels import MAX_LABEL_CHARS, Label, describe
from models.lexical import LexicalView, terms
from models.narrative import QUOTE_CHARS, Member, member_of
from models.types import Claim, pack_vectors
from tests.models.claim_factory import DIMENSIONS, START_MS

ROOT = Path(__file__).parents[2]
FRENCH = (
    "Franchement, ce partenariat est un rachat déguisé. On en reparlera.",
    "@marceline Oui, mais bon, pour moi ce partenariat est un rachat déguisé de Lumenia !",
    "Bref : un rachat déguisé, et personne ne dit rien à Bruxelles.",
    "Ça sent le rachat déguisé, non ? Je dis ça, je dis rien.",
    "Qui croit encore au partenariat ? Lumenia est rachetée, point.",
)
ENGLISH = (
    "I mean, the partnership is a takeover in disguise. Wake up!",
    "Honestly, this is a disguised takeover of Lumenia and nothing else.",
    "Is it a takeover? They say partnership, I read takeover.",
)


def members(
    texts: Sequence[str], language: str, stances: Sequence[str | None] = (), first: int = 0
) -> list[Member]:
    vectors = pack_vectors(HashEmbedder(DIMENSIONS).embed(list(texts)))
    given_stances = [*stances, *[None] * (len(texts) - len(stances))]
    made = []
    for n, (text, vector, stance) in enumerate(zip(texts, vectors, given_stances, strict=True), first):
        claim = Claim(
            source="s",
            comment_id=f"c{n}",
            n=0,
            of=1,
            text=text,
            language=language,
            thread="t",
            author=f"author {n}",
            created_at_ms=None,
            vector=vector,
        )
        member = member_of(claim, START_MS + n)
        made.append(Member(**{k: getattr(member, k) for k in member.__struct_fields__} | {"stance": stance}))
    return made


def zero(language: str) -> NDArray[np.float64]:
    return np.zeros(DIMENSIONS)


def label_of(some: Sequence[Member]) -> Label:
    view = LexicalView()
    for member in some:
        view.count(terms(member.text))
    return describe(some, view.rarity, zero)


def test_a_label_is_a_statement_without_what_stands_around_it() -> None:
    label = label_of(members(FRENCH, "fr")).label
    assert label in (
        "Ce partenariat est un rachat déguisé",
        "Ce partenariat est un rachat déguisé de Lumenia",
    )
    assert "takeover" in label_of(members(ENGLISH, "en")).label
    assert "?" not in label_of(members(ENGLISH, "en")).label


def test_the_main_language_gives_the_label_and_others_are_quoted_when_it_has_too_few() -> None:
    mixed = [*members(ENGLISH[:1], "en"), *members(FRENCH[:2], "fr", first=1)]
    found = label_of(mixed)
    assert "déguisé" in found.label
    assert [quote.language for quote in found.quotes] == ["fr", "fr", "en"]


def test_a_rebuttal_is_label_and_quote_only_where_nobody_supports() -> None:
    texts = (
        "Le partenariat n'est pas un rachat déguisé, lisez le contrat.",
        "Le partenariat n'est pas un rachat déguisé, lisez donc les chiffres.",
        "Ce rachat déguisé va tuer Lumenia.",
    )
    found = label_of(members(texts, "fr", ["rebuts", "rebuts", "supports"]))
    assert found.label == "Ce rachat déguisé va tuer Lumenia"
    assert found.quotes[0].text == texts[2]
    denied = label_of(members(texts[:2], "fr", ["rebuts", "rebuts"]))
    assert denied.label.startswith("Le partenariat n'est pas un rachat déguisé")


@pytest.mark.parametrize(
    ("text", "language", "clause"),
    [
        ("Honnêtement, je pense que le cloud est mort.", "fr", "le cloud est mort"),
        ("Donc, en gros, la direction savait tout.", "fr", "la direction savait tout"),
        ("> quoted words of another\nThe board knew it all.", "en", "The board knew it all"),
        ("@bob: well, I think that the board knew it all.", "en", "the board knew it all"),
        ("They sold it, because the board knew it all.", "en", "the board knew it all"),
        ("Die Leitung wusste alles seit Januar.", "de", "Die Leitung wusste alles seit Januar"),
        ("Parce qu’ils le savaient (tous) depuis mai.", "fr", "ils le savaient depuis mai"),
    ],
)
def test_what_stands_before_a_statement_is_left_out(text: str, language: str, clause: str) -> None:
    assert clause in [found.text for found in clauses_of(text, language)]


def test_a_long_comment_is_quoted_where_it_makes_the_claim() -> None:
    around = "My neighbour's dog barked through the whole keynote and we laughed about it for a while. " * 5
    long = f"{around}The partnership is a disguised takeover of Lumenia. {around}"
    found = label_of(members([*ENGLISH, long.strip()], "en"))
    excerpt = next((quote.text for quote in found.quotes if "dog" in quote.text), "")
    alone = label_of([*members([ENGLISH[0]], "en"), *members([long.strip()], "en", first=1)])
    excerpt = excerpt or alone.quotes[-1].text
    assert "disguised takeover of Lumenia" in excerpt
    assert excerpt.startswith("… ")
    assert excerpt.endswith(" …")
    assert len(excerpt) <= QUOTE_CHARS


def test_words_are_not_cut() -> None:
    text = "supercalifragilistic " * 10
    label = label_of(members([text.strip()], "en")).label
    assert label.endswith("supercalifragilistic…")
    assert len(label) <= MAX_LABEL_CHARS


def test_a_label_depends_on_its_members_alone() -> None:
    some = members([*FRENCH, *FRENCH], "fr")
    assert label_of(some) == label_of(list(reversed(some)))


def test_a_label_is_the_same_in_every_process() -> None:
    program = (
        "from tests.models.test_labels import FRENCH, label_of, members;"
        "found = label_of(members(FRENCH, 'fr')); print(found.label, found.keywords)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "(" * 50_000,
        "a, " * 30_000,
        " -" * 30_000,
        "donc mais et " * 10_000,
        "je pense que " * 10_000,
        "« " * 20_000,
        ">\n" * 20_000,
        "@" + "a" * 50_000,
        "漢字かな交じり文" * 1_000,
        "'" * 50_000,
        "...…" * 20_000,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_texts_cost_little(text: str) -> None:
    some = members([text + str(n) for n in range(24)], "fr")
    begun = time.perf_counter()
    label = describe(some, lambda tokens: np.ones(len(tokens)), zero).label
    assert time.perf_counter() - begun < 2.0  # measured: 0.01 to 0.1
    assert 0 < len(label) <= MAX_LABEL_CHARS
    assert "\n" not in label


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=300), min_size=1, max_size=4), st.sampled_from(["fr", "en", "de", "und"]))
def test_any_text_has_a_label(texts: list[str], language: str) -> None:
    found = label_of(members(texts, language))
    assert len(found.label) <= MAX_LABEL_CHARS
    assert len(found.label.splitlines()) <= 1
    assert found.quotes
    for text in texts:
        assert all(MIN_CHARS <= len(clause.text) <= MAX_CHARS for clause in clauses_of(text, language))
