"""Events in the life of narratives as annotations in Grafana, each once.

An annotation has no key in Grafana. A tag made of what the event is stands in for one: whatever bears it is
there already. Texts are shown as HTML by Grafana, and hold what strangers wrote: everything is escaped.
"""

import hashlib
import html
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import urlencode

from dashboards.connection import Grafana
from dashboards.lifecycle import TAG
from dashboards.steps import Planner, Step, carry_out

__all__ = ["Happening", "annotate"]

_TAG_CHARACTERS: Final = 100  # what Grafana keeps of one


class Happening(NamedTuple):
    """Something happened to a narrative. at_ms: epoch milliseconds; quote: what a commenter wrote, or ""."""

    kind: str  # emerged, spiking, …
    desk: str
    narrative_id: str
    at_ms: int
    label: str
    quote: str = ""
    authors: int = 0
    threads: int = 0
    mentions: int = 0

    @property
    def key(self) -> str:
        """The tag that only this one bears."""
        what = "\n".join((self.kind, self.desk, self.narrative_id, str(self.at_ms)))
        return f"narrawatch-event:{hashlib.sha256(what.encode()).hexdigest()[:20]}"


def annotate(
    grafana: Grafana, happenings: Iterable[Happening], web_url: str, *, dry_run: bool = False
) -> Iterator[Step]:
    """Write those that are not there yet; yields each. Raises GrafanaError."""
    planners: Iterable[Planner] = (_AnnotationPlanner(grafana, one, web_url) for one in happenings)
    return carry_out(planners, dry_run=dry_run)


class _AnnotationPlanner:
    def __init__(self, grafana: Grafana, happening: Happening, web_url: str) -> None:
        self._grafana = grafana
        self._happening = happening
        self._web_url = web_url

    def plan(self) -> Step:
        one = self._happening
        name = f"{one.kind} {one.narrative_id}"
        query = urlencode({"tags": one.key, "type": "annotation", "limit": 1})
        if self._grafana.find_all(f"/annotations?{query}", "look for annotations"):
            return Step("annotation", name, "leave", "exists")
        return Step("annotation", name, "create", "is missing", self._create)

    def _create(self) -> object:
        one = self._happening
        tags = [tag[:_TAG_CHARACTERS] for tag in (TAG, one.kind, one.desk, one.narrative_id, one.key)]
        return self._grafana.write(
            lambda: self._grafana.face.annotations.add_annotation(
                time_from=one.at_ms,
                tags=[tag[:_TAG_CHARACTERS] for tag in tags],
                text=_text(one, self._web_url),
            ),
            "write annotations",
        )


def _text(one: Happening, web_url: str) -> str:
    page = html.escape(f"{web_url.rstrip('/')}/narratives/{one.narrative_id}")
    lines = [f"<b>{html.escape(one.kind)}</b>: {html.escape(one.label)}"]
    if one.quote:
        lines.append(f"<i>{html.escape(one.quote)}</i>")
    lines.append(f"{one.mentions} mentions, {one.authors} authors, {one.threads} threads")
    lines.append(f'<a href="{page}">Quotes</a>')
    return "<br>".join(lines)
