"""What a site permits to programs: its robots.txt as RFC 9309 has it, read once a day.

Where the file cannot be asked (5xx, no connection), nothing is permitted until it can be; where there is none
(4xx), everything is.
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from protego import Protego

from streams.errors import FailureReason, SourceError

__all__ = ["PRODUCT", "Robots", "RobotsRules"]

PRODUCT: Final = "narrawatch"  # what robots.txt calls us
_MAX_ROBOTS_BYTES: Final = 512 * 1024  # the least that the RFC wants read
_KEPT_SECONDS = 86_400.0
_MOST_SITES = 1_000
_MAX_CRAWL_DELAY_SECONDS = 300.0  # more would be a way to say no


class RobotsRules(NamedTuple):
    """What one site permits."""

    parsed: Protego | None  # None: everything

    def permits(self, url: str) -> bool:
        """Whether this address may be asked for."""
        return self.parsed is None or self.parsed.can_fetch(url, PRODUCT)

    @property
    def crawl_delay_seconds(self) -> float:
        """What it asks for between two requests."""
        delay = None if self.parsed is None else self.parsed.crawl_delay(PRODUCT)
        return min(max(0.0, delay or 0.0), _MAX_CRAWL_DELAY_SECONDS)


class Robots:
    """The rules of the sites that were asked. now: seconds that only run forward."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._known: dict[str, tuple[float, RobotsRules]] = {}

    async def rules(self, origin: str, fetch: Callable[[str], Awaitable[bytes | None]]) -> RobotsRules:
        """The rules of a site. origin: scheme, host and port; fetch: the file, or None where there is none.

        Raises what `fetch` raises, as SourceError ROBOTS.
        """
        known = self._known.get(origin)
        if known is not None and known[0] > self._now():
            return known[1]
        try:
            content = await fetch(f"{origin}/robots.txt")
        except SourceError as error:
            raise SourceError(
                FailureReason.ROBOTS,
                f"robots.txt cannot be asked: {error}",
                status=error.status,
                retry_after_seconds=error.retry_after_seconds,
            ) from error
        text = None if content is None else content[:_MAX_ROBOTS_BYTES].decode("utf-8-sig", "replace")
        rules = RobotsRules(None if text is None else Protego.parse(text))
        self._known.pop(origin, None)
        self._known[origin] = (self._now() + _KEPT_SECONDS, rules)
        if len(self._known) > _MOST_SITES:
            del self._known[next(iter(self._known))]
        return rules
