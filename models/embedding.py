"""Texts to vectors: the contract, the model that keeps it, a fake for tests, and the choice between them.

An embedder must not be asked twice to be believed: the vector of a text is the same to the last bit whatever
else is in the call, so that live and replayed claims are the same numbers.  Callers may not assume that two
machines, two versions of torch or two models agree.  `models.packaged` makes the model that needs no hub.
"""

import importlib
import logging
import queue
import re
import threading
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.packaged import build_packaged_model, default_cache_dir, packaged_folder
from models.sentence_library import SentenceModel, give_memory_back, load_sentence_model

__all__ = [
    "DEFAULT_MODEL",
    "Embedder",
    "HashEmbedder",
    "SentenceTransformerEmbedder",
    "is_at_hand",
    "load_embedder",
]

DEFAULT_MODEL = "intfloat/multilingual-e5-small"
E5_PREFIX = "query: "  # e5 was trained with it on both sides of a comparison of equals

_BUCKET_TOKENS = 8  # rows are padded to a multiple of it; also a multiple of the kernels' vector width
_FORWARD_TOKENS = 2048  # rows x padded length of one pass: measured flat from 512 to 4096 on a CPU
_TOKENIZE_TEXTS = 256  # texts tokenised at once, so that one long text does not widen thousands of rows
_CACHED_TEXTS = 8192  # 12 MB of vectors at 384 dimensions
_TIDY_TEXTS = 1024  # some seconds of work between two returns of memory to the system
_CACHED_CHARACTERS = 2000  # longer texts hardly ever recur, and would make the cache's size unbounded

_E5_NAME = re.compile(r"(^|[-_/\\])e5([-_.]|$)", re.IGNORECASE)
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_PROBE = tuple(f"probe {n}" for n in range(11))  # one bucket: all have the same number of tokens

_logger = logging.getLogger(__name__)


class Embedder(Protocol):
    """Turns texts into vectors; a text's vector does not depend on its company, bit for bit."""

    @property
    def name(self) -> str:
        """Says to a person which model runs."""

    @property
    def dimensions(self) -> int:
        """d, the length of every vector."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) rows of unit length, in the order of the texts; no texts give (0, d).

        Any string will do: what the model cannot read is cut off or replaced.  May be called from several
        threads.
        """


