"""Makes the folder that `models.built_embedder` runs from: weights, tokenizer, card and reference vectors.

It is made of a loaded sentence-transformers model once, compared with it text by text, timed against it, and
kept in the cache under the model's checksum and the version of what runs it. What comes out too far from the
model is not used: the folder then says why. So a text has nearly the same vector whatever computes it, and
narratives that were found with one encoder are gone on with by another.
"""

import gc
import hashlib
import logging
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bert_graph import Precision, bert_graph
from models.bert_state import BertShape
from models.built_embedder import BuiltEmbedder, BuiltEncoder, EncoderCard, Pooling, read_card
from models.built_folder import build_once, folder_checksum, is_intact
from models.errors import ModelError
from models.instructions import can_multiply_bytes
from models.onnx_session import onnx_library, runtime_version, signed_products_saturate
from models.ordinary import ordinary_texts
from models.prompts import default_prefix
from models.sentence_library import SentenceModel, give_memory_back
from models.vnni_network import write_vnni_network

__all__ = ["EncoderSource", "built_embedder", "encoder_card", "encoder_folder", "is_fast", "is_possible"]

FORMAT_VERSION = 4  # part of the folder's name: raise it when what is written below changes
# Unlike the texts of a stream, near paraphrases have 0.95 to 0.98; measured are 0.9996 and 0.9993.
MIN_MEAN_COSINE = 0.998
MIN_COSINE = 0.99
MIN_SPEEDUP = 1.2  # for less, what is known well is better

_FAMILIES = {"bert": "BertModel", "xlm-roberta": "XLMRobertaModel", "roberta": "RobertaModel"}
_SAMPLE_TEXTS = 64
_EVERY_SAMPLE_AT_START = 5  # a tenth of a second
_ODD_TEXTS = ("", " ", "🤖 \t漢字かな", "one  two\n three ", "e\u0301\u202e", "x" * 900, "word " * 3000)
_VERSION = re.compile(r"-v(\d+)(?:-ort[\d.]*\d)?(?:\.lock)?")
_ROUNDS = 3  # of which the fastest counts: others may be at work on the machine

_logger = logging.getLogger(__name__)


class EncoderSource(NamedTuple):
    """Of which model. folder: of its files; load: gives it loaded, when it must be built."""

    name: str
    folder: Path
    load: Callable[[], SentenceModel]

    def prefix_of(self, model: SentenceModel) -> str:
        """What is put before every text."""
        own = model.default_prompt_name
        return default_prefix(None if own is None else model.prompts[own], self.name)


def built_embedder(
    source: EncoderSource, cache_dir: Path, encoder: BuiltEncoder, *, threads: int = 0, must: bool = False
) -> BuiltEmbedder:
    """An embedder for the model, built at the first call (half a minute; 230 MB for the default model).

    Safe to call from several processes. must: even where it is no faster.  Raises ModelError with the reason
    when it is not used, OSError when the disk refuses.
    """
    if not is_possible(encoder):
        raise ModelError(f"the encoder {encoder} needs a processor with AVX-512 VNNI")
    folder = encoder_folder(source, cache_dir, encoder)

    def build(parts: Path) -> None:
        _Build(source, encoder, parts).write()
        _drop_earlier(folder)

    if encoder != "numba-int8":
        onnx_library()  # that a package is missing is no property of the model, and not kept
    if not is_intact(folder):
        build_once(folder, build)
        gc.collect()  # the model that it was made of, in which there are cycles
        give_memory_back()
    card = read_card(folder)
    if card.refused is not None:
        raise ModelError(card.refused)
    if not is_fast(card) and not must:
        raise ModelError(f"{card.speed:.0f} texts/s against {card.torch_speed:.0f} by torch is no gain")
    embedder = BuiltEmbedder(folder, name=source.name, threads=threads)
    mean, least = _agreement(embedder, np.load(folder / "reference.npy"), every=_EVERY_SAMPLE_AT_START)
    if not _is_near(mean, least):  # built on another machine, whose processor computes otherwise
        raise ModelError(f"here {_distance(mean, least)}")
    return embedder


def _drop_earlier(folder: Path) -> None:
    """Remove what earlier versions have built in place of this folder: some hundred megabytes each."""
    stem = folder.name.rpartition(f"-v{FORMAT_VERSION}")[0]
    for other in folder.parent.iterdir():
        version = _VERSION.fullmatch(other.name.removeprefix(stem))
        if other.name.startswith(stem) and version and int(version[1]) < FORMAT_VERSION:
            _logger.info("removing %s, of an earlier version", other)
            if other.is_dir():
                shutil.rmtree(other)
            else:
                other.unlink()


