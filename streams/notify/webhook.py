"""Delivers one notification to one receiver: signed, with another attempt where that may help.

What an answer means: 2xx is delivered; 408, 425, 429, 5xx, no answer in time and no connection may pass;
anything else, redirects too, is a refusal. Retry-After is honoured up to a minute.
"""

import time
from collections.abc import Callable
from threading import Event

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    stop_when_event_set,
)

from streams.errors import DeliveryError, ForbiddenAddressError
from streams.notify.formats import body_of
from streams.notify.guarded_transport import GuardedTransport
from streams.notify.notification import Notification
from streams.notify.signature import signature_headers
from streams.notify_fields import Receiver
from streams.polite.retry_after import retry_after_seconds
from streams.settings_fields import Settings

__all__ = ["GIVE_UP_SECONDS", "Webhooks"]

GIVE_UP_SECONDS = 180.0  # whatever the number of attempts: others wait
_FIRST_WAIT_SECONDS = 1.0
_MAX_WAIT_SECONDS = 60.0  # whatever Retry-After says
_PASSING = frozenset({408, 425, 429})
_SERVER_ERRORS = 500
_USER_AGENT = "narrawatch"


class Webhooks:
    """Sends to webhooks. For several threads; a context manager.

    stop: when it is set, what waits for another attempt is given up at once; wait: seconds before attempt
    n + 1, after n have failed, by default 1, 2, 4; clock: seconds since the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        stop: Event,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[int], float] = lambda failed: _FIRST_WAIT_SECONDS * 2.0 ** (failed - 1),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._attempts = settings.notify_attempts
        self._stop = stop
        self._wait = wait
        self._clock = clock
        self._http = httpx.Client(
            transport=transport or GuardedTransport(allow_private=settings.notify_allow_private),
            timeout=settings.notify_timeout_seconds,
            follow_redirects=False,  # where one leads was not in the settings
            trust_env=False,  # a proxy would connect to what is refused here
            headers={"User-Agent": _USER_AGENT},
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def send(self, notification: Notification, receiver: Receiver, *, attempts: int | None = None) -> None:
        """Return when it is delivered.  Raises DeliveryError when it is given up.

        attempts: instead of those of the settings.
        """
        body = body_of(notification, receiver)
        retrying = Retrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop_after_attempt(attempts or self._attempts)
            | stop_after_delay(GIVE_UP_SECONDS)
            | stop_when_event_set(self._stop),
            wait=self._pause,
            sleep=self._sleep,
            reraise=True,
        )
        retrying(self._attempt, notification.id, body, receiver)

    def _pause(self, state: RetryCallState) -> float:
        error = None if state.outcome is None else state.outcome.exception()
        asked = error.retry_after_seconds if isinstance(error, _PassingError) else 0.0
        return min(_MAX_WAIT_SECONDS, max(self._wait(state.attempt_number), asked))

    def _sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _attempt(self, key: str, body: bytes, receiver: Receiver) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if receiver.secret is not None:
            headers |= signature_headers(receiver.secret.get_secret_value(), body, now=self._clock())
        try:
            answer = self._http.post(receiver.url.get_secret_value(), content=body, headers=headers)
        except httpx.TimeoutException:
            raise _PassingError("no answer in time") from None
        except httpx.TransportError as error:
            # Never the address: its path is what lets one post there.
            raise _PassingError(f"no connection ({type(error).__name__}: {str(error)[:100]})") from None
        except ForbiddenAddressError as error:
            raise DeliveryError(str(error), may_pass=False) from None
        self._judge(answer)

    def _judge(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        if status in _PASSING or status >= _SERVER_ERRORS:
            asked = retry_after_seconds(answer.headers.get("Retry-After", ""), self._clock())
            raise _PassingError(f"status {status}", asked or 0.0)
        raise DeliveryError(f"status {status}", may_pass=False)


class _PassingError(DeliveryError):
    """Worth another attempt."""

    def __init__(self, detail: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(detail, may_pass=True)
        self.retry_after_seconds = retry_after_seconds
