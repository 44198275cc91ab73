"""onnxruntime as the independent definition of an operator."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

#: Of the intermediate representation: what the oldest onnxruntime we take still reads.
_IR_VERSION = 10


def onnx_outputs(
    operator: str,
    *inputs: NDArray | None,
    outputs: int = 1,
    opset: int = 20,
    weights: dict[int, NDArray] | None = None,
    **attributes: Any,
) -> list[NDArray]:
    """What onnxruntime makes of one node.

    Parameters
    ----------
    operator : str
    *inputs : array or None
        None where an optional input is absent.
    outputs, opset : int
    weights : dict of int to array, optional
        Inputs, by position, that must be constants.
    **attributes
    """
    given = {at for at, x in enumerate(inputs) if x is not None} | set(weights or {})
    names = [f"x{at}" if at in given else "" for at in range(max(given) + 1)]
    results = [f"y{at}" for at in range(outputs)]
    node = helper.make_node(operator, names, results, **attributes)
    graph = helper.make_graph(
        [node],
        "reference",
        [
            helper.make_tensor_value_info(f"x{at}", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for at, x in enumerate(inputs)
            if x is not None
        ],
        [helper.make_empty_tensor_value_info(name) for name in results],
        [numpy_helper.from_array(np.ascontiguousarray(x), f"x{at}") for at, x in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=_IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: list[NDArray] = session.run(None, {f"x{at}": x for at, x in enumerate(inputs) if x is not None})
    return found
