"""Makes the engine of each desk: what the settings and the model say to all of them is prepared once."""

from functools import cached_property

from models.background import Background, background_of
from models.embedding import Embedder
from models.engine import Engine
from models.language import LanguageDetector
from models.parameters import Sensitivity, parameters_for
from streams.settings_fields import Settings
from streams.watch_topic import StoredWatches
from streams.watchlist import Watchlist

__all__ = ["EngineMaker"]


class EngineMaker:
    """Called with the name of a desk, it gives a new engine. The first call embeds some hundred texts.

    stored: watches beside those of the settings.
    """

    def __init__(
        self,
        settings: Settings,
        embedder: Embedder,
        detector: LanguageDetector,
        *,
        stored: StoredWatches | None = None,
    ) -> None:
        self._settings = settings
        self._embedder = embedder
        self._detector = detector
        self.watchlist = Watchlist(settings, stored or StoredWatches(), embedder.embed, self._language_of)

    @property
    def dimensions(self) -> int:
        """Of the vectors of its engines."""
        return self._embedder.dimensions

    def __call__(self, desk: str) -> Engine:
        """A new engine for a desk, with its watches."""
        return Engine(
            self.dimensions,
            parameters_for(Sensitivity(self._settings.sensitivity), self._settings.hot_narratives),
            desk=desk,
            background=self._background,
            watches=self.watchlist.of(desk),
        )

    @cached_property
    def _background(self) -> Background:
        return background_of(self._embedder, cache_dir=self._settings.cache_dir)

    def _language_of(self, text: str) -> str:
        return self._detector.detect(text, None)
