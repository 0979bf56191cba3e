"""What is told of the members of narratives: mentions, and what watches match."""

from models.narrative import FACET, Facet, Member, Narrative, Said
from models.outcome import Mention, Stance, WatchMatch, instant

__all__ = ["bare_mention", "matches_of", "mention_of"]


def bare_mention(narrative: Narrative, comment_id: str, said: Said) -> Mention:
    """A mention of which only the facets are known: its claim has left memory."""
    facets = said.facet.split(FACET)
    return Mention(
        narrative_id=narrative.narrative_id,
        source=facets[Facet.SOURCE],
        comment_id=comment_id,
        n=0,
        text="",
        author="",
        thread=facets[Facet.THREAD],
        language=facets[Facet.LANGUAGE],
        at=instant(narrative.last_ms),
        similarity=0.0,
        retroactive=True,
        stance=Stance(facets[Facet.STANCE]) if facets[Facet.STANCE] else None,
    )


def mention_of(narrative_id: str, member: Member, *, retroactive: bool) -> Mention:
    """A mention of a narrative."""
    return Mention(
        narrative_id=narrative_id,
        source=member.source,
        comment_id=member.comment_id,
        n=member.n,
        text=member.text,
        author=member.author,
        thread=member.thread,
        language=member.language,
        at=instant(member.at_ms),
        similarity=member.similarity,
        retroactive=retroactive,
        stance=member.stance,
        permalink=member.permalink,
    )


def matches_of(member: Member, narrative_id: str | None, *, retroactive: bool = False) -> list[WatchMatch]:
    """What a member matches. narrative_id: of the narrative it belongs to, None for none."""
    return [
        WatchMatch(
            watch=watch,
            source=member.source,
            comment_id=member.comment_id,
            n=member.n,
            text=member.text,
            similarity=similarity,
            narrative_id=narrative_id,
            at=instant(member.at_ms),
            author=member.author,
            thread=member.thread,
            language=member.language,
            permalink=member.permalink,
            retroactive=retroactive,
        )
        for watch, similarity in member.matches.items()
    ]
