"""An embedder that runs from a folder that `models.encoder_build` made: torch is not loaded.

What it runs is a network of compiled loops, or a graph on ONNX Runtime. Nothing is padded: a graph reads
texts of exactly the same number of tokens at a time. A thread computes a pass alone: passes run beside each
other, which costs less than to divide each of them.
"""

import importlib
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.onnx_session import OnnxSession
from models.remembering import CACHED_TEXTS, RememberingEmbedder, unit_rows
from models.vnni_network import VnniNetwork

__all__ = ["BuiltEmbedder", "BuiltEncoder", "EncoderCard", "Network", "Pooling", "read_card", "usable_cores"]

BuiltEncoder = Literal["numba-int8", "onnx-int8", "onnx"]
"""numba-int8: `models.vnni_bert`, for some processors; the others: `models.bert_graph`, with 8 or 32 bits."""
Pooling = Literal["mean", "cls"]

_PASS_TOKENS = 512  # measured flat from 256 to 1024: the numbers of a pass stay in the processor's cache
_PASSES_PER_THREAD = 2  # at least, so that no thread is left without work for long
_LEAST_PASS_TOKENS = 64
_PROBE_LENGTHS = (7, 3, 7, 12, 7, 7, 1, 3, 12, 7, 7)

_logger = logging.getLogger(__name__)


class Network(Protocol):
    """What makes rows of tokens. is_ragged: whether texts of several lengths may go together."""

    is_ragged: bool

    def run(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """(n, d) rows of n texts, each of at least one token: pooled, of any length.

        The calling thread computes alone; several may run it at once.
        """


class EncoderCard(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to a network (the file `card.json`): how texts go in and vectors come out.

    prefix: put before every text. cosine_mean and cosine_least compare with torch on sample texts,
    speed and torch_speed are in texts/s of them on the machine that built it. refused: why it is not used.
    """

    encoder: BuiltEncoder
    prefix: str
    max_tokens: int
    pooling: Pooling
    dimensions: int
    cosine_mean: float = 0.0
    cosine_least: float = 0.0
    speed: float = 0.0
    torch_speed: float = 0.0
    refused: str | None = None


class BuiltEmbedder(RememberingEmbedder):
    """See `models.embedding.Embedder`. threads: that compute at once; 0: as many as there are cores."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        threads: int = 0,
        cached_texts: int = CACHED_TEXTS,
    ) -> None:
        """Load it (a second or two).  Raises ModelError when it cannot be."""
        self.card = read_card(folder)
        self.threads = threads or usable_cores()
        super().__init__(name, f"{self.card.encoder}, {self.threads} threads", cached_texts=cached_texts)
        self.dimensions = self.card.dimensions
        self._tokenizer = _tokenizer(folder / "tokenizer.json", self.card.max_tokens)
        self.network = _network(folder, self.card)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="encoder")
        self._one_by_one = False
        self._one_by_one = not self._is_exact_in_company()

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Piece numbers of each text with its prefix, cut to what the model reads."""
        encoded = self._tokenizer.encode_batch_fast([self.card.prefix + text for text in texts])
        return [one.ids for one in encoded]

    def passes(self, lengths: Sequence[int]) -> list[list[int]]:
        """Indexes of texts that go together, the most work first."""
        share = sum(lengths) // (self.threads * _PASSES_PER_THREAD)
        tokens = 0 if self._one_by_one else max(_LEAST_PASS_TOKENS, min(_PASS_TOKENS, share))
        groups = list((_filled if self.network.is_ragged else _of_one_length)(lengths, tokens))
        return sorted(groups, key=lambda members: -sum(lengths[i] for i in members))

    def _embed_distinct(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._rows(self.tokenise(texts))

    def _rows(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        rows = self._empty(len(ids))
        passes = self.passes([len(one) for one in ids])
        work = ([ids[i] for i in members] for members in passes)
        for members, vectors in zip(passes, self._each(work, alone=len(passes) < 2), strict=True):
            rows[members] = vectors
        return rows

    def _each(self, work: Iterator[list[Sequence[int]]], *, alone: bool) -> Iterator[NDArray[np.float32]]:
        if alone or self.threads == 1:
            return map(self._run, work)
        return self._pool.map(self._run, work)

    def _run(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        return unit_rows(self.network.run(ids), self.name)

    def _is_exact_in_company(self) -> bool:
        rng = np.random.default_rng(0)
        lengths = (min(length, self.card.max_tokens) for length in _PROBE_LENGTHS)
        probe = [rng.integers(3, 100, length).tolist() for length in lengths]
        together = self._rows(probe)
        exact = all(
            np.array_equal(self._rows(probe[:some]), together[:some])
            and np.array_equal(self._rows(probe[-some:]), together[-some:])
            for some in (1, 2, 5)
        )
        if not exact:
            _logger.info("this machine lets texts change each other's vectors: going one by one, slower")
        return exact


class _Graph:
    """A `Network` on ONNX Runtime."""

    is_ragged = False

    def __init__(self, folder: Path, pooling: Pooling) -> None:
        self._session = OnnxSession(folder / "model.onnx")
        self._pooling = pooling

    def run(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """See `Network`."""
        tokens = self._session.run(ids=np.array(ids, dtype=np.int64))
        # numpy sums texts apart from each other; the runtime's own mean does not.
        rows: NDArray[np.float32] = tokens[:, 0] if self._pooling == "cls" else tokens.mean(axis=1)
        return rows


def _network(folder: Path, card: EncoderCard) -> Network:
    """Raises ModelError."""
    if card.encoder != "numba-int8":
        return _Graph(folder, card.pooling)
    return VnniNetwork(folder, mean=card.pooling == "mean")


def read_card(folder: Path) -> EncoderCard:
    """Raises ModelError."""
    try:
        return msgspec.json.decode((folder / "card.json").read_bytes(), type=EncoderCard)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"cannot load the encoder {folder}: {error}") from error


def usable_cores() -> int:
    """That this process may use; a container's share of the processor's time is not looked at."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tokenizer(file: Path, max_tokens: int) -> Any:
    """Raises ModelError."""
    library: Any = importlib.import_module("tokenizers")
    try:
        tokenizer = library.Tokenizer.from_file(str(file))
    except Exception as error:  # the library knows no narrower one
        raise ModelError(f"cannot load the tokenizer {file}: {error}") from error
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    return tokenizer


def _filled(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Texts in their order, until there are so many tokens."""
    members: list[int] = []
    held = 0
    for i, length in enumerate(lengths):
        if members and held + length > tokens:
            yield members
            members, held = [], 0
        members.append(i)
        held += length
    if members:
        yield members


def _of_one_length(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    by_length: dict[int, list[int]] = {}
    for i, length in enumerate(lengths):
        by_length.setdefault(length, []).append(i)
    for length, members in by_length.items():
        rows = max(1, tokens // max(1, length))
        yield from (members[start : start + rows] for start in range(0, len(members), rows))
