"""Makes the engine of each desk: what the settings and the model say to all of them is prepared once."""

from functools import cached_property

from models.background import Background, background_of
from models.embedding import Embedder
from models.engine import Engine
from models.language import LanguageDetector
from models.parameters import Sensitivity, parameters_for
from models.watches import Watch, make_watch
from streams.settings_fields import Settings

__all__ = ["EngineMaker"]


class EngineMaker:
    """Called with the name of a desk, it gives a new engine. The first call embeds some hundred texts."""

    def __init__(self, settings: Settings, embedder: Embedder, detector: LanguageDetector) -> None:
        self._settings = settings
        self._embedder = embedder
        self._detector = detector

    @property
    def dimensions(self) -> int:
        """Of the vectors of its engines."""
        return self._embedder.dimensions

    def __call__(self, desk: str) -> Engine:
        """A new engine for a desk, with its watches."""
        return Engine(
            self.dimensions,
            parameters_for(Sensitivity(self._settings.sensitivity)),
            desk=desk,
            background=self._background,
            watches=[watch for only, watch in self._watches if only in (None, desk)],
        )

    @cached_property
    def _background(self) -> Background:
        return background_of(self._embedder, cache_dir=self._settings.cache_dir)

    @cached_property
    def _watches(self) -> list[tuple[str | None, Watch]]:
        return [
            (
                watch.desk,
                make_watch(watch.name, watch.phrases, self._embedder.embed, self._language_of),
            )
            for watch in self._settings.watches
        ]

    def _language_of(self, text: str) -> str:
        return self._detector.detect(text, None)
