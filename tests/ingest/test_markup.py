"""HTML by strangers: what can be seen of it, and what it must not cost."""

import resource
import time

import pytest

from streams.ingest.markup import declared_links, says_nothing, text_digest, visible_text

# What takes a gigabyte where all of it is parsed.
BOMB = "<p>" + "".join(f"<b x={n}>" for n in range(2_000)) + "</p><p>x" * 2_000
MAX_GROWTH_KIB = 300 * 1024
MAX_SECONDS = 3.0


def test_visible_text_is_what_a_reader_sees() -> None:
    assert visible_text("<p>a &amp; b</p><script>c()</script><p>d<br>e") == "a & b d e"


def test_nothing_is_said_by_markup_and_what_cannot_be_seen() -> None:
    assert says_nothing("<p>\u200b</p><script>x()</script>")
    assert not says_nothing("<p>x</p>")


@pytest.mark.parametrize(
    "parse", [visible_text, text_digest, lambda page: declared_links(page, "https://x.example")]
)
def test_markup_that_grows_when_it_is_parsed_costs_little(parse: object) -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    parse(BOMB)  # type: ignore[operator]  # one of three functions
    assert time.monotonic() - began < MAX_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_GROWTH_KIB


def test_an_edit_behind_any_number_of_tags_is_seen() -> None:
    assert text_digest(BOMB + "one claim") != text_digest(BOMB + "another claim")


def test_links_are_found_in_a_head_of_any_page() -> None:
    head = "<head>" + '<meta name="a">' * 400 + '<link rel="https://api.w.org/" href="/wp-json/"></head>'
    page = f"<!doctype html><html>{head}<body class='x'>{BOMB}</body></html>"
    assert [link.url for link in declared_links(page, "https://x.example/")] == ["https://x.example/wp-json/"]
