"""The embedder that the settings ask for."""

from models.embedding import Embedder, is_at_hand, load_embedder, planned_encoder
from streams.settings_fields import Settings

__all__ = ["embedder_is_at_hand", "embedder_of", "encoder_planned"]


def embedder_of(settings: Settings) -> Embedder:
    """Loaded, which takes seconds, or minutes where it must be built.  Raises ModelError."""
    return load_embedder(
        settings.model,
        cache_dir=settings.cache_dir,
        encoder=settings.encoder,
        threads=settings.encoder_threads,
    )


def embedder_is_at_hand(settings: Settings) -> bool:
    """Whether it takes seconds."""
    return is_at_hand(settings.model, cache_dir=settings.cache_dir, encoder=settings.encoder)


def encoder_planned(settings: Settings) -> str:
    """What would compute, and why; nothing is loaded."""
    return planned_encoder(settings.model, cache_dir=settings.cache_dir, encoder=settings.encoder)
