"""Who is told of a notification, and what becomes of it for each of them.

Receivers are independent: each has a thread, and one that does not answer holds the others up no longer than
for the attempts of one notification. Once it was given up there, the next ones are tried a single time until
one is delivered.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import NamedTuple

from streams.errors import DeliveryError
from streams.notify.metrics import Fate, NotifyMetrics
from streams.notify.notification import Notification
from streams.notify.quiet import Lately
from streams.notify.webhook import Webhooks
from streams.notify_fields import NotifyKind, Receiver

__all__ = ["Dispatcher", "Result"]

_SEVERITIES = ("info", "warning", "critical")
_REPEATED_SECONDS = 1_800.0  # after a crash, or from a second Alertmanager, the same comes soon or never

_logger = logging.getLogger(__name__)


class Result(NamedTuple):
    """What became of a notification for one receiver. detail: why it was not delivered; "" where it was."""

    receiver: str
    fate: Fate
    detail: str = ""


class Dispatcher:
    """Sends notifications to the receivers whom they concern.

    cooldown_seconds: for so long the same type is not said of a narrative (or a watch) again, 0 where whoever
    sends takes care of that; stop: set when the process is to end; clock: seconds, monotonic.
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        webhooks: Webhooks,
        metrics: NotifyMetrics,
        *,
        cooldown_seconds: float,
        stop: Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._receivers = receivers
        self._webhooks = webhooks
        self._metrics = metrics
        self._stop = stop
        self._clock = clock
        self._lock = Lock()
        self._said = Lately(_REPEATED_SECONDS, clock)
        self._quiet = Lately(cooldown_seconds, clock)
        self._failing: set[str] = set()
        self._threads = ThreadPoolExecutor(max(1, len(receivers)), thread_name_prefix="notify")

    def close(self) -> None:
        """Wait for what is being sent; set `stop` first."""
        self._threads.shutdown()

    def send(
        self,
        notification: Notification,
        *,
        types: Sequence[NotifyKind] | None = None,
        attempts: int | None = None,
        patient: bool = False,
    ) -> list[Result]:
        """Tell all whom it concerns; returns when that is done, or given up, for each of them.

        types: all that it is about, by default its own type; attempts: instead of those of the settings;
        patient: who calls will come again with what could not be delivered for a reason that may pass, which
        is then postponed and not given up.
        """
        kinds = [notification.type] if types is None else types
        concerned = [one for one in self._receivers if _concerns(notification, kinds, one)]
        # In parallel: a list first, then the answers.
        running = [
            self._threads.submit(self._tell, notification, one, attempts, patient) for one in concerned
        ]
        return [one.result() for one in running]

    def _tell(
        self, notification: Notification, receiver: Receiver, attempts: int | None, patient: bool
    ) -> Result:
        said, topic = _keys(notification, receiver)
        with self._lock:
            known = said in self._said or topic in self._quiet
            if receiver.name in self._failing:
                attempts = 1
        result = (
            Result(receiver.name, Fate.SUPPRESSED)
            if known
            else self._deliver(notification, receiver, attempts, patient)
        )
        with self._lock:
            if result.fate is Fate.DELIVERED:
                self._said.add(said)
                self._quiet.add(topic)
        self._metrics.done(receiver.name, result.fate)
        return result

    def _deliver(
        self, notification: Notification, receiver: Receiver, attempts: int | None, patient: bool
    ) -> Result:
        begun = self._clock()
        try:
            self._webhooks.send(notification, receiver, attempts=attempts)
        except DeliveryError as error:
            # Stopped in the middle of it, it comes again.
            postponed = error.may_pass and (patient or self._stop.is_set())
            with self._lock:
                self._failing.add(receiver.name)
            fate = Fate.POSTPONED if postponed else Fate.GIVEN_UP
            _logger.warning(
                "%s %s for %s: %s", notification.type, fate.value.replace("_", " "), receiver.name, error
            )
            return Result(receiver.name, fate, str(error))
        with self._lock:
            self._failing.discard(receiver.name)
        self._metrics.took(receiver.name, self._clock() - begun)
        return Result(receiver.name, Fate.DELIVERED)


def _concerns(notification: Notification, kinds: Sequence[NotifyKind], receiver: Receiver) -> bool:
    enough = _SEVERITIES.index(notification.severity) >= _SEVERITIES.index(receiver.min_severity)
    # What is wrong with narrawatch itself concerns every desk.
    desk = not receiver.desks or not notification.desk or notification.desk in receiver.desks
    return enough and desk and not set(kinds).isdisjoint(receiver.types)


def _keys(notification: Notification, receiver: Receiver) -> tuple[tuple[str, ...], tuple[str, ...]]:
    about = notification.watch or ""
    if notification.narrative is not None:
        about = notification.narrative.narrative_id
    return (
        (receiver.name, notification.id),
        # An alert of the operator has no desk and no narrative; each is a topic of its own.
        (receiver.name, notification.desk, about or notification.id, notification.type),
    )
