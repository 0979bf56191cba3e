"""The encoders that are built: near to torch, exact in any company, built once, never used unproven."""

import importlib
import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models import encoder_build, encoders, torch_embedder
from models.bert_graph import bert_graph
from models.built_embedder import BuiltEmbedder, BuiltEncoder, read_card
from models.built_folder import checksum
from models.embedding import SentenceTransformerEmbedder, encoder_of, load_embedder, planned_encoder
from models.encoder_build import (
    FORMAT_VERSION,
    EncoderSource,
    built_embedder,
    encoder_card,
    encoder_folder,
    is_possible,
)
from models.encoders import Encoder, EncoderChoice, open_model
from models.errors import ModelError
from models.sentence_library import load_sentence_model
from tests.models.tiny_model import WORDS, write_tiny_model


def texts(count: int = 40) -> list[str]:
    rng = np.random.default_rng(2)
    return [" ".join(rng.choice(WORDS, 1 + int(30 * rng.random() ** 2))) for _ in range(count)]


class Loads:
    """The tiny model as a source; counts how often it is loaded."""

    def __init__(self, folder: Path, name: str = "tiny") -> None:
        self.count = 0
        self.source = EncoderSource(name, folder, self._load)

    def _load(self) -> Any:
        self.count += 1
        return load_sentence_model(str(self.source.folder), local_files_only=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


def encoders_here(*chosen: BuiltEncoder) -> list[Any]:
    """As parameters, those that this processor cannot run marked as skipped."""
    reason = "the processor has no AVX-512 VNNI"
    return [
        pytest.param(encoder, marks=pytest.mark.skipif(not is_possible(encoder), reason=reason))
        for encoder in chosen
    ]


@pytest.fixture(params=encoders_here("onnx-int8", "numba-int8"))
def encoder(request: pytest.FixtureRequest) -> BuiltEncoder:
    found: BuiltEncoder = request.param
    return found


@pytest.fixture
def built(tiny: Path, tmp_path: Path, encoder: BuiltEncoder) -> Loads:
    loads = Loads(tiny)
    built_embedder(loads.source, tmp_path, encoder, must=True)
    return loads


def spoil(folder: Path, name: str, content: bytes) -> None:
    """Replace a file as if it had been built so."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest[name] = checksum(folder / name)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("family", "pooling", "prompt"),
    [("bert", "mean", None), ("bert", "cls", "query: "), ("xlm-roberta", "mean", "query: ")],
)
@pytest.mark.parametrize("which", encoders_here("onnx", "onnx-int8", "numba-int8"))
def test_vectors_are_those_of_torch(
    which: BuiltEncoder, family: str, pooling: str, prompt: str | None, tmp_path: Path
) -> None:
    folder = write_tiny_model(tmp_path / "model", family=family, pooling=pooling, prompt=prompt)
    expected = SentenceTransformerEmbedder(folder).embed(texts())
    embedder = built_embedder(Loads(folder).source, tmp_path, which, must=True)
    least = float((embedder.embed(texts()) * expected).sum(axis=1).min())
    assert least > 0.99999 if which == "onnx" else 0.99 < least < 1


def test_no_company_changes_a_bit(built: Loads, encoder: BuiltEncoder, tmp_path: Path) -> None:
    folder = encoder_folder(built.source, tmp_path, encoder)
    embedder = BuiltEmbedder(folder, name="tiny", cached_texts=0)
    mixed = texts()
    together = embedder.embed(mixed)
    assert np.array_equal(np.concatenate([embedder.embed([text]) for text in mixed]), together)
    one_thread = BuiltEmbedder(folder, name="tiny", cached_texts=0, threads=1)
    assert np.array_equal(one_thread.embed(mixed[::-1])[::-1], together)


def test_passes_hold_all_texts_and_not_too_many_tokens(
    built: Loads, encoder: BuiltEncoder, tmp_path: Path
) -> None:
    folder = encoder_folder(built.source, tmp_path, encoder)
    embedder = BuiltEmbedder(folder, name="tiny", threads=2)
    lengths = [5, 9, 5, 700, *([5] * 400)]
    passes = embedder.passes(lengths)
    assert sorted(i for members in passes for i in members) == list(range(len(lengths)))
    work = [sum(lengths[i] for i in members) for members in passes]
    assert work == sorted(work, reverse=True)
    assert max(work[1:]) <= 512
    if encoder == "onnx-int8":
        assert all(len({lengths[i] for i in members}) == 1 for members in passes)
    else:
        assert len(passes) <= 7  # 2,719 tokens, one text of more than 512


def test_it_is_built_once(built: Loads, encoder: BuiltEncoder, tmp_path: Path) -> None:
    built_embedder(built.source, tmp_path, encoder, must=True)
    assert built.count == 1


def test_workers_that_start_together_build_once(tiny: Path, tmp_path: Path) -> None:
    loads = Loads(tiny)
    with ThreadPoolExecutor(3) as pool:
        found = list(
            pool.map(lambda _: built_embedder(loads.source, tmp_path, "onnx-int8", must=True), range(3))
        )
    assert loads.count == 1
    assert np.array_equal(found[0].embed(texts()), found[2].embed(texts()))


def test_what_is_damaged_is_built_again(built: Loads, encoder: BuiltEncoder, tmp_path: Path) -> None:
    folder = encoder_folder(built.source, tmp_path, encoder)
    name = "weights.bin" if encoder == "onnx-int8" else "weights.npz"
    good = (folder / name).read_bytes()
    (folder / name).write_bytes(good[:-1] + b"x")
    built_embedder(built.source, tmp_path, encoder, must=True)
    assert built.count == 2
    assert (folder / name).read_bytes() == good


def test_what_earlier_versions_built_is_removed(tiny: Path, encoder: BuiltEncoder, tmp_path: Path) -> None:
    loads = Loads(tiny)
    folder = encoder_folder(loads.source, tmp_path, encoder)
    now = f"-v{FORMAT_VERSION}"
    earlier = [
        folder.with_name(folder.name.replace(now, "-v2")),
        folder.with_name(folder.name.replace(now, "-v1") + ".lock"),
    ]
    others = [
        folder.with_name(f"{folder.name}0"),  # of a later runtime, or a later version
        folder.with_name("another" + folder.name.replace(now, "-v2")),
        folder.with_name(folder.name.replace(now, "-x-v2")),
    ]
    for one in (earlier[0], *others):
        one.mkdir(parents=True)
        (one / "weights").write_bytes(b"0")
    earlier[1].write_bytes(b"")
    built_embedder(loads.source, tmp_path, encoder, must=True)
    assert not any(one.exists() for one in earlier)
    assert all(one.exists() for one in others)


def test_another_model_under_the_name_is_another_encoder(
    built: Loads, encoder: BuiltEncoder, tmp_path: Path
) -> None:
    other = write_tiny_model(tmp_path / "other", prompt="query: ")
    ours = encoder_folder(built.source, tmp_path, encoder)
    assert encoder_folder(Loads(other).source, tmp_path, encoder) != ours


def test_a_graph_that_computes_otherwise_is_refused(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_wrong_layer(state: Any, *rest: Any) -> Any:
        name = "encoder.layer.1.output.dense.weight"
        return bert_graph({**state, name: -state[name]}, *rest)

    monkeypatch.setattr(encoder_build, "bert_graph", with_a_wrong_layer)
    loads = Loads(tiny)
    for _ in range(2):  # the refusal is kept: it is not built at each start
        with pytest.raises(ModelError, match="too far"):
            built_embedder(loads.source, tmp_path, "onnx-int8", must=True)
    assert loads.count == 1


def test_a_processor_that_computes_otherwise_is_noticed(
    built: Loads, encoder: BuiltEncoder, tmp_path: Path
) -> None:
    folder = encoder_folder(built.source, tmp_path, encoder)
    np.save(folder / "elsewhere.npy", -np.load(folder / "reference.npy"))
    content = (folder / "elsewhere.npy").read_bytes()
    (folder / "elsewhere.npy").unlink()
    spoil(folder, "reference.npy", content)
    with pytest.raises(ModelError, match=r"here its vectors have cosine -0\.99"):
        built_embedder(built.source, tmp_path, encoder, must=True)


def test_what_is_no_faster_is_taken_only_on_demand(
    built: Loads, encoder: BuiltEncoder, tmp_path: Path
) -> None:
    folder = encoder_folder(built.source, tmp_path, encoder)
    slow = msgspec.structs.replace(read_card(folder), speed=110.0, torch_speed=100.0)
    spoil(folder, "card.json", msgspec.json.encode(slow))
    with pytest.raises(ModelError, match="110 texts/s against 100 by torch is no gain"):
        built_embedder(built.source, tmp_path, encoder)
    assert built_embedder(built.source, tmp_path, encoder, must=True).encoder.startswith(encoder)


@pytest.mark.parametrize(
    ("family", "pooling", "reason"),
    [("distilbert", "mean", "DistilBertModel"), ("bert", "max", "pools by max")],
)
def test_other_models_go_on_with_torch_and_say_why(
    family: str, pooling: str, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_tiny_model(tmp_path / "model", family=family, pooling=pooling)
    embedder = load_embedder(str(folder), cache_dir=tmp_path)
    assert encoder_of(embedder) == "torch, cpu"
    assert reason in caplog.text
    assert "the encoder onnx-int8 is not used" in caplog.text
    assert planned_encoder(str(folder), cache_dir=tmp_path).startswith("torch: no other")
    with pytest.raises(ModelError, match=reason):
        load_embedder(str(folder), cache_dir=tmp_path, encoder="onnx-int8")


def test_without_the_runtime_torch_computes(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    genuine = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name.startswith("onnxruntime"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return genuine(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    monkeypatch.setattr(encoder_build, "can_multiply_bytes", lambda: False)
    assert encoder_of(load_embedder(str(tiny), cache_dir=tmp_path)) == "torch, cpu"
    assert "pip install onnxruntime" in caplog.text
    with pytest.raises(ModelError, match="pip install onnxruntime"):
        load_embedder(str(tiny), cache_dir=tmp_path, encoder="onnx")


def test_where_the_cache_cannot_be_written_torch_computes(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "encoders").write_text("in the way", encoding="utf-8")
    assert encoder_of(load_embedder(str(tiny), cache_dir=tmp_path)) == "torch, cpu"
    assert "is not used" in caplog.text


@pytest.mark.parametrize(
    ("encoder", "expected"), [("torch", "torch, cpu"), ("onnx", "onnx, 3"), ("onnx-int8", "onnx-int8, 3")]
)
def test_the_setting_decides_and_the_name_stays(
    encoder: Encoder, expected: str, tiny: Path, tmp_path: Path
) -> None:
    embedder = open_model("tiny", tiny, EncoderChoice(encoder, tmp_path, threads=3))
    assert encoder_of(embedder).startswith(expected)
    assert embedder.name == "tiny"  # saved state goes by it: no encoder makes it another model's


def test_the_fastest_is_taken(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(encoder_build, "is_fast", lambda card: card.encoder == "onnx")
    embedder = open_model("tiny", tiny, EncoderChoice("auto", tmp_path))
    assert encoder_of(embedder).startswith("onnx, ")
    assert "is no gain" in caplog.text


def test_a_processor_without_the_instructions_takes_the_runtime(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(encoder_build, "MIN_SPEEDUP", 0.0)
    monkeypatch.setattr(encoder_build, "can_multiply_bytes", lambda: False)
    assert planned_encoder(str(tiny), cache_dir=tmp_path).startswith("onnx-int8, to be built")
    assert encoder_of(load_embedder(str(tiny), cache_dir=tmp_path)).startswith("onnx-int8, ")
    assert "numba" not in caplog.text  # nothing is wrong with this machine
    with pytest.raises(ModelError, match="needs a processor with AVX-512 VNNI"):
        load_embedder(str(tiny), cache_dir=tmp_path, encoder="numba-int8")


@pytest.mark.parametrize("variable", ["NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_DISABLE_JIT"])
def test_where_numba_compiles_for_another_processor_there_are_no_instructions(variable: str) -> None:
    """LLVM ends the process when it is to write instructions that its processor has not."""
    value = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse2", "NUMBA_DISABLE_JIT": "1"}[variable]
    code = "from models.instructions import can_multiply_bytes; print(can_multiply_bytes())"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, variable: value},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "False\n"


@pytest.mark.skipif(not is_possible("numba-int8"), reason="the processor has no AVX-512 VNNI")
def test_a_model_that_fills_no_tiles_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "narrow", columns=32)
    with pytest.raises(ModelError, match="32 columns, 64 activated, 2 heads"):
        built_embedder(Loads(folder).source, tmp_path, "numba-int8", must=True)
    built_embedder(Loads(folder).source, tmp_path, "onnx-int8", must=True)


def test_a_gpu_is_torchs(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[dict[str, Any]] = []
    monkeypatch.setattr(encoders, "has_gpu", lambda: True)
    monkeypatch.setattr(encoders, "SentenceTransformerEmbedder", lambda *_, **options: chosen.append(options))
    open_model("tiny", tiny, EncoderChoice("auto", tmp_path))
    assert [options["device"] for options in chosen] == ["cuda"]


def test_on_a_gpu_every_pass_has_as_many_rows(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # "cpu:0" is a device that is not called "cpu", as a GPU would be.
    embedder = SentenceTransformerEmbedder(tiny, device="cpu:0", cached_texts=0)
    rows: list[int] = []
    model = embedder._model

    def counting(features: dict[str, Any]) -> dict[str, Any]:
        rows.append(len(features["input_ids"]))
        return model(features)

    counting.preprocess = model.preprocess  # type: ignore[attr-defined]  # a function may have attributes
    monkeypatch.setattr(embedder, "_model", counting)
    found = embedder.embed(texts(90))
    assert set(rows) == {torch_embedder._GPU_ROWS}
    on_cpu = SentenceTransformerEmbedder(tiny).embed(texts(90))
    np.testing.assert_allclose(found, on_cpu, atol=1e-5)


def test_a_card_is_known_only_of_what_was_built(built: Loads, encoder: BuiltEncoder, tmp_path: Path) -> None:
    card = encoder_card(built.source, tmp_path, encoder)
    assert card is not None
    assert card.encoder == encoder
    assert encoder_card(built.source, tmp_path, "onnx") is None


def test_numbers_without_a_sign_give_the_same(tiny: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """What processors without VNNI run: the other way to write the same products."""
    plain = built_embedder(Loads(tiny).source, tmp_path, "onnx-int8", must=True).embed(texts())
    monkeypatch.setattr(encoder_build, "signed_products_saturate", lambda: True)
    wide = built_embedder(Loads(tiny).source, tmp_path, "onnx-int8", must=True)
    assert any("int8-wide" in folder.name for folder in (tmp_path / "encoders").iterdir())
    np.testing.assert_allclose(wide.embed(texts()), plain, atol=1e-6)
