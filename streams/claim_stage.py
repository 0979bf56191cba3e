"""The first half of the worker as a plain object: comments as bytes in, records of claims out.

It knows no Kafka and no event loop: `streams.agents.claims` calls it in a thread and delivers what it
returns. Nothing of a comment can make it fail: what cannot be processed becomes a dead letter with its bytes,
its place, the reason and the cause.
"""

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from models.errors import NarrawatchError
from models.preparation import ClaimMaker, Draft
from models.types import Claim
from streams.broken_stream import BrokenStreamGuard
from streams.comments import Comment, decode_comment
from streams.errors import RejectedComment, RejectReason
from streams.metrics import Metrics
from streams.originals import original_of
from streams.outlets import Output, letter_output
from streams.records import ClaimBatch, dead_letter, encode_claims
from streams.settings_fields import Settings
from streams.topics import Topic

__all__ = ["ClaimStage", "Delivery", "Judgement", "Reading", "StageError"]

REMEMBERED_COMMENTS = 100_000  # about 20 MB
# So many in a row are no bad comments but a broken worker: better that it stops than that it empties the
# topic into the dead letters.
MAX_FAILURES_IN_A_ROW = 100

_logger = logging.getLogger(__name__)

_Key = tuple[str, str, str]  # desk, source, id


class StageError(NarrawatchError):
    """Comment after comment fails: the fault is not theirs."""


class Delivery(NamedTuple):
    """A record of the topic `comments` as it came.

    arrival_ms: when the broker had it, epoch ms; end_offset: after the last known record of its partition.
    """

    value: bytes
    key: bytes | None
    topic: str
    partition: int
    offset: int
    arrival_ms: int
    end_offset: int = 0


class Judgement(NamedTuple):
    """What became of a batch: records to send, in order, and what to count once they are delivered."""

    outputs: list[Output]
    accepted: list[tuple[_Key, bytes]]
    rejected: list[RejectReason]
    duplicates: int
    dates_refused: int


class _Refused(NamedTuple):
    delivery: Delivery
    rejection: RejectedComment


class _Accepted(NamedTuple):
    delivery: Delivery
    key: _Key
    drafts: list[Draft]  # empty: the comment is deleted
    date_refused: bool
    digest: bytes  # of what it says


Reading = _Accepted | _Refused


def _now() -> datetime:
    return datetime.now(UTC)


