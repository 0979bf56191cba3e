"""A Mastodon server, as far as timelines of hashtags go: https://docs.joinmastodon.org/methods/timelines/#tag."""

import html
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.sites.site import Site, Told
from tests.sites.talk import Remark, Step, epoch_ms

__all__ = ["MastodonSite"]

_MAX_LIMIT = 40
_LATE_SHARE = (
    0.05  # posts of other servers, which arrive late with an id made of the date they were written at
)
_LATE_MINUTES = 8
_PARAMETERS = frozenset(
    {"any[]", "all[]", "none[]", "local", "remote", "only_media", "max_id", "since_id", "min_id", "limit"}
)
TAGS = ("technology", "numerique")


class MastodonSite(Site):
    """Ids are made of dates. Every third remark has both tags."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ids: dict[int, int] = {}
        self._at: dict[int, datetime] = {}
        self._edited: dict[int, str] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._home),
            web.get("/api/v2/instance", self._instance),
            web.get("/api/v1/timelines/tag/{tag}", self._timeline),
            web.get(r"/api/v1/statuses/{id:\d+}", self._status),
        ]

    def apply(self, step: Step) -> None:
        super().apply(step)
        remark = self.remarks[step.number]
        if step.kind == "say":
            late = self.rng.random() < _LATE_SHARE
            at = remark.at - timedelta(minutes=self.rng.uniform(0, _LATE_MINUTES)) if late else remark.at
            self._at[step.number] = at
            self._ids[step.number] = (epoch_ms(at) << 16) + step.number % 65_536
        elif step.kind == "edit":
            self._edited[step.number] = _stamp(step.at)

    def truth(self) -> dict[str, Told]:
        return {str(self._ids[number]): self._told(remark) for number, remark in self.remarks.items()}

    def rate_limited(self, wait_seconds: float) -> web.Response:
        headers = {
            "X-RateLimit-Limit": str(self.limits[0].requests),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": _stamp(datetime.fromtimestamp(self.clock() + wait_seconds, UTC)),
        }
        return web.json_response({"error": "Throttled"}, status=429, headers=headers)

    def _root(self, remark: Remark) -> Remark:
        while remark.parent is not None:
            remark = self.remarks[remark.parent]
        return remark

    def _told(self, remark: Remark) -> Told:
        return Told(
            text=" ".join([remark.text, *(f"#{tag}" for tag in self._tags(remark))]),
            author=f"{remark.author}@social.example",
            thread=str(self._ids[self._root(remark).number]),
            parent=None if remark.parent is None else str(self._ids[remark.parent]),
            created_at_ms=epoch_ms(self._at[remark.number]),
            permalink=f"https://social.example/@{remark.author}/{self._ids[remark.number]}",
            deleted=remark.deleted,
        )

    def _tags(self, remark: Remark) -> list[str]:
        return list(TAGS) if remark.number % 3 == 0 else [TAGS[remark.number % 2]]

    def _view(self, remark: Remark) -> dict[str, Any]:
        number = str(self._ids[remark.number])
        tags = " ".join(
            f'<a class="mention hashtag" rel="tag">#<span>{tag}</span></a>' for tag in self._tags(remark)
        )
        return {
            "id": number,
            "created_at": _stamp(self._at[remark.number]),
            "in_reply_to_id": None if remark.parent is None else str(self._ids[remark.parent]),
            "in_reply_to_account_id": None,
            "sensitive": False,
            "spoiler_text": "",
            "visibility": "public",
            "language": "fr" if "é" in remark.text else None,
            "uri": f"https://social.example/users/{remark.author}/statuses/{number}",
            "url": f"https://social.example/@{remark.author}/{number}",
            "content": f"<p>{html.escape(remark.text)}</p><p>{tags}</p>",
            "edited_at": self._edited.get(remark.number),
            "reblog": None,
            "account": {
                "id": "7",
                "username": remark.author,
                "acct": f"{remark.author}@social.example",
                "url": f"https://social.example/@{remark.author}",
                "bot": False,
            },
            "tags": [{"name": tag, "url": f"{self.url}/tags/{tag}"} for tag in self._tags(remark)],
            "card": None,
        }

    async def _timeline(self, request: web.Request) -> web.Response:
        refused = self.check(request, _PARAMETERS)
        if refused is not None:
            return refused
        query, tag = request.query, request.match_info["tag"]
        limit = query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= _MAX_LIMIT:
            return self.violation(f"limit is not 1 to {_MAX_LIMIT}: {limit}")
        bounds = {name: query[name] for name in ("min_id", "max_id", "since_id") if name in query}
        if not all(bound.isdigit() for bound in bounds.values()):
            return self.violation(f"not an id: {request.query_string}")
        return self._answer_page(request, self._page(tag, bounds, int(limit)))

    def _page(self, tag: str, bounds: dict[str, str], limit: int) -> list[Remark]:
        """Newest first; `min_id` takes those that follow it at once, `since_id` the newest of all."""
        low = max(int(bounds.get("min_id", 0)), int(bounds.get("since_id", 0)))
        high = int(bounds.get("max_id", 1 << 62))
        found = [
            one
            for one in self.remarks.values()
            if tag in self._tags(one) and not one.deleted and low < self._ids[one.number] < high
        ]
        found.sort(key=lambda one: self._ids[one.number])
        return (found[:limit] if "min_id" in bounds else found[-limit:])[::-1]

    def _answer_page(self, request: web.Request, page: list[Remark]) -> web.Response:
        views = [self._view(one) for one in page]
        tag = f'W/"{abs(hash(str(views)))}"'
        headers = {"ETag": tag, **self._limit_headers()}
        if views:
            address = f"{self.url}{request.path}?limit={request.query.get('limit', 20)}"
            older, newer = views[-1]["id"], views[0]["id"]
            headers["Link"] = (
                f'<{address}&max_id={older}>; rel="next", <{address}&min_id={newer}>; rel="prev"'
            )
        if request.headers.get("If-None-Match") == tag:
            self.not_modified += 1
            return web.Response(status=304, headers=headers)
        return web.json_response(views, headers=headers)

    async def _status(self, request: web.Request) -> web.Response:
        wanted = int(request.match_info["id"])
        for number, one in self._ids.items():
            if one == wanted and not self.remarks[number].deleted:
                return web.json_response(self._view(self.remarks[number]), headers=self._limit_headers())
        return web.json_response({"error": "Record not found"}, status=404, headers=self._limit_headers())

    def _limit_headers(self) -> dict[str, str]:
        if not self.limits:
            return {}
        ends = datetime.fromtimestamp(self.clock() + self.limits[0].seconds, UTC)
        return {
            "X-RateLimit-Limit": str(self.limits[0].requests),
            "X-RateLimit-Remaining": str(self.limits[0].remaining),
            "X-RateLimit-Reset": _stamp(ends),
        }

    async def _instance(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "domain": "social.example",
                "title": "Mastodon of the tests",
                "version": "4.5.0",
                "source_url": "https://github.com/mastodon/mastodon",
                "api_versions": {"mastodon": 7},
            }
        )

    async def _home(self, _request: web.Request) -> web.Response:
        page = '<html><head><title>Mastodon</title></head><body><div id="mastodon"></div></body></html>'
        return web.Response(text=page, content_type="text/html")


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
