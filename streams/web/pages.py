"""The pages for readers: chosen language, filled template, and where an address leads elsewhere.

Everything is there without JavaScript; `static/live.js` only fetches the same page again when it has changed.
"""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException

from streams.settings_fields import Settings
from streams.web.charts import sparkline, timeline_chart
from streams.web.export import mentions_as_csv, mentions_as_json
from streams.web.intake import owner_of
from streams.web.narrative_queries import detail, latest_events, mention_page, timeline
from streams.web.parameters import ChoiceParameter, PageParameter, SortParameter
from streams.web.progress import Progress
from streams.web.queries import Choice, Sort, choices, find_narratives, overview
from streams.web.store import Store
from streams.web.strangers import link_host, safe_link, stranger, visible_text
from streams.web.watch_queries import find_watch, watch_page, watches
from streams.web.wording import LANGUAGES, choose_language, wording

__all__ = ["Pages", "page_router"]

_LANGUAGE_COOKIE = "narrawatch_language"
_LANGUAGE_SECONDS = 365 * 86_400
_SHOWN_EVENTS = 8
_SHOWN_NEW = 6


class Pages:
    """Fills templates. base: the path that all addresses begin with, "" at the root of a host."""

    def __init__(self, store: Store, settings: Settings, progress: Progress, *, base: str) -> None:
        self.store = store
        self.settings = settings
        self.progress = progress
        self.base = base
        self._templates = _environment(base)

    def render(
        self, request: Request, template: str, code: int = HTTPStatus.OK, **values: Any
    ) -> HTMLResponse:
        """The page in the language that its reader wants, which is remembered when it was asked for."""
        asked = request.query_params.get("lang")
        language = choose_language(
            asked, request.cookies.get(_LANGUAGE_COOKIE), request.headers.get("accept-language")
        )
        html = self._templates.get_template(template).render(
            t=wording(language),
            query=[pair for pair in request.query_params.multi_items() if pair[0] not in ("lang", "token")],
            other=next(one for one in LANGUAGES if one != language),
            version=version("narrawatch"),
            shown=self.store.version,
            **values,
        )
        response = HTMLResponse(html, code, {"Content-Language": language, "Vary": "Accept-Language, Cookie"})
        if asked in LANGUAGES:
            response.set_cookie(
                _LANGUAGE_COOKIE, asked, max_age=_LANGUAGE_SECONDS, httponly=True, samesite="lax"
            )
        return response

    def error(self, request: Request, status: int, detail: str) -> HTMLResponse:
        """A page that says what is wrong with an address."""
        return self.render(request, "error.html", status, status=status, detail=detail)

    def known(self, narrative_id: str) -> str:
        """The id that a narrative lives on under. Raises HTTPException (404) when it is not known."""
        with self.store.reading() as connection:
            owner = owner_of(connection, narrative_id)
            if connection.execute("SELECT 1 FROM narratives WHERE id = ?", (owner,)).fetchone():
                return owner
        raise HTTPException(HTTPStatus.NOT_FOUND, "this narrative is not known")

    def narratives(self, request: Request, choice: Choice, sort: Sort, page: int) -> Response:
        """The overview, or what a search found."""
        is_whole = choice == Choice() and page == 1
        with self.store.reading() as connection:
            found = find_narratives(connection, choice, sort=sort, page=page)
            values: dict[str, Any] = {"spiking": [], "new": [], "events": []}
            if is_whole:
                spiking = find_narratives(connection, Choice(state="spiking")).narratives
                new = find_narratives(connection, Choice(state="new"), sort="emerged").narratives
                shown = {one.narrative_id for one in spiking}
                values["spiking"] = spiking
                values["new"] = [one for one in new if one.narrative_id not in shown][:_SHOWN_NEW]
                values["events"] = latest_events(connection, limit=_SHOWN_EVENTS)
            values["figures"] = overview(connection)
            values["choices"] = choices(connection)
        return self.render(
            request, "narratives.html", found=found, choice=choice, sort=sort, is_whole=is_whole, **values
        )

    def narrative(self, request: Request, narrative_id: str, page: int) -> Response:
        """All about one; an alias leads to the narrative that lives on."""
        owner = self.known(narrative_id)
        if owner != narrative_id:
            return RedirectResponse(f"{self.base}/narratives/{quote(owner, safe='')}", HTTPStatus.FOUND)
        with self.store.reading() as connection:
            one = detail(connection, owner)
            over_time = timeline(connection, owner)
            mentions = mention_page(connection, owner, page)
        return self.render(
            request,
            "narrative.html",
            one=one,
            timeline=over_time,
            chart=timeline_chart(over_time, one.events),
            mentions=mentions,
        )

    def watches(self, request: Request) -> Response:
        """All watches."""
        with self.store.reading() as connection:
            found = watches(connection, self.settings.watches)
        return self.render(request, "watches.html", watches=found)

    def watch(self, request: Request, name: str, page: int) -> Response:
        """One watch with its matches."""
        with self.store.reading() as connection:
            watch = find_watch(connection, self.settings.watches, name)
            if watch is None:
                raise HTTPException(HTTPStatus.NOT_FOUND, "this watch is not known")
            found = watch_page(connection, watch, page)
        return self.render(request, "watch.html", watch=watch, found=found)

    def about(self, request: Request) -> Response:
        """What this is, and how far it has read."""
        obstacles = self.progress.obstacles()
        return self.render(
            request, "about.html", health=self.progress.status(obstacles), settings=self.settings
        )


