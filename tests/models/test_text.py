"""Cleaning: what is kept, what is removed, and that nothing a sender does makes it fail or run away."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.text import CleanText, clean_comment

# Text as a sender may craft it: any code point, lone surrogates included, and pieces of markup.
PIECES = [
    *("<p>", "</p>", "<br/>", "<b>", "<i x='1'>", "<script>", "</script>", "<blockquote>", "<!-- c -->", "<"),
    *("&lt;", "&gt;", "&amp;", "amp;", "&#x27;", "&#8203;", "lt;", "&", ">", "> ", "```", "\n", "\r\n", " "),
    *("https://exemple.fr/a?b=c", "www.exemple.fr", "(", ")", "…", "e\u0301\u0301\u0301", "\u200b", "\x00"),
    *("\ud800", "\udc00", "\u202e", "mot", "word", "p>", "b>", "/"),
]
anything = st.text(st.characters(exclude_categories=()))
crafted = st.lists(st.sampled_from(PIECES) | anything, max_size=25).map("".join)


def text_of(raw: str) -> str:
    return clean_comment(raw).text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("", ""),
        ("Rien à signaler.", "Rien à signaler."),
        ("  deux\t mots \r\n\r\n\n fin\u00a0! ", "deux mots\nfin !"),
        ("<p>Un <b>gros</b> mot.</p><p>Puis un autre.</p>", "Un gros mot.\nPuis un autre."),
        ("Bonjour<br>à tous<br/>\n<br />fin", "Bonjour\nà tous\nfin"),
        ("<p>source\nsur deux lignes</p>", "source sur deux lignes"),
        ("une ligne\nune autre avec <i>accent</i>", "une ligne\nune autre avec accent"),
        ("<ul><li>un</li><li>deux</li></ul>", "un\ndeux"),
        ("I don&#x27;t<p>know &amp; care", "I don't\nknow & care"),
        ("I don&#x27;t know", "I don't know"),
        ('voir <a href="https://exemple.fr">ce lien</a>, merci', "voir ce lien, merci"),
        ("avant<script>alert('<p>')</script><style>p{}</style> après", "avant après"),
        ("<p>lis<iframe src='x'>rien</iframe><svg><text>rien</text></svg> ceci</p>", "lis ceci"),
        ("<p>Essaie :</p><pre><code>rm -rf /</code></pre><p>ou <code>ls</code></p>", "Essaie :\nou ls"),
        ("avant\n```py\nprint(1)\n```\naprès\n```", "avant\naprès\n```"),
        ("un <!-- caché --> deux", "un deux"),
        ("<frameset><frame></frameset><b></b>", ""),
    ],
)
def test_markup_becomes_text(raw: str, text: str) -> None:
    assert text_of(raw) == text


@pytest.mark.parametrize(
    "plain",
    [
        "a < b and c > d",
        "a<b and c>d",
        "if x<y then R&D; AT&T",
        "List<String> n'est pas une balise",
        "le prix <100 € mais >50 €",
        "moins de <3",
        "jamais de la vie >:(",
        "3 > 2",
        "<script sans fin",
    ],
)
def test_plain_text_with_angle_brackets_survives(plain: str) -> None:
    assert text_of(plain) == plain


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Use &lt;video&gt; instead", "Use video instead"),
        ("<p>la balise &lt;b&gt; est vieille</p>", "la balise b est vieille"),
        ("&lt;p&gt;un&lt;/p&gt;&lt;p&gt;deux&lt;/p&gt;", "un\ndeux"),
        ("AT&amp;amp;T", "AT&T"),
    ],
)
def test_escaped_tags_are_a_document_or_keep_their_name(raw: str, text: str) -> None:
    assert text_of(raw) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("voir https://exemple.fr/un?deux=3#4 demain", "voir demain"),
        ("voir (https://exemple.fr/x) demain", "voir demain"),
        ("voir <https://exemple.fr/x> demain", "voir demain"),
        ("voir www.exemple.fr demain", "voir demain"),
        ("<p><a href='https://exemple.fr/abc'>https:&#x2F;&#x2F;exemple.fr&#x2F;a...</a> demain", "demain"),
        ("HTTPS://EXEMPLE.FR/X", ""),
        ("le prefixe http:// seul", "le prefixe http:// seul"),
    ],
)
def test_bare_addresses_go(raw: str, text: str) -> None:
    assert text_of(raw) == text


@pytest.mark.parametrize(
    ("raw", "text", "quotes"),
    [
        ("> il l'a dit\n> deux fois\nEt alors ?", "Et alors ?", ("il l'a dit\ndeux fois",)),
        (">> plus loin\nnon\n> encore", "non", ("plus loin", "encore")),
        ("<p>&gt; they said<p>Really?", "Really?", ("they said",)),
        (
            "<blockquote><p>un <b>mot</b></p><blockquote>deux</blockquote></blockquote>Non",
            "Non",
            ("un mot\ndeux",),
        ),
        (
            "<aside class='quote'><div>sam:</div><blockquote>vrai</blockquote></aside><p>faux",
            "faux",
            ("sam:\nvrai",),
        ),
        ("<blockquote><script>x</script></blockquote>Non", "Non", ()),
        (">\nreste", "reste", ()),
        ("<blockquote>jamais fermé", "", ("jamais fermé",)),
    ],
)
def test_quotes_are_reported_apart(raw: str, text: str, quotes: tuple[str, ...]) -> None:
    assert clean_comment(raw) == CleanText(text, quotes, truncated=False)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a\x00b\x07c\x9fd", "abcd"),
        ("zéro\u200blargeur\ufeff", "zérolargeur"),
        ("\u202egauche\u202c \u2066droite\u2069", "gauche droite"),
        ("cou\u00adpure", "coupure"),
        ("e\u0301te\u0301", "été"),
        ("\ufb01n ²", "\ufb01n ²"),  # NFC, not NFKC: what was written stays written
        ("\ud83d\ude00 ok", "😀 ok"),
        ("a\ud800b", "ab"),
        ("👩\u200d💻", "👩💻"),
        ("un\u2028deux\x85trois\x0bquatre", "un\ndeux\ntrois\nquatre"),
        ("<p>caf&#xe9; &#xD800;&#0;&#8238;fin", "café fin"),
        ("<scr\x00ipt>caché</script>vu", "vu"),
    ],
)
def test_characters(raw: str, text: str) -> None:
    assert text_of(raw) == text


def test_runs_of_combining_marks_are_capped() -> None:
    zalgo = "".join(letter + "\u0316\u0335\u0349" * 40 for letter in "hantise")
    marks = [character for character in text_of(zalgo) if unicodedata.combining(character)]
    assert len(marks) <= 2 * len("hantise")
    assert text_of("Việt Nam") == "Việt Nam"


@pytest.mark.parametrize(
    ("raw", "max_chars", "text", "truncated"),
    [
        ("un deux trois", 13, "un deux trois", False),
        ("un deux trois", 12, "un deux", True),
        ("un deux trois", 8, "un deux", True),
        ("un deux trois", 7, "un deux", True),
        ("un\ndeux", 4, "un", True),
        ("x" * 500, 300, "x" * 300, True),
        ("mot " + "x" * 500, 300, "mot " + "x" * 296, True),
    ],
)
def test_long_texts_end_at_a_word(raw: str, max_chars: int, text: str, truncated: bool) -> None:
    assert clean_comment(raw, max_chars=max_chars) == CleanText(text, (), truncated)


@pytest.mark.parametrize("max_chars", [0, -1])
def test_a_limit_below_one_is_refused(max_chars: int) -> None:
    with pytest.raises(ValueError, match="max_chars"):
        clean_comment("x", max_chars=max_chars)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("<div>" * 100_000 + "fond", id="deep nesting"),
        pytest.param("<blockquote>" * 100_000, id="deep quotes"),
        pytest.param("".join(f"<b a={n}>" for n in range(9_000)) + "<p>x" * 9_000, id="formatting bomb"),
        pytest.param("".join(f"<font c={n}><table><tr>x" for n in range(9_000)), id="foster parents"),
        pytest.param("mot " * 1_300_000, id="5 MB of words"),
        pytest.param("x" * 5_000_000, id="5 MB in a word"),
        pytest.param("&amp;" * 100_000, id="entities"),
        pytest.param("&" + "amp;" * 100_000 + "lt;b>", id="escaped again and again"),
        pytest.param("<p>" + "&lt;" * 30_000, id="escaped brackets"),
        pytest.param("<" * 100_000, id="brackets"),
        pytest.param("<a " * 50_000, id="unfinished tags"),
        pytest.param('<a b="' * 30_000, id="unfinished attributes"),
        pytest.param("<!--" * 50_000, id="unfinished comments"),
        pytest.param("https://" * 30_000, id="addresses in addresses"),
        pytest.param("https://" + "." * 100_000, id="address of full stops"),
        pytest.param(">\n" * 100_000, id="empty quotes"),
        pytest.param("```\n" * 100_000, id="fences"),
        pytest.param("a" + "\u0301" * 100_000, id="one letter, many marks"),
        pytest.param("\ud800" * 100_000, id="surrogates"),
    ],
)
def test_hostile_input_is_bounded(raw: str) -> None:
    cleaned = clean_comment(raw)
    assert len(cleaned.text) <= 20_000
    assert len(cleaned.quotes) <= 20
    assert sum(map(len, cleaned.quotes)) <= 40_000
    assert text_of(cleaned.text) == cleaned.text


def test_markup_beyond_the_limit_is_left_out_and_said_so() -> None:
    cleaned = clean_comment("<p>mot</p>" * 1_500)
    assert cleaned.truncated
    assert set(cleaned.text.split()) == {"mot"}


@given(crafted)
@example("&am&#x200b;p;lt;p&gt;x")
@example("<<b>b>https://<p>x.y")
@example("&amp;amp;amp;amp;lt;p&gt;")
@example("http(https://a.fr)://b.fr")
def test_cleaning_twice_changes_nothing(raw: str) -> None:
    once = text_of(raw)
    assert text_of(once) == once


@given(crafted, st.integers(1, 60))
def test_a_clean_text_is_only_text(raw: str, max_chars: int) -> None:
    cleaned = clean_comment(raw, max_chars=max_chars)
    assert len(cleaned.text) <= max_chars
    for text in (cleaned.text, *cleaned.quotes):
        assert all(
            unicodedata.category(character) not in {"Cc", "Cs", "Co"}
            for character in text
            if character != "\n"
        )
        assert not set(text) & set("\u200b\u200d\u200e\u202e\u2066\ufeff\xad")
        assert text == unicodedata.normalize("NFC", text).strip()
        assert "  " not in text
        text.encode()


@given(st.lists(st.text("abcdefghijklmnopqrstuvwxyzéàçœ0123456789.,;!?'’«»€%", min_size=1), max_size=30))
def test_plain_words_are_preserved(words: list[str]) -> None:
    assert text_of(" ".join(words)).split() == words
