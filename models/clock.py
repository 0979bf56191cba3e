"""Event time: what time it is in a stream whose comments date themselves.

The clock follows the comments' own dates and never runs backwards. A date far ahead of it is believed only
once several authors confirm it: one forged date moves nothing, while a real gap (a quiet night, a weekend)
is bridged by the first few comments after it.
"""

import msgspec

__all__ = ["CONFIRMING_AUTHORS", "MAX_STEP_MS", "UNDATED_ORIGIN_MS", "EventClock"]

MAX_STEP_MS = 6 * 3_600_000  # longer than the pauses of a living thread, shorter than a day
CONFIRMING_AUTHORS = 2  # beside the first: forging three accounts' dates gains an attacker little
UNDATED_ORIGIN_MS = 946_684_800_000  # 2000-01-01: where a stream without any dates begins
UNDATED_STEP_MS = 1_000  # undated comments are told apart by a second each


class EventClock(msgspec.Struct):
    """Event time in epoch milliseconds, and the dates ahead of it that wait to be confirmed."""

    now_ms: int | None = None
    dated: bool = False
    ahead: dict[str, int] = {}

    def advance(self, created_at_ms: int | None, author: str) -> int:
        """Take one comment's date and return the event time (epoch ms) at which it is to be judged.

        created_at_ms: None for a comment without a believable date; it happens "now".
        """
        if created_at_ms is None:
            return self._undated()
        if self.now_ms is None or not self.dated:
            self.now_ms, self.dated = created_at_ms, True
        elif created_at_ms > self.now_ms + MAX_STEP_MS:
            self._confirm(created_at_ms, author)
        else:
            self.now_ms = max(self.now_ms, created_at_ms)
            self.ahead.clear()
        return self.now_ms

    def _undated(self) -> int:
        if self.now_ms is None:
            self.now_ms = UNDATED_ORIGIN_MS
        elif not self.dated:
            self.now_ms += UNDATED_STEP_MS
        return self.now_ms

    def _confirm(self, created_at_ms: int, author: str) -> None:
        self.ahead[author] = created_at_ms
        if len(self.ahead) > CONFIRMING_AUTHORS:
            # The smallest of the dates is the one that all of the witnesses agree has been reached.
            self.now_ms = min(self.ahead.values())
            self.ahead.clear()
