"""A Discourse forum, as its interface for the latest posts has it: https://docs.discourse.org/#tag/Posts.

Versions differ in what `before` means: the older gives posts up to and with that id, the newer those below.
"""

import html
from typing import Any

from aiohttp import web

from tests.sites.site import Site, Told
from tests.sites.talk import Remark, Step, epoch_ms

__all__ = ["DiscourseSite"]

_FIRST_ID = 9_000
_FIRST_TOPIC = 700
_PAGE_POSTS = 50
_HIDDEN_SHARE = 0.1  # ids that belong to private messages and the like: nobody sees them


class DiscourseSite(Site):
    """Posts with ids that leave gaps; parents are named by their number in the topic."""

    def __init__(self, *args: Any, includes_before: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self._includes_before = includes_before
        self._posts: dict[int, dict[str, Any]] = {}
        self._ids: dict[int, int] = {}
        self._topics: dict[int, int] = {}  # how many posts each has, by thread
        self._last_id = _FIRST_ID

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._home),
            web.get("/posts.json", self._latest),
            web.get(r"/posts/by_number/{topic:\d+}/{number:\d+}.json", self._by_number),
            web.get(r"/posts/{id:\d+}.json", self._by_id),
            web.get("/site/basic-info.json", self._basic_info),
        ]

    def apply(self, step: Step) -> None:
        super().apply(step)
        remark = self.remarks[step.number]
        if step.kind == "say":
            self._say(remark)
            return
        post = self._posts[self._ids[step.number]]
        post["version"] += 1
        post["updated_at"] = step.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        post["raw"], post["cooked"] = remark.text, _cooked(remark.text)

    def truth(self) -> dict[str, Told]:
        return {str(self._ids[number]): self._told(remark) for number, remark in self.remarks.items()}

    def post(self, post_id: str) -> dict[str, Any]:
        """A post as it is given, to be changed."""
        return self._posts[int(post_id)]

    def rate_limited(self, wait_seconds: float) -> web.Response:
        return web.Response(
            status=429,
            headers={
                "Retry-After": str(int(wait_seconds) + 1),
                "Discourse-Rate-Limit-Error-Code": "ip_10_secs_limit",
            },
            text="Slow down, too many requests from this IP address.",
        )

    def _told(self, remark: Remark) -> Told:
        post = self._posts[self._ids[remark.number]]
        return Told(
            text=remark.text,
            author=remark.author,
            thread=f"{self.url}/t/{post['topic_id']}",
            parent=None if remark.parent is None else str(self._ids[remark.parent]),
            created_at_ms=epoch_ms(remark.at),
            permalink=f"{self.url}/t/{post['topic_slug']}/{post['topic_id']}/{post['post_number']}",
            thread_title=post["topic_title"],
            deleted=remark.deleted,
        )

    def _say(self, remark: Remark) -> None:
        self._last_id += 1
        while self.rng.random() < _HIDDEN_SHARE:
            self._last_id += self.rng.choice((1, 1, 1, 60))
        number = self._topics.get(remark.thread, 0) + 1
        self._topics[remark.thread] = number
        self._ids[remark.number] = self._last_id
        answered = None if remark.parent is None else self._posts[self._ids[remark.parent]]["post_number"]
        moment = remark.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._posts[self._last_id] = {
            "id": self._last_id,
            "name": remark.author.title(),
            "username": remark.author,
            "created_at": moment,
            "updated_at": moment,
            "raw": remark.text,
            "cooked": _cooked(remark.text),
            "post_number": number,
            "post_type": 1,
            "reply_to_post_number": answered,
            "topic_id": _FIRST_TOPIC + remark.thread,
            "topic_slug": f"sujet-{remark.thread}",
            "topic_title": f"Sujet {remark.thread} : qu'en pensez-vous ?",
            "topic_html_title": f"Sujet {remark.thread} : qu&#39;en pensez-vous ?",
            "version": 1,
            "hidden": False,
            "user_deleted": False,
            "_remark": remark,
        }

    async def _latest(self, request: web.Request) -> web.Response:
        refused = self.check(request, frozenset({"before"}))
        if refused is not None:
            return refused
        before = request.query.get("before")
        if before is not None and (not before.isdigit() or int(before) <= 0):
            return self.violation(f"before is not an id: {before}")
        return self._answer_posts(request, self._page(None if before is None else int(before)))

    def _page(self, before: int | None) -> list[dict[str, Any]]:
        """Newest first. The older version looks at 50 ids, whether or not somebody may see them."""
        ids = sorted((one for one, post in self._posts.items() if not post["_remark"].deleted), reverse=True)
        if not self._includes_before:
            return [self._posts[one] for one in ids if before is None or one < before][:_PAGE_POSTS]
        top = self._last_id if before is None else before
        return [self._posts[one] for one in ids if top - _PAGE_POSTS < one <= top]

    def _answer_posts(self, request: web.Request, posts: list[dict[str, Any]]) -> web.Response:
        shown = [{name: post[name] for name in post if not name.startswith("_")} for post in posts]
        tag = f'W/"{abs(hash(str(shown)))}"'
        headers = {"ETag": tag, "Cache-Control": "max-age=60, private"}
        if request.headers.get("If-None-Match") == tag:
            self.not_modified += 1
            return web.Response(status=304, headers=headers)
        return web.json_response({"latest_posts": shown}, headers=headers)

    async def _by_number(self, request: web.Request) -> web.Response:
        topic, number = int(request.match_info["topic"]), int(request.match_info["number"])
        for post in self._posts.values():
            if (post["topic_id"], post["post_number"]) == (topic, number) and not post["_remark"].deleted:
                return self._one(post)
        return _not_found()

    async def _by_id(self, request: web.Request) -> web.Response:
        post = self._posts.get(int(request.match_info["id"]))
        return _not_found() if post is None or post["_remark"].deleted else self._one(post)

    def _one(self, post: dict[str, Any]) -> web.Response:
        return web.json_response({name: post[name] for name in post if not name.startswith("_")})

    async def _basic_info(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"logo_url": f"{self.url}/logo.png", "title": "Le forum", "description": "…"}
        )

    async def _home(self, _request: web.Request) -> web.Response:
        page = '<html><head><meta name="generator" content="Discourse 3.5.0"></head></html>'
        return web.Response(text=page, content_type="text/html")


def _not_found() -> web.Response:
    return web.json_response(
        {"errors": ["The requested URL or resource could not be found."], "error_type": "not_found"},
        status=404,
    )


def _cooked(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
