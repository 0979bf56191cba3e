"""What of a comment becomes claims."""

import pytest

from models.embedding import HashEmbedder
from models.language import LanguageDetector
from models.preparation import ClaimMaker, Original


def texts_of(text: str) -> list[str]:
    original = Original(
        source="quay",
        comment_id="1",
        text=text,
        thread="t",
        author="a",
        created_at_ms=0,
        language_hint="en",
    )
    return [draft.text for draft in ClaimMaker(HashEmbedder(), LanguageDetector()).draft(original)]


def test_what_is_quoted_is_not_what_is_said() -> None:
    assert texts_of("<blockquote>It is a takeover.</blockquote>I read the contract, it is not.") == [
        "I read the contract, it is not."
    ]


@pytest.mark.parametrize(
    "text",
    ["> a free choice, they said. Free until the discount.", "<blockquote>a free choice</blockquote>"],
)
def test_who_only_quotes_says_that(text: str) -> None:
    (said,) = texts_of(text)
    assert said.startswith("a free choice")


@pytest.mark.parametrize("text", ["", ">", "> \n>", "<blockquote> </blockquote>", "<p>\u200b</p>"])
def test_nothing_is_left_of_nothing(text: str) -> None:
    assert texts_of(text) == []
