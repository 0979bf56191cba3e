"""Data sources, as Grafana's documentation has them."""

from typing import Any, Final

from tests.grafana.replies import ProblemError, Reply, check_fields, check_uid

__all__ = ["Datasources"]

_FIELDS: Final[dict[str, type | tuple[type, ...]]] = {
    "id": int,
    "uid": str,
    "orgId": int,
    "name": str,
    "type": str,
    "access": str,
    "url": str,
    "user": str,
    "database": str,
    "basicAuth": bool,
    "basicAuthUser": str,
    "withCredentials": bool,
    "isDefault": bool,
    "jsonData": dict,
    "secureJsonData": dict,
    "version": int,
    "readOnly": bool,
}


class Datasources:
    """Data sources by uid."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def get(self, uid: str) -> Reply:
        """GET /datasources/uid/UID."""
        if uid not in self.kept:
            raise ProblemError(404, "Data source not found")
        return Reply(200, self.kept[uid])

    def create(self, body: Any) -> Reply:
        """POST /datasources."""
        fields = self._checked(body)
        uid = fields.get("uid") or f"made-{len(self.kept)}"
        check_uid(uid)
        if uid in self.kept:
            raise ProblemError(409, "data source with the same uid already exists")
        self._check_name(uid, fields["name"])
        defaults = {"user": "", "database": "", "basicAuth": False, "basicAuthUser": "", "isDefault": False}
        number = len(self.kept) + 1
        self.kept[uid] = {**defaults, **fields, "uid": uid, "id": number, "version": 1, "readOnly": False}
        return Reply(200, {"datasource": self.kept[uid], "id": number, "message": "Datasource added"})

    def update(self, uid: str, body: Any) -> Reply:
        """PUT /datasources/uid/UID: replaces everything that is not a secret."""
        if uid not in self.kept:
            raise ProblemError(404, "Data source not found")
        stored = self.kept[uid]
        if stored["readOnly"]:
            raise ProblemError(403, "Cannot update read-only data source")
        fields = self._checked(body)
        self._check_name(uid, fields["name"])
        if fields.get("version") not in (None, stored["version"]):
            raise ProblemError(409, "Datasource has already been updated by someone else")
        kept = {"uid": uid, "id": stored["id"], "version": stored["version"] + 1, "readOnly": False}
        self.kept[uid] = {"user": "", "database": "", "basicAuth": False, **fields, **kept}
        return Reply(200, {"datasource": self.kept[uid], "message": "Datasource updated"})

    def _check_name(self, uid: str, name: str) -> None:
        if any(one["name"] == name for other, one in self.kept.items() if other != uid):
            raise ProblemError(409, "data source with the same name already exists")

    def _checked(self, body: Any) -> dict[str, Any]:
        fields = check_fields(body, _FIELDS, ["name", "type", "access", "url"])
        if fields["access"] not in {"proxy", "direct"}:
            raise ProblemError(400, "access must be proxy or direct")
        return fields
