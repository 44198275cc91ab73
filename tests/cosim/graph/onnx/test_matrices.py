"""Products with constant matrices become `Linear`, wherever the file keeps the weights."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from cosim.graph import Graph, Linear, NetworkError
from cosim.graph.onnx import read_onnx
from tests.cosim.graph.onnx.models import model, node, same, saved

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> NDArray[np.float32]:
    return RNG.standard_normal(shape).astype(np.float32)


def on_host(graph: Graph) -> list[str]:
    return [type(one.operator).__name__ for one in graph.nodes if not isinstance(one.operator, Linear)]


@pytest.mark.parametrize("bias", [(5,), (1, 5), (1,), ()])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_constant_that_is_added_to_a_product_is_its_bias(tmp_path: Path, bias: tuple, swapped: bool) -> None:
    nodes = [node("MatMul", "x w", "p", "fc"), node("Add", "b p" if swapped else "p b", "y")]
    made = model(nodes, {"x": ["n", 3]}, ["y"], {"w": drawn(3, 5), "b": drawn(*bias)})
    graph = same(made, {"x": drawn(4, 3)}, tmp_path)
    assert [one.name for one in graph.nodes] == ["fc"]
    assert graph.linears["fc"].bias is not None


@pytest.mark.parametrize(
    ("nodes", "bias", "outputs"),
    [
        ([node("Add", "p b", "y"), node("Relu", "p", "z")], (5,), ["y", "z"]),  # the product is used elsewhere
        ([node("Add", "p b", "y")], (5,), ["y", "p"]),  # the product is an output
        ([node("Add", "p b", "y")], (4, 1), ["y"]),  # no number for each column
        ([node("Add", "p b", "y")], (2, 1, 5), ["y"]),  # more axes than the product has
        ([node("Add", "p p", "y")], (5,), ["y"]),
    ],
)
def test_what_is_no_bias_is_added_by_the_host(tmp_path: Path, nodes: Any, bias: tuple, outputs: list[str]) -> None:
    made = model([node("MatMul", "x w", "p"), *nodes], {"x": [4, 3]}, outputs, {"w": drawn(3, 5), "b": drawn(*bias)})
    graph = same(made, {"x": drawn(4, 3)}, tmp_path)
    assert "Binary" in on_host(graph)
    assert graph.linears["MatMul_1"].bias is None


@pytest.mark.parametrize("shapes", [((3,), (3, 5)), ((2, 4, 3), (3, 5)), ((2, 4, 3), (3,)), ((4, 3), (1, 3, 5))])
def test_constants_on_the_right_are_matrices(tmp_path: Path, shapes: Any) -> None:
    left, right = shapes
    made = model([node("MatMul", "x w", "y", "fc")], {"x": left}, ["y"], {"w": drawn(*right)})
    graph = same(made, {"x": drawn(*left)}, tmp_path)
    # With fewer axes than the weights have the product would get another shape than a matrix gives.
    assert ("fc" in graph.linears) == (len(left) >= len(right) or len(right) <= 2)


@pytest.mark.parametrize("right", [(3,), (3, 6), (2, 3, 6)])
def test_constants_on_the_left_are_matrices(tmp_path: Path, right: tuple[int, ...]) -> None:
    made = model([node("MatMul", "w x", "y", "fc")], {"x": right}, ["y"], {"w": drawn(5, 3)})
    assert same(made, {"x": drawn(*right)}, tmp_path).linears["fc"].weights.shape == (3, 5)


def test_stacks_of_matrices_and_products_of_activations_are_the_hosts(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "p"), node("MatMul", "p x", "y")]
    made = model(nodes, {"x": [2, 3, 4]}, ["y"], {"w": drawn(2, 4, 3)})
    graph = same(made, {"x": drawn(2, 3, 4)}, tmp_path)
    assert not graph.linears
    assert on_host(graph) == ["Product", "Product"]


@pytest.mark.parametrize("added", [None, (), (1,), (5,), (1, 5), (4, 1), (4, 5), (1, 1)])
@pytest.mark.parametrize("turned", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_gemm(tmp_path: Path, added: tuple[int, ...] | None, turned: tuple[int, int]) -> None:
    x, w = drawn(*(3, 4) if turned[0] else (4, 3)), drawn(*(5, 3) if turned[1] else (3, 5))
    weights = {"w": w} | ({} if added is None else {"c": drawn(*added)})
    attributes = {"transA": turned[0], "transB": turned[1], "alpha": 0.5, "beta": -2.0}
    nodes = [node("Gemm", " ".join(("x", *weights)), "y", "fc", **attributes)]
    graph = same(model(nodes, {"x": x.shape}, ["y"], weights), {"x": x}, tmp_path)
    assert graph.linears["fc"].weights.shape == (3, 5)


def test_gemm_of_activations_is_the_hosts(tmp_path: Path) -> None:
    nodes = [node("Gemm", "x z c", "y", transB=1, alpha=0.5, beta=3.0)]
    made = model(nodes, {"x": [4, 3], "z": [5, 3], "c": [5]}, ["y"])
    assert not same(made, {"x": drawn(4, 3), "z": drawn(5, 3), "c": drawn(5)}, tmp_path).linears


def test_weights_are_found_behind_what_follows_from_constants(tmp_path: Path) -> None:
    stored = RNG.integers(-127, 128, (5, 3)).astype(np.int8)
    tensor = onnx.numpy_helper.from_array(np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32))
    nodes = [
        node("Constant", "", "scale", value=tensor),
        node("DequantizeLinear", "q.weight scale zero", "w", axis=0),
        node("Transpose", "w", "t"),
        node("Cast", "t", "h", to=onnx.TensorProto.FLOAT16),
        node("Cast", "h", "f", to=onnx.TensorProto.FLOAT),
        node("Reshape", "f shape", "r"),
        node("Identity", "r", "i"),
        node("MatMul", "x i", "y", "anonymous"),
    ]
    weights = {"q.weight": stored, "zero": np.zeros(5, np.int8), "shape": np.array([3, -1])}
    # Half precision loses digits on the way, ours does not: real numbers are float32.
    graph = same(model(nodes, {"x": ["n", 3]}, ["y"], weights), {"x": drawn(2, 3)}, tmp_path, close=2e-2)
    assert [one.name for one in graph.nodes] == ["q"]
    np.testing.assert_allclose(graph.linears["q"].weights, stored.T * np.array([0.1, 0.2, 0.3, 0.4, 0.5]), rtol=1e-6)


def test_equal_weights_lie_on_the_chip_once(tmp_path: Path) -> None:
    w = drawn(3, 3)
    nodes = [node("MatMul", "x a", "p"), node("MatMul", "p b", "q"), node("MatMul", "q c", "y")]
    graph = same(model(nodes, {"x": [3]}, ["y"], {"a": w, "b": w.copy(), "c": -w}), {"x": drawn(3)}, tmp_path)
    assert len(graph.linears) == 3
    assert len(graph.matrices) == 2


@pytest.mark.parametrize(
    ("x", "w", "attributes"),
    [
        ((2, 3, 9), (4, 3, 3), {}),
        ((2, 4, 9), (6, 2, 3), {"group": 2, "strides": [2], "pads": [1, 2], "dilations": [2]}),
        ((1, 3, 7, 9), (5, 3, 3, 2), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        ((1, 3, 7, 9), (5, 3, 3, 2), {"auto_pad": "SAME_LOWER", "strides": [3, 2]}),
        ((1, 3, 7, 9), (5, 3, 3, 3), {"auto_pad": "VALID"}),
        ((2, 4, 6, 5), (8, 1, 3, 3), {"group": 4, "pads": [1, 1, 1, 1]}),
        ((1, 2, 5, 4, 6), (3, 2, 2, 3, 2), {"strides": [1, 1, 2]}),
    ],
)
@pytest.mark.parametrize("biased", [False, True])
def test_convolutions(tmp_path: Path, x: Any, w: Any, attributes: dict[str, Any], biased: bool) -> None:
    weights = {"w": drawn(*w)} | ({"b": drawn(w[0])} if biased else {})
    nodes = [node("Conv", " ".join(("x", *weights)), "y", "conv", **attributes)]
    graph = same(model(nodes, {"x": ["n", x[1], *[None] * (len(x) - 2)]}, ["y"], weights), {"x": drawn(*x)}, tmp_path)
    groups = attributes.get("group", 1)
    # A convolution of each channel alone is the host's.
    assert len(graph.linears) == (0 if w[1] == 1 else groups)


@pytest.mark.parametrize(
    ("x", "w", "attributes"),
    [
        ((2, 3, 5), (3, 4, 3), {"strides": [2], "pads": [1, 0]}),
        ((1, 4, 4, 5), (4, 3, 3, 2), {"group": 2, "strides": [2, 3], "output_padding": [1, 2], "dilations": [2, 1]}),
        ((1, 2, 4, 5), (2, 3, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ((1, 2, 4, 5), (2, 3, 3, 3), {"strides": [3, 2], "output_shape": [10, 12]}),
        ((1, 2, 3, 3, 2), (2, 3, 2, 2, 2), {}),
    ],
)
def test_transposed_convolutions(tmp_path: Path, x: Any, w: Any, attributes: dict[str, Any]) -> None:
    groups = attributes.get("group", 1)
    weights = {"w": drawn(*w), "b": drawn(w[1] * groups)}
    made = model([node("ConvTranspose", "x w b", "y", "up", **attributes)], {"x": x}, ["y"], weights)
    assert len(same(made, {"x": drawn(*x)}, tmp_path).linears) == groups


def test_kernels_that_the_network_computes_are_refused(tmp_path: Path) -> None:
    path = saved(model([node("Conv", "x w", "y", "conv")], {"x": [1, 1, 5], "w": [1, 1, 3]}, ["y"]), tmp_path)
    with pytest.raises(NetworkError, match=r"node conv \(Conv\) cannot be mapped: the kernel must be a constant"):
        read_onnx(path)
