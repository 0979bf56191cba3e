"""What computes the vectors of a model: torch, ONNX Runtime with 32-bit or 8-bit numbers, or compiled loops.

Problem: 8-bit vectors are not those of torch, and the state of a worker belongs to the model that its
vectors are of.  Aims: nobody's narratives are lost by a change of encoder, and no two spaces are mixed up.
Choice: an encoder is used only where its vectors stay so near to torch's that they belong to the same space
(`models.encoder_build` has the bounds). A model's name, by which state is known, is that of all encoders.
"""

import logging
from pathlib import Path
from typing import Literal, NamedTuple

from models.built_embedder import BuiltEncoder, EncoderCard
from models.encoder_build import EncoderSource, built_embedder, encoder_card, is_fast, is_possible
from models.errors import ModelError
from models.remembering import RememberingEmbedder
from models.sentence_library import check_folder, load_sentence_model
from models.torch_embedder import SentenceTransformerEmbedder, has_gpu

__all__ = ["Encoder", "EncoderChoice", "encoder_state", "is_encoder_at_hand", "open_model"]

Encoder = Literal["auto", "torch", "onnx", "onnx-int8", "numba-int8"]
"""auto: a GPU if there is one, else the fastest that gives the same vectors."""

_FASTEST_FIRST: tuple[BuiltEncoder, ...] = ("numba-int8", "onnx-int8", "onnx")

_logger = logging.getLogger(__name__)


class EncoderChoice(NamedTuple):
    """How to embed, whatever the model. cache_dir: where encoders are kept; threads: 0 takes all cores."""

    encoder: Encoder
    cache_dir: Path
    threads: int = 0


def open_model(name: str, folder: Path, wanted: EncoderChoice) -> RememberingEmbedder:
    """The model in a folder, by the encoder that is wanted.  Raises ModelError when it cannot be had so.

    With "auto", what cannot be had is said in the log, and the next best is taken.
    """
    if wanted.encoder == "torch":
        return _torch_embedder(name, folder, wanted)
    if wanted.encoder != "auto":
        return built_embedder(
            _source(name, folder), wanted.cache_dir, wanted.encoder, threads=wanted.threads, must=True
        )
    return _torch_embedder(name, folder, wanted) if has_gpu() else _fastest(name, folder, wanted)


def _fastest(name: str, folder: Path, wanted: EncoderChoice) -> RememberingEmbedder:
    """On a CPU: 8-bit numbers if they can be had and gain, else 32-bit ones, else torch."""
    source = _source(name, folder)
    if not is_encoder_at_hand(name, folder, wanted):
        check_folder(folder)  # what is no model at all is said once, and not of each encoder
    for encoder in _candidates("auto"):
        try:
            return built_embedder(source, wanted.cache_dir, encoder, threads=wanted.threads)
        except (ModelError, OSError) as error:
            _logger.warning("the encoder %s is not used for %s: %s", encoder, name, error)
    return _torch_embedder(name, folder, wanted)


def _candidates(wanted: Literal["auto"] | BuiltEncoder) -> list[BuiltEncoder]:
    """What is to be tried, in turn: with "auto" all that this machine may run, the fastest first."""
    if wanted != "auto":
        return [wanted]
    return [encoder for encoder in _FASTEST_FIRST if is_possible(encoder)]


def _torch_embedder(name: str, folder: Path, wanted: EncoderChoice) -> SentenceTransformerEmbedder:
    device = "cuda" if has_gpu() else "cpu"
    return SentenceTransformerEmbedder(
        folder, name=name, local_files_only=True, device=device, threads=wanted.threads
    )


def _source(name: str, folder: Path) -> EncoderSource:
    return EncoderSource(name, folder, lambda: load_sentence_model(str(folder), local_files_only=True))


def is_encoder_at_hand(name: str, folder: Path, wanted: EncoderChoice) -> bool:
    """Whether `open_model` takes seconds: no encoder is to be built."""
    if wanted.encoder == "torch":
        return True
    try:
        first = _candidates(wanted.encoder)[0]
        return encoder_card(_source(name, folder), wanted.cache_dir, first) is not None
    except ModelError:
        return True  # there is nothing that could be built


def encoder_state(name: str, folder: Path, wanted: EncoderChoice) -> str:
    """Which encoder `open_model` would take and why, as far as that is known without trying."""
    if wanted.encoder == "torch" or (wanted.encoder == "auto" and has_gpu()):
        return f"torch, {'GPU' if has_gpu() else 'CPU'}"
    must = wanted.encoder != "auto"
    for encoder in _candidates(wanted.encoder):
        try:
            card = encoder_card(_source(name, folder), wanted.cache_dir, encoder)
        except ModelError as error:
            return f"torch: {error}"
        if card is None:
            return f"{encoder}, to be built when first needed"
        if card.refused is None and (is_fast(card) or must):
            return f"{encoder}, {_figures(card)}"
    return "torch: no other is faster and gives the same vectors"


def _figures(card: EncoderCard) -> str:
    return (
        f"when built {card.speed:.0f} texts/s against {card.torch_speed:.0f} by torch,"
        f" cosine {card.cosine_mean:.4f} to it"
    )
