"""French and English: which of the two a reader wants, and how either writes sentences, dates and numbers.

The sentences are in `wordings.toml`, where a test holds the two languages against each other.
"""

import functools
import tomllib
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.numbers import format_decimal, format_percent

__all__ = ["LANGUAGES", "Wording", "choose_language", "wording"]

LANGUAGES: Final = ("en", "fr")


class Wording:
    """All that a page needs to speak one language."""

    def __init__(self, language: str, sentences: Mapping[str, str]) -> None:
        self.language = language
        self._sentences = sentences
        self._locale = Locale(language)

    def __call__(self, key: str, /, **values: object) -> str:
        """The sentence of a key. `n` chooses between key.one and key.other, and stands in it as a number."""
        count = values.get("n")
        if isinstance(count, int) and f"{key}.other" in self._sentences:
            key = f"{key}.{self._locale.plural_form(count)}"
            if key not in self._sentences:  # French has a form for millions
                key = f"{key.rpartition('.')[0]}.other"
            values["n"] = self.number(count)
        return self._sentences[key].format_map(values)

    def or_plain(self, group: str, name: str) -> str:
        """The sentence group.name, or the name itself where there is none: names come from the stream."""
        return self._sentences.get(f"{group}.{name}", name.replace("_", " "))

    def number(self, value: float) -> str:
        """A number as this language writes it, with at most two decimals."""
        return format_decimal(value, format="#,##0.##", locale=self._locale)

    def percent(self, share: float) -> str:
        """A share from 0 to 1 in percent, without decimals."""
        return format_percent(share, format=self._locale.percent_formats[None], locale=self._locale)

    def moment(self, at: datetime) -> str:
        """A date with its time, UTC stated."""
        return f"{format_datetime(at, 'd MMM y, HH:mm', locale=self._locale)} UTC"

    def short_moment(self, at: datetime) -> str:
        """A date with its time for axes."""
        return format_datetime(at, "d MMM HH:mm", locale=self._locale)

    def day(self, at: datetime) -> str:
        """A date alone."""
        return format_datetime(at, "d MMM y", locale=self._locale)

    def name_of_language(self, code: str) -> str:
        """What this language calls the language with that code; the code itself where it has no name."""
        if code == "und":
            return self("language.unknown")
        try:
            name = Locale.parse(code).get_language_name(self.language)
        except (ValueError, UnknownLocaleError):
            return code
        return name or code


@functools.cache
def wording(language: str) -> Wording:
    """The wording of one of LANGUAGES."""
    return Wording(language, sentences()[language])


@functools.cache
def sentences() -> dict[str, dict[str, str]]:
    """By language and key."""
    raw = tomllib.loads(files("streams.web").joinpath("wordings.toml").read_text(encoding="utf-8"))
    return {language: {key: pair[language] for key, pair in raw.items()} for language in LANGUAGES}


def choose_language(asked: str | None, remembered: str | None, accepted: str | None) -> str:
    """asked: `?lang=`; remembered: the cookie; accepted: the header Accept-Language. English at last."""
    for wish in (asked, remembered):
        if wish in LANGUAGES:
            return wish
    for code in _by_preference(accepted or ""):
        if code in LANGUAGES:
            return code
    return LANGUAGES[0]


def _by_preference(header: str) -> list[str]:
    """Primary language subtags of an Accept-Language header, the most wanted first."""
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:1_000].split(",")):
        tag, _, parameters = part.partition(";")
        _, _, weight = parameters.partition("=")
        try:
            quality = float(weight) if weight.strip() else 1.0
        except ValueError:
            continue
        if quality > 0:
            found.append((-quality, place, tag.strip().split("-")[0].lower()))
    return [tag for _, _, tag in sorted(found)]
