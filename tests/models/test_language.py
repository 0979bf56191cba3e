"""Language of short texts; the model is loaded once for the file."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.language import EXPECTED_LANGUAGES, LanguageDetector

DETECTOR = LanguageDetector()  # loads nothing before the first question


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Cette entreprise n'a jamais respecté ses clients.", "fr"),
        ("This company has never cared about its customers.", "en"),
        ("Diese Firma hat sich nie um ihre Kunden gekümmert.", "de"),
        ("Esta empresa nunca ha respetado a sus clientes.", "es"),
        ("Questa azienda non ha mai rispettato i suoi clienti.", "it"),
        ("Dit bedrijf heeft nooit om zijn klanten gegeven.", "nl"),
        ("Esta empresa não respeita os seus clientes há muitos anos.", "pt"),
        ("C'EST ENCORE LE CONTRIBUABLE QUI PAIE", "fr"),
        ("C’est une honte, ni plus ni moins", "fr"),
        ("Ta firma nigdy nie szanowała swoich klientów.", "pl"),
        ("この会社は顧客を大切にしたことがない。", "ja"),
    ],
)
def test_clear_texts(text: str, language: str) -> None:
    assert DETECTOR.detect(text) == language


@pytest.mark.parametrize(
    "text", ["", " ", "12 345 !", "😂😂", "ok", "+1", "\ud800", "https://exemple.fr/", "@jeanne_du_lac"]
)
def test_what_shows_no_language(text: str) -> None:
    assert DETECTOR.detect(text) == "und"


@pytest.mark.parametrize(
    ("hint", "language"),
    [
        ("fr", "fr"),
        ("FR", "fr"),
        ("fr-CA", "fr"),
        ("en_US.UTF-8", "en"),
        ("sv", "sv"),
        (None, "und"),
        ("", "und"),
        ("und", "und"),
        ("xx", "und"),
        ("français", "und"),
        ("f\ud800", "und"),
    ],
)
def test_a_hint_decides_where_the_text_does_not(hint: str | None, language: str) -> None:
    assert DETECTOR.detect("ok", hint) == language


def test_a_hint_does_not_outweigh_a_clear_text() -> None:
    assert DETECTOR.detect("People answer in English below French articles.", "fr") == "en"


def test_names_and_addresses_do_not_count() -> None:
    text = (
        "@the_great_english_teacher https://example.com/what-the-people-say tout est faux dans cette histoire"
    )
    assert DETECTOR.detect(text) == "fr"


def test_detect_all_answers_in_order() -> None:
    texts = ["Rien de neuf sous le soleil de Toulouse.", "ok", "Nothing new under the sun here."]
    assert DETECTOR.detect_all(texts) == ["fr", "und", "en"]
    assert DETECTOR.detect_all(texts, [None, "de", "fr"]) == ["fr", "de", "en"]
    assert DETECTOR.detect_all([]) == []


def test_detect_all_wants_one_hint_for_each_text() -> None:
    with pytest.raises(ValueError, match="zip"):
        DETECTOR.detect_all(["un", "deux"], ["fr"])


def test_impossible_expectations_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        LanguageDetector([])
    with pytest.raises(ValueError, match="qq"):
        LanguageDetector(["fr", "qq"]).detect("bonjour à tous")


def test_importing_loads_no_model() -> None:
    code = "import models.language, sys; d = models.language.LanguageDetector(); print(len(vars(d)))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "1"


@given(
    st.text(st.characters(exclude_categories=())),
    st.none() | st.text(max_size=8) | st.sampled_from(EXPECTED_LANGUAGES),
)
@settings(deadline=None)
def test_any_text_gets_a_code(text: str, hint: str | None) -> None:
    language = DETECTOR.detect(text, hint)
    assert language == "und" or (len(language) == 2 and language.isascii() and language.islower())


def test_long_texts_cost_what_their_beginning_costs() -> None:
    beginning = "Une phrase tout à fait ordinaire, et puis une autre. " * 10
    assert DETECTOR.detect(beginning + "x" * 1_000_000) == DETECTOR.detect(beginning) == "fr"
