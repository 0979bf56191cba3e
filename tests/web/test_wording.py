"""Both languages say the same things."""

import re
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import pytest

from streams.web.wording import LANGUAGES, choose_language, sentences, wording

WEB = Path(__file__).parents[2] / "streams" / "web"


def names_in(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_each_sentence_is_there_in_both_languages_with_the_same_names() -> None:
    english, french = sentences()["en"], sentences()["fr"]
    assert english.keys() == french.keys()
    assert [key for key in english if names_in(english[key]) != names_in(french[key])] == []
    assert [key for key in english if not english[key].strip() or not french[key].strip()] == []


def test_templates_use_what_there_is_and_all_of_it() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (WEB / "templates").iterdir())
    known = sentences()["en"]
    used = set(re.findall(r"""\bt\(\s*["']([a-z_0-9.]+)["']""", text))
    assert [
        key for key in used if not key.endswith(".") and key not in known and f"{key}.other" not in known
    ] == []
    groups = set(re.findall(r"""["']([a-z_.]+\.)["'] ~""", text)) | {"event.", "trigger.", "kind."}
    quoted = set(re.findall(r"""["']([a-z_0-9.]+)["']""", text)) | {"language.unknown"}
    unused = {
        key
        for key in known
        if not {key, key.removesuffix(".one").removesuffix(".other")} & quoted
        and not any(key.startswith(group) for group in groups)
        and not key.startswith(("error.", "column.name."))
    }
    assert unused == set()


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "expected"),
    [
        ("fr", "en", "en", "fr"),
        ("xx", "fr", "en", "fr"),
        (None, None, "fr-CA,en;q=0.5", "fr"),
        (None, None, "de, en;q=0.7, fr;q=0.9", "fr"),
        (None, None, "fr;q=0, en", "en"),
        (None, None, "fr;q=none", "en"),
        (None, None, ",;;=," * 1_000, "en"),
        (None, "../etc", None, "en"),
    ],
)
def test_the_language_is_the_readers(
    asked: str | None, remembered: str | None, accepted: str | None, expected: str
) -> None:
    assert choose_language(asked, remembered, accepted) == expected


def test_numbers_dates_and_plurals() -> None:
    english, french = (wording(language) for language in LANGUAGES)
    at = datetime(2026, 2, 3, 14, 5, tzinfo=UTC)
    assert [english.moment(at), french.moment(at)] == ["3 Feb 2026, 14:05 UTC", "3 févr. 2026, 14:05 UTC"]
    assert [english.number(12345.678), french.number(12345.678)] == ["12,345.68", "12\u202f345,68"]
    assert [french("n.authors", n=n) for n in (0, 1, 2)] == ["0 auteur", "1 auteur", "2 auteurs"]
    assert [english("n.authors", n=n) for n in (0, 1, 2)] == ["0 authors", "1 author", "2 authors"]
    assert french("n.authors", n=2_000_000).endswith("auteurs")
    assert [english.name_of_language(code) for code in ("fr", "und", "x-y", "zz", "")] == [
        "French",
        "unknown",
        "x-y",
        "zz",
        "",
    ]
