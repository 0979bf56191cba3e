"""The tables of a run, as markdown."""

import platform
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from tests.bench.peers import METHODS, PACKAGES
from tests.bench.running import Row
from tests.bench.scoring import WANTED_MENTIONS, Figures

__all__ = ["Result", "document", "table"]

_COUNTS = {"duplicates": 2, "delay_mentions": 1}  # decimals; all others are shares
_OF_TIME = {"recall_at_k", "delay_mentions"}
_OFFLINE = {method.name for method in METHODS if method.offline}
_NOTHING = "–"

_FIGURES = f"""\
A *narrative* is a label of the data with {WANTED_MENTIONS} mentions or more. What a method found matches the
label that most of its comments bear, if that is at least half of them and at least three. Shares lie
between 0 and 1 and more is better, except where another thing is said.

| figure | what |
|---|---|
| recall_at_k | share of the narratives that had emerged by their mention number {WANTED_MENTIONS} |
| recall | share of the narratives that emerged at all |
| precision | share of what emerged that matches a label |
| duplicates | matching clusters for each narrative found; 1 is perfect |
| bcubed_f1 | extended BCubed F1 over all labelled comments |
| ari_per_thread | adjusted Rand index inside each thread, mean over the threads |
| cross_lingual | share of the narratives found, if told in several languages, that one cluster holds in all |
| nmi, ari | normalised mutual information, adjusted Rand index; over the comments with one label |
| coverage | share of the labelled comments that are in something that emerged |
| delay_mentions | median number of mentions when a narrative emerged; less is better |
| comments/s | for each second of processor time, clustering alone |
"""

_HOW_FITTED = """\
The thresholds of the peers were chosen from small grids on the worlds alone
(`python -m tests.bench.quality --fit`), by the mean of bcubed_f1 and the harmonic mean of recall_at_k and
precision, and are applied as they are to the other sets. narrawatch's judge of chatter and stance
(two linear scores of 385 numbers) was fitted on the worlds, too; its thresholds (ten numbers, in
`models/parameters.py` and `models/context.py`) were chosen by looking at tech-comments, at the worlds with
the judge fitted on other worlds, and at one French thread of some forty comments; three of them (how much a
thread's mean is believed, what a split takes, what staying is worth) also at a third of the topics of argkp
and the first 4,000 comments of tweets-t. So the table of the worlds flatters everybody, narrawatch most, and
those of the other sets flatter narrawatch. DBSTREAM as shipped runs with what was chosen for it with stable
ids.

How much a figure of one stream means: vectors that are moved by chance, to a cosine of 0.9999 or 0.9996, give
on tech-comments a precision of 0.74 to 0.84 in six runs, a recall_at_k of 0.42 to 0.54 and an
ari_per_thread of 0.41 to 0.49 (`python -m tests.bench.encoder_quality --set tech-comments`)."""

_HOW_COMPARED = """\
narrawatch reads the claims of a comment, the peers the vector of the whole comment, TextClust its words.
A cluster of a peer emerges when it holds three comments of three authors; one that never does is none.
narrawatch assigns comments again when it knows more; DBSTREAM with stable ids and TextClust follow when two
of their clusters are joined; the others keep what they said first. The batch run of BERTopic reads the whole
stream before it says anything and is there for reference: its topic size was chosen by recall instead of
recall_at_k, and its outliers are in no cluster. River's DenStream takes the spread of any micro-cluster for
nothing in so many dimensions, whatever its epsilon: nearly all comments end in one cluster."""


class Result(NamedTuple):
    """A set after a run. rows: none when its data are not there."""

    name: str
    about: str
    comments: int
    shortened: bool
    rows: Sequence[Row]


def table(rows: Sequence[Row]) -> str:
    """A row a method, a column a figure."""
    head = ["method", *Figures._fields, "comments/s"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def document(results: Sequence[Result], *, model: str, day: date, budget_seconds: float) -> str:
    """The whole of docs/quality.md."""
    about = (
        "narrawatch beside other ways to cluster a stream, on labelled streams, with the same vectors, in one"
        f" run. `make bench-quality` prints these tables and writes this page; this run: {day.isoformat()}."
    )
    parts = [
        "# Quality",
        about,
        _versions(model),
        "## What the figures say",
        _FIGURES,
        "## What was fitted on what",
        _fitted(budget_seconds),
        *(part for result in results for part in _section(result)),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _cells(row: Row) -> list[str]:
    if row.figures is None:
        return [row.method, row.trouble] + [""] * len(Figures._fields)
    shown = {
        name: None if row.method in _OFFLINE and name in _OF_TIME else value
        for name, value in row.figures._asdict().items()
    }
    cells = [
        _NOTHING if value is None else f"{value:.{_COUNTS.get(name, 3)}f}" for name, value in shown.items()
    ]
    return [
        row.method,
        *cells,
        _NOTHING if row.comments_per_second is None else f"{row.comments_per_second:,.0f}",
    ]


def _versions(model: str) -> str:
    named = [f"Python {platform.python_version()}"]
    named += [f"{package} {_version(package)}" for package in ("narrawatch", "numpy", *PACKAGES)]
    return f"Versions: {', '.join(named)}. Vectors: {model}."


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _fitted(budget_seconds: float) -> str:
    rows = [f"| {one.name} | `{one.chosen}` | {len(one.grid)} |" for one in METHODS]
    grids = "\n".join(["| peer | chosen | tried |", "|---|---|---:|", *rows])
    minutes = f"{budget_seconds / 60:.0f} minutes"
    budget = f"A peer that needs more than {minutes} of processor time for a set is given up."
    return "\n\n".join([_HOW_FITTED, grids, f"{_HOW_COMPARED} {budget}"])


def _section(result: Result) -> list[str]:
    if not result.rows:
        absent = f"Not run: the development data beside the checkout are absent ({result.about})."
        return [f"## {result.name}", absent]
    size = f"The first {result.comments:,} comments" if result.shortened else f"{result.comments:,} comments"
    return [f"## {result.name}", f"{size}: {result.about}.", table(result.rows)]
