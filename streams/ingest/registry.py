"""The connectors that are installed, found by the entry point group `narrawatch.sources`.

A package adds one with `kind = "module:Class"` in that group. Only those that are asked for are imported.
"""

import difflib
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from streams.errors import SettingsError
from streams.ingest.source import Context, Source
from streams.ingest.source_options import SourceOptions

__all__ = [
    "GROUP",
    "AnySource",
    "SourceOrder",
    "kinds",
    "load_kind",
    "make_source",
    "order",
]

GROUP: Final = "narrawatch.sources"
_SHOWN_CHARACTERS = 60

AnySource = Source[Any, Any]


class SourceOrder(NamedTuple):
    """A source that is to be made, with options that were checked. place: how an error names it."""

    place: str
    connector: type[AnySource]
    options: SourceOptions

    @property
    def name(self) -> str:
        """The `source` that its comments will have."""
        return self.options.source_name(self.connector.kind)


def kinds() -> list[str]:
    """The kinds that are installed, by name."""
    return sorted(_entries())


def load_kind(kind: str) -> type[AnySource]:
    """The connector of a kind.

    Raises SettingsError when there is none, or it cannot be imported (a further package may be missing).
    """
    entries = _entries()
    if kind not in entries:
        close = difflib.get_close_matches(kind, entries, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(entries))}"
        raise SettingsError(f"no source is of kind {ascii(kind)[:_SHOWN_CHARACTERS]}; {hint}")
    try:
        connector: type[AnySource] = entries[kind].load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"the connector {kind} cannot be loaded: {error}") from error
    if not (isinstance(connector, type) and issubclass(connector, Source) and connector.kind == kind):
        raise SettingsError(f"the connector {kind} ({entries[kind].value}) is no source of that kind")
    return connector


def order(kind: str, options: Mapping[str, object], place: str) -> SourceOrder:
    """Check the options of a source. place: how errors begin, such as "sources[0]".

    Raises SettingsError, one line with each option that is wrong and what is allowed.
    """
    connector = load_kind(kind)
    try:
        return SourceOrder(place, connector, connector.options_type.model_validate(dict(options)))
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(error, connector.options_type, place))) from None


def make_source(wanted: SourceOrder, context: Context) -> AnySource:
    """The source itself; opens nothing.  Raises SettingsError."""
    try:
        return wanted.connector(wanted.options, context)
    except SettingsError as error:
        raise SettingsError(f"{wanted.place}: {error}") from error


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _explain(error: ValidationError, options_type: type[SourceOptions], place: str) -> Iterable[str]:
    for item in error.errors(include_url=False, include_context=False):
        field = str(item["loc"][0]) if item["loc"] else ""
        described = options_type.model_fields.get(field)
        if not field:
            yield f"{place}: {item['msg'].removeprefix('Value error, ')}"
        elif described is None:
            known = sorted(options_type.model_fields)
            close = difflib.get_close_matches(field, known, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            yield f"{place}: unknown option {ascii(field)[1:-1][:_SHOWN_CHARACTERS]}; {hint}"
        elif item["type"] == "missing":
            yield f"{place}: {field} is missing: {described.description}"
        else:
            shown = ascii(item["input"])[:_SHOWN_CHARACTERS]
            shown = "this value" if "@" in shown else shown  # an address may hold a password
            yield f"{place}.{field}: {shown} is not allowed: {described.description}"
