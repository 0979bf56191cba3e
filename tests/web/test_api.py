"""The JSON API and the exports, for programs."""

import csv
import io
import json

import httpx
import pytest
from prometheus_client import CollectorRegistry

from models.outcome import Stance
from streams.results import MergedNarrative
from streams.settings import Settings
from streams.web.app import create_app
from streams.web.intake import take_match, take_narrative
from streams.web.lines import MatchLine
from streams.web.metrics import WebMetrics
from streams.web.progress import Progress
from streams.web.store import Store
from tests.web.records import HOSTILE, HOUR, NOW, event, fill, mention, mentions, narrative


@pytest.fixture
def filled(store: Store) -> Store:
    fill(
        store,
        [narrative("n1"), narrative("n2", last_seen=NOW - 9 * HOUR)],
        [
            *mentions(3),
            mention("no", stance=Stance.REBUTS, at=NOW),
            mention("hostile", text=HOSTILE, stance=None),
        ],
        [event("emerged"), event("spiking", at=NOW)],
    )
    with store.writing() as connection:
        take_narrative(connection, MergedNarrative(desk="tech", narrative_id="n0", into="n1"))
    return store


async def get(client: httpx.AsyncClient, address: str, status: int = 200) -> object:
    answer = await client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    return answer.json()


async def test_everything_that_is_described_answers(filled: Store, client: httpx.AsyncClient) -> None:
    description = await get(client, "/api/v1/openapi.json")
    assert isinstance(description, dict)
    assert description["info"]["title"] == "narrawatch"
    assert len(description["paths"]) >= 9
    for path, methods in description["paths"].items():
        assert set(methods) == {"get"}, "nothing can be changed"
        assert methods["get"]["summary"]
        if "{name}" not in path:
            await get(client, path.replace("{narrative_id}", "n1"))


async def test_lists_and_details(filled: Store, client: httpx.AsyncClient) -> None:
    found = (await client.get("/api/v1/narratives?state=spiking")).json()
    assert (found["total"], found["narratives"][0]["narrative_id"]) == (1, "n1")
    assert found["as_of"] == "2026-11-27T12:00:00Z"
    one = (await client.get("/api/v1/narratives/n0")).json()  # an alias
    assert (one["narrative_id"], one["kept_mentions"], one["is_spiking"]) == ("n1", 5, True)
    assert [happened["type"] for happened in one["events"]] == ["emerged", "spiking"]
    said = (await client.get("/api/v1/narratives/n1/mentions")).json()
    assert said["mentions"][0]["comment_id"] == "no"
    assert [one["text"] for one in said["mentions"] if one["comment_id"] == "hostile"] == [HOSTILE]


async def test_the_timeline_has_no_gaps_and_counts_each_mention_once(
    filled: Store, client: httpx.AsyncClient
) -> None:
    told = (await client.get("/api/v1/narratives/n1/timeline")).json()
    sums = {name: sum(one[name] for one in told["bins"]) for name in ("supports", "rebuts", "unjudged")}
    assert sums == {"supports": 3, "rebuts": 1, "unjudged": 1}
    assert 1 < len(told["bins"]) <= 60
    fill(filled, [], [mention("first", at=NOW - 24 * 300 * HOUR)])
    longer = (await client.get("/api/v1/narratives/n1/timeline")).json()
    assert longer["bin_seconds"] > told["bin_seconds"]
    assert len(longer["bins"]) <= 60
    assert sum(one["supports"] for one in longer["bins"]) == 4


async def test_what_is_wrong_is_json(filled: Store, client: httpx.AsyncClient) -> None:
    for address, status in (
        ("/api/v1/narratives/unknown", 404),
        ("/api/v1/narratives/unknown/timeline", 404),
        ("/api/v1/narratives/unknown/mentions", 404),
        ("/api/v1/watches/unknown", 404),
        ("/api/v1/nowhere", 404),
        ("/api/v1/narratives?page=x", 422),
        ("/api/v1/narratives?sort=x", 422),
        (f"/api/v1/narratives?q={'x' * 600}", 422),
    ):
        answer = await get(client, address, status)
        assert isinstance(answer, dict)
        assert answer["detail"]


async def test_nothing_can_be_changed(filled: Store, client: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for address in ("/", "/narratives/n1", "/api/v1/narratives/n1", "/live"):
            assert (await client.request(method, address)).status_code == 405


async def test_head_is_answered_like_get(filled: Store, client: httpx.AsyncClient) -> None:
    assert (await client.head("/narratives/n1")).status_code == 200
    assert (await client.head("/narratives/unknown")).status_code == 404


async def test_watches(filled: Store, client: httpx.AsyncClient) -> None:
    with filled.writing() as connection:
        for number, narrative_id in enumerate(("n0", None, "gone")):
            take_match(
                connection,
                MatchLine(
                    watch="rachat déguisé/é?",
                    comment_id="no" if number == 0 else f"c{number}",
                    claim=0,
                    text=HOSTILE,
                    similarity=0.9,
                    at=NOW - number * HOUR,
                    source="Le Forum",
                    desk="tech",
                    narrative_id=narrative_id,
                ),
            )
    (watch,) = (await client.get("/api/v1/watches")).json()
    assert (watch["matches"], watch["last_day"], sum(watch["week"])) == (3, 3, 3)
    tree = await client.get("/watches")
    assert "/watches/rachat%20d%C3%A9guis%C3%A9%2F%C3%A9%3F" in tree.text


async def test_health(store: Store) -> None:
    progress = Progress("a test")
    app = create_app(store, Settings(), progress, WebMetrics(CollectorRegistry()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:

        async def statuses() -> list[int]:
            return [(await client.get(address)).status_code for address in ("/health", "/ready")]

        assert await statuses() == [200, 200]
        progress.trouble("the broker is away")  # a restart would not help
        assert await statuses() == [200, 503]
        progress.died("no space left")
        assert await statuses() == [503, 503]
        assert (await client.get("/health")).json()["reasons"] == ["no space left"]


async def test_exports_hold_all_mentions(filled: Store, client: httpx.AsyncClient) -> None:
    fill(filled, [], [mention(f"m{n}", text=start + "1+1") for n, start in enumerate("=+-@\t\rx")])
    answer = await client.get("/narratives/n0/mentions.csv")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''n0.csv"
    rows = {row["comment_id"]: row for row in csv.DictReader(io.StringIO(answer.text, newline=""))}
    exported = json.loads((await client.get("/narratives/n1/mentions.json")).text)
    assert set(rows) == {one["comment_id"] for one in exported}
    assert len(rows) == 12
    assert [rows[f"m{n}"]["text"][0] for n in range(7)] == ["'"] * 6 + ["x"]
    assert rows["hostile"]["text"] == HOSTILE
    assert (rows["no"]["stance"], rows["hostile"]["stance"]) == ("rebuts", "")
    assert (await client.get("/narratives/unknown/mentions.csv")).status_code == 404
