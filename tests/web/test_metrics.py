"""What the page counts of itself: by templates of addresses, so that strangers cannot make series."""

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send

from streams.metric_specs import WEB_METRICS
from streams.settings import Settings
from streams.web.app import create_app
from streams.web.metrics import NO_ROUTE, Measured, WebMetrics
from streams.web.progress import Progress
from streams.web.store import Store
from tests.web.records import fill, mentions, narrative

TOKEN = "a token of many letters"  # noqa: S105 - of the test alone


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def samples(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def reader(store: Store, registry: CollectorRegistry, settings: Settings) -> httpx.AsyncClient:
    app = create_app(store, settings, Progress("a test"), WebMetrics(registry))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8484")


def test_all_of_the_table_are_bound(registry: CollectorRegistry) -> None:
    WebMetrics(registry)
    bound = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in registry.collect()
    }
    assert bound == {(spec.name, spec.kind, spec.help) for spec in WEB_METRICS}


async def test_requests_are_counted_by_template_and_class_of_status(
    store: Store, registry: CollectorRegistry
) -> None:
    fill(store, [narrative(f"n{n}") for n in range(30)])
    async with reader(store, registry, Settings()) as client:
        for n in range(30):
            assert (await client.get(f"/narratives/n{n}")).status_code == 200
            assert (await client.get(f"/api/v1/narratives/unknown{n}")).status_code == 404
            assert (await client.get(f"/admin/{n}.php")).status_code == 404
        await client.head("/")
        await client.post("/watches")
        await client.get("/static/page.css")
        await client.get("/", headers={"host": "elsewhere.example"})
        await client.get("/narratives/n1?page=none")
    assert samples(registry, "narrawatch_web_requests_total") == {
        ("/narratives/{narrative_id}", "2xx"): 30,
        ("/api/v1/narratives/{narrative_id}", "4xx"): 30,
        (NO_ROUTE, "4xx"): 31,
        ("/", "2xx"): 1,
        ("/watches", "4xx"): 1,
        ("/static", "2xx"): 1,
        ("/narratives/{narrative_id}", "4xx"): 1,
    }
    counted = samples(registry, "narrawatch_web_request_seconds_count")
    assert counted["/narratives/{narrative_id}",] == 31


async def test_who_has_no_token_is_counted_and_learns_nothing(
    store: Store, registry: CollectorRegistry
) -> None:
    async with reader(store, registry, Settings(web_token=SecretStr(TOKEN))) as client:
        assert (await client.get("/")).status_code == 401
        assert (await client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 404
        assert (await client.get("/", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 200
    assert samples(registry, "narrawatch_web_requests_total") == {(NO_ROUTE, "4xx"): 2, ("/", "2xx"): 1}


async def test_the_time_is_that_until_the_answer_begins(registry: CollectorRegistry) -> None:
    now = 100.0

    async def app(_: Scope, __: Receive, send: Send) -> None:
        nonlocal now
        now += 0.2
        await send({"type": "http.response.start", "status": 200, "headers": []})
        now += 3_600.0
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        return

    await Measured(app, WebMetrics(registry), clock=lambda: now)({"type": "http"}, receive, send)
    assert samples(registry, "narrawatch_web_request_seconds_sum") == {(NO_ROUTE,): pytest.approx(0.2)}


async def test_a_failure_of_ours_is_counted(store: Store, registry: CollectorRegistry) -> None:
    with store.writing() as connection:
        connection.execute("DROP TABLE events")
    async with reader(store, registry, Settings()) as client:
        assert (await client.get("/api/v1/events")).status_code == 500
    assert samples(registry, "narrawatch_web_requests_total") == {("/api/v1/events", "5xx"): 1}


async def test_open_pages_are_those_that_are_open(store: Store, registry: CollectorRegistry) -> None:
    ending = False
    metrics = WebMetrics(registry)
    app = create_app(store, Settings(), Progress("a test"), metrics, is_ending=lambda: ending)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/live",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
    }
    started = asyncio.Event()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            started.set()

    pages = [asyncio.ensure_future(app(dict(scope), receive, send)) for _ in range(2)]
    await started.wait()
    await asyncio.sleep(0.05)
    assert samples(registry, "narrawatch_web_streams") == {(): 2}
    ending = True
    await asyncio.wait_for(asyncio.gather(*pages), 5)
    assert samples(registry, "narrawatch_web_streams") == {(): 0}


def test_what_is_kept_is_looked_at_when_it_is_asked_for(store: Store, registry: CollectorRegistry) -> None:
    progress = Progress("a test", broker_seconds=30)
    metrics = WebMetrics(registry)
    metrics.follow(store, lambda: not progress.obstacles())
    assert samples(registry, "narrawatch_web_ready") == {(): 0}
    assert samples(registry, "narrawatch_web_mentions") == {(): 0}
    fill(store, [narrative()], mentions(7))
    progress.answered(0)
    assert samples(registry, "narrawatch_web_ready") == {(): 1}
    assert samples(registry, "narrawatch_web_narratives") == {(): 1}
    assert samples(registry, "narrawatch_web_mentions") == {(): 7}
    assert samples(registry, "narrawatch_web_store_bytes")[()] >= store.path.stat().st_size


@pytest.fixture
def metrics(registry: CollectorRegistry) -> WebMetrics:
    return WebMetrics(registry)


def test_records_are_counted_by_topic(registry: CollectorRegistry, metrics: WebMetrics) -> None:
    metrics.reads(("mentions", "events"))
    metrics.read("mentions", 5)
    metrics.refused("mentions")
    metrics.unread({"mentions": 3, "events": 0})
    metrics.unread({"mentions": 1, "events": 0})
    assert samples(registry, "narrawatch_web_records_total") == {("mentions",): 5, ("events",): 0}
    assert samples(registry, "narrawatch_web_records_refused_total") == {("mentions",): 1, ("events",): 0}
    assert samples(registry, "narrawatch_web_lag_records") == {("mentions",): 1, ("events",): 0}
