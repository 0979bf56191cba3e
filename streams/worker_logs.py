"""What a worker's operator gets to see of the libraries' logging: neither our errors twice, nor a flood."""

import logging
import time
from collections.abc import Callable

from models.errors import NarrawatchError

__all__ = ["RepeatFilter", "filter_worker_logs"]

# Where Faust tells of an exception in an agent, a timer or a task, with a traceback.
_CRASH_LOGGERS = ("faust.agents.actor", "faust.app.base")
# aiokafka tries ten times a second to reach a broker that is gone, and says so several times each.
_CLIENT_LOGGERS = (
    "aiokafka",
    "aiokafka.cluster",
    "aiokafka.conn",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.sender",
    "streams.outlets",
)
_REPEAT_SECONDS = 60.0


class RepeatFilter(logging.Filter):
    """Lets each message through once in so many seconds, whatever its arguments."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._last: dict[str, float] = {}  # as many as there are messages in the source

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        now = self._clock()
        message = str(record.msg)
        if now - self._last.get(message, float("-inf")) < self._seconds:
            return False
        self._last[message] = now
        return True


def filter_worker_logs() -> None:
    """Set the filters for the rest of this process; more than once does no harm."""
    for name in _CRASH_LOGGERS:
        logging.getLogger(name).addFilter(_is_worth_a_traceback)
    for name in _CLIENT_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, RepeatFilter) for one in logger.filters):
            logger.addFilter(RepeatFilter(_REPEAT_SECONDS))


def _is_worth_a_traceback(record: logging.LogRecord) -> bool:
    """What the user can do something about is one line, said by whoever runs the worker."""
    return record.exc_info is None or not isinstance(record.exc_info[1], NarrawatchError)
