"""Dashboards in Grafana: written when they differ, never over the work of others.

Every save of ours leaves its mark in Grafana's history of versions: a message with the digest of what was
sent. So the last message tells whether the dashboard is as we left it (even where Grafana has stored it in a
newer schema), is an older one of ours, or was edited by hand since.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from dashboards.connection import Grafana
from dashboards.lifecycle import TAG
from dashboards.provision_folder import FOLDER_UID
from dashboards.steps import Action, Planner, Step, covers

__all__ = ["BoardPlanner", "GoneBoardPlanner", "gone_boards"]

_MESSAGE: Final = "narrawatch dashboards push "
_UID_PREFIX: Final = "narrawatch-"
_PAGE: Final = 100
_NOT_COMPARED: Final = ("id", "version")  # Grafana's to count


class BoardPlanner:
    """One dashboard. overwrite: also what was edited by hand, but never what is not of narrawatch."""

    def __init__(self, grafana: Grafana, model: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self._grafana = grafana
        self._model = {key: value for key, value in model.items() if key not in _NOT_COMPARED}
        self._overwrite = overwrite
        text = json.dumps(self._model, sort_keys=True)
        self._message = _MESSAGE + hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def uid(self) -> str:
        """The uid of the dashboard."""
        return str(self._model["uid"])

    def plan(self) -> Step:
        """Create it in our folder, or update it where it is: whoever moved it had a reason."""
        found = self._grafana.find(
            f"/dashboards/uid/{self.uid}", f"look for the dashboard {self.uid}", "dashboard", "meta"
        )
        if found is None:
            return self._step("create", "is missing", {}, FOLDER_UID)
        dashboard, meta = found["dashboard"], found["meta"]
        if meta.get("provisioned"):
            return self._step("leave", "is provisioned from files")
        if TAG not in dashboard.get("tags", ()):
            return self._step("refuse", f"is not of narrawatch: it lacks the tag {TAG}")
        message = self._last_message(dashboard.get("version"))
        if message == self._message or covers(dashboard, self._model):
            return self._step("leave", "is as it should be")
        if not message.startswith(_MESSAGE) and not self._overwrite:
            return self._step(
                "refuse",
                f"was edited in Grafana since (version {dashboard.get('version')}):"
                " save that under another name, or push with --overwrite",
            )
        reason = "differs" if message.startswith(_MESSAGE) else "was edited in Grafana since"
        return self._step("update", reason, dashboard, meta.get("folderUid", ""))

    def _last_message(self, version: int | None) -> str:
        """What the last save of the dashboard was called; "" where its history does not say."""
        path = f"/dashboards/uid/{self.uid}/versions?limit=1"
        for last in self._grafana.history(path, f"read the history of {self.uid}"):
            return str(last.get("message") or "") if last.get("version") == version else ""
        return ""

    def _step(
        self, action: Action, reason: str, stored: Mapping[str, Any] | None = None, folder_uid: str = ""
    ) -> Step:
        if stored is None:
            return Step("dashboard", self.uid, action, reason)
        version = {key: stored[key] for key in _NOT_COMPARED if key in stored}
        body = {
            "dashboard": {**self._model, "id": None, **version},
            "folderUid": folder_uid,
            "message": self._message,
            "overwrite": False,  # its version says what is replaced; else it was changed meanwhile
        }
        return Step("dashboard", self.uid, action, reason, lambda: self._send(action, body))

    def _send(self, action: Action, body: dict[str, Any]) -> object:
        return self._grafana.write(
            lambda: self._grafana.face.dashboard.update_dashboard(body), f"{action} the dashboard {self.uid}"
        )


class GoneBoardPlanner:
    """A dashboard of ours that there is no more; it goes."""

    def __init__(self, grafana: Grafana, uid: str) -> None:
        self._grafana = grafana
        self._uid = uid

    def plan(self) -> Step:
        """Delete it."""
        found = self._grafana.find(f"/dashboards/uid/{self._uid}", f"look for the dashboard {self._uid}")
        if found is None:
            return Step("dashboard", self._uid, "leave", "is gone")
        return Step("dashboard", self._uid, "delete", "is not one of narrawatch any more", self._delete)

    def _delete(self) -> object:
        return self._grafana.write(
            lambda: self._grafana.face.dashboard.delete_dashboard(self._uid),
            f"delete the dashboard {self._uid}",
        )


def gone_boards(grafana: Grafana, kept: Iterable[str]) -> list[Planner]:
    """Dashboards in our folder, with our tag and a uid of ours, that are not among those that are kept."""
    known = set(kept)
    return [
        GoneBoardPlanner(grafana, one["uid"])
        for one in _tagged(grafana)
        if one.get("folderUid") == FOLDER_UID
        and one["uid"].startswith(_UID_PREFIX)
        and one["uid"] not in known
    ]


def _tagged(grafana: Grafana) -> Iterator[Mapping[str, Any]]:
    page = 1
    while True:
        query = urlencode({"tag": TAG, "type": "dash-db", "limit": _PAGE, "page": page})
        found = grafana.find_all(f"/search?{query}", "search for dashboards", "uid")
        yield from found
        if len(found) < _PAGE:
            return
        page += 1
