"""The part of py3langid that narrawatch names."""

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MODEL_FILE: str

class LanguageIdentifier:
    nb_ptc: NDArray[np.float16]
    nb_pc: NDArray[np.float32]
    nb_classes: Sequence[str]
    tk_nextmove: array[int]
    tk_row: Sequence[int]
    tk_output: Sequence[int]
    @classmethod
    def from_model_file(cls, model_file: str, norm_probs: bool = ...) -> LanguageIdentifier: ...
    @property
    def labels(self) -> list[str]: ...
    def classify(self, text: str) -> tuple[str, float]: ...
    def rank(self, text: str) -> list[tuple[str, float]]: ...
