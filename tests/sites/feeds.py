"""A site whose comments are read from its feed alone, as WordPress writes it: RSS 2.0 and Atom.

It answers conditional requests, shows the newest entries only, and names its feed on its front page.
"""

import hashlib
from datetime import UTC
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web

from tests.sites.site import Site, Told
from tests.sites.talk import Remark, epoch_ms

__all__ = ["FeedSite"]

_RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" \
xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>Commentaires pour Le Journal</title><link>{url}/</link>{entries}</channel></rss>"""
_ITEM = """<item><title>{title}</title><link>{link}</link><dc:creator><![CDATA[{author}]]></dc:creator>\
<pubDate>{rfc822}</pubDate><guid isPermaLink="false">{id}</guid><description>{short}</description>\
<content:encoded><![CDATA[<p>{text}</p>]]></content:encoded></item>"""
_ATOM = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0" xml:lang="fr">
<title type="text">Commentaires pour Le Journal</title><id>{url}/</id>{entries}</feed>"""
_ENTRY = """<entry><title type="html">{title}</title><link rel="alternate" href="{link}" type="text/html" />\
<author><name>{author}</name></author><id>{id}</id><updated>{iso}</updated><published>{iso}</published>\
<content type="html"><![CDATA[<p>{text}</p>]]></content>\
<thr:in-reply-to ref="{parent}" type="text/html" /></entry>"""
_FRONT = """<!doctype html><html><head><title>Le Journal</title>
<link rel="alternate" type="application/rss+xml" title="Le Journal &raquo; Flux" href="/feed/">
<link rel="alternate" type="application/rss+xml" title="Flux des commentaires" href="{path}">
</head><body><h1>Le Journal</h1></body></html>"""


class FeedSite(Site):
    """size: entries that the feed shows; atom: in which format."""

    def __init__(self, *args: Any, size: int = 10, atom: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self._size = size
        self._atom = atom
        self.path = "/comments/feed/atom/" if atom else "/comments/feed/"

    @property
    def feed_url(self) -> str:
        return self.url + self.path

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self._front), web.get("/feed/", self._articles), web.get(self.path, self._feed)]

    def truth(self) -> dict[str, Told]:
        return {self._id(one.number): self._told(one) for one in self.remarks.values()}

    def _told(self, remark: Remark) -> Told:
        parent = None if remark.parent is None or not self._atom else self._id(remark.parent)
        return Told(
            text=remark.text,
            author=remark.author,
            thread=self._thread(remark),
            parent=parent,
            created_at_ms=epoch_ms(remark.at) // 1_000 * 1_000,
            permalink=self._link(remark),
            thread_title=f"L’article {remark.thread} & la suite",
            deleted=remark.deleted,
        )

    def _id(self, number: int) -> str:
        return f"{self.url}/?p={self._all[number].thread}#comment-{number}"

    def _thread(self, remark: Remark) -> str:
        return f"{self.url}/articles/{remark.thread}/"

    def _link(self, remark: Remark) -> str:
        return f"{self._thread(remark)}#comment-{remark.number}"

    async def _front(self, _: web.Request) -> web.Response:
        return web.Response(text=_FRONT.format(path=self.path), content_type="text/html")

    async def _articles(self, request: web.Request) -> web.Response:
        return self.violation(f"the feed of articles: {request.path_qs}")

    async def _feed(self, request: web.Request) -> web.Response:
        shown = [one for one in self.remarks.values() if not one.deleted][-self._size :][::-1]
        template, kind = (_ATOM, "atom") if self._atom else (_RSS, "rss")
        body = template.format(url=self.url, entries="".join(map(self._entry, shown)))
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == tag:
            self.not_modified += 1
            return web.Response(status=304, headers={"ETag": tag})
        return web.Response(text=body, content_type=f"application/{kind}+xml", headers={"ETag": tag})

    def _entry(self, remark: Remark) -> str:
        title = f"Commentaires sur L&#8217;article {remark.thread} &#038; la suite par {remark.author}"
        answered = f"{self.url}/?p={remark.thread}" if remark.parent is None else self._id(remark.parent)
        return (_ENTRY if self._atom else _ITEM).format(
            title=title,
            link=self._link(remark),
            author=remark.author,
            rfc822=format_datetime(remark.at.astimezone(UTC)),
            iso=f"{remark.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            id=self._id(remark.number),
            short=escape(remark.text[:20]),
            text=escape(remark.text),
            parent=answered,
        )