def is_fast(card: EncoderCard) -> bool:
    """Whether it was enough faster than torch where it was built."""
    return card.speed >= MIN_SPEEDUP * card.torch_speed


def is_possible(encoder: BuiltEncoder) -> bool:
    """Whether this machine has what it takes, whatever the model."""
    return encoder != "numba-int8" or can_multiply_bytes()


def encoder_card(source: EncoderSource, cache_dir: Path, encoder: BuiltEncoder) -> EncoderCard | None:
    """What is known of an encoder that was built; None: it was not.  Raises ModelError."""
    folder = encoder_folder(source, cache_dir, encoder)
    return read_card(folder) if folder.is_dir() else None


def encoder_folder(source: EncoderSource, cache_dir: Path, encoder: BuiltEncoder) -> Path:
    """Where it is, or would be built.  Raises ModelError where there is nothing that runs it."""
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", Path(source.name).name).strip("-")[:40]
    # The name belongs to the key, since the prefix of the texts may go by it.
    key = hashlib.sha256(f"{source.name}\0{folder_checksum(source.folder)}".encode()).hexdigest()[:16]
    if encoder == "numba-int8":
        kind, runtime = "int8-vnni", ""
    else:
        kind, runtime = _precision(encoder), f"-ort{runtime_version()}"
    return cache_dir / "encoders" / f"{slug}-{key}-{kind}-v{FORMAT_VERSION}{runtime}"


def _precision(encoder: BuiltEncoder) -> Precision:
    if encoder == "onnx":
        return "float32"
    return "int8-wide" if signed_products_saturate() else "int8"


class _RefusedError(ModelError):
    """This model cannot be had so, for a reason that stays."""


# What a model of another kind may lead to. Whatever it is, its folder says so, and torch goes on.
_ODD = (ModelError, AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError)


class _Parts(NamedTuple):
    """Of a sentence-transformers model, what the graph and the card are made of."""

    bert: Any
    tokenizer: Any
    pooling: Pooling
    max_tokens: int


class _Build:
    def __init__(self, source: EncoderSource, encoder: BuiltEncoder, folder: Path) -> None:
        self._source = source
        self._encoder = encoder
        self._folder = folder

    def write(self) -> None:
        """Fill the folder, be it with a card that says why there is nothing else."""
        _logger.info("building the encoder %s of %s", self._encoder, self._source.name)
        model = self._source.load()
        try:
            card = self._written(model)
        except _ODD as oddity:
            reason = str(oddity) if isinstance(oddity, ModelError) else f"{type(oddity).__name__}: {oddity}"
            card = EncoderCard(
                encoder=self._encoder,
                prefix="",
                max_tokens=0,
                pooling="mean",
                dimensions=0,
                refused=reason,
            )
        self._save_card(card)

    def _written(self, model: SentenceModel) -> EncoderCard:
        parts = _parts_of(model)
        card = EncoderCard(
            encoder=self._encoder,
            prefix=self._source.prefix_of(model),
            max_tokens=parts.max_tokens,
            pooling=parts.pooling,
            dimensions=int(parts.bert.config.hidden_size),
        )
        self._save_card(card)
        self._save_network(parts.bert)
        (self._folder / "tokenizer.json").write_text(parts.tokenizer.to_str(), encoding="utf-8")
        embedder = BuiltEmbedder(self._folder, name=self._source.name, cached_texts=0)
        _check_tokens(embedder, model, card.prefix)
        return self._compared(embedder, model, card)

    def _save_card(self, card: EncoderCard) -> None:
        (self._folder / "card.json").write_bytes(msgspec.json.format(msgspec.json.encode(card)))

    def _save_network(self, bert: Any) -> None:
        state = {name: tensor.float().numpy() for name, tensor in bert.state_dict().items()}
        if self._encoder == "numba-int8":
            write_vnni_network(self._folder, state, _shape_of(bert))
            return
        graph = bert_graph(state, _shape_of(bert), _precision(self._encoder))
        # Weights lie beside the graph, so that they are mapped into memory and not copied.
        onnx_library().save_model(
            graph, self._folder / "model.onnx", save_as_external_data=True, location="weights.bin"
        )
        # The library makes it private to its owner; an image is built by one user and run by another.
        (self._folder / "weights.bin").chmod(0o644)

    def _compared(self, embedder: BuiltEmbedder, model: SentenceModel, card: EncoderCard) -> EncoderCard:
        texts = _samples()
        expected, torch_seconds = _timed(lambda: _torch_rows(model, texts, card.prefix))
        np.save(self._folder / "reference.npy", expected)
        _, seconds = _timed(lambda: embedder.embed(texts))
        mean, least = _agreement(embedder, expected)
        if not _is_near(mean, least):
            raise _RefusedError(_distance(mean, least))
        return msgspec.structs.replace(
            card,
            cosine_mean=round(mean, 6),
            cosine_least=round(least, 6),
            speed=round(len(texts) / seconds, 1),
            torch_speed=round(len(texts) / torch_seconds, 1),
        )


