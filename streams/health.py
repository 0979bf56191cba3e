"""What a worker knows about its own health, and the two questions that are answered from it.

*Alive*: does the event loop turn? If not, only a restart helps. A broker that is away, a model that is being
loaded and a state that is being rebuilt are no reasons to kill a worker.
*Ready*: would a comment that arrives now be dealt with? All that stands against it is told at once.

Written on the event loop, read by the thread of `streams.metrics_server`. What is told is what was last seen,
each with its age: a loop that hangs cannot make old figures look new.
"""

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from threading import Lock
from typing import Any, NamedTuple

__all__ = ["BATCH_SECONDS", "LOOP_SECONDS", "Answer", "Health", "PartitionProgress", "Phase"]

# The loop turns many times a second; heavy work is in threads, which hold Python's lock for moments only.
LOOP_SECONDS = 30.0
# A full batch is embedded within some seconds on a slow machine; one that takes longer waits for the broker.
BATCH_SECONDS = 60.0


class Phase(StrEnum):
    """Where a worker is in its life."""

    STARTING = "starting"  # the model is being loaded
    JOINING = "joining"  # no partitions yet, or they are being shared out anew
    REBUILDING = "rebuilding"  # it has partitions, but not yet the state that belongs to them
    RUNNING = "running"
    STOPPING = "stopping"


_OBSTACLES = {
    Phase.STARTING: "the model is not loaded yet",
    Phase.JOINING: "the group of workers has not shared out the partitions yet",
    Phase.REBUILDING: "the state of the partitions is being rebuilt",
    Phase.STOPPING: "the worker is stopping",
}


class PartitionProgress(NamedTuple):
    """How far a partition is. lag: records still to be processed, None until the broker has said;
    polled_at: by `Health`'s clock, when the broker last answered for it, None until it has.
    """

    topic: str
    partition: int
    lag: int | None
    polled_at: float | None


class Answer(NamedTuple):
    """What a question is answered with: yes or no, and a JSON object."""

    good: bool
    body: dict[str, Any]


class Health:
    """The health of one worker.

    broker_seconds: so long may the broker be silent; clock: monotonic seconds.
    """

    def __init__(self, *, broker_seconds: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker_seconds = broker_seconds
        self._clock = clock
        self._lock = Lock()
        self._begun = self._turned = clock()
        self._phase = Phase.STARTING
        self._model: str | None = None
        self._answered: float | None = None
        self._in_hand: float | None = None
        self._partitions: tuple[PartitionProgress, ...] = ()

    @property
    def phase(self) -> Phase:
        """Where the worker is."""
        with self._lock:
            return self._phase

    def enter(self, phase: Phase) -> None:
        """The worker is there now; who is stopping stays so."""
        with self._lock:
            if self._phase is not Phase.STOPPING:
                self._phase = phase

    def model(self, name: str) -> None:
        """The model is loaded."""
        with self._lock:
            self._model = name

    def turned(self) -> None:
        """The event loop has come round."""
        with self._lock:
            self._turned = self._clock()

    def broker_answered(self, at: float) -> None:
        """The broker answered at this time of the clock, or later if that is known already."""
        with self._lock:
            self._answered = at if self._answered is None else max(at, self._answered)

    def in_hand(self, since: float | None) -> None:
        """When the oldest batch that is being dealt with was begun, by the clock; None: there is none."""
        with self._lock:
            self._in_hand = since

    def progress(self, partitions: Mapping[tuple[str, int], PartitionProgress]) -> None:
        """The partitions of this worker; those it had and are not named are another's now."""
        with self._lock:
            self._partitions = tuple(partitions[place] for place in sorted(partitions))

    @property
    def questions(self) -> dict[str, Callable[[], Answer]]:
        """What it answers, by the path where it is asked."""
        return {"/health": self.alive, "/ready": self.ready}

    def alive(self) -> Answer:
        """Whether the event loop turns."""
        with self._lock:
            now = self._clock()
            reasons = self._loop_obstacles(now)
            return Answer(not reasons, self._status(reasons) | {"loop_seconds": _age(now, self._turned)})

    def ready(self) -> Answer:
        """Whether a comment that arrives now would be dealt with."""
        with self._lock:
            now = self._clock()
            reasons = self._loop_obstacles(now)
            if self._phase in _OBSTACLES:
                reasons.append(_OBSTACLES[self._phase])
            if self._model is None and self._phase is not Phase.STARTING:
                reasons.append(_OBSTACLES[Phase.STARTING])
            reasons += self._broker_obstacles(now)
            reasons += self._batch_obstacles(now)
            lags = [one.lag for one in self._partitions if one.lag is not None]
            polls = [one.polled_at for one in self._partitions if one.polled_at is not None]
            body = self._status(reasons) | {
                "phase": self._phase.value,
                "model": self._model,
                "loop_seconds": _age(now, self._turned),
                "broker_seconds": _age(now, self._answered),
                "last_poll_seconds": _age(now, max(polls, default=None)),
                "in_hand_seconds": _age(now, self._in_hand),
                "lag_records": sum(lags) if len(lags) == len(self._partitions) else None,
                "partitions": [
                    {
                        "topic": one.topic,
                        "partition": one.partition,
                        "lag_records": one.lag,
                        "last_poll_seconds": _age(now, one.polled_at),
                    }
                    for one in self._partitions
                ],
            }
            return Answer(not reasons, body)

    def _status(self, reasons: list[str]) -> dict[str, Any]:
        return {
            "status": "fail" if reasons else "pass",
            "reasons": reasons,
            "uptime_seconds": _age(self._clock(), self._begun),
        }

    def _loop_obstacles(self, now: float) -> list[str]:
        silent = now - self._turned
        return [f"the event loop has not turned for {silent:.0f} s"] if silent > LOOP_SECONDS else []

    def _broker_obstacles(self, now: float) -> list[str]:
        if self._answered is None:
            return ["the broker has not answered yet"]
        silent = now - self._answered
        return [f"the broker has not answered for {silent:.0f} s"] if silent > self._broker_seconds else []

    def _batch_obstacles(self, now: float) -> list[str]:
        if self._in_hand is None or now - self._in_hand <= BATCH_SECONDS:
            return []
        return [f"a batch has been in hand for {now - self._in_hand:.0f} s"]


def _age(now: float, then: float | None) -> float | None:
    """Seconds, never negative: the clock is read by two threads."""
    return None if then is None else round(max(0.0, now - then), 1)
