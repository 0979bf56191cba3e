"""Text of strangers: seen as it is, never obeyed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from streams.web.strangers import link_host, safe_link, stranger, visible_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", '<bdi>a<span class="mark">U+202E</span>b</bdi>'),
        ("\x00", '<bdi><span class="mark">U+0000</span></bdi>'),
        ("\u2066x\u2069", '<bdi><span class="mark">U+2066</span>x<span class="mark">U+2069</span></bdi>'),
        ("zero\u200bwidth", '<bdi>zero<span class="mark">U+200B</span>width</bdi>'),
        ("\ud800", '<bdi><span class="mark">U+D800</span></bdi>'),
        ("\U000e0041", '<bdi><span class="mark">U+E0041</span></bdi>'),
        ("two\nlines & <b>", "<bdi>two\nlines &amp; &lt;b&gt;</bdi>"),
        ("👩\u200d💻", "<bdi>👩\u200d💻</bdi>"),  # an emoji is made with a joiner
        ("שלום", "<bdi>שלום</bdi>"),
    ],
)
def test_hidden_characters_are_marked(text: str, shown: str) -> None:
    assert str(stranger(text)) == shown


@given(st.text(alphabet=st.characters(), max_size=200))
def test_no_text_leaves_its_element(text: str) -> None:
    html = f"<p>{stranger(text)}</p>"
    html.encode()
    tree = LexborHTMLParser(html)
    assert len(tree.css("body > *")) == 1
    assert {node.tag for node in tree.css("p *")} <= {"bdi", "span"}
    for shown in (html, visible_text(text)):
        assert not any(
            unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(one) in BIDI
            for one in shown
            if one != "\n"
        )


BIDI = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def test_towers_of_accents_and_endless_texts_are_cut() -> None:
    assert visible_text("e" + "\u0301" * 500) == "e" + "\u0301" * 3
    assert len(visible_text("x" * 1_000_000)) == 4_000


@pytest.mark.parametrize(
    "address", ["https://forum.example/t?x=1#c", "http://127.0.0.1:80/", "HTTPS://forum.example"]
)
def test_links_of_the_web_are_links(address: str) -> None:
    assert safe_link(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//forum.example",
        "https://",
        "https://[",
        "https://forum.example/\u202e",
        "https://forum.example/ x",
        "java\nscript:alert(1)",
        "",
    ],
)
def test_other_addresses_are_not(address: str) -> None:
    assert safe_link(address) is None


def test_a_reader_sees_where_a_link_leads() -> None:
    assert link_host("https://good.example@evil.example/") == "evil.example"
    assert link_host("https://xn--e1afmkfd.example/") == "xn--e1afmkfd.example"
    assert link_host("https://раураl.example/").startswith("xn--")
    assert link_host("https://" + "x" * 80 + ".example/").isascii()
