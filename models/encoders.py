"""What computes the vectors of a model: torch, or ONNX Runtime with 32-bit or 8-bit numbers.

Problem: 8-bit vectors are not those of torch, and the state of a worker belongs to the model that its
vectors are of.  Aims: nobody's narratives are lost by a change of encoder, and no two spaces are mixed up.
Choice: an encoder is used only where its vectors stay so near to torch's (`models.onnx_build` has the bounds)
that they belong to the same space; the model's name, by which state is known, says nothing of the encoder.
"""

import logging
from pathlib import Path
from typing import Literal, NamedTuple

from models.errors import ModelError
from models.onnx_build import OnnxSource, is_fast, onnx_card, onnx_embedder
from models.onnx_embedder import EncoderCard
from models.remembering import RememberingEmbedder
from models.sentence_library import check_folder, load_sentence_model
from models.torch_embedder import SentenceTransformerEmbedder, has_gpu

__all__ = ["Encoder", "EncoderChoice", "encoder_state", "is_encoder_at_hand", "open_model"]

Encoder = Literal["auto", "torch", "onnx", "onnx-int8"]
"""auto: a GPU if there is one, else the fastest that gives the same vectors."""

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
        quantised = wanted.encoder == "onnx-int8"
        return onnx_embedder(
            _source(name, folder), wanted.cache_dir, quantised=quantised, threads=wanted.threads, must=True
        )
    return _torch_embedder(name, folder, wanted) if has_gpu() else _fastest(name, folder, wanted)


def _fastest(name: str, folder: Path, wanted: EncoderChoice) -> RememberingEmbedder:
    """On a CPU: 8-bit numbers if they can be had and gain, else 32-bit ones, else torch."""
    source = _source(name, folder)
    if not is_encoder_at_hand(name, folder, wanted):
        check_folder(folder)  # what is no model at all is said once, and not of each encoder
    for quantised in (True, False):
        try:
            return onnx_embedder(source, wanted.cache_dir, quantised=quantised, threads=wanted.threads)
        except (ModelError, OSError) as error:
            kind = "onnx-int8" if quantised else "onnx"
            _logger.warning("the encoder %s is not used for %s: %s", kind, name, error)
    return _torch_embedder(name, folder, wanted)


def _torch_embedder(name: str, folder: Path, wanted: EncoderChoice) -> SentenceTransformerEmbedder:
    device = "cuda" if has_gpu() else "cpu"
    return SentenceTransformerEmbedder(
        folder, name=name, local_files_only=True, device=device, threads=wanted.threads
    )


def _source(name: str, folder: Path) -> OnnxSource:
    return OnnxSource(name, folder, lambda: load_sentence_model(str(folder), local_files_only=True))


def is_encoder_at_hand(name: str, folder: Path, wanted: EncoderChoice) -> bool:
    """Whether `open_model` takes seconds: no encoder is to be built."""
    if wanted.encoder == "torch":
        return True
    try:
        quantised = wanted.encoder != "onnx"
        return onnx_card(_source(name, folder), wanted.cache_dir, quantised=quantised) is not None
    except ModelError:
        return True  # there is nothing that could be built


def encoder_state(name: str, folder: Path, wanted: EncoderChoice) -> str:
    """Which encoder `open_model` would take and why, as far as that is known without trying."""
    if wanted.encoder == "torch" or (wanted.encoder == "auto" and has_gpu()):
        return f"torch, {'GPU' if has_gpu() else 'CPU'}"
    kinds = {"onnx-int8": (True,), "onnx": (False,)}.get(wanted.encoder, (True, False))
    for quantised in kinds:
        kind = "onnx-int8" if quantised else "onnx"
        try:
            card = onnx_card(_source(name, folder), wanted.cache_dir, quantised=quantised)
        except ModelError as error:
            return f"torch: {error}"
        if card is None:
            return f"{kind}, to be built when first needed"
        if card.refused is None and (is_fast(card) or len(kinds) == 1):
            return f"{kind}, {_figures(card)}"
    return "torch: no other is faster and gives the same vectors"


def _figures(card: EncoderCard) -> str:
    return (
        f"when built {card.speed:.0f} texts/s against {card.torch_speed:.0f} by torch,"
        f" cosine {card.cosine_mean:.4f} to it"
    )
