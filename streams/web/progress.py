"""How far the page has read: the answer to /ready, and what "About" shows.

Written by the thread that reads, asked by those that answer.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

__all__ = ["Progress"]

# Who has caught up once is up to date: on a busy stream there is always something that has just come.
_BEHIND_RECORDS = 20_000


class Progress:
    """What is known of the reading.

    origin: where it reads from, for a person; broker_seconds: so long may the broker be silent, None where
    there is none; clock: monotonic seconds.
    """

    def __init__(
        self,
        origin: str,
        *,
        broker_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.origin = origin
        self._broker_seconds = broker_seconds
        self._clock = clock
        self._lock = Lock()
        self._begun = clock()
        self._answered: float | None = None
        self._unread: int | None = None
        self._has_caught_up = False
        self._refused = 0
        self._trouble: str | None = None
        self._dead: str | None = None

    def answered(self, unread: int) -> None:
        """The broker answered. unread: records that are there and not taken yet."""
        with self._lock:
            self._answered, self._unread, self._trouble = self._clock(), unread, None
            self._has_caught_up = self._has_caught_up or not unread

    def refused(self) -> int:
        """A record could not be read, and was passed over; returns how many there have been."""
        with self._lock:
            self._refused += 1
            return self._refused

    def trouble(self, reason: str) -> None:
        """Reading does not go on, for this reason."""
        with self._lock:
            self._trouble = reason

    def died(self, reason: str) -> None:
        """Reading has ended for good: only a restart helps."""
        with self._lock:
            self._dead = reason

    def dead(self) -> list[str]:
        """Why reading has ended for good, if it has."""
        with self._lock:
            return [self._dead] if self._dead else []

    def obstacles(self) -> list[str]:
        """All that stands against what is shown being up to date."""
        with self._lock:
            found = [reason for reason in (self._dead, self._trouble) if reason]
            if self._broker_seconds is None:
                return found
            if self._answered is None:
                return [*found, "the topics have not been read yet"]
            silent = self._clock() - self._answered
            if silent > self._broker_seconds:
                found.append(f"the broker has not answered for {silent:.0f} s")
            if not self._has_caught_up or (self._unread or 0) > _BEHIND_RECORDS:
                found.append(f"{self._unread} records have not been read yet")
            return found

    def status(self, obstacles: list[str]) -> dict[str, Any]:
        """The answer to a question of health, as that of a worker is."""
        with self._lock:
            now = self._clock()
            return {
                "status": "fail" if obstacles else "pass",
                "reasons": obstacles,
                "uptime_seconds": round(now - self._begun, 1),
                "from": self.origin,
                "broker_seconds": None if self._answered is None else round(now - self._answered, 1),
                "unread_records": self._unread,
                "refused_records": self._refused,
            }
