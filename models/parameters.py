"""The engine's few numbers, each beside its reason. Users choose `sensitivity`; the rest follows."""

from enum import StrEnum

import msgspec

__all__ = ["Parameters", "Sensitivity", "parameters_for"]


class Sensitivity(StrEnum):
    """How much corroboration a narrative needs before it is announced."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine decides by."""

    # Average linkage from which claims are one narrative. Rows are half centred vectors, half terms:
    # unrelated claims of one discussion score about 0.03, paraphrases 0.2 to 0.5.
    link_similarity: float = 0.12
    # Distinct authors, and texts that are not copies of one another. Two people agreeing is a
    # conversation; three is the least that "several people" can mean.
    min_authors: int = 3
    # A label is found anew when a narrative has grown by half since the last one.
    relabel_growth: float = 1.5
    # Comment threads live two or three days: three quiet days are the end of a narrative for now.
    fade_after_hours: int = 72
    # Held-back clusters and faded narratives leave memory; a claim that returns later starts anew.
    forget_after_hours: int = 14 * 24
    # A comment seen again within this time is a duplicate (sources re-deliver hours or days later).
    remember_comments_hours: int = 30 * 24
    # Fading is looked for in steps of event time, so that it costs nothing per comment.
    sweep_minutes: int = 10
    # Bounds memory (about 6 kB a cluster) and the cost of a claim; the longest idle held-back go first.
    max_clusters: int = 20_000


_MIN_AUTHORS = {Sensitivity.LOW: 5, Sensitivity.NORMAL: 3, Sensitivity.HIGH: 2}


def parameters_for(sensitivity: Sensitivity) -> Parameters:
    """The parameters of a sensitivity."""
    return Parameters(min_authors=_MIN_AUTHORS[sensitivity])
