"""Matrix products of small whole numbers, by the instructions that processors have for them.

ONNX Runtime is here for its kernels alone: those of numpy are for floating point, and a compiled loop is a
fourth as fast. The left side has 7 bits, so that no pair of products overflows 16 bits on the way, as it may
on x86 without VNNI: the sums are exact everywhere.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.onnx_session import OnnxSession, onnx_library

__all__ = ["ZERO", "whole_products"]

ZERO = 64  # what stands for 0 on the left side, whose numbers are 0 to 127
_OPSET = 21
_IR_VERSION = 10


def whole_products(left: NDArray[np.uint8], right: NDArray[np.int8]) -> NDArray[np.int32]:
    """`(left - ZERO) @ right`, (n, m): (n, k) numbers from 0 to 127, by (k, m) from -127 to 127.

    Raises ModelError where ONNX Runtime is missing or refuses the shapes.
    """
    products: NDArray[np.int32] = _session().run(left=left, right=right)
    return products


@cache
def _session() -> OnnxSession:
    onnx = onnx_library()
    make, kinds = onnx.helper, onnx.TensorProto
    graph = make.make_graph(
        [make.make_node("MatMulInteger", ["left", "right", "zero"], ["out"])],
        "whole-products",
        [
            make.make_tensor_value_info("left", kinds.UINT8, ["n", "k"]),
            make.make_tensor_value_info("right", kinds.INT8, ["k", "m"]),
        ],
        [make.make_tensor_value_info("out", kinds.INT32, ["n", "m"])],
        [onnx.numpy_helper.from_array(np.array(ZERO, dtype=np.uint8), "zero")],
    )
    opsets = [make.make_opsetid("", _OPSET)]
    model = make.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    return OnnxSession(model.SerializeToString())
