"""Tells open pages that there is something new, as server-sent events.

A page asks with the version that it shows, so that nothing is missed in between. What is new it fetches
itself, from the address that it is at: the same page, whoever asks.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from streams.web.metrics import WebMetrics
from streams.web.narrative_queries import latest_events
from streams.web.store import Store
from streams.web.strangers import visible_text

__all__ = ["live_router"]

_LOOK_SECONDS = 0.5
_LEAST_SECONDS = 3.0  # between two updates of a page: a reader must be able to read it
_HEARTBEAT_SECONDS = 15.0  # proxies close what is silent
_MAX_STREAMS = 200
_MAX_EVENTS = 3


class _Updates:
    """What one page is told."""

    def __init__(self, store: Store, is_ending: Callable[[], bool], shown: int) -> None:
        self._store = store
        self._is_ending = is_ending
        self._shown = shown
        self._event = 0

    async def lines(self) -> AsyncIterator[str]:
        """Server-sent events until the server ends."""
        self._event = await run_in_threadpool(self._last_event)
        yield "retry: 3000\n\n"
        silent = 0.0
        while not self._is_ending():
            version = self._store.version
            if version != self._shown:
                news = await run_in_threadpool(self._news)
                self._shown, silent = version, 0.0
                yield f"event: change\ndata: {json.dumps({'version': version, 'events': news})}\n\n"
                await asyncio.sleep(_LEAST_SECONDS)
                continue
            await asyncio.sleep(_LOOK_SECONDS)
            silent += _LOOK_SECONDS
            if silent >= _HEARTBEAT_SECONDS:
                silent = 0.0
                yield ": still here\n\n"

    def _last_event(self) -> int:
        with self._store.reading() as connection:
            return int(connection.execute("SELECT coalesce(max(e), 0) FROM events").fetchone()[0])

    def _news(self) -> list[dict[str, str]]:
        with self._store.reading() as connection:
            events = latest_events(connection, limit=_MAX_EVENTS, after=self._event)
        self._event = self._last_event()
        return [
            {"type": event.type, "narrative_id": event.lives_on_as, "label": visible_text(event.label)}
            for event in events
        ]


def live_router(store: Store, metrics: WebMetrics, is_ending: Callable[[], bool]) -> APIRouter:
    """The stream of updates, for so many pages at a time as a browser or two can open."""
    router = APIRouter()
    open_streams = 0

    async def counted(updates: _Updates) -> AsyncIterator[str]:
        nonlocal open_streams
        open_streams += 1
        try:
            with metrics.streaming():
                async for line in updates.lines():
                    yield line
        finally:
            open_streams -= 1

    @router.get("/live", include_in_schema=False)
    async def live(shown: int = 0) -> StreamingResponse:
        if open_streams >= _MAX_STREAMS:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "too many pages are open")
        return StreamingResponse(
            counted(_Updates(store, is_ending, shown)),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    return router
