"""Claims for the tests of the engine: written sentences, embedded by the fake embedder."""

from collections.abc import Sequence

from models.embedding import HashEmbedder
from models.preparation import ClaimMaker, Original
from models.types import Claim

START_MS = 1_767_225_600_000  # 2026-01-01
MINUTE_MS = 60_000
DIMENSIONS = 64

TAKEOVER = (
    "This partnership is a takeover in disguise.",
    "Call it what it is: a disguised takeover.",
    "A takeover without the paperwork, in disguise as a partnership.",
    "They say partnership, I read takeover.",
    "Looks like a hidden takeover of the whole start-up to me.",
    "The takeover has begun, the partnership is only the disguise.",
)
CHATTER = (
    "My coffee went cold while I read the article.",
    "Does anyone know whether the keyboard has a Breton layout?",
    "I paid forty euros for the same charger in March.",
    "Our town hall still runs the old version on every desk.",
    "The photographs were better in the previous review.",
    "It rained on the whole conference, as every year.",
    "I repaired mine with a drop of glue and patience.",
    "The second paragraph contradicts the headline.",
    "My cousin teaches that subject in a village school.",
    "Shipping took nine days and the box was crushed.",
    "I miss the days when menus had words in them.",
    "The battery indicator lies below twenty per cent.",
)


def original(number: int, text: str, *, author: str | None = None, minutes: float | None = None) -> Original:
    """Comment `number`, posted ten minutes after the one before unless `minutes` says otherwise."""
    at = number * 10 if minutes is None else minutes
    return Original(
        source="test",
        comment_id=f"c{number}",
        text=text,
        thread="t",
        author=f"author-{number}" if author is None else author,
        created_at_ms=START_MS + int(at * MINUTE_MS),
    )


def claims_of(originals: Sequence[Original]) -> list[list[Claim]]:
    """Each comment as one claim."""
    return ClaimMaker(HashEmbedder(DIMENSIONS), split=False).make(originals)


def story(repeats: int = 1) -> list[list[Claim]]:
    """Chatter, in which from the eighth comment on people speak of a takeover."""
    texts = [*CHATTER[:8]]
    for place, text in enumerate(TAKEOVER * repeats):
        texts += [text, CHATTER[(8 + place) % len(CHATTER)]]
    return claims_of([original(n, text) for n, text in enumerate(texts)])
