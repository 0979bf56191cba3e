"""Whether a group of claims is a narrative: enough people, in their own words."""

from collections.abc import Sequence

from models.context import is_chatter
from models.narrative import HELD_BACK, Member, Narrative
from models.outcome import Kind
from models.parameters import Parameters

__all__ = ["is_corroborated"]


def is_corroborated(members: Sequence[Member], parameters: Parameters) -> bool:
    """Distinct authors, and distinct voices or a campaign; chatter corroborates nothing."""
    members = [member for member in members if not is_chatter(member.substance)]
    if len({member.author_key for member in members}) < parameters.min_authors:
        return False
    trial = Narrative(uid=HELD_BACK, narrative_id="")
    for member in members:
        trial.add(member)
    return trial.distinct_voices >= parameters.min_authors or trial.kind is Kind.CAMPAIGN