class ClaimStage:
    """Reads comments and splits them into claims, and embeds these: two steps, for a thread each.

    author_key: of the hashes that stand for authors. clock: when a dead letter was put aside.
    """

    def __init__(
        self,
        settings: Settings,
        maker: ClaimMaker,
        metrics: Metrics,
        *,
        author_key: bytes,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._settings = settings
        self._maker = maker
        self._metrics = metrics
        self._author_key = author_key
        self._clock = clock
        self._seen: OrderedDict[_Key, bytes] = OrderedDict()  # what they said last
        self._failures_in_a_row = 0
        self._guard = BrokenStreamGuard(settings, metrics)

    def read(self, deliveries: Sequence[Delivery]) -> list[Reading]:
        """What is in some records, in their order.

        Raises StageError when comments fail one after the other, BrokenStreamError when nearly all have been
        refused for long.
        """
        return [self._reading(delivery) for delivery in deliveries]

    def judge(self, readings: Sequence[Reading]) -> Judgement:
        """Embed a batch; the records of accepted comments are in its order.

        May take seconds. Raises StageError when comments fail one after the other.
        """
        accepted: list[_Accepted] = []
        rejections: list[tuple[Delivery, RejectedComment]] = []
        batch: dict[_Key, bytes] = {}
        duplicates = 0
        for one in readings:
            if isinstance(one, _Refused):
                rejections.append((one.delivery, one.rejection))
            elif batch.get(one.key, self._seen.get(one.key)) == one.digest:
                duplicates += 1
            else:
                batch[one.key] = one.digest
                accepted.append(one)
        claims = self._embed(accepted, rejections)
        kept = [(one, found) for one, found in zip(accepted, claims, strict=True) if found is not None]
        outputs = self._records(kept, [one.delivery for one in readings])
        outputs += [self._put_aside(delivery, rejection) for delivery, rejection in rejections]
        return Judgement(
            outputs=outputs,
            accepted=[(one.key, one.digest) for one, _ in kept],
            rejected=[rejection.reason for _, rejection in rejections],
            duplicates=duplicates,
            dates_refused=sum(one.date_refused for one, _ in kept),
        )

    def delivered(self, judgement: Judgement) -> None:
        """Count a judgement whose records have arrived; only now are its comments known as seen."""
        self._guard.show()
        for reason in judgement.rejected:
            self._metrics.rejected(reason)
        for _ in range(judgement.duplicates):
            self._metrics.duplicate()
        self._metrics.dates_refused(judgement.dates_refused)
        for key, digest in judgement.accepted:
            self._seen[key] = digest
            self._seen.move_to_end(key)
        while len(self._seen) > REMEMBERED_COMMENTS:
            self._seen.popitem(last=False)

    def _saw(self, delivery: Delivery, reason: RejectReason | None) -> None:
        self._guard.saw(
            delivery.topic,
            delivery.partition,
            delivery.offset,
            arrival_ms=delivery.arrival_ms,
            reason=reason,
        )

    def _reading(self, delivery: Delivery) -> Reading:
        try:
            one = self._read(delivery)
        except RejectedComment as rejection:
            self._saw(delivery, rejection.reason)
            return _Refused(delivery, rejection)
        self._saw(delivery, None)
        return one

    def _read(self, delivery: Delivery) -> _Accepted:
        """Raises RejectedComment, whatever goes wrong."""
        try:
            comment = decode_comment(delivery.value, self._settings.max_comment_bytes)
            return self._draft(delivery, comment)
        except RejectedComment:
            raise
        except Exception as error:  # of this comment alone: it is put aside with the cause
            raise self._failure(error) from error

    def _draft(self, delivery: Delivery, comment: Comment) -> _Accepted:
        key = (comment.desk or self._settings.desk, comment.source, comment.id)
        if comment.deleted:
            return _Accepted(delivery, key, [], comment.date_rejected, b"")
        original = original_of(
            comment,
            author_key=self._author_key,
            arrival_ms=delivery.arrival_ms,
            future_tolerance_seconds=self._settings.future_tolerance_seconds,
        )
        drafts = self._maker.draft(original)
        if not drafts:
            raise RejectedComment(RejectReason.EMPTY_TEXT, "nothing readable is left of the text")
        refused = comment.date_rejected or original.created_at_ms != comment.created_at_ms
        digest = hashlib.blake2b(comment.text.encode(), digest_size=8).digest()
        return _Accepted(delivery, key, drafts, refused, digest)

    def _embed(
        self, accepted: Sequence[_Accepted], rejections: list[tuple[Delivery, RejectedComment]]
    ) -> list[list[Claim] | None]:
        """The claims of each comment, None for one that failed; those are added to `rejections`."""
        try:
            claims = self._embed_together([one.drafts for one in accepted])
        except Exception as error:  # one of them, or the model: found out below, and then told
            _logger.warning("embedding %d comments failed (%s): going one by one", len(accepted), error)
            return [self._embed_alone(one, rejections) for one in accepted]
        self._failures_in_a_row = 0
        return list(claims)

    def _embed_alone(
        self, one: _Accepted, rejections: list[tuple[Delivery, RejectedComment]]
    ) -> list[Claim] | None:
        try:
            claims = self._embed_together([one.drafts])[0]
        except Exception as error:  # the comment is put aside with the cause
            rejections.append((one.delivery, self._failure(error)))
            return None
        self._failures_in_a_row = 0
        return claims

    def _embed_together(self, drafts: Sequence[Sequence[Draft]]) -> list[list[Claim]]:
        texts = sum(draft.asserts for group in drafts for draft in group)
        begun = time.perf_counter()
        claims = self._maker.embed(drafts)
        if texts:
            self._metrics.embedded(time.perf_counter() - begun, texts)
        return claims

    def _failure(self, error: Exception) -> RejectedComment:
        """Raises StageError instead when it is one too many."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row > MAX_FAILURES_IN_A_ROW:
            cause = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise StageError(f"{MAX_FAILURES_IN_A_ROW} comments failed in a row, the last with {cause}")
        rejection = RejectedComment(RejectReason.FAILED, "a step failed on this comment")
        rejection.__cause__ = error
        return rejection

    def _records(
        self, kept: Sequence[tuple[_Accepted, list[Claim]]], deliveries: Sequence[Delivery]
    ) -> list[Output]:
        read_to = {delivery.partition: delivery.offset for delivery in deliveries}
        # What follows in this batch and was refused is nothing to wait for.
        last_kept = {one.delivery.partition: one.delivery.offset for one, _ in kept}
        outputs = []
        for one, found in kept:
            _, _, _, partition, offset, _, end_offset = one.delivery
            more_to_come = offset < last_kept[partition] or read_to[partition] + 1 < end_offset
            outputs.append(self._record(one, found, more_to_come=more_to_come))
        return outputs

    def _record(self, one: _Accepted, claims: list[Claim], *, more_to_come: bool) -> Output:
        desk, source, comment_id = one.key
        batch = ClaimBatch(
            desk=desk,
            source=source,
            comment_id=comment_id,
            partition=one.delivery.partition,
            offset=one.delivery.offset,
            arrival_ms=one.delivery.arrival_ms,
            more_to_come=more_to_come,
            claims=claims,
            deleted=not one.drafts,
        )
        return Output(Topic.CLAIMS, desk.encode(), encode_claims(batch))

    def _put_aside(self, delivery: Delivery, rejection: RejectedComment) -> Output:
        rejection.at(delivery.topic, delivery.partition, delivery.offset)
        letter = dead_letter(delivery.value, rejection, at=self._clock(), key=delivery.key)
        return letter_output(letter)
