"""Folders, dashboards and their search, as Grafana's documentation has them."""

import copy
from collections.abc import Mapping
from typing import Any, Final

from tests.grafana.replies import ProblemError, Reply, check_fields, check_uid

__all__ = ["Boards"]

_MAX_MESSAGE_CHARACTERS: Final = 500
_SEARCH_LIMIT: Final = 1000
_MAX_SEARCH_LIMIT: Final = 5000
_SHORTEST_REFRESH_SECONDS: Final = 5
_MODEL_FIELDS: Final = {
    *("annotations", "description", "editable", "fiscalYearStartMonth", "gnetId", "graphTooltip", "id"),
    *("links", "liveNow", "panels", "preload", "refresh", "revision", "schemaVersion", "snapshot", "tags"),
    *("templating", "time", "timepicker", "timezone", "title", "uid", "version", "weekStart"),
}


class Boards:
    """What is in Grafana. `history` has the saves of each dashboard, the last one first.

    migrates: whether dashboards come back in a newer schema than they were sent in, as of newer Grafanas.
    """

    def __init__(self) -> None:
        self.folders: dict[str, dict[str, Any]] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.folder_of: dict[str, str] = {}
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.provisioned: set[str] = set()
        self.of_plugins: set[str] = set()
        self.migrates = False
        self._last_id = 0

    def create_folder(self, body: Any) -> Reply:
        """POST /folders."""
        fields = check_fields(body, {"uid": str, "title": str, "parentUid": str}, ["title"])
        uid = fields.get("uid") or f"made-{self._next_id()}"
        check_uid(uid)
        if uid in self.folders:
            raise ProblemError(409, "a folder with the same uid already exists")
        if any(one["title"] == fields["title"] for one in self.folders.values()):
            raise ProblemError(409, "a folder with the same name already exists in the current location")
        self.folders[uid] = {"id": self._next_id(), "uid": uid, "title": fields["title"], "version": 1}
        return Reply(200, self.folders[uid])

    def folder(self, uid: str) -> Reply:
        """GET /folders/UID."""
        if uid not in self.folders:
            raise ProblemError(404, "folder not found", status="not-found")
        return Reply(200, self.folders[uid])

    def dashboard(self, uid: str) -> Reply:
        """GET /dashboards/uid/UID."""
        if uid not in self.dashboards:
            raise ProblemError(404, "Dashboard not found")
        shown = copy.deepcopy(self.dashboards[uid])
        if self.migrates:
            shown["schemaVersion"] += 1
            for panel in shown["panels"]:
                panel["pluginVersion"] = "13.0.0"
                panel.pop("description", None)
        meta = {"folderUid": self.folder_of[uid], "provisioned": uid in self.provisioned, "isFolder": False}
        return Reply(200, {"dashboard": shown, "meta": meta})

    def versions(self, uid: str, query: Mapping[str, list[str]], *, as_object: bool) -> Reply:
        """GET /dashboards/uid/UID/versions; as_object: as Grafana answers since version 11."""
        if uid not in self.dashboards:
            raise ProblemError(404, "Dashboard not found")
        found = self.history[uid][: int(query.get("limit", ["100"])[0])]
        return Reply(200, {"versions": found, "continueToken": ""} if as_object else found)

    def save(self, body: Any) -> Reply:
        """POST /dashboards/db."""
        types = {"dashboard": dict, "folderUid": str, "folderId": int, "message": str, "overwrite": bool}
        fields = check_fields(body, types, ["dashboard"])
        model = self._checked(fields["dashboard"])
        if len(fields.get("message") or "") > _MAX_MESSAGE_CHARACTERS:
            raise ProblemError(400, "message too long, max 500 characters")
        # Neither of them is General, the root: a dashboard that was elsewhere is moved there.
        folder_uid = fields.get("folderUid") or ""
        if folder_uid and folder_uid not in self.folders:
            raise ProblemError(404, "Folder not found")
        uid = model.get("uid") or f"made-{self._next_id()}"
        stored = self.dashboards.get(uid)
        if stored is not None:
            self._check_replaced(uid, stored, model, overwrite=fields.get("overwrite", False))
        elif model.get("id") is not None:
            raise ProblemError(404, "Dashboard not found", status="not-found")
        self._check_title(uid, model["title"], folder_uid, overwrite=fields.get("overwrite", False))
        version = 1 if stored is None else stored["version"] + 1
        number = self._next_id() if stored is None else stored["id"]
        self.dashboards[uid] = {**model, "uid": uid, "id": number, "version": version}
        self.folder_of[uid] = folder_uid
        save = {"version": version, "message": fields.get("message", ""), "createdBy": "narrawatch"}
        self.history.setdefault(uid, []).insert(0, save)
        answer = {"id": number, "uid": uid, "url": f"/d/{uid}/x", "status": "success", "version": version}
        return Reply(200, {**answer, "slug": "x"})

    def delete(self, uid: str) -> Reply:
        """DELETE /dashboards/uid/UID."""
        if uid not in self.dashboards:
            raise ProblemError(404, "Dashboard not found")
        if uid in self.provisioned:
            raise ProblemError(400, "provisioned dashboard cannot be deleted")
        gone = self.dashboards.pop(uid)
        self.folder_of.pop(uid)
        return Reply(200, {"title": gone["title"], "message": "Dashboard deleted", "id": gone["id"]})

    def search(self, query: Mapping[str, list[str]]) -> Reply:
        """GET /search, a page at a time."""
        limit = int(query.get("limit", [str(_SEARCH_LIMIT)])[0])
        page = int(query.get("page", ["1"])[0])
        if not (1 <= limit <= _MAX_SEARCH_LIMIT and page >= 1):
            raise ProblemError(422, "limit or page is out of range")
        if query.get("type") != ["dash-db"]:
            raise ProblemError(400, "this fake searches for dashboards alone")
        hits = [
            {"uid": uid, "title": one["title"], "type": "dash-db", "tags": one.get("tags", [])}
            | ({"folderUid": self.folder_of[uid]} if self.folder_of[uid] else {})
            for uid, one in sorted(self.dashboards.items())
            if set(query.get("tag", [])) <= set(one.get("tags", []))
        ]
        return Reply(200, hits[(page - 1) * limit : page * limit])

    def _checked(self, model: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(model) - _MODEL_FIELDS)
        if unknown:
            raise ProblemError(400, f"unknown fields of a dashboard: {', '.join(unknown)}")
        if not model.get("title"):
            raise ProblemError(400, "Dashboard title cannot be empty")
        if model.get("uid"):
            check_uid(model["uid"])
        refresh = model.get("refresh", "")
        if refresh.endswith("s") and int(refresh[:-1]) < _SHORTEST_REFRESH_SECONDS:
            raise ProblemError(400, "Dashboard refresh interval is too low")
        ids = [panel.get("id") for panel in model.get("panels", [])]
        if None in ids or len(set(ids)) != len(ids):
            raise ProblemError(400, "panels must have ids of their own")
        return model

    def _check_replaced(
        self, uid: str, stored: Mapping[str, Any], model: Mapping[str, Any], *, overwrite: bool
    ) -> None:
        if uid in self.provisioned:
            raise ProblemError(400, "Cannot save provisioned dashboard")
        if uid in self.of_plugins and not overwrite:
            raise ProblemError(412, "The dashboard belongs to plugin Things.", status="plugin-dashboard")
        if model.get("id") not in (None, stored["id"]):
            raise ProblemError(400, "A dashboard with the same uid already exists")
        if model.get("version", 0) != stored["version"] and not overwrite:
            raise ProblemError(
                412, "The dashboard has been changed by someone else", status="version-mismatch"
            )

    def _check_title(self, uid: str, title: str, folder_uid: str, *, overwrite: bool) -> None:
        taken = [
            other
            for other, one in self.dashboards.items()
            if other != uid and one["title"] == title and self.folder_of[other] == folder_uid
        ]
        if taken and not overwrite:
            raise ProblemError(
                412, "A dashboard with the same name in the folder already exists", status="name-exists"
            )

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id
