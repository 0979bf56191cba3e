"""Alert rules of Grafana's provisioning API, and annotations."""

import copy
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from tests.grafana.replies import ProblemError, Reply, check_fields, check_uid

__all__ = ["Annotations", "Rules"]

_FIELDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "id": int,
    "uid": str,
    "orgID": int,
    "folderUID": str,
    "ruleGroup": str,
    "title": str,
    "condition": str,
    "data": list,
    "updated": str,
    "noDataState": str,
    "execErrState": str,
    "for": str,
    "annotations": dict,
    "labels": dict,
    "provenance": str,
    "isPaused": bool,
}
_REQUIRED: Final = (
    "orgID",
    "folderUID",
    "ruleGroup",
    "title",
    "condition",
    "data",
    "noDataState",
    "execErrState",
    "for",
)
_DATA_FIELDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "refId": str,
    "queryType": str,
    "relativeTimeRange": dict,
    "datasourceUid": str,
    "model": dict,
}
_EXPRESSION: Final = "__expr__"
_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class Rules:
    """The alert rules. folders and datasources: uids that are there."""

    def __init__(self, folders: Collection[str], datasources: Collection[str]) -> None:
        self.rules: dict[str, dict[str, Any]] = {}
        self._folders = folders
        self._datasources = datasources

    def all(self) -> Reply:
        """GET /v1/provisioning/alert-rules."""
        return Reply(200, list(self.rules.values()))

    def get(self, uid: str) -> Reply:
        """GET /v1/provisioning/alert-rules/UID: an empty body where there is none."""
        return Reply(200, self.rules[uid]) if uid in self.rules else Reply(404)

    def create(self, body: Any, provenance: str) -> Reply:
        """POST /v1/provisioning/alert-rules."""
        rule = self._checked(body)
        uid = rule.get("uid") or f"made-{len(self.rules)}"
        check_uid(uid)
        if uid in self.rules:
            raise ProblemError(409, "conflicting alert rule found: a rule with this uid exists")
        self._store(uid, rule, provenance)
        return Reply(201, self.rules[uid])

    def update(self, uid: str, body: Any, provenance: str) -> Reply:
        """PUT /v1/provisioning/alert-rules/UID."""
        rule = self._checked(body)
        if uid not in self.rules:
            return Reply(404)
        self._check_provenance(uid, provenance)
        self._store(uid, rule, provenance)
        return Reply(200, self.rules[uid])

    def delete(self, uid: str, provenance: str) -> Reply:
        """DELETE /v1/provisioning/alert-rules/UID: 204, also where there is none."""
        if uid in self.rules:
            self._check_provenance(uid, provenance)
            del self.rules[uid]
        return Reply(204)

    def _check_provenance(self, uid: str, provenance: str) -> None:
        stored = self.rules[uid]["provenance"]
        if stored not in ("", provenance):
            raise ProblemError(409, f"cannot change provenance from '{stored}' to '{provenance}'")

    def _store(self, uid: str, rule: Mapping[str, Any], provenance: str) -> None:
        for other, one in self.rules.items():
            same = all(one[key] == rule[key] for key in ("title", "folderUID"))
            if other != uid and same:
                raise ProblemError(400, "a conflicting alert rule is found: rule title under the same folder")
        stored = copy.deepcopy(dict(rule))
        for step in stored["data"]:
            step["model"] = {"intervalMs": 1000, "maxDataPoints": 43200, **step["model"]}
        stored |= {"id": len(self.rules) + 1, "uid": uid, "orgID": 7, "updated": "2026-11-28T00:00:00Z"}
        self.rules[uid] = stored | {"for": _written(rule["for"]), "provenance": provenance}

    def _checked(self, body: Any) -> dict[str, Any]:
        rule = check_fields(body, _FIELDS, _REQUIRED)
        for name in ("title", "ruleGroup"):
            if len(rule[name]) > 190:
                raise ProblemError(400, f"{name} is too long")
        if rule["noDataState"] not in {"Alerting", "NoData", "OK", "KeepLast"}:
            raise ProblemError(400, "unknown noDataState")
        if rule["execErrState"] not in {"Alerting", "Error", "OK", "KeepLast"}:
            raise ProblemError(400, "unknown execErrState")
        if rule["folderUID"] not in self._folders:
            raise ProblemError(400, "folder does not exist")
        if not _DURATION.fullmatch(rule["for"]):
            raise ProblemError(400, "not a valid duration string")
        for name, texts in (("labels", rule.get("labels")), ("annotations", rule.get("annotations"))):
            if not all(isinstance(value, str) for value in (texts or {}).values()):
                raise ProblemError(400, f"{name} must be strings")
        refs = [self._check_step(step) for step in rule["data"]]
        if len(set(refs)) != len(refs) or rule["condition"] not in refs:
            raise ProblemError(400, "condition does not exist, or a refId is there twice")
        return rule

    def _check_step(self, step: Any) -> str:
        fields = check_fields(step, _DATA_FIELDS, ["refId", "datasourceUid", "relativeTimeRange", "model"])
        span = check_fields(fields["relativeTimeRange"], {"from": int, "to": int}, [])
        if fields["datasourceUid"] == _EXPRESSION:
            self._check_expression(fields["model"])
        else:
            if span["from"] <= span["to"]:
                raise ProblemError(400, "invalid relative time range")
            if fields["datasourceUid"] not in self._datasources:
                raise ProblemError(400, "data source not found")
            if not fields["model"].get("expr"):
                raise ProblemError(400, "no `expr` property in the query model")
        ref: str = fields["refId"]
        return ref

    def _check_expression(self, model: Mapping[str, Any]) -> None:
        if model.get("type") != "threshold" or not model.get("expression"):
            raise ProblemError(400, "this fake knows threshold expressions alone")
        (condition,) = model["conditions"]
        evaluator = condition["evaluator"]
        if evaluator["type"] not in {"gt", "lt"} or len(evaluator["params"]) != 1:
            raise ProblemError(400, "expected a threshold of one parameter")


def _written(duration: str) -> str:
    """A duration as Grafana writes it, whatever way it was put."""
    match = _DURATION.fullmatch(duration)
    assert match is not None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total and total % 86_400 == 0:
        return f"{total // 86_400}d"
    parts = (("h", total // 3600), ("m", total // 60 % 60), ("s", total % 60))
    return "".join(f"{count}{unit}" for unit, count in parts if count) or "0s"


class Annotations:
    """Annotations, the latest first."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    def find(self, query: Mapping[str, list[str]]) -> Reply:
        """GET /annotations: those that bear all of the tags."""
        wanted = set(query.get("tags", []))
        found = [one for one in self.kept if wanted <= set(one["tags"])]
        return Reply(200, found[: int(query.get("limit", ["100"])[0])])

    def create(self, body: Any) -> Reply:
        """POST /annotations."""
        types: dict[str, type | tuple[type, ...]] = {
            "dashboardId": int,
            "dashboardUID": str,
            "panelId": int,
            "time": int,
            "timeEnd": int,
            "tags": list,
            "text": str,
            "data": dict,
        }
        fields = check_fields(body, types, ["text"])
        if not all(isinstance(tag, str) and 0 < len(tag) <= 100 for tag in fields.get("tags") or []):
            raise ProblemError(400, "a tag is too long, or none")
        if fields.get("time") and fields["time"] < 10**11:
            raise ProblemError(400, "time is not in milliseconds")
        self.kept.insert(0, {"id": len(self.kept) + 1, **fields})
        return Reply(200, {"message": "Annotation added", "id": len(self.kept)})
