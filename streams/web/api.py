"""The JSON API: what the pages show, for programs. Its description is at /api/v1/openapi.json."""

import sqlite3
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException

from streams.settings_fields import Settings
from streams.web.intake import owner_of
from streams.web.narrative_queries import detail, latest_events, mention_page, timeline
from streams.web.parameters import ChoiceParameter, PageParameter, SortParameter
from streams.web.progress import Progress
from streams.web.queries import choices, find_narratives, overview
from streams.web.shapes import (
    Choices,
    Detail,
    Event,
    MentionPage,
    NarrativePage,
    Overview,
    Timeline,
    Watch,
    WatchPage,
)
from streams.web.store import Store
from streams.web.watch_queries import find_watch, watch_page, watches

__all__ = ["api_router"]

_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"description": "It is not known, or not kept any more."}}


def api_router(store: Store, settings: Settings, progress: Progress) -> APIRouter:
    """The routes below /api/v1."""
    router = APIRouter(prefix="/api/v1")
    _add_lists(router, store, progress)
    _add_narrative(router, store)
    _add_watches(router, store, settings)
    return router


def _add_lists(router: APIRouter, store: Store, progress: Progress) -> None:
    @router.get("/status", summary="How far the page has read")
    def status() -> dict[str, Any]:
        return progress.status(progress.obstacles())

    @router.get("/overview", summary="Figures of the whole stream")
    def whole() -> Overview:
        with store.reading() as connection:
            return overview(connection)

    @router.get("/choices", summary="What there is to filter by")
    def filters() -> Choices:
        with store.reading() as connection:
            return choices(connection)

    @router.get("/narratives", summary="Narratives, 25 a page")
    def narratives(
        choice: ChoiceParameter, sort: SortParameter = None, page: PageParameter = 1
    ) -> NarrativePage:
        with store.reading() as connection:
            return find_narratives(connection, choice, sort=sort or "recent", page=page)

    @router.get("/events", summary="The newest events, newest first")
    def events(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[Event]:
        with store.reading() as connection:
            return latest_events(connection, limit=limit)


def _add_narrative(router: APIRouter, store: Store) -> None:
    """An alias is answered like the narrative that lives on."""

    @router.get("/narratives/{narrative_id}", summary="One narrative", responses=_UNKNOWN)
    def narrative(narrative_id: str) -> Detail:
        with store.reading() as connection:
            return detail(connection, _known(connection, narrative_id))

    @router.get("/narratives/{narrative_id}/timeline", summary="Its mentions over time", responses=_UNKNOWN)
    def over_time(narrative_id: str) -> Timeline:
        with store.reading() as connection:
            return timeline(connection, _known(connection, narrative_id))

    @router.get("/narratives/{narrative_id}/mentions", summary="Its mentions, 25 a page", responses=_UNKNOWN)
    def mentions(narrative_id: str, page: PageParameter = 1) -> MentionPage:
        with store.reading() as connection:
            return mention_page(connection, _known(connection, narrative_id), page)


def _known(connection: sqlite3.Connection, narrative_id: str) -> str:
    """The id that it lives on under. Raises HTTPException (404) when it is not known."""
    owner = owner_of(connection, narrative_id)
    if connection.execute("SELECT 1 FROM narratives WHERE id = ?", (owner,)).fetchone() is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "this narrative is not known")
    return owner


def _add_watches(router: APIRouter, store: Store, settings: Settings) -> None:
    @router.get("/watches", summary="All watches")
    def all_watches() -> list[Watch]:
        with store.reading() as connection:
            return watches(connection, settings.watches)

    @router.get("/watches/{name}", summary="The matches of a watch, 50 a page", responses=_UNKNOWN)
    def one_watch(name: str, page: PageParameter = 1) -> WatchPage:
        with store.reading() as connection:
            watch = find_watch(connection, settings.watches, name)
            if watch is None:
                raise HTTPException(HTTPStatus.NOT_FOUND, "this watch is not known")
            return watch_page(connection, watch, page)
