"""The one place where sentence-transformers is imported: late, because it takes seconds, and quietly.

`models.embedding` turns what is loaded here into an `Embedder`; `models.packaged` checks its work with it.
"""

import ctypes
import importlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from models.errors import ModelError

__all__ = ["SentenceModel", "check_folder", "give_memory_back", "load_sentence_model"]


class SentenceModel(Protocol):
    """What we use of `sentence_transformers.SentenceTransformer`."""

    prompts: dict[str, str]
    default_prompt_name: str | None

    def preprocess(
        self,
        inputs: Sequence[str],
        prompt: str | None = None,
        *,
        processing_kwargs: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Token tensors of the texts, one row each, padded to the longest."""

    def __call__(self, features: dict[str, Any]) -> dict[str, Any]:
        """The features with `sentence_embedding`, (n, d), among them."""

    def get_embedding_dimension(self) -> int | None:
        """d, None where the model does not say."""


def load_sentence_model(name_or_path: str, *, local_files_only: bool, device: str = "cpu") -> SentenceModel:
    """The model in a folder, or of a hub name.  Raises ModelError in one line that names it."""
    folder = Path(name_or_path)
    if folder.is_dir():
        check_folder(folder)
    safetensors: Any = importlib.import_module("safetensors")
    library: Any = importlib.import_module("sentence_transformers")
    # What the library lets through of a model that is not one: it has no error of its own.
    refusals = (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
        safetensors.SafetensorError,
    )
    try:
        with _quiet():
            model: SentenceModel = library.SentenceTransformer(
                name_or_path, device=device, local_files_only=local_files_only
            )
    except refusals as error:
        raise ModelError(f"cannot load the model {name_or_path}: {_one_line(error)}") from error
    give_memory_back()
    return model


def check_folder(folder: Path) -> None:
    """Refuse what the library would take for an invitation to ask the hub or to invent weights.

    Raises ModelError.
    """
    if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
        raise ModelError(f"{folder} holds no model: neither modules.json nor config.json is in it")
    for path in folder.rglob("*.json"):
        try:
            msgspec.json.decode(path.read_bytes())  # a tokenizer has 17 MB
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"cannot load the model {folder}: {path.name} is not JSON ({error})") from error


def give_memory_back() -> None:
    """Return what was freed to the system: glibc would keep it, a quarter of a gigabyte after a tokenizer of
    250,000 pieces was read and as much again after some thousand texts. Takes milliseconds. Other C libraries
    have no such call, and no such habit.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no advice on standard error while the libraries load; errors still pass."""
    transformers: Any = importlib.import_module("transformers.utils.logging")
    hub: Any = importlib.import_module("huggingface_hub.utils")
    chatty = logging.getLogger("sentence_transformers")
    verbosity, level = transformers.get_verbosity(), chatty.level
    bars = transformers.is_progress_bar_enabled(), not hub.are_progress_bars_disabled()
    transformers.set_verbosity_error()
    transformers.disable_progress_bar()
    hub.disable_progress_bars()
    chatty.setLevel(logging.ERROR)
    try:
        yield
    finally:
        transformers.set_verbosity(verbosity)
        chatty.setLevel(level)
        if bars[0]:
            transformers.enable_progress_bar()
        if bars[1]:
            hub.enable_progress_bars()