def page_router(pages: Pages) -> APIRouter:
    """The addresses of the pages."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def narratives(
        request: Request, choice: ChoiceParameter, sort: SortParameter = None, page: PageParameter = 1
    ) -> Response:
        return pages.narratives(request, choice, sort or "recent", page)

    @router.get("/narratives")
    def plural() -> Response:
        return RedirectResponse(f"{pages.base}/", HTTPStatus.FOUND)

    @router.get("/narratives/{narrative_id}")
    def narrative(request: Request, narrative_id: str, page: PageParameter = 1) -> Response:
        return pages.narrative(request, narrative_id, page)

    @router.get("/narratives/{narrative_id}/mentions.csv")
    def as_csv(narrative_id: str) -> Response:
        lines = mentions_as_csv(pages.store, pages.known(narrative_id))
        return _download(lines, "text/csv; charset=utf-8", f"{narrative_id}.csv")

    @router.get("/narratives/{narrative_id}/mentions.json")
    def as_json(narrative_id: str) -> Response:
        lines = mentions_as_json(pages.store, pages.known(narrative_id))
        return _download(lines, "application/json", f"{narrative_id}.json")

    @router.get("/watches")
    def watches(request: Request) -> Response:
        return pages.watches(request)

    @router.get("/watches/{name}")
    def watch(request: Request, name: str, page: PageParameter = 1) -> Response:
        return pages.watch(request, name, page)

    @router.get("/about")
    def about(request: Request) -> Response:
        return pages.about(request)

    return router


def _download(lines: Iterator[str], media_type: str, name: str) -> StreamingResponse:
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return StreamingResponse(lines, media_type=media_type, headers={"Content-Disposition": disposition})


def _environment(base: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(str(files("streams.web").joinpath("templates"))),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"stranger": stranger, "visible": visible_text, "exactly": escape}
    environment.globals |= {
        "base": base,
        "sparkline": sparkline,
        "safe_link": safe_link,
        "link_host": link_host,
        "here": _here,
        "segment": lambda name: quote(name, safe=""),
    }
    return environment


def _harmless(value: object) -> object:
    """Whatever a template prints without saying how: hidden characters are shown, as everywhere.

    The filter `exactly` is for values that a form sends back as they are.
    """
    return visible_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _here(query: Sequence[tuple[str, str]], **changed: object) -> str:
    """The same address with other parameters; one that is None is left out."""
    kept = [pair for pair in query if pair[0] not in changed and pair[1]]
    new = [(name, str(value)) for name, value in changed.items() if value is not None]
    return "?" + urlencode(kept + new)
