"""Alert rules in Grafana: made with the provenance of the API, so that nobody edits what a push would undo.

The tree of notification policies is not touched: one request would replace all of it, and it is others'.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from dashboards.alert_rules import MANAGED, RULE_PREFIX
from dashboards.connection import Grafana
from dashboards.steps import Planner, Step, covers

__all__ = ["GoneRulePlanner", "RulePlanner", "gone_rules"]

_PATH: Final = "/v1/provisioning/alert-rules"
_PROVENANCE: Final = "api"
_NOT_COMPARED: Final = ("orgID",)  # that of the token, whatever is sent


class RulePlanner:
    """One alert rule. overwrite: also one of ours that was made editable in Grafana."""

    def __init__(self, grafana: Grafana, rule: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self._grafana = grafana
        self._rule = dict(rule)
        self._overwrite = overwrite

    def plan(self) -> Step:
        """Create it, or bring it up to date in the folder where it is."""
        uid = self._rule["uid"]
        found = self._grafana.find(f"{_PATH}/{uid}", f"look for the alert rule {uid}", "uid", "folderUID")
        if found is None:
            return Step("alert rule", uid, "create", "is missing", self._create)
        if not _is_ours(found):
            return Step("alert rule", uid, "refuse", "is not of narrawatch: it lacks the label managed_by")
        provenance = found.get("provenance", "")
        if provenance not in ("", _PROVENANCE):
            return Step("alert rule", uid, "leave", f"is provisioned by another way ({provenance})")
        wanted = self._rule | {"folderUID": found["folderUID"]}
        if covers(found, {key: value for key, value in wanted.items() if key not in _NOT_COMPARED}):
            return Step("alert rule", uid, "leave", "is as it should be")
        if provenance != _PROVENANCE and not self._overwrite:
            return Step("alert rule", uid, "refuse", "was edited in Grafana: push with --overwrite")
        return Step("alert rule", uid, "update", "differs", lambda: self._update(wanted))

    def _create(self) -> object:
        return self._grafana.write(
            lambda: self._grafana.face.api.POST(_PATH, json=self._rule),
            f"create the alert rule {self._rule['title']}",
        )

    def _update(self, rule: Mapping[str, Any]) -> object:
        return self._grafana.write(
            lambda: self._grafana.face.api.PUT(f"{_PATH}/{rule['uid']}", json=rule),
            f"update the alert rule {rule['title']}",
        )


class GoneRulePlanner:
    """A rule of ours that there is no more, such as that of a watch that was removed."""

    def __init__(self, grafana: Grafana, uid: str) -> None:
        self._grafana = grafana
        self._uid = uid

    def plan(self) -> Step:
        """Delete it."""
        found = self._grafana.find(f"{_PATH}/{self._uid}", f"look for the alert rule {self._uid}")
        if found is None:
            return Step("alert rule", self._uid, "leave", "is gone")
        return Step("alert rule", self._uid, "delete", "is not one of narrawatch any more", self._delete)

    def _delete(self) -> object:
        return self._grafana.write(
            lambda: self._grafana.face.api.DELETE(f"{_PATH}/{self._uid}"),
            f"delete the alert rule {self._uid}",
        )


def gone_rules(grafana: Grafana, kept: Iterable[str]) -> list[Planner]:
    """Rules of ours, by uid, label and provenance, that are not among those that are kept."""
    known = set(kept)
    found = grafana.find_all(_PATH, "list the alert rules", "uid")
    return [
        GoneRulePlanner(grafana, one["uid"])
        for one in found
        if _is_ours(one) and one.get("provenance") == _PROVENANCE and one["uid"] not in known
    ]


def _is_ours(rule: Mapping[str, Any]) -> bool:
    labels = rule.get("labels") or {}
    return str(rule["uid"]).startswith(RULE_PREFIX) and labels.get(MANAGED[0]) == MANAGED[1]
