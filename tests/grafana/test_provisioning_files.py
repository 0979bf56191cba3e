"""The files that Grafana reads at its start: of the fields it documents, and of one mind with push."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from dashboards.catalogue import GENERATED
from dashboards.connection import Grafana
from dashboards.provision import Wanted, push
from dashboards.provision_folder import FOLDER_TITLE, FOLDER_UID
from dashboards.variables import DATASOURCE_UID
from tests.grafana.fake import FakeGrafana

ROOT = Path(__file__).parents[2]
FILES = ROOT / "deploy" / "grafana" / "provisioning"

# The fields that Grafana's documentation of provisioning lists, and their types. Grafana ignores a field that
# it does not know, so that a misspelt one is never noticed there.
Fields = Mapping[str, Any]
PROMETHEUS_OPTIONS: Fields = {
    "httpMethod": str,
    "prometheusType": str,
    "prometheusVersion": str,
    "cacheLevel": str,
    "timeInterval": str,
    "queryTimeout": str,
    "manageAlerts": bool,
    "disableRecordingRules": bool,
    "incrementalQuerying": bool,
    "incrementalQueryOverlapWindow": str,
}
DATASOURCES: Fields = {
    "apiVersion": int,
    "prune": bool,
    "deleteDatasources": [{"name": str, "orgId": int}],
    "datasources": [
        {
            "name": str,
            "type": str,
            "access": str,
            "orgId": int,
            "uid": str,
            "url": str,
            "user": str,
            "database": str,
            "basicAuth": bool,
            "basicAuthUser": str,
            "withCredentials": bool,
            "isDefault": bool,
            "jsonData": PROMETHEUS_OPTIONS,
            "version": int,
            "editable": bool,
        }
    ],
}
DASHBOARDS: Fields = {
    "apiVersion": int,
    "providers": [
        {
            "name": str,
            "orgId": int,
            "folder": str,
            "folderUid": str,
            "type": str,
            "disableDeletion": bool,
            "updateIntervalSeconds": int,
            "allowUiUpdates": bool,
            "options": {"path": str, "foldersFromFilesStructure": bool},
        }
    ],
}


def read(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FILES / name / "narrawatch.yaml").read_text(encoding="utf-8"))
    return loaded


def faults(value: Any, documented: Any, place: str = "") -> list[str]:
    """Where a document differs from what is documented."""
    if isinstance(documented, list):
        if not isinstance(value, list):
            return [f"{place} is no list"]
        return [found for n, one in enumerate(value) for found in faults(one, documented[0], f"{place}[{n}]")]
    if isinstance(documented, Mapping):
        if not isinstance(value, dict):
            return [f"{place} is no table"]
        unknown = [f"{place}.{key} is unknown" for key in value if key not in documented]
        known = [key for key in value if key in documented]
        return unknown + [
            found for key in known for found in faults(value[key], documented[key], f"{place}.{key}")
        ]
    return [] if type(value) is documented else [f"{place} is not of the type {documented.__name__}"]


@pytest.mark.parametrize(("name", "documented"), [("datasources", DATASOURCES), ("dashboards", DASHBOARDS)])
def test_a_file_has_documented_fields_alone(name: str, documented: Fields) -> None:
    loaded = read(name)
    assert faults(loaded, documented) == []
    assert loaded["apiVersion"] == 1


def test_the_check_itself_finds_what_is_wrong() -> None:
    wrong = {"apiVersion": "1", "providers": [{"name": "a", "folderUID": "x", "options": {"path": 3}}]}
    assert faults(wrong, DASHBOARDS) == [
        ".apiVersion is not of the type int",
        ".providers[0].folderUID is unknown",
        ".providers[0].options.path is not of the type str",
    ]


def test_uids_are_those_that_dashboards_and_push_use() -> None:
    (source,) = read("datasources")["datasources"]
    (provider,) = read("dashboards")["providers"]
    assert (source["uid"], source["type"], source["access"]) == (DATASOURCE_UID, "prometheus", "proxy")
    assert (provider["folderUid"], provider["folder"]) == (FOLDER_UID, FOLDER_TITLE)
    assert provider["type"] == "file"
    assert Path(provider["options"]["path"]).is_absolute()


def test_the_interval_is_that_of_the_scrapes() -> None:
    scrapes = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    (source,) = read("datasources")["datasources"]
    assert source["jsonData"]["timeInterval"] == scrapes["global"]["scrape_interval"]


def test_push_makes_the_same_data_source(grafana: Grafana, fake: FakeGrafana) -> None:
    list(push(grafana, Wanted(prometheus_url="http://prometheus:9090", rules=False)))
    (source,) = read("datasources")["datasources"]
    made = fake.datasources.kept[DATASOURCE_UID]
    assert {key: made[key] for key in ("name", "uid", "type", "access", "url", "jsonData")} == {
        key: source[key] for key in ("name", "uid", "type", "access", "url", "jsonData")
    }


def test_push_leaves_what_files_have_made(grafana: Grafana, fake: FakeGrafana) -> None:
    list(push(grafana, Wanted(rules=False)))
    fake.boards.provisioned |= set(fake.boards.dashboards)
    fake.datasources.kept[DATASOURCE_UID]["readOnly"] = True
    fake.forget_requests()
    changed = Wanted(prometheus_url="http://prometheus:9090")
    steps = list(push(grafana, changed))
    assert {step.action for step in steps if step.kind != "alert rule"} == {"leave"}
    assert all("/provisioning/" in path for _, path in fake.writes)


def test_compose_mounts_these_files_and_the_dashboards_where_they_are_looked_for() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    mounted = {
        target: (ROOT / "deploy" / source).resolve()
        for source, target, *_ in (one.split(":") for one in compose["services"]["grafana"]["volumes"])
    }
    (provider,) = read("dashboards")["providers"]
    (source,) = read("datasources")["datasources"]
    assert mounted[provider["options"]["path"]] == GENERATED.resolve()
    for name in ("datasources", "dashboards"):
        assert mounted[f"/etc/grafana/provisioning/{name}"] == (FILES / name).resolve()
    assert urlsplit(source["url"]).hostname in compose["services"]
