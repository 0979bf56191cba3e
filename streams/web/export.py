"""All mentions of a narrative as CSV or JSON, written while they are read."""

import csv
import io
from collections.abc import Iterator

from streams.web.narrative_queries import mentions_of
from streams.web.shapes import Mention
from streams.web.store import Store

__all__ = ["mentions_as_csv", "mentions_as_json"]

_COLUMNS = tuple(Mention.model_fields)
# What a spreadsheet would take for a formula: a stranger's text must not be run by whoever opens the file.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def mentions_as_csv(store: Store, narrative_id: str) -> Iterator[str]:
    """RFC 4180 with a header line; cells that a spreadsheet would run begin with an apostrophe."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    with store.reading() as connection:
        for mention in mentions_of(connection, narrative_id):
            values = mention.model_dump(mode="json")
            writer.writerow([_cell(values[name]) for name in _COLUMNS])
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def mentions_as_json(store: Store, narrative_id: str) -> Iterator[str]:
    """A JSON array of the mentions, newest first."""
    yield "["
    between = "\n"
    with store.reading() as connection:
        for mention in mentions_of(connection, narrative_id):
            yield between + mention.model_dump_json()
            between = ",\n"
    yield "\n]\n"


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
