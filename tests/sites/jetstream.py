"""A Jetstream instance, version 1 of the protocol: https://github.com/bluesky-social/jetstream.

Events of other collections, of accounts and of identities come between the posts; a connection may break at
any of them. The events of the last `kept_seconds` can be played back.
"""

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from aiohttp import WSCloseCode, web

from tests.sites.faults import Fault, Faults, Outage
from tests.sites.site import Site, Told
from tests.sites.talk import Remark, Step, epoch_ms

__all__ = ["JetstreamSite", "account_of"]

_POSTS = "app.bsky.feed.post"
_PARAMETERS = frozenset(
    {"wantedCollections", "wantedDids", "maxMessageSizeBytes", "cursor", "compress", "requireHello"}
)
_MAX_COLLECTIONS = 100
_OFF_TOPIC = "Somebody's breakfast, number"


def account_of(author: str) -> str:
    """The DID of an author."""
    return "did:plc:" + hashlib.sha256(author.encode()).hexdigest()[:24]


class JetstreamSite(Site):
    """A stream on /subscribe. off_topic: how many other posts come with each remark."""

    def __init__(
        self,
        *args: Any,
        stream_faults: Faults | None = None,
        kept_seconds: float = 36 * 3600,
        off_topic: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.connections = 0
        self.cursors: list[int | None] = []
        self.events: list[dict[str, Any]] = []
        self._kept_us = int(kept_seconds * 1e6)
        self._off_topic = off_topic
        self._stream_faults = stream_faults
        self._last_us = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self._home), web.get("/subscribe", self._subscribe)]

    def apply(self, step: Step) -> None:
        super().apply(step)
        remark = self.remarks[step.number]
        self._commit(
            step, account_of("liker"), "create", {"$type": "app.bsky.feed.like"}, f"like{step.number}"
        )
        if step.kind == "say":
            for n in range(self._off_topic):
                record = {
                    "$type": _POSTS,
                    "text": f"{_OFF_TOPIC} {step.number}",
                    "createdAt": _stamp(remark.at),
                }
                self._commit(step, account_of("eater"), "create", record, f"off{step.number}x{n}")
            self._commit(step, account_of(remark.author), "create", self._record(remark), _key(remark))
        elif step.kind == "edit":
            self._commit(step, account_of(remark.author), "update", self._record(remark), _key(remark))
        else:
            self._commit(step, account_of(remark.author), "delete", None, _key(remark))
        if step.number % 30 == 0:
            self._other("account", step, {"active": True, "seq": step.number})
            self._other("identity", step, {"handle": "somebody.example", "seq": step.number})

    def truth(self) -> dict[str, Told]:
        return {_uri(remark): self._told(remark) for remark in self.remarks.values()}

    def _root(self, remark: Remark) -> Remark:
        while remark.parent is not None:
            remark = self.remarks[remark.parent]
        return remark

    def _told(self, remark: Remark) -> Told:
        account = account_of(remark.author)
        return Told(
            text=remark.text,
            author=account,
            thread=_uri(self._root(remark)),
            parent=None if remark.parent is None else _uri(self.remarks[remark.parent]),
            created_at_ms=epoch_ms(remark.at),
            permalink=f"https://bsky.app/profile/{account}/post/{_key(remark)}",
            deleted=remark.deleted,
        )

    def _record(self, remark: Remark) -> dict[str, Any]:
        record: dict[str, Any] = {
            "$type": _POSTS,
            "text": remark.text,
            "createdAt": _stamp(remark.at),
            "langs": ["fr" if "é" in remark.text or "c'" in remark.text else "en"],
        }
        if remark.parent is not None:
            parent, root = self.remarks[remark.parent], self._root(remark)
            record["reply"] = {
                "root": {"uri": _uri(root), "cid": "bafy1"},
                "parent": {"uri": _uri(parent), "cid": "bafy2"},
            }
        return record

    def _commit(
        self, step: Step, account: str, operation: str, record: dict[str, Any] | None, key: str
    ) -> None:
        kind = "like" if key.startswith("like") else "post"
        commit: dict[str, Any] = {
            "rev": f"rev{self._last_us}",
            "operation": operation,
            "collection": f"app.bsky.feed.{kind}",
            "rkey": key,
        }
        if record is not None:
            commit |= {"record": record, "cid": "bafyreib"}
        self.events.append({"did": account, "time_us": self._time(step), "kind": "commit", "commit": commit})

    def _other(self, kind: str, step: Step, fields: dict[str, Any]) -> None:
        account = account_of("somebody")
        event = {"did": account, "time_us": self._time(step), "kind": kind, kind: {"did": account, **fields}}
        self.events.append(event)

    def _time(self, step: Step) -> int:
        """Of the next event: each has one of its own, later than all before."""
        self._last_us = max(self._last_us + 1, epoch_ms(step.at) * 1_000)
        return self._last_us

    async def _subscribe(self, request: web.Request) -> web.StreamResponse:
        wanted, cursor = request.query.getall("wantedCollections", []), request.query.get("cursor")
        if any(name not in _PARAMETERS for name in request.query):
            return self.violation(f"unknown parameter: {request.query_string}")
        if len(wanted) > _MAX_COLLECTIONS or (cursor is not None and not cursor.isdigit()):
            return self.violation(f"invalid subscriber options: {request.query_string}")
        self._under_way -= 1  # an open stream is no request under way
        self.cursors.append(None if cursor is None else int(cursor))
        self.connections += 1
        socket = web.WebSocketResponse(heartbeat=30.0)
        await socket.prepare(request)
        reader = asyncio.create_task(self._read(socket))
        try:
            await self._stream(socket, request, frozenset(wanted), self._place(cursor))
        except (ConnectionResetError, Outage):
            pass
        finally:
            reader.cancel()
            self.connections -= 1
            self._under_way += 1
        return socket

    async def _read(self, socket: web.WebSocketResponse) -> None:
        """What a subscriber sends; without reading, nobody would notice that it has left."""
        async for _ in socket:
            self.violations.append("a message of the subscriber")

    def _place(self, cursor: str | None) -> int:
        """Which event is the first to be sent: without a cursor, or with one of the future, what is new."""
        if cursor is None or int(cursor) > self._last_us:
            return len(self.events)
        oldest = max(int(cursor), self._last_us - self._kept_us)
        return next(n for n, event in enumerate(self.events) if event["time_us"] >= oldest)

    async def _stream(
        self, socket: web.WebSocketResponse, request: web.Request, wanted: frozenset[str], place: int
    ) -> None:
        while not socket.closed:
            if place >= len(self.events):
                await asyncio.sleep(0.001 if self._steps else 0.01)
                self.go_on()
                continue
            event = self.events[place]
            place += 1
            if event["kind"] == "commit" and wanted and event["commit"]["collection"] not in wanted:
                continue
            fault = self._stream_faults.next() if self._stream_faults else None
            if fault is not None:
                await self._break(socket, request, fault, event)
            await socket.send_str(self.encode(event))

    def encode(self, event: dict[str, Any]) -> str:
        """An event as it is sent."""
        return json.dumps(event)

    async def _break(
        self, socket: web.WebSocketResponse, request: web.Request, fault: Fault, event: dict[str, Any]
    ) -> None:
        if fault is Fault.CLOSE:
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"restarting")
        else:
            if fault is Fault.GARBAGE:
                await socket.send_str(json.dumps(event)[:-20])
            if request.transport is not None:
                request.transport.abort()
        raise Outage

    async def _home(self, _request: web.Request) -> web.Response:
        return web.Response(text="Welcome to Jetstream\n")


def _key(remark: Remark) -> str:
    return f"3l{remark.number:011d}"


def _uri(remark: Remark) -> str:
    return f"at://{account_of(remark.author)}/{_POSTS}/{_key(remark)}"


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
