"""A Lemmy instance: https://join-lemmy.org/api/. Version 3 counts pages, version 4 has cursors."""

from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from tests.sites.site import Site, Told
from tests.sites.talk import Remark, Step, epoch_ms

__all__ = ["LemmySite"]

_FIRST_ID = 30_000
_FIRST_POST = 5_000
_MAX_LIMIT = 50
_LATE_SHARE = 0.05  # comments of other instances that arrive late, with the date they were written at
_LATE_MINUTES = 8
_BOTH = frozenset({"type_", "sort", "max_depth", "limit", "post_id", "parent_id"})
_V3 = _BOTH | {"page", "community_id", "community_name", "saved_only", "liked_only", "disliked_only"}
_V4 = _BOTH | {"page_cursor", "page_back", "community_name_or_id", "time_range_seconds"}
_LANGUAGES = [{"id": 0, "code": "und"}, {"id": 37, "code": "en"}, {"id": 47, "code": "fr"}]


class LemmySite(Site):
    """Sorted by date, which is not the order of arrival. has_v4: whether it answers version 4 as well."""

    def __init__(self, *args: Any, has_v4: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self._has_v4 = has_v4
        self._ids: dict[int, int] = {}
        self._published: dict[int, str] = {}
        self._edited: dict[int, str] = {}
        self._last_id = _FIRST_ID

    def routes(self) -> list[web.RouteDef]:
        v3 = [
            web.get("/", self._home),
            web.get("/api/v3/site", self._site),
            web.get("/api/v3/comment/list", self._list_v3),
            web.get("/api/v3/comment", self._one),
        ]
        if not self._has_v4:
            return v3
        return [
            *v3,
            web.get("/api/v4/site", self._site),
            web.get("/api/v4/comment/list", self._list_v4),
            web.get("/api/v4/comment", self._one),
        ]

    def apply(self, step: Step) -> None:
        super().apply(step)
        remark = self.remarks[step.number]
        if step.kind == "say":
            self._last_id += 1
            self._ids[step.number] = self._last_id
            late = self.rng.random() < _LATE_SHARE
            moment = remark.at - timedelta(minutes=self.rng.uniform(0, _LATE_MINUTES)) if late else remark.at
            self._published[step.number] = _stamp(moment)
        elif step.kind == "edit":
            self._edited[step.number] = _stamp(step.at)

    def truth(self) -> dict[str, Told]:
        return {str(self._ids[number]): self._told(remark) for number, remark in self.remarks.items()}

    def rate_limited(self, wait_seconds: float) -> web.Response:
        """Versions 0.18 and 0.19 say it so, with no word on how long."""
        if not self._has_v4:
            return web.json_response({"error": "rate_limit_error"}, status=400)
        headers = {"Retry-After": str(int(wait_seconds) + 1)}
        return web.json_response({"error": "rate_limit_error"}, status=429, headers=headers)

    def _told(self, remark: Remark) -> Told:
        view = self._view(remark)
        return Told(
            text=remark.text,
            author=view["creator"]["actor_id"],
            thread=view["post"]["ap_id"],
            parent=None if remark.parent is None else str(self._ids[remark.parent]),
            created_at_ms=epoch_ms(datetime.fromisoformat(self._published[remark.number])),
            permalink=view["comment"]["ap_id"],
            thread_title=view["post"]["name"],
            deleted=remark.deleted,
        )

    def _view(self, remark: Remark, *, v4: bool = False) -> dict[str, Any]:
        number = self._ids[remark.number]
        dates = {"published_at" if v4 else "published": self._published[remark.number]}
        if remark.number in self._edited:
            dates["updated_at" if v4 else "updated"] = self._edited[remark.number]
        post = _FIRST_POST + remark.thread
        host = "https://lemmy.example" if remark.number % 3 else "https://other.example"
        return {
            "comment": {
                "id": number,
                "creator_id": int(remark.author.removeprefix("author")),
                "post_id": post,
                "content": "" if remark.deleted else remark.text,
                "removed": False,
                "deleted": remark.deleted,
                "ap_id": f"{host}/comment/{number * 7}",
                "local": host == "https://lemmy.example",
                "path": self._path(remark),
                "distinguished": False,
                "language_id": 47 if "é" in remark.text or "l'" in remark.text else 0,
                **dates,
            },
            "creator": {
                "id": int(remark.author.removeprefix("author")),
                "name": remark.author,
                "actor_id" if not v4 else "ap_id": f"{host}/u/{remark.author}",
                "bot_account": False,
                **({"actor_id": f"{host}/u/{remark.author}"} if not v4 else {}),
            },
            "post": {
                "id": post,
                "ap_id": f"https://lemmy.example/post/{post}",
                "name": f"Post {remark.thread}: a headline & more",
                "url": f"https://example.org/articles/{remark.thread}",
            },
            "community": {"id": 3, "name": "technology", "title": "Technology"},
            "counts": {"score": 1},
        }

    def _path(self, remark: Remark) -> str:
        above = [self._ids[remark.number]]
        while remark.parent is not None:
            remark = self.remarks[remark.parent]
            above.append(self._ids[remark.number])
        return ".".join(["0", *map(str, reversed(above))])

    def _newest(self) -> list[Remark]:
        shown = [one for one in self.remarks.values() if not one.deleted]
        return sorted(shown, key=lambda one: (self._published[one.number], one.number), reverse=True)

    async def _list_v3(self, request: web.Request) -> web.Response:
        refused = self.check(request, _V3) or self._check_list(request, {"All", "Local"}, {"New"})
        if refused is not None:
            return refused
        page, limit = int(request.query.get("page", 1)), int(request.query.get("limit", 10))
        if page < 1:
            return self.violation("page is < 1")
        shown = self._newest()[(page - 1) * limit : page * limit]
        return web.json_response({"comments": [self._view(one) for one in shown]})

    async def _list_v4(self, request: web.Request) -> web.Response:
        refused = self.check(request, _V4) or self._check_list(request, {"all", "local"}, {"new"})
        if refused is not None:
            return refused
        cursor, limit = request.query.get("page_cursor"), int(request.query.get("limit", 10))
        newest = self._newest()
        if cursor is not None:
            after = next((n for n, one in self._ids.items() if f"C{one:x}" == cursor), None)
            if after is None:
                return self.violation(f"page_cursor was not given: {cursor}")
            place = (self._published[after], after)
            newest = [one for one in newest if (self._published[one.number], one.number) < place]
        shown = newest[:limit]
        following = f"C{self._ids[shown[-1].number]:x}" if len(shown) == limit else None
        return web.json_response(
            {
                "comments": [self._view(one, v4=True) for one in shown],
                "next_page": following,
                "prev_page": cursor,
            }
        )

    def _check_list(self, request: web.Request, types: set[str], sorts: set[str]) -> web.Response | None:
        limit = request.query.get("limit", "10")
        if not limit.isdigit() or not 1 <= int(limit) <= _MAX_LIMIT:
            return self.violation(f"limit is not 1 to {_MAX_LIMIT}: {limit}")
        if request.query.get("type_") not in types or request.query.get("sort") not in sorts:
            return self.violation(f"type_ or sort: {request.query_string}")
        return None

    async def _one(self, request: web.Request) -> web.Response:
        refused = self.check(request, frozenset({"id"}))
        if refused is not None:
            return refused
        wanted = int(request.query["id"])
        for number, one in self._ids.items():
            if one == wanted:
                view = self._view(self.remarks[number], v4="/v4/" in request.path)
                return web.json_response({"comment_view": view})
        return web.json_response({"error": "couldnt_find_comment"}, status=404)

    async def _site(self, _request: web.Request) -> web.Response:
        version = "1.0.0" if self._has_v4 else "0.19.11"
        return web.json_response(
            {
                "site_view": {"site": {"id": 1, "name": "Lemmy of the tests", "actor_id": self.url + "/"}},
                "version": version,
                "all_languages": _LANGUAGES,
            }
        )

    async def _home(self, _request: web.Request) -> web.Response:
        page = '<html><head><meta name="generator" content="lemmy"><title>Lemmy</title></head></html>'
        return web.Response(text=page, content_type="text/html")


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
