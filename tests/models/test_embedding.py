"""Which embedder a name gives, how long the choice may take, and what the model's wrapper does around it."""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch

from models import embedding, torch_embedder
from models.embedding import DEFAULT_MODEL, HashEmbedder, SentenceTransformerEmbedder, load_embedder
from models.errors import ModelError
from models.packaged import build_packaged_model


class CountingModel:
    """Stands in for a loaded model: a word is a token, the vector counts letters; it notes every pass."""

    def __init__(self, *, default_prompt: str | None = None, company_matters: bool = False) -> None:
        self.prompts = {"query": default_prompt or ""}
        self.default_prompt_name = None if default_prompt is None else "query"
        self.company_matters = company_matters
        self.passes: list[list[str]] = []

    def preprocess(
        self,
        inputs: Sequence[str],
        prompt: str | None = None,
        *,
        processing_kwargs: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        assert processing_kwargs in (None, {"text": {"pad_to_multiple_of": 8}})
        texts = [(prompt or "") + text for text in inputs]
        mask = torch.zeros(len(texts), 64, dtype=torch.int64)
        for row, text in zip(mask, texts, strict=True):
            row[: len(text.split())] = 1
        return {"attention_mask": mask, "texts": texts}

    def __call__(self, features: dict[str, Any]) -> dict[str, Any]:
        texts = features["texts"]
        self.passes.append(texts)
        extra = len(texts) * 1e-6 if self.company_matters else 0.0
        return {"sentence_embedding": torch.tensor([[1.0 + extra, len(text)] for text in texts])}

    def get_embedding_dimension(self) -> int | None:
        return 2


@pytest.fixture
def use_model(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(model: CountingModel) -> CountingModel:
        monkeypatch.setattr(torch_embedder, "load_sentence_model", lambda *_, **__: model)
        return model

    return use


@pytest.fixture
def empty_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def silent_endpoint() -> Iterator[str]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def silent_hub(silent_endpoint: str, empty_hub_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", silent_endpoint)


class _NotFound(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def hub_without_models(empty_hub_cache: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with HTTPServer(("127.0.0.1", 0), _NotFound) as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_the_fake_has_a_name() -> None:
    assert isinstance(load_embedder("hash"), HashEmbedder)


def test_the_packaged_copy_says_that_it_is_one(
    model_cache_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="models.embedding"):
        embedder = load_embedder("packaged", cache_dir=model_cache_dir)
    assert embedder.name == "intfloat/multilingual-e5-small (packaged copy, 4-bit weights)"
    assert embedder.dimensions == 384
    assert embedder.name in caplog.text


def test_a_folder_is_loaded(model_cache_dir: Path) -> None:
    folder = build_packaged_model(model_cache_dir)
    assert load_embedder(str(folder)).name == str(folder)


def test_meaning_crosses_languages(model_cache_dir: Path) -> None:
    french, english, other = load_embedder("packaged", cache_dir=model_cache_dir).embed(
        [
            "C'est un rachat déguisé.",
            "This is an acquisition in disguise.",
            "My phone gets hot while charging.",
        ]
    )
    assert french @ english > french @ other + 0.05


def test_an_unreachable_hub_is_given_five_seconds_then_the_packaged_copy_runs(
    silent_hub: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    copy = HashEmbedder()
    monkeypatch.setattr(embedding, "_load_packaged", lambda _: copy)
    started = time.monotonic()
    assert load_embedder(DEFAULT_MODEL) is copy
    assert time.monotonic() - started <= 6
    assert "did not answer within 5 seconds: using the packaged copy" in caplog.text


def test_a_name_server_that_hangs_does_not_hang_us(
    empty_hub_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(60) and [])
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://hub.invalid")
    started = time.monotonic()
    with pytest.raises(ModelError, match="did not answer within 1 seconds"):
        load_embedder("nobody/nothing", hub_timeout_seconds=1.0)
    assert time.monotonic() - started < 3
    released.set()


def test_another_model_that_cannot_be_had_is_an_error_of_one_line(silent_hub: None) -> None:
    with pytest.raises(ModelError) as error:
        load_embedder("nobody/nothing", hub_timeout_seconds=0.5)
    assert "nobody/nothing" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_that_the_hub_does_not_know_is_said_to_be_so(hub_without_models: None) -> None:
    with pytest.raises(ModelError, match="the model hub does not know it"):
        load_embedder("nobody/nothing")


def test_a_model_in_the_hub_cache_is_used_without_the_hub(
    model_cache_dir: Path, tmp_path: Path, silent_endpoint: str
) -> None:
    repository = tmp_path / "hub" / "models--intfloat--multilingual-e5-small"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / ("0" * 40)).symlink_to(build_packaged_model(model_cache_dir))
    load = f"load_embedder({DEFAULT_MODEL!r}, encoder='torch')"
    code = f"from models.embedding import load_embedder; print({load}.name)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_ENDPOINT": silent_endpoint},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{DEFAULT_MODEL}\n", "")


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c", "~/no such folder", ""])
def test_a_missing_folder_is_named(name: str) -> None:
    with pytest.raises(ModelError, match="no model folder") as error:
        load_embedder(name)
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.safetensors", b"noise" * 100),
        ("config.json", b"{"),
        ("config.json", b"{}"),
        ("tokenizer.json", b"{}"),
        ("modules.json", b"[]"),
    ],
)
def test_a_broken_folder_is_named_in_one_line(
    file: str, content: bytes, model_cache_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in build_packaged_model(model_cache_dir).iterdir():
        (folder / path.name).symlink_to(path)
    (folder / file).unlink()
    (folder / file).write_bytes(content)
    with pytest.raises(ModelError) as error:
        load_embedder(str(folder), cache_dir=tmp_path / "cache")
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        load_embedder(str(tmp_path), cache_dir=tmp_path / "cache")


def test_equal_and_recent_texts_are_embedded_once(use_model: Any) -> None:
    model = use_model(CountingModel())
    embedder = SentenceTransformerEmbedder("fake", cached_texts=2)
    model.passes.clear()
    embedder.embed(["a", "b", "a"])
    embedder.embed(["b", "a"])
    assert model.passes == [["a", "b"]]
    embedder.embed(["c"])  # "b" is the one that was used least recently
    embedder.embed(["a", "b"])
    assert model.passes == [["a", "b"], ["c"], ["b"]]


def test_where_company_matters_texts_go_one_by_one(use_model: Any, caplog: pytest.LogCaptureFixture) -> None:
    model = use_model(CountingModel(company_matters=True))
    caplog.set_level("INFO")
    embedder = SentenceTransformerEmbedder("fake", cached_texts=0)
    assert "going one by one" in caplog.text
    model.passes.clear()
    together = embedder.embed(["a", "bb", "ccc"])
    assert model.passes == [["a"], ["bb"], ["ccc"]]
    assert np.array_equal(together[1:2], embedder.embed(["bb"]))


@pytest.mark.parametrize(
    ("name", "default_prompt", "prefix", "expected"),
    [
        ("intfloat/multilingual-e5-small", None, None, "query: "),
        ("models/e5", None, None, "query: "),
        ("sentence-transformers/all-MiniLM-L6-v2", None, None, ""),
        ("someone/the5th-model", None, None, ""),
        ("someone/anything", "search: ", None, "search: "),
        ("intfloat/multilingual-e5-small", "search: ", None, "search: "),
        ("intfloat/multilingual-e5-small", None, "passage: ", "passage: "),
    ],
)
def test_the_prefix_is_the_models_own(
    use_model: Any, name: str, default_prompt: str | None, prefix: str | None, expected: str
) -> None:
    model = use_model(CountingModel(default_prompt=default_prompt))
    SentenceTransformerEmbedder(name, prefix=prefix).embed(["x"])
    assert model.passes[-1] == [f"{expected}x"]


def test_importing_the_module_loads_no_model_library() -> None:
    code = (
        "import sys, models.embedding; print({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
