"""The pages as a reader without JavaScript gets them."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import quote as quote_url

import httpx
import pytest
from prometheus_client import CollectorRegistry
from selectolax.lexbor import LexborHTMLParser

from models.outcome import Kind, Stance, State
from streams.results import MergedNarrative
from streams.settings import Settings
from streams.web.app import create_app
from streams.web.intake import take_narrative
from streams.web.metrics import WebMetrics
from streams.web.progress import Progress
from streams.web.store import Store
from tests.web.records import HOSTILE, HOUR, NOW, event, fill, mention, mentions, narrative, quote


async def page(client: httpx.AsyncClient, address: str, status: int = 200) -> LexborHTMLParser:
    answer = await client.get(address)
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"].startswith("text/html")
    return LexborHTMLParser(answer.text)


def texts(tree: LexborHTMLParser, selector: str) -> list[str]:
    return [" ".join(node.text(separator=" ").split()) for node in tree.css(selector)]


def labels(tree: LexborHTMLParser, section: str = "h-all") -> list[str]:
    return texts(tree, f"section[aria-labelledby={section}] article h3 a")


@pytest.fixture
def filled(store: Store) -> Store:
    """Four narratives: an organic one, a campaign that is new, one that spikes, one that faded."""
    fill(
        store,
        [
            narrative("n1", label="The takeover was hidden", desk="fr"),
            narrative(
                "n2", kind=Kind.CAMPAIGN, emerged_at=NOW - HOUR, copies=9, languages={"en": 9}, mentions=9
            ),
            narrative("n3", sources={"The Board": 2}, last_seen=NOW, emerged_at=NOW - 50 * HOUR, mentions=2),
            narrative("n4", state=State.FADED, last_seen=NOW - timedelta(days=5), keywords=[]),
        ],
        [*mentions(3, "n1"), *mentions(5, "n2", stance=Stance.REBUTS), mention("c9", "n3", at=NOW)],
        [
            event("emerged", "n1"),
            event("spiking", "n3", trigger={"surprise": 5.25}, at=NOW - HOUR),
            event("emerged", "n2", kind="campaign", at=NOW),
        ],
    )
    return store


async def test_an_empty_page_says_so(client: httpx.AsyncClient) -> None:
    tree = await page(client, "/")
    assert "Nothing has been read yet" in texts(tree, "main")[0]


async def test_the_overview_shows_what_is_new_and_what_spikes(
    filled: Store, client: httpx.AsyncClient
) -> None:
    tree = await page(client, "/")
    assert labels(tree, "h-spiking") == ["The label of n3"]
    assert labels(tree, "h-new") == ["The label of n2"]
    assert set(labels(tree)) == {"The takeover was hidden", *(f"The label of n{n}" for n in (2, 3, 4))}
    assert dict(zip(texts(tree, ".figures dt"), texts(tree, ".figures dd"), strict=True)) == {
        "alive": "3",
        "emerged in 24 h": "1",
        "spiking": "1",
        "mentions in 24 h": "9 0 the day before",
    }
    assert texts(tree, "#as-of") == ["As of 27 Nov 2026, 12:00 UTC"]
    assert texts(tree, "#events .event-type") == ["Emerged as a campaign", "Spiking", "Emerged"]
    assert set(texts(tree, ".badge")) == {"spiking", "new", "campaign", "faded"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("desk=fr", {"n1"}),
        ("state=faded", {"n4"}),
        ("state=new", {"n2"}),
        ("state=spiking", {"n3"}),
        ("state=alive", {"n1", "n2", "n3"}),
        ("kind=campaign", {"n2"}),
        ("language=fr", {"n1", "n3", "n4"}),
        ("source=The+Board&state=spiking", {"n3"}),
        ("q=takeover", {"n1"}),
        ("q=TAKEOV", {"n1"}),  # the last word may be a beginning, case does not matter
        ("q=societe", {"n1", "n2", "n3"}),  # nor do accents
        ("q=comment+c9", {"n3"}),  # in a mention
        ("q=n4", {"n4"}),
        ("q=NEAR(%22*+OR+-", {"n1", "n2", "n3", "n4"} - {"n1", "n2", "n3", "n4"}),
        ("q=%22%28*%00%25", {"n1", "n2", "n3", "n4"} - {"n1", "n2", "n3", "n4"}),
        ("q=takeover&desk=&state=&kind=&language=&source=&sort=", {"n1"}),
    ],
)
async def test_filters_and_search(
    filled: Store, client: httpx.AsyncClient, query: str, expected: set[str]
) -> None:
    tree = await page(client, f"/?{query}")
    links = [node.attributes["href"] for node in tree.css("section[aria-labelledby=h-all] article h3 a")]
    assert {str(link).removeprefix("/narratives/") for link in links} == expected


async def test_a_search_shows_where_the_words_stand(filled: Store, client: httpx.AsyncClient) -> None:
    assert texts(await page(client, "/?q=comment+c9"), ".said") == ["Text of comment c9"]
    assert texts(await page(client, "/?q=takeover"), ".said") == ["They sold the company without saying so."]


@pytest.mark.parametrize(
    ("sort", "first"), [("recent", "n3"), ("mentions", "n2"), ("emerged", "n2"), ("rising", "n2")]
)
async def test_orders(filled: Store, client: httpx.AsyncClient, sort: str, first: str) -> None:
    tree = await page(client, f"/?sort={sort}")
    assert (
        tree.css("section[aria-labelledby=h-all] article h3 a")[0].attributes["href"]
        == f"/narratives/{first}"
    )


async def test_long_lists_have_pages_that_keep_the_filter(store: Store, client: httpx.AsyncClient) -> None:
    fill(store, [narrative(f"n{n:03}", last_seen=NOW - n * HOUR) for n in range(60)])
    found: list[str] = []
    address = "/?state=alive"
    for _ in range(3):
        tree = await page(client, address)
        found += labels(tree)
        following = tree.css_first("a[rel=next]")
        address = f"/{following.attributes['href']}" if following else ""
        assert not address or "state=alive" in address
    assert found == [f"The label of n{n:03}" for n in range(60)]
    assert address == ""
    assert labels(await page(client, "/?page=99")) == []


async def test_the_trend_has_a_text(filled: Store, client: httpx.AsyncClient) -> None:
    tree = await page(client, "/?q=n2")
    (spark,) = tree.css("svg.spark")
    assert spark.attributes["aria-label"] == "Mentions in the last seven days: 5, at most 5 in six hours"
    assert len(spark.css("rect.late")) == 1


async def test_one_narrative(store: Store, client: httpx.AsyncClient) -> None:
    fill(
        store,
        [
            narrative("n1", plain_label="how it was worded", aliases=["n0"], copies=2),
            narrative("n2", threads={"t1": 1}),
            narrative("n3", keywords=["autre"]),
        ],
        [
            *mentions(60, "n1", at=NOW - 3 * HOUR),
            mention("rebuttal", "n1", stance=Stance.REBUTS, retroactive=True),
            mention("shared", "n2", author="author-of-rebuttal"),
            mention("elsewhere", "n3", thread="t9"),
        ],
        [event("emerged", "n1"), event("merged", "n0", into="n1"), event("emerged", "n1", out_of="n7")],
    )
    tree = await page(client, "/narratives/n1")
    assert texts(tree, "h1") == ["The label of n1"]
    assert texts(tree, ".plain q") == ["how it was worded"]
    assert texts(tree, "blockquote") == ["They sold the company without saying so."]
    (link,) = tree.css("figure.quote a.original")
    assert link.attributes["href"] == "https://forum.example/t1#c1"
    assert set(str(link.attributes["rel"]).split()) == {"noopener", "noreferrer", "nofollow"}
    assert "3 of 4 put the claim forward, 1 deny it." in texts(tree, "#stance")[0]
    assert texts(tree, "#spread table:first-of-type tbody tr") == ["Le Forum 3 75%", "The Board 1 25%"]
    assert "authors 4 (required: 3)" in texts(tree, "#life li")[0]
    assert any("split from n7" in text for text in texts(tree, "#life li"))
    assert any("into n1" in text for text in texts(tree, "#life li"))
    assert [text.split(" ")[:4] for text in texts(tree, ".neighbours li")] == [["The", "label", "of", "n2"]]
    assert "1 shared thread 1 shared author" in texts(tree, ".neighbours li")[0]
    assert texts(tree, "#identity code") == ["n1", "n0"]
    assert "61 mentions from" in texts(tree, "#timeline-text")[0]
    assert tree.css("#timeline rect.rebuts")
    assert len(tree.css(".mentions tbody tr")) == 25
    assert "61 of 4 are kept here" in texts(tree, "#mentions .meta")[0]
    last = await page(client, "/narratives/n1?page=3")
    assert len(last.css(".mentions tbody tr")) == 11


async def test_an_alias_leads_to_the_narrative_that_lives_on(store: Store, client: httpx.AsyncClient) -> None:
    fill(store, [narrative("n1"), narrative("n2")])
    with store.writing() as connection:
        take_narrative(connection, MergedNarrative(desk="tech", narrative_id="n2", into="n1"))
    answer = await client.get("/narratives/n2")
    assert (answer.status_code, answer.headers["location"]) == (302, "/narratives/n1")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/narratives/unknown", 404),
        ("/nowhere", 404),
        ("/?page=0", 422),
        ("/?state=odd", 422),
        ("/watches/x", 404),
    ],
)
async def test_what_is_wrong_is_said_on_a_page(client: httpx.AsyncClient, address: str, status: int) -> None:
    tree = await page(client, address, status)
    assert len(texts(tree, "h1")) == 1
    assert tree.css("nav a")


async def test_text_of_strangers_is_text(store: Store, client: httpx.AsyncClient) -> None:
    fill(
        store,
        [
            narrative(
                "n1",
                label=HOSTILE,
                plain_label=HOSTILE,
                keywords=[HOSTILE],
                representative=HOSTILE,
                quotes=[quote(HOSTILE, source=HOSTILE, thread=HOSTILE, permalink="javascript:alert(1)")],
                sources={HOSTILE: 1},
                languages={HOSTILE: 1},
                threads={HOSTILE: 1},
            ),
            narrative("n2"),
        ],
        [
            mention(
                "c1",
                text=HOSTILE,
                source=HOSTILE,
                thread=HOSTILE,
                author=HOSTILE,
                permalink="data:text/html,x",
            )
        ],
        [event(HOSTILE, label=HOSTILE, trigger={HOSTILE: HOSTILE})],
    )
    for address in ("/", "/narratives/n1", f"/?q={quote_url(HOSTILE)}", "/watches"):
        answer = await client.get(address)
        tree = LexborHTMLParser(answer.text)
        assert answer.status_code == 200
        assert [node.attributes.get("src") for node in tree.css("script")] == ["/static/live.js"]
        assert not tree.css("img, [onerror], [onmouseover], [style], iframe, object, base")
        assert [link for link in hrefs(tree) if not re.match(r"(https?://|[/#?])", link)] == []
        shown = "".join(texts(tree, "body, title"))
        assert not re.search("[\x00\x1b\u202e\u202c]", shown)
        assert "49" not in texts(tree, "main")[0].replace("149", "")  # nothing evaluates {{ 7 * 7 }}
    assert "U+202E" in texts(LexborHTMLParser((await client.get("/narratives/n1")).text), "h1 .mark")


def hrefs(tree: LexborHTMLParser) -> list[str]:
    return [str(node.attributes["href"]) for node in tree.css("[href]")]


class _Nesting(HTMLParser):
    """Elements that are opened and never closed, or closed and never opened."""

    VOID = frozenset({"meta", "link", "input", "line", "rect", "circle", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("address", ["/", "/narratives/n1", "/watches", "/about", "/nowhere", "/?q=label"])
@pytest.mark.parametrize("language", ["en", "fr"])
async def test_pages_are_well_formed(
    filled: Store, client: httpx.AsyncClient, address: str, language: str
) -> None:
    answer = await client.get(address, headers={"accept-language": language})
    nesting = _Nesting()
    nesting.feed(answer.text)
    assert nesting.open == []
    assert len(nesting.ids) == len(set(nesting.ids))
    tree = LexborHTMLParser(answer.text)
    assert [node.attributes["lang"] for node in tree.css("html")] == [language]
    assert [len(tree.css(one)) for one in ("main", "h1", "header.top", "nav[aria-label]", "a.skip")][:3] == [
        1,
        1,
        1,
    ]
    levels = [int(str(node.tag)[1]) for node in tree.css("h1, h2, h3")]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(table.css("caption") and table.css("th[scope]") for table in tree.css("table"))
    for field in tree.css("input:not([type=hidden]), select"):
        assert tree.css(f"label[for='{field.attributes['id']}']")
    for labelled in tree.css("[aria-labelledby]"):
        assert labelled.attributes["aria-labelledby"] in nesting.ids


async def test_languages(filled: Store, client: httpx.AsyncClient) -> None:
    french = await page(client, "/?lang=fr&q=takeover")
    assert texts(french, "h2")[0].startswith("Récits trouvés")
    assert client.cookies["narrawatch_language"] == "fr"
    again = await page(client, "/")  # remembered
    assert texts(again, "#as-of") == ["État au 27 nov. 2026, 12:00 UTC"]
    (switch,) = french.css(".status a")
    assert (switch.attributes["href"], switch.attributes["lang"]) == ("?q=takeover&lang=en", "en")


async def test_below_a_path(store: Store) -> None:
    fill(store, [narrative()], [mention()])
    app = create_app(
        store,
        Settings(web_url="https://news.example/narrawatch"),
        Progress("a test"),
        WebMetrics(CollectorRegistry()),
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://news.example"
    ) as client:
        for prefix in ("", "/narrawatch"):  # whether a proxy takes the path off or not
            tree = await page(client, f"{prefix}/narratives/n1")
            own = [link for link in hrefs(tree) if link.startswith("/")]
            assert own
            assert all(link.startswith("/narrawatch/") for link in own)
            assert (await client.get(f"{prefix}/static/page.css")).status_code == 200
