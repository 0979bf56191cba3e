"""One look at a site, for tests of what a single connector does."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

from streams.ingest.source import BadItem, Context, Source, SourceComment
from streams.polite.client import PoliteOptions, Web
from streams.polite.gate import Pace
from tests.sites.reader import FakeTime

__all__ = ["Look", "look", "visitor"]


class Look(NamedTuple):
    """What one look gave. cursor: of the last page."""

    comments: list[SourceComment]
    bad: list[BadItem]
    cursor: Any

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.comments]


@asynccontextmanager
async def visitor(time: FakeTime, *, allow_private: bool = True) -> AsyncIterator[Context]:
    """What a source may use, with a clock that goes on when somebody waits."""
    options = PoliteOptions(interval_seconds=0.1, timeout_seconds=2.0, allow_private=allow_private)
    async with Web(options, pace=Pace(time.time, time.sleep), clock=time.time) as web:
        yield Context(web.client(), time.moment, allow_private=allow_private)


async def look(
    make: Callable[[Context], Source[Any, Any]],
    time: FakeTime,
    *,
    cursor: Any = None,
    since: datetime | None = None,
    pages: int | None = None,
) -> Look:
    """What a source tells from a cursor on. pages: after so many it is enough."""
    comments: list[SourceComment] = []
    bad: list[BadItem] = []
    async with visitor(time) as context:
        source = make(context)
        cursor = source.begin(since) if cursor is None else cursor
        async with aclosing(source.fetch(cursor)) as read:  # type: ignore[type-var]  # all are generators
            async for page in read:
                comments += [one for one in page.comments if isinstance(one, SourceComment)]
                bad += [one for one in page.comments if isinstance(one, BadItem)]
                cursor = page.cursor
                pages = None if pages is None else pages - 1
                if pages == 0:
                    break
        await source.close()
    return Look(comments, bad, cursor)
