"""The engine's few numbers, each beside its reason. Users choose `sensitivity`; the rest follows."""

from enum import StrEnum

import msgspec

__all__ = ["HOT_NARRATIVES", "Parameters", "Sensitivity", "parameters_for"]

HOT_NARRATIVES = 10_000


class Sensitivity(StrEnum):
    """How much corroboration a narrative needs before it is announced."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine decides by."""

    # Mean similarity from which claims are one narrative (average linkage). Rows are three fifths centred
    # vectors, two fifths terms: unrelated claims of one discussion score about 0.03, paraphrases 0.2 to 0.5.
    link_similarity: float = 0.12
    # Pairs of no similarity that are added to every mean: one pair alone may be alike by chance.
    doubt: float = 0.7
    # What two claims gain by standing in the same thread (see models.context).
    same_thread: float = 0.14
    # So much less where no judge tells claims from chatter (see models.judge): more in a thread is chatter.
    unjudged: float = 0.06
    # What each logit of substance of either claim adds to the similarity of the two (see models.judge).
    substance_weight: float = 0.08
    # Until a desk's own means and terms are known, similarity has to be more convincing: the threshold is
    # multiplied by 1 + young_claims / (claims read so far), or by two if that is less.
    young_claims: int = 24
    # A narrative without a claim left in the window takes one in only at this multiple of the threshold:
    # what comes long after is more often something else.
    idle_factor: float = 2.0
    # Distinct authors, and texts that are not copies of one another. Two people agreeing is a conversation
    # and three happen by chance in every long thread.
    min_authors: int = 3
    # As few authors as that must be as one at this multiple of the threshold.
    few_factor: float = 1.1
    # Recent claims that are clustered again and again, with today's means and term weights. Clustering is
    # quadratic in it: a review of 1,024 costs about 50 ms.
    window_claims: int = 1024
    # Of each thread so many stay longer than that, while there is room: a revision of the thread alone groups
    # them anew after every eighth. What a thread claims only shows when it is read as a whole.
    thread_claims: int = 256
    revisions_per_thread: int = 8
    # So many claims are kept in all, some 6 KB each.
    kept_claims: int = 6 * 1024
    # A review comes after every sixteenth of the window, or after two minutes of event time. In rapid traffic
    # it waits for ten seconds, or for half of the window: nobody reads an alert faster than that.
    reviews_per_window: int = 16
    review_minutes: int = 2
    review_seconds: int = 10
    # A revision groups all claims of the window anew, as if nothing had been decided: after a sixteenth of
    # the window, or an hour. It costs what a review of a full window does.
    revise_minutes: int = 60
    # What two claims gain in a revision by being in one narrative already: small doubts change nothing.
    stay: float = 0.02
    # Claims that were taken for one narrative become another only if they are as one at this multiple of the
    # threshold: a narrative is not split for little.
    split_factor: float = 1.5
    # A label is found anew when a narrative has doubled since the last one.
    relabel_growth: float = 2.0
    # Comment threads live two or three days: three quiet days are the end of a narrative for now.
    fade_after_hours: int = 72
    # Narratives that have faded leave memory; a claim that returns later starts anew.
    forget_after_hours: int = 14 * 24
    # Of more narratives than that, those not heard of for longest leave memory earlier. About 50 KB each, so
    # this is what bounds the memory of a busy desk: at 50 comments a second it is reached within eight hours.
    hot_narratives: int = HOT_NARRATIVES
    # A comment seen again within this time is a duplicate (sources re-deliver hours or days later).
    remember_comments_hours: int = 30 * 24
    # Of more comments than that the oldest are forgotten earlier (at 50 a second after three hours). About
    # 150 bytes each.
    remember_comments: int = 500_000
    # Fading is looked for in steps of event time, so that it costs nothing per comment.
    sweep_minutes: int = 10


_MIN_AUTHORS = {Sensitivity.LOW: 5, Sensitivity.NORMAL: 3, Sensitivity.HIGH: 2}


def parameters_for(sensitivity: Sensitivity, hot_narratives: int = HOT_NARRATIVES) -> Parameters:
    """The parameters of a sensitivity. hot_narratives: see `Parameters`."""
    return Parameters(min_authors=_MIN_AUTHORS[sensitivity], hot_narratives=hot_narratives)
