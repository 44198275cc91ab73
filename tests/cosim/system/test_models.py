"""Networks from files."""

from pathlib import Path

import numpy as np
import pytest

from cosim.graph import NetworkError
from cosim.system.models import Model
from cosim.system.system import System
from tests.cosim.system.networks import SMALL, mlp, numbers

onnx = pytest.importorskip("onnx", reason="ONNX models need the extra networks")


def write(path: Path) -> None:
    """y = relu(x a) b, with a batch axis of any length."""
    from onnx import helper, numpy_helper

    weights = {"a": numbers(12, 8, seed=1) / 3, "b": numbers(8, 4, seed=2) / 3}
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "b"], ["y"]),
    ]
    x, y = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])
        for name, width in (("x", 12), ("y", 4))
    )
    arrays = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", [x], [y], arrays)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_five_lines_for_an_onnx_model(tmp_path: Path) -> None:
    write(tmp_path / "model.onnx")
    system = System.of(tmp_path / "model.onnx", numbers(64, 12, seed=3), config=SMALL)
    inputs = numbers(5, 12, seed=4)
    outputs = np.asarray(system.run(inputs)["y"])
    assert outputs.shape == (5, 4)
    exact = system.network.only.run({"x": inputs}).outputs["y"]
    assert np.corrcoef(outputs.ravel(), exact.ravel())[0, 1] > 0.95


def test_a_model_tells_how_many_axes_its_inputs_have(tmp_path: Path) -> None:
    write(tmp_path / "model.onnx")
    assert Model.load(tmp_path / "model.onnx").axes == {"x": 2}
    mlp().save(tmp_path / "graph.npz")
    assert Model.load(tmp_path / "graph.npz").axes == {}


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("a network")
    with pytest.raises(NetworkError, match=r"expected an \.onnx model"):
        Model.load(tmp_path / "model.txt")
    with pytest.raises(FileNotFoundError):
        Model.load(tmp_path / "nothing.onnx")
