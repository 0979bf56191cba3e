"""Hacker News as its two public interfaces have it: Firebase for items, Algolia for the search by date.

Firebase: https://github.com/HackerNews/API; Algolia: https://hn.algolia.com/api.
"""

import html
import operator
import re
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.sites.site import Site, Told
from tests.sites.talk import Remark, Step

__all__ = ["HackerNewsSite"]

_FIRST_ID = 41_000_000
_LATE_SHARE = 0.05  # ids that are null for a while
_LATE_SECONDS = 90.0
_UPDATES_SECONDS = 180.0  # how long a change is listed
_MAX_HITS = 1_000
_FILTER = re.compile(r"created_at_i(>=|<=|>|<|=)(\d+)")
_SIGNS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq}
_SEARCH_PARAMETERS = frozenset({"query", "tags", "numericFilters", "page", "hitsPerPage"})


class HackerNewsSite(Site):
    """Items with ids in order, some of them late; deleted and dead ones; changes listed for a few rounds.

    Remarks of which the number ends in 77 are dead when they come, and are vouched for when they are edited.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.items: dict[int, dict[str, Any]] = {}
        self._ids: dict[int, int] = {}  # by number of the remark
        self._stories: dict[int, int] = {}  # by thread
        self._ready_at: dict[int, float] = {}
        self._changed: dict[int, float] = {}
        self._last_id = _FIRST_ID

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v0/maxitem.json", self._max_item),
            web.get("/v0/updates.json", self._updates),
            web.get(r"/v0/item/{id:\d+}.json", self._item),
            web.get("/api/v1/search_by_date", self._search),
            web.get("/{path:.*}", self._unknown),
        ]

    def apply(self, step: Step) -> None:
        super().apply(step)
        remark = self.remarks[step.number]
        if step.kind == "say":
            self._say(remark)
            return
        item = self.items[self._ids[step.number]]
        if remark.deleted:
            item["deleted"] = True
            item.pop("by", None)
            item.pop("text", None)
        else:
            item["text"] = _markup(remark.text)
            item.pop("dead", None)
        self._changed[item["id"]] = self.clock()

    def truth(self) -> dict[str, Told]:
        return {str(self._ids[n]): self._told(one) for n, one in self.remarks.items() if not self._is_dead(n)}

    def _is_dead(self, number: int) -> bool:
        return bool(self.items[self._ids[number]].get("dead"))

    def _told(self, remark: Remark) -> Told:
        item = self.items[self._ids[remark.number]]
        story = self.items[self._stories[remark.thread]]
        return Told(
            text=remark.text,
            author=remark.author,
            thread=f"https://news.ycombinator.com/item?id={story['id']}",
            parent=str(item["parent"]),
            created_at_ms=item["time"] * 1000,
            permalink=f"https://news.ycombinator.com/item?id={item['id']}",
            thread_title=story["title"],
            deleted=remark.deleted,
        )

    def _say(self, remark: Remark) -> None:
        seconds = int(remark.at.timestamp())
        if remark.thread not in self._stories:
            title = f"Story {remark.thread}: what & why"
            url = f"https://example.org/articles/{remark.thread}"
            self._stories[remark.thread] = self._add("story", seconds, title=title, url=url, by="poster")
        if remark.number % 50 == 49:
            self._add("job", seconds, title="We are hiring", by="employer", text="Join <b>us</b>")
            poll = self._add("poll", seconds, title="Which one?", by="asker", text="")
            self._add("pollopt", seconds, parent=poll, text="This one", by="asker")
        parent = self._stories[remark.thread] if remark.parent is None else self._ids[remark.parent]
        number = self._add("comment", seconds, parent=parent, text=_markup(remark.text), by=remark.author)
        self._ids[remark.number] = number
        self.items[parent].setdefault("kids", []).append(number)
        self._changed[parent] = self.clock()  # a new child changes its parent
        if remark.number % 100 == 77:
            self.items[number]["dead"] = True
        if self.rng.random() < _LATE_SHARE:
            self._ready_at[number] = self.clock() + self.rng.uniform(1, _LATE_SECONDS)

    def _add(self, kind: str, seconds: int, **fields: Any) -> int:
        self._last_id += 1
        self.items[self._last_id] = {"id": self._last_id, "type": kind, "time": seconds, **fields}
        return self._last_id

    async def _max_item(self, request: web.Request) -> web.Response:
        refused = self.check(request, frozenset())
        if refused is not None:
            return refused
        return web.json_response(self._last_id)

    async def _updates(self, request: web.Request) -> web.Response:
        refused = self.check(request, frozenset())
        items = [one for one, at in self._changed.items() if at >= self.clock() - _UPDATES_SECONDS]
        return refused or web.json_response({"items": items, "profiles": ["somebody"]})

    async def _item(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        refused = self.check(request, frozenset())
        if refused is not None:
            return refused
        if number > self._last_id:
            return self.violation(f"an item beyond maxitem: {number}")
        late = self._ready_at.get(number, 0.0) > self.clock()
        return web.json_response(None if late else self.items.get(number))

    async def _search(self, request: web.Request) -> web.Response:
        refused = self.check(request, _SEARCH_PARAMETERS)
        if refused is not None:
            return refused
        query = request.query
        hits_per_page, page = int(query.get("hitsPerPage", 20)), int(query.get("page", 0))
        filters = query.get("numericFilters", "").split(",")
        if query.get("tags") != "comment" or not 0 <= hits_per_page <= _MAX_HITS:
            return self.violation(f"a search for {request.query_string}")
        if not all(_FILTER.fullmatch(one) for one in filters if one):
            return self.violation(f"a filter that cannot be read: {request.query_string}")
        found = [one for one in self.items.values() if self._is_found(one, filters)]
        found.sort(key=lambda one: (-one["time"], -one["id"]))
        shown = found[:_MAX_HITS][page * hits_per_page : (page + 1) * hits_per_page]
        pages = -(-min(len(found), _MAX_HITS) // hits_per_page) if hits_per_page else 0
        return web.json_response(
            {
                "hits": [self._hit(one) for one in shown],
                "nbHits": len(found),
                "page": page,
                "nbPages": pages,
                "hitsPerPage": hits_per_page,
            }
        )

    def _is_found(self, item: dict[str, Any], filters: list[str]) -> bool:
        if item["type"] != "comment" or item.get("deleted") or item.get("dead"):
            return False
        return all(
            _holds(item["time"], *match.groups()) for one in filters if (match := _FILTER.fullmatch(one))
        )

    def _hit(self, item: dict[str, Any]) -> dict[str, Any]:
        story = item
        while "parent" in story:
            story = self.items[story["parent"]]
        moment = datetime.fromtimestamp(item["time"], UTC)
        return {
            "objectID": str(item["id"]),
            "author": item["by"],
            "comment_text": item["text"],
            "created_at": moment.isoformat().replace("+00:00", "Z"),
            "created_at_i": item["time"],
            "story_id": story["id"],
            "story_title": story["title"],
            "story_url": story["url"],
            "parent_id": item["parent"],
            "_tags": ["comment", f"author_{item['by']}", f"story_{story['id']}"],
        }

    async def _unknown(self, request: web.Request) -> web.Response:
        if request.path == "/":
            return web.Response(
                text="<html><head><title>Hacker News</title></head></html>", content_type="text/html"
            )
        return web.json_response({"error": "404 Not Found"}, status=404)


def _holds(value: int, sign: str, bound: str) -> bool:
    return bool(_SIGNS[sign](value, int(bound)))


def _markup(text: str) -> str:
    """The text as the site has it: escaped, its last sentence a paragraph of its own."""
    first, _, rest = text.partition(", ")
    return f"{html.escape(first)},<p>{html.escape(rest)}"
