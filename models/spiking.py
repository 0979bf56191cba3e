"""The spikes of a desk: counts what is said, and decides which narratives to tell of.

A narrative spikes when its mentions are unusual (see `models.spikes`) and corroborated: by several authors,
the more the more mentions there are, in several threads or by twice as many authors in one. What it was
mentioned before it emerged, or what it took over from another narrative, is no growth.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from models.narrative import FACET, Facet, Member, Narrative, Said
from models.outcome import Event, EventType, Quote, instant
from models.pulse import Pulse
from models.readings import WINDOWS, Reading, Readings, WindowReading
from models.spike_parameters import SpikeParameters
from models.spikes import notice, read, settle_past, tell
from models.volume import Volume, VolumeState

__all__ = ["Spiking", "SpikingState"]

_QUOTES = 3
_MOST_WATCHES = 1_000
_MOST_SAID = 500  # mentions of a burst that are looked at: more convince nobody any further


class SpikingState(msgspec.Struct, frozen=True):
    """What is known besides the pulses of narratives, which are kept with them."""

    volume: VolumeState
    watches: dict[str, Pulse]


class _Burst(NamedTuple):
    """Who speaks within a window."""

    authors: int
    threads: int
    languages: int


class Spiking:
    """Of one desk. Event time only moves forward; comments may be late."""

    def __init__(self, parameters: SpikeParameters) -> None:
        self._parameters = parameters
        self._volume = Volume()
        self._watches: dict[str, Pulse] = {}
        self._mentioned: dict[int, None] = {}

    def comment(self, at_ms: int, now_ms: int) -> None:
        """A comment was posted then, and is looked at now (epoch ms)."""
        self._volume.advance(now_ms)
        self._volume.count(at_ms)

    def matched(self, watches: Iterable[str], at_ms: int, now_ms: int) -> None:
        """The comment matches these watches."""
        for name in watches:
            pulse = self._watches.get(name)
            if pulse is None:
                pulse = self._watches[name] = Pulse(born_ms=now_ms - 1)
                self._forget_watches()
            pulse.add(at_ms)
            settle_past(pulse, self._volume, self._parameters, now_ms=now_ms)

    def mentioned(self, uid: int) -> None:
        """A narrative got a mention, perhaps an old one: it is looked at by `spikes`."""
        self._mentioned[uid] = None

    def spikes(
        self,
        narratives: Mapping[int, Narrative],
        members: Sequence[Member],
        owners: Sequence[int],
        *,
        now_ms: int,
        at_ms: int,
    ) -> list[Event]:
        """What has begun to spike since the last call.

        members, owners: recent claims, and the narratives that they make, by uid; at_ms: for the events.
        """
        mentioned, self._mentioned = self._mentioned, {}
        found = []
        for narrative in [narratives[uid] for uid in mentioned if uid in narratives]:
            reading = notice(narrative.pulse, self._volume, self._parameters, now_ms=now_ms)
            if reading is None:
                continue
            most = _telling(reading)
            since_ms = now_ms - WINDOWS[most.window] * 1000
            burst = _burst(narrative, since_ms)
            if not self._is_corroborated(burst, most.observed):
                continue
            tell(narrative.pulse, now_ms)
            own = [one for one, uid in zip(members, owners, strict=True) if uid == narrative.uid]
            quotes = _quotes([*own, *narrative.sample], since_ms)
            view = narrative.view()
            found.append(
                Event(
                    type=EventType.SPIKING,
                    narrative_id=narrative.narrative_id,
                    at=instant(at_ms),
                    mentions=narrative.mentions,
                    narrative=msgspec.structs.replace(view, quotes=quotes or view.quotes),
                    trigger=self._figures(reading, most, burst),
                )
            )
        return found

    def readings(self, narratives: Iterable[Narrative], watches: Iterable[str], now_ms: int) -> Readings:
        """How unusual each of them is at a time, which may be later than event time. Changes nothing."""
        return Readings(
            {one.narrative_id: self._read(one.pulse, now_ms) for one in narratives},
            {name: self._read(self._watches.get(name, Pulse(born_ms=now_ms)), now_ms) for name in watches},
        )

    def state(self) -> SpikingState:
        """Everything but the pulses of narratives, to be given to `load`."""
        return SpikingState(self._volume.state(), self._watches)

    def load(self, state: SpikingState) -> None:
        """Take over what `state` returned.  Raises ValueError for anything else."""
        self._volume.load(state.volume)
        self._watches = dict(state.watches)

    def _forget_watches(self) -> None:
        """Watches come and go by command; those that have not matched for longest are the ones that went."""
        if len(self._watches) > _MOST_WATCHES:
            del self._watches[min(self._watches, key=lambda name: (self._watches[name].judged_until, name))]

    def _read(self, pulse: Pulse, now_ms: int) -> Reading:
        return read(pulse, self._volume, self._parameters, now_ms=now_ms)

    def _is_corroborated(self, burst: _Burst, mentions: int) -> bool:
        least = self._parameters.min_authors
        if burst.authors < max(least, math.isqrt(min(mentions, _MOST_SAID))):
            return False
        return burst.threads > 1 or burst.authors >= 2 * least

    def _figures(self, reading: Reading, most: WindowReading, burst: _Burst) -> dict[str, float]:
        return {
            "surprise": reading.surprise,
            "required_surprise": self._parameters.surprise,
            "observed": float(most.observed),
            "expected": most.expected,
            "window_seconds": float(WINDOWS[most.window]),
            "authors": float(burst.authors),
            "required_authors": float(self._parameters.min_authors),
            "threads": float(burst.threads),
            "languages": float(burst.languages),
        }


def _telling(reading: Reading) -> WindowReading:
    """The most surprising window; for a slow rise, which no window shows best, that of six hours."""
    most = max(reading.windows, key=lambda one: one.surprise)
    return most if most.surprise >= reading.surprise else reading.windows[2]


def _burst(narrative: Narrative, since_ms: int) -> _Burst:
    said: list[Said] = []
    for one in reversed(narrative.comments.values()):
        if one.at_ms >= since_ms:
            said.append(one)
            if len(said) >= _MOST_SAID:
                break
    facets = [one.facet.split(FACET) for one in said]
    return _Burst(
        authors=len({one.author for one in said}),
        threads=len({(facet[Facet.SOURCE], facet[Facet.THREAD]) for facet in facets}),
        languages=len({facet[Facet.LANGUAGE] for facet in facets}),
    )


def _quotes(members: Iterable[Member], since_ms: int) -> list[Quote]:
    """The latest words of several authors, the latest first."""
    latest = sorted(
        (member for member in members if member.at_ms >= since_ms),
        key=lambda member: (-member.at_ms, member.rank),
    )
    by_author: dict[int, Member] = {}
    for member in latest:
        by_author.setdefault(member.author_key, member)
    return [member.quote() for member in list(by_author.values())[:_QUOTES]]
