"""The folder and the data source that everything else needs, in Grafana."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from dashboards.connection import Grafana
from dashboards.errors import NotFoundError
from dashboards.steps import Action, Step, covers
from dashboards.variables import DATASOURCE_UID

__all__ = ["FOLDER_TITLE", "FOLDER_UID", "DatasourcePlanner", "FolderPlanner"]

FOLDER_UID: Final = "narrawatch"
FOLDER_TITLE: Final = "narrawatch"
_DATASOURCE_NAME: Final = "narrawatch"

# What Grafana's PUT of a data source takes. It replaces all of them: what is left out is lost.
_KEPT: Final = (
    "name",
    "type",
    "access",
    "url",
    "user",
    "database",
    "basicAuth",
    "basicAuthUser",
    "withCredentials",
    "isDefault",
    "jsonData",
    "version",
)


class FolderPlanner:
    """The folder of new dashboards and of alert rules. One that exists keeps its title and its place."""

    def __init__(self, grafana: Grafana) -> None:
        self._grafana = grafana

    def plan(self) -> Step:
        """Create it where it is missing."""
        found = self._grafana.find(f"/folders/{FOLDER_UID}", f"look for the folder {FOLDER_UID}")
        if found is None:
            return Step("folder", FOLDER_UID, "create", "is missing", self._create)
        return Step("folder", FOLDER_UID, "leave", "exists")

    def _create(self) -> object:
        return self._grafana.write(
            lambda: self._grafana.face.folder.create_folder(FOLDER_TITLE, FOLDER_UID),
            f"create the folder {FOLDER_TITLE}",
        )


class DatasourcePlanner:
    """The Prometheus that the dashboards ask. prometheus_url: its address as Grafana's server reaches it.

    uid: ours, which is made and kept in step, or another one, which must exist and is never touched.
    """

    def __init__(self, grafana: Grafana, prometheus_url: str, uid: str = DATASOURCE_UID) -> None:
        self._grafana = grafana
        self._uid = uid
        self._wanted: Mapping[str, Any] = {
            "uid": DATASOURCE_UID,
            "type": "prometheus",
            "access": "proxy",
            "url": prometheus_url,
            "jsonData": {"httpMethod": "POST", "prometheusType": "Prometheus", "timeInterval": "15s"},
        }

    def plan(self) -> Step:
        """Create it, or bring it up to date. Raises NotFoundError for a foreign one that is missing."""
        found = self._grafana.find(
            f"/datasources/uid/{self._uid}", f"look for the data source {self._uid}", "type"
        )
        if self._uid != DATASOURCE_UID:
            return self._foreign(found)
        if found is None:
            return self._step("create", "is missing", self._create)
        if found["type"] != "prometheus":
            return self._step("refuse", f"is of type {found['type']}: give that one another uid")
        if found.get("readOnly"):
            return self._step("leave", "is provisioned from files")
        if covers(found, self._wanted):
            return self._step("leave", "is as it should be")
        return self._step("update", "differs", lambda: self._update(found))

    def _foreign(self, found: Mapping[str, Any] | None) -> Step:
        if found is None:
            raise NotFoundError(
                f"{self._grafana.url} has no data source with the uid {self._uid}: see grafana_datasource_uid"
            )
        if found["type"] != "prometheus":
            return self._step("refuse", f"is of type {found['type']}, and prometheus is needed")
        return self._step("leave", "is not ours")

    def _step(self, action: Action, reason: str, send: Callable[[], object] | None = None) -> Step:
        return Step("data source", self._uid, action, reason, send)

    def _create(self) -> object:
        body = {"name": _DATASOURCE_NAME, "isDefault": False, **self._wanted}
        return self._grafana.write(
            lambda: self._grafana.face.datasource.create_datasource(body),
            f"create the data source {_DATASOURCE_NAME}",
        )

    def _update(self, found: Mapping[str, Any]) -> object:
        kept = {key: found[key] for key in _KEPT if key in found}
        merged = {**(kept.get("jsonData") or {}), **self._wanted["jsonData"]}
        body = {**kept, **self._wanted, "jsonData": merged}
        return self._grafana.write(
            lambda: self._grafana.face.api.PUT(f"/datasources/uid/{self._uid}", json=body),
            f"update the data source {self._uid}",
        )