def _parts_of(model: Any) -> _Parts:
    """Raises _RefusedError for what the graph is not written for."""
    modules = list(model)
    kinds = [type(module).__name__ for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise _RefusedError(f"the model consists of {', '.join(kinds)}")
    first, pooling = modules[0], modules[1].get_config_dict()
    if pooling.get("pooling_mode") not in ("mean", "cls") or not pooling.get("include_prompt", True):
        raise _RefusedError(f"the model pools by {pooling.get('pooling_mode')}")
    bert, tokenizer = first.auto_model, getattr(first.tokenizer, "backend_tokenizer", None)
    config = bert.config
    if (
        _FAMILIES.get(config.model_type) != type(bert).__name__
        or getattr(config, "hidden_act", None) != "gelu"
    ):
        raise _RefusedError(f"the model is a {type(bert).__name__} of another kind than BERT")
    if getattr(config, "position_embedding_type", None) not in (None, "absolute") or tokenizer is None:
        raise _RefusedError("the model has other positions, or a tokenizer of its own")
    return _Parts(bert, tokenizer, pooling["pooling_mode"], int(model.max_seq_length))


def _shape_of(bert: Any) -> BertShape:
    config = bert.config
    first = 0 if config.model_type == "bert" else config.pad_token_id + 1
    return BertShape(config.num_hidden_layers, config.num_attention_heads, config.layer_norm_eps, first)


def _check_tokens(embedder: BuiltEmbedder, model: SentenceModel, prefix: str) -> None:
    texts = [*_samples(), *_ODD_TEXTS]
    for text, ours in zip(texts, embedder.tokenise(texts), strict=True):
        theirs = model.preprocess([text], prefix)["input_ids"][0].tolist()
        if ours != theirs:
            raise _RefusedError(f"the tokenizer reads {text[:40]!r} as {ours[:20]}, the model {theirs[:20]}")


def _samples() -> list[str]:
    """Of the ordinary texts, every so-manieth: all languages; and some long ones made of several."""
    texts = ordinary_texts()
    chosen = texts[:: max(1, len(texts) // _SAMPLE_TEXTS)][:_SAMPLE_TEXTS]
    return [*chosen, *(" ".join(chosen[start : start + 6]) for start in range(0, len(chosen), 12))]


def _torch_rows(model: SentenceModel, texts: Sequence[str], prefix: str) -> NDArray[np.float32]:
    """(n, d) unit rows by the library's own way of batching."""
    encoder: Any = model
    rows: NDArray[np.float32] = encoder.encode(
        list(texts), prompt=prefix, normalize_embeddings=True, show_progress_bar=False
    )
    return rows


def _timed(call: Callable[[], NDArray[np.float32]]) -> tuple[NDArray[np.float32], float]:
    """What it returns, and the seconds of its fastest round."""
    rows, fastest = call(), float("inf")
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        call()
        fastest = min(fastest, time.perf_counter() - begun)
    return rows, fastest


def _agreement(
    embedder: BuiltEmbedder, expected: NDArray[np.float32], *, every: int = 1
) -> tuple[float, float]:
    """Mean and least cosine with the vectors of the samples that torch gave."""
    cosines = (embedder.embed(_samples()[::every]) * expected[::every]).sum(axis=1)
    return float(cosines.mean()), float(cosines.min())


def _is_near(mean: float, least: float) -> bool:
    return mean >= MIN_MEAN_COSINE and least >= MIN_COSINE  # false for what is no number, too


def _distance(mean: float, least: float) -> str:
    return f"its vectors have cosine {mean:.4f} to torch's on average and {least:.4f} at least: too far"
