"""An embedder that runs a sentence-transformers model on torch: any model, on a GPU where there is one."""

import importlib
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.prompts import default_prefix
from models.remembering import CACHED_TEXTS, RememberingEmbedder, unit_rows
from models.sentence_library import load_sentence_model

__all__ = ["SentenceTransformerEmbedder", "has_gpu"]

_BUCKET_TOKENS = 8  # rows are padded to a multiple of it; also a multiple of the kernels' vector width
_FORWARD_TOKENS = 2048  # rows x padded length of one pass: measured flat from 512 to 4096 on a CPU
_GPU_ROWS = 64
_TOKENIZE_TEXTS = 256  # texts tokenised at once, so that one long text does not widen thousands of rows
_PROBE = tuple(f"probe {n}" for n in range(11))  # one bucket: all have the same number of tokens
# What a driver leaves behind on Linux: without any of them torch, which takes seconds, need not be asked.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")

_logger = logging.getLogger(__name__)


class SentenceTransformerEmbedder(RememberingEmbedder):
    """A sentence-transformers model on torch, in passes whose shape a text alone decides.

    Matrix kernels may sum in another order when a row is padded to another length, so texts are grouped by
    their own token count, rounded up.  How many rows share a pass must not matter either: that holds for the
    kernels of processors that we met and is tried at load; where it does not, texts go one by one.  Those of
    GPUs are chosen by the number of rows, and so passes are filled up there.
    """

    def __init__(
        self,
        name_or_path: str | Path,
        *,
        name: str | None = None,
        prefix: str | None = None,
        local_files_only: bool = False,
        cached_texts: int = CACHED_TEXTS,
        device: str = "cpu",
        threads: int = 0,
    ) -> None:
        """Load the model (some seconds).  Raises ModelError when it cannot be.

        prefix: put before every text; None takes the model's own default prompt, or "query: " for the e5
        family, which works badly without.  name: what to call it, by default where it comes from.
        device: "cpu" or "cuda".  threads: of torch, in the whole process; 0 leaves them as they are.
        """
        super().__init__(name or str(name_or_path), f"torch, {device}", cached_texts=cached_texts)
        self._model = load_sentence_model(str(name_or_path), local_files_only=local_files_only, device=device)
        self._device = device
        own = self._model.default_prompt_name
        if prefix is None:
            prefix = default_prefix(None if own is None else self._model.prompts[own], self.name)
        self._prefix = prefix
        self._torch: Any = importlib.import_module("torch")
        if threads:
            self._torch.set_num_threads(threads)
        self.dimensions = self._run(_PROBE[:1]).shape[1]
        self._pass_tokens = _FORWARD_TOKENS if self._is_exact_in_company() else 0

    def _embed_distinct(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = self._empty(len(texts))
        for members in self._passes(texts):
            rows[members] = self._run([texts[i] for i in members])
        return rows

    def _passes(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Indexes of texts that share a padded length, at most `_pass_tokens` tokens in all."""
        buckets: dict[int, list[int]] = {}
        for i, length in enumerate(self._padded_lengths(texts)):
            buckets.setdefault(length, []).append(i)
        for length, members in sorted(buckets.items()):
            rows = max(1, self._pass_tokens // length)
            if self._device != "cpu":
                rows = min(rows, _GPU_ROWS)
            yield from (members[start : start + rows] for start in range(0, len(members), rows))

    def _padded_lengths(self, texts: Sequence[str]) -> Iterator[int]:
        """Tokens of each text with the prefix, cut to what the model reads, rounded up to the bucket."""
        for start in range(0, len(texts), _TOKENIZE_TEXTS):
            features = self._model.preprocess(texts[start : start + _TOKENIZE_TEXTS], self._prefix)
            for tokens in features["attention_mask"].sum(1).tolist():
                yield -(-tokens // _BUCKET_TOKENS) * _BUCKET_TOKENS

    def _run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One pass over texts of one bucket: (n, d) unit rows.  Raises ModelError on a null vector."""
        padding = {"text": {"pad_to_multiple_of": _BUCKET_TOKENS}}
        features = self._model.preprocess(self._filled(texts), self._prefix, processing_kwargs=padding)
        if self._device != "cpu":
            features = {
                key: value.to(self._device) if hasattr(value, "to") else value
                for key, value in features.items()
            }
        with self._torch.inference_mode():
            rows: NDArray[np.float32] = self._model(features)["sentence_embedding"].float().cpu().numpy()
        return unit_rows(rows[: len(texts)], self.name)

    def _filled(self, texts: Sequence[str]) -> Sequence[str]:
        """On a GPU, as many texts in every pass; the last one stands for those that are not there."""
        if self._device == "cpu":
            return texts
        return [*texts, *[texts[-1]] * (_GPU_ROWS - len(texts))]

    def _is_exact_in_company(self) -> bool:
        together = self._run(_PROBE)
        exact = all(
            np.array_equal(self._run(_PROBE[:rows]), together[:rows])
            and np.array_equal(self._run(_PROBE[-rows:]), together[-rows:])
            for rows in (1, 2, 5)
        )
        if not exact:
            _logger.info(
                "this machine's kernels let texts change each other's vectors: going one by one, slower"
            )
        return exact


def has_gpu() -> bool:
    """Whether torch can compute on a GPU here."""
    if sys.platform == "linux" and not any(Path(device).exists() for device in _GPU_DEVICES):
        return False
    torch: Any = importlib.import_module("torch")
    return bool(torch.cuda.is_available())
