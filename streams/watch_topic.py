"""The watches that were added by command: kept in the compacted topic `watches`, one record a watch.

The key is the name, the value what `[[watches]]` of a configuration file may hold, as JSON; a record without
value removes the watch. Whoever reads the topic from its beginning knows all of them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from kafka import KafkaProducer
from pydantic import ValidationError

from streams.connection import clear_broker_errors, open_consumer, producer_options
from streams.errors import SettingsError
from streams.partition_reader import partitions_of, read_stretch
from streams.settings_fields import MAX_WATCHES, Settings, Watch
from streams.topics import Topic, topic_name

__all__ = [
    "StoredWatches",
    "WatchOrigin",
    "checked_watch",
    "merged_watches",
    "read_watches",
    "with_stored_watches",
    "write_watch",
]

_SEND_SECONDS = 45.0  # longer than the client takes to give a record up, so that its own error comes first
_CLOSE_SECONDS = 1.0
_SHOWN_CHARACTERS = 60


class StoredWatches(NamedTuple):
    """The watches of the topic by name, up to an offset. foreign: records that are no watches."""

    watches: Mapping[str, Watch] = {}
    next_offset: int = 0
    foreign: int = 0

    def after(self, offset: int, key: bytes | None, value: bytes | None) -> "StoredWatches":
        """With one more record of the topic. What is no watch changes nothing: anybody may write there."""
        passed = self._replace(next_offset=offset + 1)
        name = None if key is None else _text(key)
        if name is not None and value is None:
            return passed._replace(watches={k: v for k, v in self.watches.items() if k != name})
        watch = _decoded(name, value)
        if watch is None:
            return passed._replace(foreign=self.foreign + 1)
        return passed._replace(watches={**self.watches, watch.name: watch})


class WatchOrigin(NamedTuple):
    """A watch and where it comes from. hidden: another one of its name, or the limit, keeps it out."""

    watch: Watch
    in_config: bool
    hidden: str = ""


def checked_watch(fields: Mapping[str, Any]) -> Watch:
    """A watch of these fields. Raises SettingsError, one line with what is allowed."""
    try:
        return Watch(**fields)
    except ValidationError as error:
        places = [str(item["loc"][0]) for item in error.errors(include_url=False)]
        raise SettingsError("; ".join(_explain(place, fields) for place in dict.fromkeys(places))) from None


def merged_watches(settings: Settings, stored: StoredWatches) -> list[WatchOrigin]:
    """All watches: those of the settings, then those of the topic by name. Of one name, the settings win."""
    merged = [WatchOrigin(watch, in_config=True) for watch in settings.watches]
    names = {watch.name for watch in settings.watches}
    for name, watch in sorted(stored.watches.items()):
        full = sum(not one.hidden for one in merged) >= MAX_WATCHES
        hidden = "the settings have one of this name" if name in names else ""
        hidden = hidden or (f"there are {MAX_WATCHES} already" if full else "")
        merged.append(WatchOrigin(watch, in_config=False, hidden=hidden))
    return merged


def read_watches(settings: Settings) -> StoredWatches:
    """All that is in the topic now. Raises BrokerError when the broker is down or lacks the topic."""
    stored = StoredWatches()
    with open_consumer(settings, auto_offset_reset="earliest") as consumer:
        place, *_ = partitions_of(consumer, settings, Topic.WATCHES)
        consumer.assign([place])
        end = consumer.end_offsets([place])[place]
        for record in read_stretch(consumer, place, 0, end):
            stored = stored.after(record.offset, record.key, record.value)
    return stored._replace(next_offset=max(stored.next_offset, end))


def with_stored_watches(settings: Settings) -> Settings:
    """The settings with all watches that are looked for, those of the topic too.  Raises BrokerError."""
    merged = merged_watches(settings, read_watches(settings))
    return settings.model_copy(update={"watches": tuple(one.watch for one in merged if not one.hidden)})


def write_watch(settings: Settings, name: str, watch: Watch | None) -> None:
    """Keep a watch under its name, or remove it (None); returns when the broker has it.

    Raises BrokerError.
    """
    value = None if watch is None else msgspec.json.encode(watch.model_dump(exclude_none=True))
    with clear_broker_errors(settings):
        producer = KafkaProducer(**producer_options(settings))
        try:
            future = producer.send(
                topic_name(settings, Topic.WATCHES), value=value, key=name.encode(), partition=0
            )
            future.get(timeout=_SEND_SECONDS)
        finally:
            producer.close(timeout=_CLOSE_SECONDS)


def _decoded(name: str | None, value: bytes | None) -> Watch | None:
    try:
        watch = Watch.model_validate_json(value or b"")
    except ValidationError:
        return None
    return watch if watch.name == name else None


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _explain(field: str, fields: Mapping[str, Any]) -> str:
    described = Watch.model_fields.get(field)
    if described is None:
        return f"a watch has no {field}"
    shown = ascii(fields.get(field))  # ASCII: what a terminal obeys is not shown to it
    if len(shown) > _SHOWN_CHARACTERS:
        shown = shown[: _SHOWN_CHARACTERS - 1] + "…"
    return f"{field}: {shown} is not allowed: {described.description}"
