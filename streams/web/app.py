"""The application: pages, API, health and the stylesheet, behind the gate.

`create_app` starts nothing and reads nothing; it answers from the store that it is given.
"""

import sqlite3
from collections.abc import Callable
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.requests import Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from streams.settings_fields import Settings
from streams.web.api import api_router
from streams.web.gate import Gate
from streams.web.live import live_router
from streams.web.metrics import Measured, WebMetrics
from streams.web.pages import Pages, page_router
from streams.web.progress import Progress
from streams.web.store import Store

__all__ = ["create_app"]

_API = "/api/"


def create_app(
    store: Store,
    settings: Settings,
    progress: Progress,
    metrics: WebMetrics,
    *,
    is_ending: Callable[[], bool] = lambda: False,
) -> ASGIApp:
    """The ASGI application. is_ending: whether streams of updates should come to their end."""
    base = urlsplit(settings.web_url).path.rstrip("/")
    app = FastAPI(
        title="narrawatch",
        version=version("narrawatch"),
        description="Narratives in comment sections, as the page shows them. Times are UTC; reading only.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        servers=[{"url": base}] if base else None,
    )
    pages = Pages(store, settings, progress, base=base)
    app.include_router(api_router(store, settings, progress))
    app.include_router(live_router(store, metrics, is_ending))
    app.include_router(page_router(pages))
    app.mount("/static", StaticFiles(directory=str(files("streams.web").joinpath("static"))), name="static")
    _add_health(app, progress, in_detail=settings.web_token is None)
    _add_errors(app, pages)
    return Measured(Gate(app, settings), metrics)


def _add_health(app: FastAPI, progress: Progress, *, in_detail: bool) -> None:
    """in_detail: whether everybody may see reasons and addresses: these two need no token."""

    def answer(obstacles: list[str]) -> JSONResponse:
        status = HTTPStatus.SERVICE_UNAVAILABLE if obstacles else HTTPStatus.OK
        body = progress.status(obstacles)
        return JSONResponse(body if in_detail else {"status": body["status"]}, status)

    @app.get("/health", include_in_schema=False)
    def health() -> JSONResponse:
        return answer(progress.dead())

    @app.get("/ready", include_in_schema=False)
    def ready() -> JSONResponse:
        return answer(progress.obstacles())


def _add_errors(app: FastAPI, pages: Pages) -> None:
    """Programs get JSON, readers a page."""

    def answer(request: Request, status: int, detail: str) -> Response:
        if request.scope["path"].startswith(_API):
            return JSONResponse({"detail": detail}, status)
        return pages.error(request, status, detail)

    def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        response = answer(request, error.status_code, error.detail)
        response.headers.update(error.headers or {})
        return response

    def misread(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        details = [f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()]
        return answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(details))

    def too_long(request: Request, error: Exception) -> Response:
        if "interrupted" not in str(error):
            raise error
        return answer(request, HTTPStatus.SERVICE_UNAVAILABLE, "the question took too long")

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, misread)
    app.add_exception_handler(sqlite3.OperationalError, too_long)
