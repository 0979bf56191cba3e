"""Texts to vectors: the contract, the model that keeps it, a fake for tests, and the choice between them.

An embedder must not be asked twice to be believed: the vector of a text is the same to the last bit whatever
else is in the call, so that live and replayed claims are the same numbers.  Callers may not assume that two
machines, two encoders or two models agree to the last bit.  `models.packaged` makes the model that needs no
hub, `models.encoders` chooses what computes.
"""

import importlib
import logging
import queue
import re
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.encoders import Encoder, EncoderChoice, encoder_state, is_encoder_at_hand, open_model
from models.errors import ModelError
from models.packaged import build_packaged_model, default_cache_dir, packaged_folder
from models.remembering import readable
from models.sentence_library import load_sentence_model
from models.torch_embedder import SentenceTransformerEmbedder

__all__ = [
    "DEFAULT_MODEL",
    "Embedder",
    "Encoder",
    "HashEmbedder",
    "SentenceTransformerEmbedder",
    "encoder_of",
    "is_at_hand",
    "load_embedder",
    "planned_encoder",
]

DEFAULT_MODEL = "intfloat/multilingual-e5-small"
_PACKAGED_NAME = f"{DEFAULT_MODEL} (packaged copy, 4-bit weights)"

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")

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
            row[:] = self._vector(readable(text))
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


def load_embedder(
    name: str,
    *,
    cache_dir: Path | None = None,
    hub_timeout_seconds: float = 5.0,
    encoder: Encoder = "auto",
    threads: int = 0,
) -> Embedder:
    """The embedder of that name: "packaged", "hash", a folder, or a name of the model hub.

    A hub name runs from the local hub cache if it is there, else from the hub if that answers in time; the
    default model otherwise runs from its packaged copy.  cache_dir: where that copy and encoders are built,
    by default the user's cache directory.  encoder: what computes; "auto" takes a GPU if there is one, else
    ONNX Runtime with 8-bit or 32-bit numbers if that is faster and gives the same vectors, else torch.
    threads: 0 takes all cores.  Raises ModelError in one line when there is no such model, or encoder, to be
    had.
    """
    wanted = EncoderChoice(encoder, cache_dir or default_cache_dir(), threads)
    embedder = _choose(name, wanted, hub_timeout_seconds)
    _logger.info("embedding with %s, encoder %s", embedder.name, encoder_of(embedder))
    return embedder


def encoder_of(embedder: Embedder) -> str:
    """What computes its vectors, for a person to read."""
    return str(getattr(embedder, "encoder", "none"))


def is_at_hand(name: str, *, cache_dir: Path | None = None, encoder: Encoder = "auto") -> bool:
    """Whether the embedder of that name is loaded within seconds: nothing is to be built or fetched."""
    wanted = EncoderChoice(encoder, cache_dir or default_cache_dir())
    folder = _folder_of(name, wanted)
    return name == "hash" or (folder is not None and is_encoder_at_hand(_title(name, folder), folder, wanted))


def planned_encoder(name: str, *, cache_dir: Path | None = None, encoder: Encoder = "auto") -> str:
    """What would compute, as far as that is known without loading or building anything; for a person."""
    wanted = EncoderChoice(encoder, cache_dir or default_cache_dir())
    folder = _folder_of(name, wanted)
    if name == "hash":
        return "none"
    if folder is None:
        return f"{encoder}, as soon as the model is there"
    return encoder_state(_title(name, folder), folder, wanted)


def _folder_of(name: str, wanted: EncoderChoice) -> Path | None:
    """Where the model is on this disk, if it is and its name says so."""
    folder = packaged_folder(wanted.cache_dir) if name == "packaged" else Path(name).expanduser()
    return folder if name not in ("", "hash") and folder.is_dir() else None


def _title(name: str, folder: Path) -> str:
    return _PACKAGED_NAME if name == "packaged" else str(folder)


def _choose(name: str, wanted: EncoderChoice, hub_timeout_seconds: float) -> Embedder:
    if name == "hash":
        return HashEmbedder()
    if name == "packaged":
        return _load_packaged(wanted)
    if name and Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
        return open_model(str(folder), folder, wanted)
    if not _HUB_NAME.fullmatch(name) or name.startswith("."):
        raise ModelError(f"there is no model folder {name!r}")
    return _load_from_hub(name, wanted, hub_timeout_seconds)


def _load_packaged(wanted: EncoderChoice) -> Embedder:
    return open_model(_PACKAGED_NAME, build_packaged_model(wanted.cache_dir), wanted)


def _load_from_hub(name: str, wanted: EncoderChoice, timeout_seconds: float) -> Embedder:
    """The cached model, else the hub's, else (for the default model) the packaged copy, else ModelError."""
    try:
        folder = _hub_folder(name)
        if folder is not None:
            return open_model(name, folder, wanted)
    except ModelError as error:
        _logger.info("the copy in the local hub cache is of no use (%s): asking the hub", error)
    try:
        _ask_hub(name, timeout_seconds)
        load_sentence_model(name, local_files_only=False)  # fetches what is missing
    except ModelError as error:
        if name != DEFAULT_MODEL:
            raise
        _logger.warning("%s: using the packaged copy (4-bit weights)", error)
        return _load_packaged(wanted)
    folder = _hub_folder(name)
    if folder is None:
        raise ModelError(f"the model {name} is not in the local hub cache, though it was fetched")
    return open_model(name, folder, wanted)


def _hub_folder(name: str) -> Path | None:
    """Where the local hub cache has the model, if it does."""
    hub: Any = importlib.import_module("huggingface_hub")
    # sentence-transformers looks up a bare name under its own organisation.
    for repository in (name, f"sentence-transformers/{name}"):
        if repository.count("/") <= 1:
            config = hub.try_to_load_from_cache(repository, "config.json")
            if isinstance(config, str):
                return Path(config).parent
    return None


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


def _features(text: str) -> Iterator[str]:
    for word in re.findall(r"\w+", text.lower()):
        yield word
        padded = f"<{word}>"
        yield from (padded[i : i + 3] for i in range(len(padded) - 2))
