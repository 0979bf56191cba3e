"""Who may read, and what a browser may do with it."""

import base64
from ipaddress import IPv4Address

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from streams.errors import SettingsError
from streams.settings import Settings, load_settings
from streams.web.app import create_app
from streams.web.gate import check_exposure, is_loopback
from streams.web.metrics import WebMetrics
from streams.web.progress import Progress
from streams.web.store import Store
from tests.web.records import fill, narrative

KEY = "a-long-and-secret-word"
EVERYWHERE = str(IPv4Address(0))


def reader(store: Store, settings: Settings, address: str = "http://127.0.0.1:8484") -> httpx.AsyncClient:
    app = create_app(store, settings, Progress("a test"), WebMetrics(CollectorRegistry()))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=address)


@pytest.fixture
def guarded(store: Store) -> httpx.AsyncClient:
    """A page that is bound to all addresses, and whose readers need the token."""
    fill(store, [narrative()])
    settings = Settings(web_host=EVERYWHERE, web_token=SecretStr(KEY), web_url="https://news.example")
    return reader(store, settings, "https://news.example")


@pytest.mark.parametrize(
    "address", ["/", "/narratives/n1", "/api/v1/narratives", "/static/page.css", "/nowhere", "/live?x=y"]
)
async def test_every_answer_carries_the_policy(store: Store, address: str) -> None:
    fill(store, [narrative()])
    async with reader(store, Settings()) as client:
        answer = await client.get(address if "live" not in address else "/live?shown=x")
    headers = answer.headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8484", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8484", 200),
        ("news.example", 200),  # web_url
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8484", 421),
        ("localhost@evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
async def test_only_names_of_this_machine_are_answered_on_loopback(
    store: Store, host: str, status: int
) -> None:
    async with reader(store, Settings(web_url="https://news.example")) as client:
        assert (await client.get("/", headers={"host": host})).status_code == status


@pytest.mark.parametrize(("mode", "status"), [("navigate", 200), ("cors", 403), ("no-cors", 403)])
async def test_pages_of_others_get_nothing_in_the_background(store: Store, mode: str, status: int) -> None:
    async with reader(store, Settings()) as client:
        headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": mode}
        assert (await client.get("/", headers=headers)).status_code == status


def basic(password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"somebody:{password}".encode())


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (b"Bearer " + KEY.encode(), 200),
        (b"bearer " + KEY.encode(), 200),
        (basic(KEY), 200),
        (b"Bearer " + KEY[:-1].encode(), 401),
        (b"Bearer " + KEY.encode() + b"\xe9", 401),
        (basic("wrong"), 401),
        (b"Basic \xff!", 401),
        (b"Digest x", 401),
        (b"", 401),
    ],
)
@pytest.mark.parametrize(
    "address", ["/", "/api/v1/narratives", "/narratives/n1/mentions.csv", "/static/page.css"]
)
async def test_the_token_is_needed(
    guarded: httpx.AsyncClient, address: str, authorization: bytes, status: int
) -> None:
    answer = await guarded.get(address, headers=[(b"authorization", authorization)])
    assert answer.status_code == status
    assert status == 200 or answer.headers["www-authenticate"].startswith("Basic ")
    assert "The label" not in answer.text or status == 200


async def test_health_needs_no_token(guarded: httpx.AsyncClient) -> None:
    for address in ("/health", "/ready"):
        answer = await guarded.get(address)
        assert (answer.status_code, answer.json()) == (200, {"status": "pass"})  # and no addresses of ours


async def test_a_token_in_the_address_becomes_a_cookie(guarded: httpx.AsyncClient) -> None:
    answer = await guarded.get(f"/narratives/n1?page=1&token={KEY}&lang=fr")
    assert (answer.status_code, answer.headers["location"]) == (303, "/narratives/n1?page=1&lang=fr")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert KEY not in cookie
    assert (await guarded.get("/narratives/n1")).status_code == 200
    guarded.cookies.clear()
    assert (await guarded.get("/?token=wrong")).status_code == 401
    guarded.cookies.set("narrawatch_access", "0" * 64, domain="news.example")
    assert (await guarded.get("/")).status_code == 401


async def test_a_token_in_the_address_leads_nowhere_else(guarded: httpx.AsyncClient) -> None:
    answer = await guarded.get(f"https://news.example//evil.example/x?token={KEY}")
    assert answer.headers["location"] == "/evil.example/x"


async def test_a_link_from_a_mail_asks_once_more_so_that_the_cookie_comes_along(
    guarded: httpx.AsyncClient,
) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = await guarded.get("/narratives/n1", headers=headers)
    assert 'http-equiv="refresh"' in answer.text
    assert "The label" not in answer.text
    assert (await guarded.get("/narratives/n1", headers={"sec-fetch-site": "same-origin"})).status_code == 401


def test_a_page_for_others_wants_a_token() -> None:
    with pytest.raises(SettingsError, match="web_token"):
        check_exposure(Settings(web_host=EVERYWHERE))
    check_exposure(Settings(web_host=EVERYWHERE, web_token=SecretStr(KEY)))
    check_exposure(Settings())
    with pytest.raises(SettingsError, match=r"web_token.*16 characters"):
        load_settings(web_token=KEY[:15])


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        (EVERYWHERE, False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.evil.example", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
