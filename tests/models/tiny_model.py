"""A sentence-transformers model of a few thousand random weights, written to a folder in no time."""

import importlib
import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

__all__ = ["WORDS", "write_tiny_model"]

WORDS = [f"word{n}" for n in range(200)] + ["query", ":", "a", "takeover", "in", "disguise", "probe"]
_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_TOKENS = 64

_transformers: Any = importlib.import_module("transformers")


def write_tiny_model(
    folder: Path,
    *,
    family: str = "bert",
    pooling: str = "mean",
    prompt: str | None = None,
    columns: int = 64,
) -> Path:
    """The folder, filled. family: "bert", "xlm-roberta" or "distilbert"; pooling: "mean", "cls" or "max"."""
    torch.manual_seed(5)
    _bert(family, columns).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    files: dict[str, Any] = {
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(parts)
        ],
        "sentence_bert_config.json": {"max_seq_length": _TOKENS},
        "1_Pooling/config.json": {
            "word_embedding_dimension": columns,
            **{f"pooling_mode_{kind}_tokens": kind == pooling for kind in ("mean", "max")},
            "pooling_mode_cls_token": pooling == "cls",
        },
        "2_Normalize/config.json": {},
        "config_sentence_transformers.json": {
            "prompts": {} if prompt is None else {"query": prompt},
            "default_prompt_name": None if prompt is None else "query",
        },
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def _bert(family: str, columns: int) -> Any:
    sizes = {
        "vocab_size": len(WORDS) + len(_SPECIAL),
        "max_position_embeddings": _TOKENS + 2,
        "initializer_range": 0.2,  # so that the random layers do something
        "pad_token_id": 1,
    }
    if family == "distilbert":
        config = _transformers.DistilBertConfig(dim=columns, n_layers=1, n_heads=2, hidden_dim=64, **sizes)
        return _transformers.DistilBertModel(config)
    wide = {
        "hidden_size": columns,
        "num_hidden_layers": 3,  # the last is a late one
        "num_attention_heads": 2,
        "intermediate_size": 2 * columns,
    }
    if family == "xlm-roberta":
        config = _transformers.XLMRobertaConfig(**sizes, **wide)
        return _transformers.XLMRobertaModel(config, add_pooling_layer=False)
    return _transformers.BertModel(_transformers.BertConfig(**sizes, **wide), add_pooling_layer=False)


def _tokenizer() -> Any:
    vocabulary = {word: n for n, word in enumerate(_SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_SPECIAL[3]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}
    return _transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=_TOKENS,
        **{f"{role}_token": token for role, token in names.items()},
    )
