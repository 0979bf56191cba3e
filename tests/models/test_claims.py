"""Cutting comments into claims, and telling texts that claim nothing."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.claims import MAX_CLAIMS, WHOLE_COMMENT_WORDS, asserts, split_claims, split_sentences

FIRST = "Le nouveau forfait coûte deux fois plus cher que l'ancien pour les mêmes services."
SECOND = "Personne n'a été prévenu avant la facture du mois de janvier dernier."
THIRD = "Je vais donc résilier mon abonnement dès la semaine prochaine sans regret."

anything = st.text(st.characters(exclude_categories=()))
crafted = st.lists(
    st.sampled_from(
        [
            "Une phrase de plus.",
            "Non.",
            "M.",
            "J",
            "\u00a0",
            ".",
            "!",
            "…",
            " ",
            "\n",
            "« ",
            " »",
            "; ",
            "p. 3",
            "-C.",
        ]
    )
    | anything,
    max_size=60,
).map("".join)
languages = st.sampled_from(["fr", "en", "de", "ja", "und", "", "zz"])


def sentences_of(text: str, language: str = "fr") -> list[str]:
    """The sentences of a text between others."""
    claims = split_sentences(f"{FIRST} {SECOND}\n{text}\n{THIRD}", language)
    assert (claims[0], claims[1], claims[-1]) == (FIRST, SECOND, THIRD)
    return claims[2:-1]


@pytest.mark.parametrize("text", ["", " \n ", "!?", "😂", "…", "\ud800", "___", "\u0301"])
def test_nothing_said_is_no_claim(text: str) -> None:
    assert split_claims(text, "fr") == []


@pytest.mark.parametrize("text", ["Non.", "42", "是", "Да", "C'est faux. Tout est faux. Rien n'est vrai."])
def test_a_short_comment_is_one_claim(text: str) -> None:
    assert split_claims(text, "fr") == [text]


def test_short_paragraphs_make_one_claim_on_one_line() -> None:
    assert split_claims("Un paragraphe.\nUn  autre.", "fr") == ["Un paragraphe. Un autre."]


def test_the_limit_of_a_short_comment() -> None:
    sentence = "un " * (WHOLE_COMMENT_WORDS - 6) + "fin. "
    assert len(split_claims(sentence + "Une autre phrase de six mots.", "fr")) == 2
    assert len(split_claims(sentence + "Une autre phrase courte ici.", "fr")) == 1


def test_each_sentence_is_a_claim() -> None:
    text = f"{FIRST} {SECOND} {THIRD}"
    assert split_sentences(text, "fr") == [FIRST, SECOND, THIRD]
    assert split_claims(text, "fr") == [text]
    assert split_claims(f"{text} {text}", "fr") == 2 * [FIRST, SECOND, THIRD]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Le patron a répondu « On verra bien. Rien ne presse. » aux salariés de Nantes.", "fr"),
        ("Selon M. Durand, la moitié des usines fermera avant la fin de l'année.", "fr"),
        ("D'après Mme. Petit et le Dr. Roche, rien ne prouve que ce soit dangereux.", "fr"),
        ("Elle détient 22 % du capital et 3,5 % des voix depuis hier.", "fr"),
        ("Je n'y crois pas … mais bon … on verra bien ce que ça donne.", "fr"),
        ("Il faut relire l'art. 5 du règlement avant de dire n'importe quoi.", "fr"),
        ("Selon J. Roche et J.-C. Petit, tout était prévu depuis longtemps.", "fr"),
        ("La version v2.0 de Node.js corrige enfin ce vieux problème agaçant.", "fr"),
        ("Leur site est en ASP.NET depuis dix ans.Rien ne changera jamais.", "fr"),
        ("Several vendors, e.g. Mr. Brown's shop, sell v2.0 for $1.5 a piece.", "en"),
        ("The U.S. version i.e. the cheap one sold at example.com is worse.", "en"),
    ],
)
def test_these_are_one_sentence(text: str, language: str) -> None:
    assert sentences_of(text, language) == [text]


@pytest.mark.parametrize(
    "tail", ["C'est faux.", "Bref !", "Et alors ?", "…", "😂", "Vraiment n'importe quoi."]
)
def test_a_fragment_joins_the_sentence_before(tail: str) -> None:
    sentence = "Les clients paient toujours pour les erreurs des autres."
    assert sentences_of(f"{sentence} {tail}") == [f"{sentence} {tail}"]


def test_a_fragment_at_the_start_joins_the_sentence_after() -> None:
    assert split_sentences(f"Non. Vraiment. {FIRST} {SECOND} {THIRD}", "fr") == [
        f"Non. Vraiment. {FIRST}",
        SECOND,
        THIRD,
    ]


def test_fragments_without_end_do_not_pile_up_in_one_claim() -> None:
    claims = split_claims("Rien de neuf. " * 200, "fr")
    assert 5 <= len(claims) <= MAX_CLAIMS


def test_long_sentences_are_cut_at_strong_punctuation() -> None:
    part = "le prix monte chaque mois sans que personne ne sache pourquoi et tout le monde paie quand même"
    text = f"{part} ; {part}, {part} : {part}."
    assert split_claims(text, "fr") == [f"{part} ; {part}, {part} :", f"{part}."]


def test_a_long_sentence_without_strong_punctuation_stays_whole() -> None:
    text = ("mot, " * 80).strip()
    assert split_claims(text, "fr") == [text]


def test_a_long_comment_is_heard_to_its_end_in_even_passages() -> None:
    claims = split_claims(" ".join(f"Voici la phrase numéro {n} de ce texte." for n in range(100)), "fr")
    sizes = [len(claim.split()) for claim in claims]
    assert len(claims) == MAX_CLAIMS
    assert max(sizes) - min(sizes) <= 8
    assert "numéro 99" in claims[-1]


@pytest.mark.parametrize("space", ["\u00a0", "\u202f", "\u2028", "\u3000"])
def test_wide_spaces_after_an_initial_do_not_stop_the_splitter(space: str) -> None:
    text = f"{FIRST} {SECOND} {THIRD} J{space}. M{space}."
    assert " ".join(split_claims(text, "fr")).split() == text.split()


@given(anything | crafted, languages)
@example("\u1680 J\u2003.\n" * 40, "fr")
@example("a\ud800. B\udfff " * 40, "en")
@example("! " * 50 + "a", "fr")
@example("0 " * 40 + ".A" + " 0" * 40, "fr")
def test_claims_keep_every_word_in_order(text: str, language: str) -> None:
    claims = split_claims(text, language)
    assert len(claims) <= MAX_CLAIMS
    assert (claims == []) is not any(character.isalnum() for character in text)
    if claims:
        assert " ".join(claims).split() == text.split()
    for claim in claims:
        assert claim == " ".join(claim.split())
        assert any(character.isalnum() for character in claim)


@given(st.lists(st.sampled_from([FIRST, SECOND, THIRD, "Oui.", "Non !"]), max_size=40), languages)
def test_words_survive_in_ordinary_comments(sentences: list[str], language: str) -> None:
    text = " ".join(sentences)
    assert " ".join(split_claims(text, language)) == text


@pytest.mark.parametrize(
    "text",
    [
        "« " * 10_000 + "a",
        '"a. ' * 5_000,
        "a. " * 6_000,
        "a" * 20_000,
        "M. " * 6_000,
        ") a. " * 4_000,
        ":;" * 10_000 + "a",
        "a\n" * 10_000,
    ],
)
def test_hostile_comments_are_bounded(text: str) -> None:
    assert 1 <= len(split_claims(text, "fr")) <= MAX_CLAIMS


@pytest.mark.parametrize(
    "text",
    [
        *("", "😂😂", "+1", "!!!", "1/20"),
        *(
            "Merci !",
            "Merci beaucoup pour l'article et bonne soirée à tous.",
            "Thanks for sharing",
            "@bob thank you!",
        ),
        *(
            "lol",
            "MDRRR",
            "hahaha",
            "ptdr 😂",
            "First!",
            "Preums",
            "Exactement.",
            "Same.",
            "Très bon article.",
        ),
        *("Une source ?", "Any source?", "Quelqu'un a un lien ?", "Anyone got a link please?", "Source ??"),
        *(
            "Quelqu'un sait si ça marche sous Linux ?",
            "Does anyone know when it ships?",
            "Quelqu’un a testé ?",
        ),
        *("Coquille dans le titre", "Petite faute de frappe : « ils a »", "Typo in the second paragraph"),
        *("[deleted]", "Ce commentaire a été supprimé par la modération.", "This comment has been removed"),
    ],
)
def test_these_claim_nothing(text: str) -> None:
    assert not asserts(text)


@pytest.mark.parametrize(
    "text",
    [
        *("C'est faux.", "Not nice", "Pas merci", "Merci Orange pour la panne", "Thanks to them it is dead."),
        *("First they raise prices, then they leave.", "Lol, encore un rachat."),
        *(
            "Qui peut encore leur faire confiance ?",
            "Quelqu'un croit encore à cette fable ?",
            "Who asked for this?",
        ),
        *("Anyone with faith in them?", "Quelqu'un a cru à cette histoire ?", "No source, no truth."),
        *(
            "Une coquille vide à Dublin, rien de plus.",
            "Typos in phishing mails are gone.",
            "Pourquoi payer ?",
        ),
        *("Ils ont supprimé le message.", "Das ist falsch.", "これは嘘だ", "merci " * 40),
    ],
)
def test_these_may_claim_something(text: str) -> None:
    assert asserts(text)


@given(anything)
def test_without_a_letter_nothing_is_asserted(text: str) -> None:
    assert asserts(text) <= any(character.isalnum() for character in text)
