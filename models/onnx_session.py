"""The one place where ONNX Runtime is imported: late, and with its errors turned into ours."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

__all__ = ["OnnxSession", "onnx_library", "runtime_version", "signed_products_saturate"]

_WARNINGS_OFF = 3  # severity from which it writes to standard error: only errors
_ERRORS = (
    "EPFail",
    "EngineError",
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NoModel",
    "NoSuchFile",
    "NotImplemented",
    "RuntimeException",
)


class OnnxSession:
    """A loaded graph on the CPU. Each run takes the calling thread alone; several may run it at once."""

    def __init__(self, model: Path | bytes) -> None:
        """model: a file, whose big tables stay on the disk and are shared by processes; or its bytes.

        Raises ModelError.
        """
        runtime = _runtime()
        options: Any = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _WARNINGS_OFF
        source = model if isinstance(model, bytes) else str(model)
        with _as_model_errors():
            self._session: Any = runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def run(self, **inputs: NDArray[Any]) -> NDArray[Any]:
        """The first output.  Raises ModelError."""
        with _as_model_errors():
            output: NDArray[Any] = self._session.run(None, inputs)[0]
        return output


def runtime_version() -> str:
    """Raises ModelError where there is no ONNX Runtime."""
    return str(_runtime().__version__)


def signed_products_saturate() -> bool:
    """Whether this processor's unsigned-by-signed products overflow 16 bits on the way: x86 without VNNI."""
    onnx = onnx_library()
    make, kinds = onnx.helper, onnx.TensorProto
    graph = make.make_graph(
        [make.make_node("MatMulInteger", ["left", "right"], ["out"])],
        "probe",
        [make.make_tensor_value_info("left", kinds.UINT8, [4, 64])],
        [make.make_tensor_value_info("out", kinds.INT32, [4, 64])],
        [onnx.numpy_helper.from_array(np.full((64, 64), 127, np.int8), "right")],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 21)], ir_version=10)
    summed = OnnxSession(model.SerializeToString()).run(left=np.full((4, 64), 255, np.uint8))
    return bool((summed != 64 * 127 * 255).any())


def onnx_library() -> Any:
    """The package that writes graphs.  Raises ModelError where it is missing."""
    return _import("onnx")


def _runtime() -> Any:
    return _import("onnxruntime")


def _import(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ModelError(f"{package} cannot be imported ({error}): pip install {package}") from error


@contextmanager
def _as_model_errors() -> Iterator[None]:
    state: Any = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    errors = tuple(getattr(state, name) for name in _ERRORS if hasattr(state, name))
    try:
        yield
    except (*errors, RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())[:300]
        raise ModelError(f"ONNX Runtime refuses the model: {text}") from error
