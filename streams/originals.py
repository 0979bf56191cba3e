"""From a valid comment to what the models read: the author hashed, the date believed or not."""

from models.preparation import Original
from streams.comments import Comment, believable_time, hash_author

__all__ = ["original_of"]


def original_of(
    comment: Comment, *, author_key: bytes, arrival_ms: int, future_tolerance_seconds: float
) -> Original:
    """The comment as `models.preparation` takes it.

    arrival_ms: epoch ms at which it arrived; a date further ahead of it than clocks differ is not believed.
    The language that the source claims goes along as a hint and no more.
    """
    return Original(
        source=comment.source,
        comment_id=comment.id,
        text=comment.text,
        thread=comment.thread,
        author=hash_author(author_key, comment.source, comment.author, comment_id=comment.id),
        created_at_ms=believable_time(comment.created_at_ms, arrival_ms, future_tolerance_seconds),
        thread_title=comment.thread_title,
        parent=comment.parent,
        language_hint=comment.lang,
        permalink=comment.permalink,
    )