class SentenceTransformerEmbedder:
    """A sentence-transformers model on the CPU, in passes whose shape a text alone decides.

    Matrix kernels may sum in another order when a row is padded to another length, so texts are grouped by
    their own token count, rounded up.  How many rows share a pass must not matter either: that holds for the
    kernels we met and is tried at load; where it does not, texts go one by one.
    """

    def __init__(
        self,
        name_or_path: str | Path,
        *,
        name: str | None = None,
        prefix: str | None = None,
        local_files_only: bool = False,
        cached_texts: int = _CACHED_TEXTS,
    ) -> None:
        """Load the model (some seconds).  Raises ModelError when it cannot be.

        prefix: put before every text; None takes the model's own default prompt, or "query: " for the e5
        family, which works badly without.  name: what to call it, by default where it comes from.
        """
        self.name = name or str(name_or_path)
        self._model = load_sentence_model(str(name_or_path), local_files_only=local_files_only)
        self._prefix = _default_prefix(self._model, self.name) if prefix is None else prefix
        self._torch: Any = importlib.import_module("torch")
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._cached_texts = cached_texts
        self._since_tidied = 0
        self.dimensions = self._run(_PROBE[:1]).shape[1]
        self._pass_tokens = _FORWARD_TOKENS if self._is_exact_in_company() else 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder`.  Equal texts are embedded once, recent ones not again."""
        readable = [_readable(text) for text in texts]
        with self._lock:
            vectors = self._vectors(dict.fromkeys(readable))
            self._tidy(len(vectors))
        return np.stack([vectors[text] for text in readable]) if readable else self._empty(0)

    def _vectors(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        known = {text: self._cache[text] for text in texts if text in self._cache}
        fresh = [text for text in texts if text not in known]
        known.update(zip(fresh, self._embed_distinct(fresh), strict=True))
        self._remember(known)
        return known

    def _tidy(self, texts: int) -> None:
        self._since_tidied += texts
        if self._since_tidied >= _TIDY_TEXTS:
            self._since_tidied = 0
            give_memory_back()

    def _remember(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        for text, vector in vectors.items():
            if len(text) <= _CACHED_CHARACTERS:
                self._cache[text] = vector.copy()  # a view would keep the whole batch alive
                self._cache.move_to_end(text)
        while len(self._cache) > self._cached_texts:
            self._cache.popitem(last=False)

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
        features = self._model.preprocess(texts, self._prefix, processing_kwargs=padding)
        with self._torch.inference_mode():
            rows: NDArray[np.float32] = self._model(features)["sentence_embedding"].float().numpy()
        lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ModelError(f"the model {self.name} gave a vector without direction: is it damaged?")
        return rows / lengths

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

    def _empty(self, rows: int) -> NDArray[np.float32]:
        return np.empty((rows, self.dimensions), dtype=np.float32)


class HashEmbedder:
    """A fake without a model: words and character trigrams hashed into a unit vector.

    Texts that share words are near, so pipelines can be tested; it knows nothing of meaning or of languages.
    """

    def __init__(self, dimensions: int = 64) -> None:
        """Raise ValueError if dimensions < 1."""
        if dimensions < 1:
            raise ValueError("dimensions must be at least 1")
        self.name = f"hashed words ({dimensions} dimensions, no model)"
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder`."""
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._vector(_readable(text))
        return rows

    def _vector(self, text: str) -> NDArray[np.float64]:
        vector = np.zeros(self.dimensions)
        for feature, count in Counter(_features(text)).items():
            digest = zlib.crc32(feature.encode())
            # The top bit is the sign, so that collisions cancel on average instead of adding up.
            vector[(digest & 0x7FFFFFFF) % self.dimensions] += count if digest >> 31 else -count
        length = float(np.linalg.norm(vector))
        # No features, or all of them cancelled: any fixed direction keeps the contract.
        return vector / length if length else np.eye(1, self.dimensions)[0]


def load_embedder(name: str, *, cache_dir: Path | None = None, hub_timeout_seconds: float = 5.0) -> Embedder:
    """The embedder of that name: "packaged", "hash", a folder, or a name of the model hub.

    A hub name runs from the local hub cache if it is there, else from the hub if that answers in time; the
    default model otherwise runs from its packaged copy.  cache_dir: where that copy is built, by default the
    user's cache directory.  Raises ModelError in one line when there is no such model to be had.
    """
    cache_dir = cache_dir or default_cache_dir()
    embedder = _choose(name, cache_dir, hub_timeout_seconds)
    _logger.info("embedding with %s", embedder.name)
    return embedder


def is_at_hand(name: str, *, cache_dir: Path | None = None) -> bool:
    """Whether the embedder of that name is loaded within seconds: nothing is to be built or fetched."""
    if name == "packaged":
        return packaged_folder(cache_dir or default_cache_dir()).is_dir()
    return name == "hash" or (bool(name) and Path(name).expanduser().is_dir())


def _choose(name: str, cache_dir: Path, hub_timeout_seconds: float) -> Embedder:
    if name == "hash":
        return HashEmbedder()
    if name == "packaged":
        return _load_packaged(cache_dir)
    if name and Path(name).expanduser().is_dir():
        return SentenceTransformerEmbedder(Path(name).expanduser(), local_files_only=True)
    if not _HUB_NAME.fullmatch(name) or name.startswith("."):
        raise ModelError(f"there is no model folder {name!r}")
    return _load_from_hub(name, cache_dir, hub_timeout_seconds)


def _load_packaged(cache_dir: Path) -> Embedder:
    folder = build_packaged_model(cache_dir)
    name = f"{DEFAULT_MODEL} (packaged copy, 4-bit weights)"
    return SentenceTransformerEmbedder(folder, name=name, local_files_only=True)


def _load_from_hub(name: str, cache_dir: Path, timeout_seconds: float) -> Embedder:
    """The cached model, else the hub's, else (for the default model) the packaged copy, else ModelError."""
    try:
        if _is_in_hub_cache(name):
            return SentenceTransformerEmbedder(name, local_files_only=True)
    except ModelError as error:
        _logger.info("the copy in the local hub cache is of no use (%s): asking the hub", error)
    try:
        _ask_hub(name, timeout_seconds)
        return SentenceTransformerEmbedder(name)
    except ModelError as error:
        if name != DEFAULT_MODEL:
            raise
        _logger.warning("%s: using the packaged copy (4-bit weights)", error)
        return _load_packaged(cache_dir)


def _is_in_hub_cache(name: str) -> bool:
    hub: Any = importlib.import_module("huggingface_hub")
    return any(
        isinstance(hub.try_to_load_from_cache(repository, "config.json"), str)
        # sentence-transformers looks up a bare name under its own organisation.
        for repository in (name, f"sentence-transformers/{name}")
        if repository.count("/") <= 1
    )


def _ask_hub(name: str, timeout_seconds: float) -> None:
    """Return if the hub has that model.  Raises ModelError when it has not, or says nothing in time.

    Timeouts of the network stack do not cover a name server that hangs; a thread that is left behind does.
    """
    importlib.import_module("huggingface_hub.hf_api")  # seconds when cold: not the hub's fault
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(
        target=lambda: answers.put(_hub_refusal(name, timeout_seconds)), daemon=True, name="ask-model-hub"
    ).start()
    try:
        refusal = answers.get(timeout=timeout_seconds)
    except queue.Empty:
        refusal = f"the model hub did not answer within {timeout_seconds:g} seconds"
    if refusal:
        raise ModelError(f"cannot get the model {name}: {refusal}")


def _hub_refusal(name: str, timeout_seconds: float) -> str:
    """Why the hub does not give the model, empty if it does."""
    hub: Any = importlib.import_module("huggingface_hub")
    errors: Any = importlib.import_module("huggingface_hub.errors")
    httpx: Any = importlib.import_module("httpx")
    repository = name if "/" in name else f"sentence-transformers/{name}"
    try:
        hub.HfApi().model_info(repository, timeout=timeout_seconds)
    except errors.RepositoryNotFoundError:
        return "the model hub does not know it"
    except (OSError, ValueError, httpx.HTTPError) as error:
        return f"the model hub cannot be reached ({type(error).__name__})"
    return ""


def _default_prefix(model: SentenceModel, name: str) -> str:
    if model.default_prompt_name is not None:
        return model.prompts[model.default_prompt_name]
    return E5_PREFIX if _E5_NAME.search(name) else ""


def _readable(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _features(text: str) -> Iterator[str]:
    for word in re.findall(r"\w+", text.lower()):
        yield word
        padded = f"<{word}>"
        yield from (padded[i : i + 3] for i in range(len(padded) - 2))
