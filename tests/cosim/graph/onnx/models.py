"""Small models made by hand, and onnxruntime beside the reader, node by node."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from cosim.graph import Graph, Node
from cosim.graph.onnx import read_onnx

#: Of the intermediate representation: what the oldest onnxruntime we take still reads.
IR_VERSION = 10


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str | None]],
    outputs: Sequence[str],
    weights: Mapping[str, NDArray] | None = None,
    *,
    opset: int = 17,
    types: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A model; inputs and outputs are float32, unless `types` says otherwise."""
    kinds = dict.fromkeys((*inputs, *outputs), onnx.TensorProto.FLOAT) | (types or {})
    graph = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info(name, kinds[name], list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kinds[name], None) for name in outputs],
        [numpy_helper.from_array(np.array(array, order="C"), name) for name, array in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)


def saved(made: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def node(operator: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> onnx.NodeProto:
    """Names of values parted by spaces; "_" is one that is absent."""
    values = [["" if one == "_" else one for one in names.split()] for names in (inputs, outputs)]
    return helper.make_node(operator, *values, name=name, **attributes)


def reference(made: onnx.ModelProto | Path, inputs: Mapping[str, NDArray], outputs: Sequence[str]) -> list[NDArray]:
    """What onnxruntime gives, without changing the nodes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = str(made) if isinstance(made, Path) else made.SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    found: list[NDArray] = session.run(list(outputs), dict(inputs))
    return found


def same(
    made: onnx.ModelProto, inputs: Mapping[str, NDArray], folder: Path, *, close: float = 1e-5, every: bool = True
) -> Graph:
    """Read a model and compare each value that goes by a name of the file with onnxruntime's; the graph.

    Parameters
    ----------
    every : bool
        Compare outputs of all nodes, not only of the network.
    """
    graph = read_onnx(saved(made, folder))
    seen: dict[str, NDArray] = {}

    def observe(name: str, node: Node, given: Any, outputs: Any) -> None:
        if "/body/" not in name:
            seen.update(zip(node.outputs, outputs, strict=False))

    result = graph.run(dict(inputs), observe=observe)
    wanted = list(graph.outputs)
    if every:
        named = {value for one in made.graph.node for value in one.output if value}
        wanted += [value for one in graph.nodes for value in one.outputs if value in named - set(wanted)]
    probed = onnx.ModelProto()
    probed.CopyFrom(made)
    declared = {one.name for one in probed.graph.output}
    probed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in wanted if name not in declared)
    for name, expected in zip(wanted, reference(probed, inputs, wanted), strict=True):
        found = result.outputs[name] if name in result.outputs else seen[name]
        assert found.shape == expected.shape, name
        np.testing.assert_allclose(found, expected, rtol=close, atol=close, err_msg=name)
    return graph
