"""The fake is strict: what Grafana's documentation does not allow does not pass on it either."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dashboards.alert_rules import alert_rules
from dashboards.thresholds import Thresholds
from tests.grafana.fake import ADMIN, EDITOR, VIEWER, FakeGrafana

BOARD = {"uid": "a", "title": "A", "panels": [], "schemaVersion": 41}
SOURCE = {"uid": "prom", "name": "P", "type": "prometheus", "access": "proxy", "url": "http://p"}
RULE = alert_rules(
    thresholds=Thresholds(), watches=[], web_url="http://w", datasource_uid="prom", folder_uid="f"
)[0]


@pytest.fixture
def client(fake: FakeGrafana) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    with httpx.Client(base_url=f"{fake.url}/api", headers=headers) as made:
        assert made.post("/folders", json={"uid": "f", "title": "F"}).status_code == 200
        assert made.post("/datasources", json=SOURCE).status_code == 200
        assert made.post("/dashboards/db", json={"dashboard": BOARD, "folderUid": "f"}).status_code == 200
        yield made


def save(client: httpx.Client, model: dict[str, Any], **more: Any) -> httpx.Response:
    return client.post("/dashboards/db", json={"dashboard": model, "folderUid": "f", **more})


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 401),
        ("Bearer wrong", 401),
        (f"Basic {ADMIN}", 401),
        (f"Bearer {VIEWER}", 403),
        (f"Bearer {EDITOR}", 200),
    ],
)
def test_who_may_write(client: httpx.Client, header: str, status: int) -> None:
    answer = client.post("/folders", json={"title": "G"}, headers={"Authorization": header})
    assert answer.status_code == status


def test_an_editor_makes_no_data_source(client: httpx.Client) -> None:
    body = {**SOURCE, "uid": "q", "name": "Q"}
    answer = client.post("/datasources", json=body, headers={"Authorization": f"Bearer {EDITOR}"})
    assert answer.status_code == 403


def test_a_body_that_is_no_json(client: httpx.Client) -> None:
    assert client.post("/folders", content=b"{").status_code == 400
    text = {"Content-Type": "text/plain"}
    assert client.post("/folders", content=b"{}", headers=text).status_code == 415


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"uid": "u" * 41}, 400, "uid too long"),
        ({"uid": "a/b"}, 400, "illegal characters"),
        ({"title": ""}, 400, "title cannot be empty"),
        ({"uid": "b", "panls": []}, 400, "unknown fields"),
        ({"uid": "b", "title": "B", "panels": [{"id": 1}, {"id": 1}]}, 400, "ids of their own"),
        ({"uid": "b", "title": "B", "refresh": "1s"}, 400, "refresh interval"),
        ({"uid": "b", "title": "B", "id": 99}, 404, "not found"),
        ({"version": 7}, 412, "changed by someone else"),
        ({}, 412, "changed by someone else"),
        ({"uid": "b"}, 412, "same name in the folder"),
    ],
)
def test_dashboards_that_are_refused(
    client: httpx.Client, change: dict[str, Any], status: int, said: str
) -> None:
    answer = save(client, {**BOARD, **change})
    assert (answer.status_code, said in answer.json()["message"]) == (status, True)


def test_statuses_of_a_412(client: httpx.Client, fake: FakeGrafana) -> None:
    assert save(client, BOARD).json()["status"] == "version-mismatch"
    assert save(client, {**BOARD, "uid": "b"}).json()["status"] == "name-exists"
    fake.boards.of_plugins.add("a")
    assert save(client, {**BOARD, "version": 1}).json()["status"] == "plugin-dashboard"


def test_overwrite_and_the_right_version(client: httpx.Client) -> None:
    assert save(client, {**BOARD, "version": 1}).json()["version"] == 2
    assert save(client, BOARD, overwrite=True).json()["version"] == 3
    assert save(client, {**BOARD, "version": 3}, message="m" * 501).status_code == 400


def test_a_dashboard_without_a_folder_goes_to_the_root(client: httpx.Client, fake: FakeGrafana) -> None:
    client.post("/dashboards/db", json={"dashboard": {**BOARD, "version": 1}})
    assert fake.boards.folder_of["a"] == ""


def test_a_folder_must_be_there(client: httpx.Client) -> None:
    answer = client.post("/dashboards/db", json={"dashboard": {**BOARD, "uid": "b"}, "folderUid": "none"})
    assert (answer.status_code, answer.json()["message"]) == (404, "Folder not found")


def test_uids_and_names_are_taken_once(client: httpx.Client) -> None:
    assert client.post("/folders", json={"uid": "f", "title": "G"}).status_code == 409
    assert client.post("/folders", json={"uid": "g", "title": "F"}).status_code == 409
    assert client.post("/datasources", json=SOURCE).status_code == 409
    assert client.post("/datasources", json={**SOURCE, "uid": "q"}).status_code == 409
    assert client.post("/datasources", json={"name": "no type"}).status_code == 400
    stale = {**SOURCE, "version": 9}
    assert client.put("/datasources/uid/prom", json=stale).status_code == 409


def rule(client: httpx.Client, **change: Any) -> httpx.Response:
    body = {key: value for key, value in {**RULE, **change}.items() if value is not None}
    return client.post("/v1/provisioning/alert-rules", json=body)


@pytest.mark.parametrize(
    "missing",
    ["title", "ruleGroup", "folderUID", "condition", "data", "noDataState", "execErrState", "for", "orgID"],
)
def test_a_rule_needs_all_that_is_required(client: httpx.Client, missing: str) -> None:
    answer = rule(client, **{missing: None})
    assert (answer.status_code, missing in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    "change",
    [
        {"uid": "u" * 41},
        {"title": "t" * 191},
        {"folderUID": "none"},
        {"condition": "B"},
        {"noDataState": "Maybe"},
        {"execErrState": "NoData"},
        {"for": "soon"},
        {"labels": {"severity": 3}},
        {"forr": "1m"},
        {"data": [{**RULE["data"][0], "datasourceUid": "none"}]},
        {"data": [{**RULE["data"][0], "relativeTimeRange": {"from": 0, "to": 0}}]},
        {"data": [RULE["data"][1], RULE["data"][1]]},
    ],
    ids=str,
)
def test_rules_that_are_refused(client: httpx.Client, change: dict[str, Any]) -> None:
    assert rule(client, **change).status_code == 400


def test_rules_are_made_once_and_go_without_a_word(client: httpx.Client, fake: FakeGrafana) -> None:
    assert rule(client).status_code == 201
    assert rule(client).status_code == 409
    assert rule(client, uid="other").status_code == 400  # the title is taken
    gone = client.delete(f"/v1/provisioning/alert-rules/{RULE['uid']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert fake.rules.rules == {}


def test_what_the_api_made_stays_of_the_api(client: httpx.Client, fake: FakeGrafana) -> None:
    path = f"/v1/provisioning/alert-rules/{RULE['uid']}"
    editable = {"X-Disable-Provenance": "true"}
    rule(client)
    assert client.put(path, json=RULE, headers=editable).status_code == 409
    fake.rules.rules[RULE["uid"]]["provenance"] = ""
    assert client.put(path, json=RULE, headers=editable).json()["provenance"] == ""
    assert client.put(path, json=RULE).json()["provenance"] == "api"


def test_annotations_have_a_text_and_milliseconds(client: httpx.Client) -> None:
    assert client.post("/annotations", json={"text": "a", "time": 1_790_000_000_000}).status_code == 200
    assert client.post("/annotations", json={"tags": ["a"]}).status_code == 400
    assert client.post("/annotations", json={"text": "a", "time": 1_790_000_000}).status_code == 400
    assert client.post("/annotations", json={"text": "a", "tags": ["t" * 101]}).status_code == 400


def test_search_comes_in_pages(client: httpx.Client, fake: FakeGrafana) -> None:
    for n in range(5):
        fake.boards.save({"dashboard": {"uid": f"s{n}", "title": f"S{n}", "tags": ["t"]}})
    pages = [
        [one["uid"] for one in client.get(f"/search?type=dash-db&tag=t&limit=2&page={page}").json()]
        for page in (1, 2, 3, 4)
    ]
    assert pages == [["s0", "s1"], ["s2", "s3"], ["s4"], []]
    assert client.get("/search?type=dash-db&limit=5001").status_code == 422
