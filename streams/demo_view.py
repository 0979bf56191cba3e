"""What the demo shows: one line a narrative and, on a terminal, live figures below.

Text that strangers wrote goes through `rich.text.Text`, never through markup.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from streams.demo_state import Found
from streams.results import EventRecord, NarrativeRecord

__all__ = ["Figures", "figures_line", "print_emerged", "print_summary"]

_QUOTE_CHARACTERS = 110


class Figures(NamedTuple):
    """Where the stream stands, as the worker's metrics have it."""

    sent: int
    of: int
    judged: int  # accepted, refused or a duplicate
    comments: int
    claims: int
    embedded: int
    lag: int
    narratives: int


def figures_line(figures: Figures, moment: str) -> Group:
    """The live part of the screen."""
    table = Table.grid(padding=(0, 3))
    table.add_row(
        f"sample time {moment[:16].replace('T', ' ')}",
        f"sent {figures.sent}/{figures.of}",
        f"comments read {figures.comments}",
        f"claims embedded {figures.embedded}",
        f"lag {figures.lag}",
        f"narratives {figures.narratives}",
    )
    return Group(Text(""), table)


def print_emerged(console: Console, event: EventRecord) -> None:
    """A narrative, at the moment it emerges."""
    view = event.narrative
    console.print(
        Text.assemble(
            (f"{event.at:%a %d %b %H:%M}  ", "dim"),
            ("campaign " if view.kind == "campaign" else "emerged  ", "bold red"),
            (view.label, "bold"),
        )
    )
    languages = ", ".join(view.languages)
    about = f"{view.mentions} mentions, {view.authors} authors, {languages}"
    console.print(Text(f"                  {about}, first seen {view.first_seen:%a %H:%M}", "dim"))
    for quote in view.quotes[:1]:
        console.print(Text(f"                  « {_short(quote.text)} »", "italic"))


def print_summary(console: Console, found: Sequence[Found], announced: int, figures: Figures) -> None:
    """What was in the sample, and what the engine made of it."""
    console.print()
    console.print(Text("The narratives written into the sample", "bold"))
    for one in found:
        console.print(Text.assemble("  ", (one.title, "bold")))
        if one.narrative is None:
            console.print(Text("    not found", "red"))
        else:
            _print_found(console, one, one.narrative)
    matched = len({one.narrative.narrative_id for one in found if one.narrative is not None})
    told = f"{figures.comments} comments, {figures.claims} claims; {announced} narratives announced"
    console.print(Text(f"{told}, {matched} of them above; the others are smaller groups of talk.", "dim"))


def _print_found(console: Console, one: Found, view: NarrativeRecord) -> None:
    languages = ", ".join(f"{language} {count}" for language, count in view.languages.items())
    console.print(Text(f"    {view.narrative_id}  {view.label}"))
    console.print(
        Text(
            f"    {view.kind}, {view.mentions} mentions ({one.hits} of the {one.of} written),"
            f" {view.authors} authors, {languages}; emerged {view.emerged_at:%a %d %b %H:%M}",
            "dim",
        )
    )
    console.print(Text(f"    « {_short(view.representative)} »", "italic"))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTE_CHARACTERS else line[: _QUOTE_CHARACTERS - 1].rstrip() + "…"
