"""What was said lately, so that it is not said again: a notification once, of a narrative not too often."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

__all__ = ["Lately"]

_MAX_REMEMBERED = 100_000


class Lately:
    """Remembers things for so many seconds. Not for several threads at once.

    clock: seconds, monotonic. Bounded: of more than 100,000 the oldest are forgotten.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._at: OrderedDict[Hashable, float] = OrderedDict()

    def __contains__(self, thing: Hashable) -> bool:
        at = self._at.get(thing)
        return at is not None and self._clock() - at < self._seconds

    def add(self, thing: Hashable) -> None:
        """It happened now."""
        self._at.pop(thing, None)
        self._at[thing] = self._clock()
        while self._at and (
            len(self._at) > _MAX_REMEMBERED or self._clock() - next(iter(self._at.values())) >= self._seconds
        ):
            self._at.popitem(last=False)
