"""The pages in a real browser: how they look, that they are live, and that nothing in them is obeyed."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, NamedTuple

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from prometheus_client import CollectorRegistry

from models.outcome import Kind
from streams.settings import Settings
from streams.web.app import create_app
from streams.web.intake import take_match
from streams.web.lines import MatchLine
from streams.web.metrics import WebMetrics
from streams.web.progress import Progress
from streams.web.store import Store
from tests.chromium import open_chromium
from tests.web.records import HOSTILE, HOUR, NOW, event, fill, mention, mentions, narrative, quote

PAGES = (
    "/",
    "/?q=label&state=alive",
    "/narratives/n1",
    "/narratives/hostile",
    "/watches",
    "/watches/w",
    "/about",
    "/x",
)
LONG = "Donaudampfschifffahrtsgesellschaft" * 12


class Site(NamedTuple):
    address: str
    store: Store


@contextmanager
def serving(store: Store) -> Iterator[str]:
    """The page on a free port of loopback; it ends with the block, streams of updates first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(
            store,
            Settings(),
            Progress("a test"),
            WebMetrics(CollectorRegistry()),
            is_ending=lambda: server.should_exit,
        )
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=3)
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page on a free port of loopback, with something of everything."""
    store = Store(tmp_path_factory.mktemp("site") / "web.sqlite3")
    fill(
        store,
        [
            narrative("n1", copies=3, kind=Kind.CAMPAIGN, plain_label="worded otherwise", aliases=["n0"]),
            narrative("n2", emerged_at=NOW - HOUR, label="A narrative that has just emerged"),
            narrative(
                "hostile",
                label=HOSTILE + LONG,
                keywords=[HOSTILE, LONG],
                representative=LONG,
                quotes=[quote(HOSTILE), quote(LONG, source=LONG, thread=LONG)],
                sources={LONG: 3, HOSTILE: 1},
                threads={LONG: 1},
            ),
        ],
        [
            *mentions(60, "n1"),
            *mentions(2, "n2", thread="t1"),
            mention("h1", "hostile", text=HOSTILE, source=HOSTILE, thread=HOSTILE, author=HOSTILE),
            mention(
                "h2", "hostile", text=LONG, source=LONG, thread=LONG, permalink=f"https://{'x' * 60}.example/"
            ),
        ],
        [event("emerged", "n1"), event("spiking", "n1"), event("emerged", "hostile", label=HOSTILE + LONG)],
    )
    with store.writing() as connection:
        given: dict[str, Any] = {
            "watch": "w",
            "claim": 0,
            "similarity": 0.9,
            "at": NOW,
            "source": "Le Forum",
            "desk": "tech",
        }
        take_match(
            connection, MatchLine(comment_id="h1", text=HOSTILE + LONG, narrative_id="hostile", **given)
        )
    with serving(store) as address:
        yield Site(address, store)
    store.close()


@contextmanager
def reading(browser: Browser, site: Site, width: int = 1280, **options: Any) -> Iterator[Page]:
    """A page of a reader of its own. Whatever a script or the console complains of fails the test."""
    context = browser.new_context(
        base_url=site.address, viewport={"width": width, "height": 800}, locale="en-GB", **options
    )
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(f"a dialog: {dialog.message}"))
    page.on("console", lambda line: troubles.append(line.text) if "404" not in line.text else None)
    try:
        yield page
    finally:
        context.close()
    assert troubles == []


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_no_page_is_wider_than_the_window(browser: Browser, site: Site, width: int) -> None:
    with reading(browser, site, width) as page:
        for address in PAGES:
            page.goto(address)
            page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
            outside = page.evaluate(
                """width => [...document.querySelectorAll("main *, header *, footer *")]
                    .filter(one => !one.closest(".unseen, .scroll, thead, svg, .said"))
                    .filter(one => one.getBoundingClientRect().right > width + 1)
                    .map(one => one.outerHTML.slice(0, 100))""",
                width,
            )
            assert outside == [], address


def test_a_phone_shows_comments_in_full_width_and_a_desktop_beside_what_belongs_to_them(
    browser: Browser, site: Site
) -> None:
    widths = {}
    for width in (375, 1280):
        with reading(browser, site, width) as page:
            page.goto("/narratives/n1")
            box = page.locator(".mentions td.text").first.bounding_box()
            assert box
            widths[width] = box["width"] / width
    assert widths[375] > 0.8
    assert 0.2 < widths[1280] < 0.6


def test_what_is_hostile_is_shown_and_not_obeyed(browser: Browser, site: Site) -> None:
    with reading(browser, site) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for address in PAGES:
            page.goto(address)
            assert page.title() != "owned"
            for element in page.locator("main bdi").all()[:40]:
                element.dispatch_event("mouseover")
        page.goto("/narratives/hostile")
        heading = page.locator("h1")
        expect(heading).to_contain_text('<script>document.title="owned"</script>')
        expect(heading.locator(".mark").first).to_have_text("U+202E")
        assert page.locator("main script, main img, main iframe").count() == 0
        assert {url.split("?")[0].removeprefix(site.address)[:8] for url in asked} <= {
            "/", "/narrati", "/watches", "/about", "/x", "/static/", "/live",
        }  # fmt: skip


def test_the_policy_stops_what_would_get_in(browser: Browser, site: Site) -> None:
    """Even if a page had markup of a stranger in it."""
    context = browser.new_context(base_url=site.address)
    page = context.new_page()
    page.goto("/")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.owned = 1";
            document.body.append(script);
            const image = document.createElement("img");
            image.setAttribute("onerror", "window.owned = 2");
            image.src = "https://evil.example/x.png";
            document.body.append(image);
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.owned") is None
    context.close()


def test_dark_and_light_differ_and_are_readable(browser: Browser, site: Site) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with reading(browser, site, color_scheme=scheme) as page:
            for address in ("/", "/narratives/n1"):
                page.goto(address)
                grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert page.evaluate(WEAK_CONTRASTS) == [], (scheme, address)
    assert grounds["light"] != grounds["dark"]


# Texts whose colour is less than 4.5 to 1 from the ground they stand on (WCAG 2.2, AA).
WEAK_CONTRASTS = """() => {
    const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = parse(colour).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (one) => {
        for (; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if (parse(colour)[3] !== 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const weak = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const one = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !one.checkVisibility() || one.closest(".skip")) continue;
        const style = getComputedStyle(one);
        const text = one.closest("svg") ? style.fill : style.color;
        const [high, low] = [light(text), light(ground(one))].sort((a, b) => b - a);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < 4.5) weak.add(`${one.tagName}.${one.className}: ${text} on ${ground(one)}`);
    }
    return [...weak];
}"""


def test_the_keyboard_reaches_what_matters_and_is_seen(browser: Browser, site: Site) -> None:
    with reading(browser, site) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        box = page.locator(".skip").bounding_box()
        assert box
        assert box["y"] >= 0
        reached: list[str] = []
        while page.evaluate("document.activeElement !== document.body") and len(reached) < 200:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            reached.append(
                page.evaluate("document.activeElement.getAttribute('href') || document.activeElement.id")
            )
            page.keyboard.press("Tab")
        for wanted in (
            "/",
            "/watches",
            "/about",
            "q",
            "f-state",
            "f-sort",
            "/narratives/n1",
            "/narratives/n2",
        ):
            assert wanted in reached
        page.goto("/")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"


def test_a_page_is_live(browser: Browser, site: Site) -> None:
    with reading(browser, site) as page:
        page.goto("/")
        expect(page.locator("#live")).to_have_text("Live")
        page.locator("section[aria-labelledby=h-all] a[href='/narratives/n1']").focus()
        fill(
            site.store,
            [narrative("n9", label="A narrative nobody had heard of", last_seen=NOW)],
            [mention("live", "n9", at=NOW)],
            [event("emerged", "n9", label="A narrative nobody had heard of", at=NOW)],
        )
        expect(page.locator("#lists")).to_contain_text("A narrative nobody had heard of", timeout=5_000)
        expect(page.locator("#events li").first).to_contain_text("A narrative nobody had heard of")
        expect(page.locator("#news")).to_have_text("Updated. A narrative nobody had heard of")
        assert page.evaluate("document.activeElement.getAttribute('href')") == "/narratives/n1"


def test_the_page_of_a_narrative_is_live_and_what_is_open_stays_open(browser: Browser, site: Site) -> None:
    with reading(browser, site) as page:
        page.goto("/narratives/n2")
        expect(page.locator("#live")).to_have_text("Live")
        page.locator("summary").click()
        fill(
            site.store, [narrative("n2", mentions=77)], [mention("late", "n2", text="Said just now", at=NOW)]
        )
        expect(page.locator("#mentions")).to_contain_text("Said just now", timeout=5_000)
        expect(page.locator(".figures")).to_contain_text("77")
        assert page.locator("details[open]").count() == 1
        fill(site.store, [], [mention("later", "n2", text=HOSTILE, at=NOW)])  # and nothing is obeyed either
        expect(page.locator("#mentions td.text").first).to_contain_text("<script>", timeout=8_000)


def test_everything_can_be_read_without_javascript(browser: Browser, site: Site) -> None:
    with reading(browser, site, java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_role("searchbox").fill("worded")
        page.get_by_role("button", name="Search").click()
        page.get_by_role("link", name="The label of n1").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("The label of n1")
        page.get_by_role("link", name="Next").click()
        page.get_by_role("link", name="Next").click()
        expect(page.locator(".mentions tbody tr")).to_have_count(10)
        page.get_by_role("link", name="Français").click()
        expect(page.get_by_role("heading", name="Chronologie")).to_be_visible()
        assert page.locator("#live").is_hidden()
        page.goto("/")
        page.get_by_label("Type").select_option("campaign")
        page.get_by_role("button", name="Afficher").click()
        expect(page.locator("section[aria-labelledby=h-all] article")).to_have_count(1)


def test_a_screen_reader_finds_its_way(browser: Browser, site: Site) -> None:
    with reading(browser, site, width=375) as page:  # where tables are drawn as lists
        page.goto("/narratives/n1")
        for role in ("banner", "main", "contentinfo", "search"):
            expect(page.get_by_role(role)).to_have_count(1)
        expect(page.get_by_role("img", name="60 mentions from")).to_have_count(1)
        for name in ("Timeline", "What people say", "Life cycle", "Stance", "Neighbours", "All mentions"):
            expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
