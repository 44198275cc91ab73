"""Operators on arrays: how they count, what they refuse, their types; that they are right, ONNX's own cases show."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph import Graph, NetworkError, Node, Operator
from cosim.graph.operators import elementwise, indexing, pooling, products, quantization, reduction, resize, tensor
from cosim.graph.operators.transposed import Overlap

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> NDArray[np.float32]:
    return RNG.standard_normal(shape).astype(np.float32)


def at(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers)


SCALE = np.float32(0.1)
COUNTED: list[tuple[Operator, tuple[NDArray | None, ...], int]] = [
    (elementwise.Unary("sqrt"), (drawn(3, 4) ** 2,), 12),
    (elementwise.Binary("add"), (drawn(3, 1), drawn(4)), 12),
    (elementwise.Where(), (drawn(3, 1) > 0, drawn(4), np.float32(0)), 12),
    (elementwise.Infinite(), (drawn(5),), 5),
    (elementwise.BitShift(True), (np.arange(4, dtype=np.uint8), np.uint8(1)), 4),
    (elementwise.Cast("int64"), (drawn(5),), 0),
    (reduction.Reduce("mean"), (drawn(3, 4), at(1)), 12),
    (reduction.Reduce("l2"), (drawn(3, 4), None), 24),
    (reduction.Reduce("log_sum_exp"), (drawn(3, 4), at(0)), 48),
    (reduction.Extreme(1), (drawn(3, 4),), 12),
    (reduction.Cumulative(), (drawn(3, 4), np.array(1)), 12),
    (products.Product(), (drawn(2, 3, 4), drawn(4, 5)), 2 * 2 * 3 * 4 * 5),
    (products.Product(), (drawn(4), drawn(4)), 8),
    (products.Einsum("bij,bjk->bik"), (drawn(2, 3, 4), drawn(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    (products.Einsum("...ck,cmk->...cm"), (drawn(2, 6, 3, 9), drawn(3, 2, 9)), 2 * 12 * 3 * 2 * 9),
    (pooling.MaxPool((2, 2), indices=True), (drawn(1, 3, 4, 5),), 3 * 3 * 4 * 4),
    (pooling.AveragePool((3,), strides=(2,), pads=(1, 1)), (drawn(2, 1, 5),), 2 * 3 * 3),
    (pooling.NormPool((2,)), (drawn(1, 1, 5),), 4 * 2),
    (quantization.Quantize("int8"), (drawn(4), SCALE), 20),
    (quantization.Dequantize(), (np.arange(4, dtype=np.int8), SCALE), 8),
    (indexing.ScatterElements(combined="add"), (drawn(4), at(1, 1), drawn(2)), 2),
    (indexing.ScatterSlices(), (drawn(4), at(1)[None], drawn(1)), 0),
    (indexing.Top(), (drawn(3, 8), np.array(2)), 24 * 3),
    (indexing.Gather(), (drawn(4), at(1, -1)), 0),
    (resize.Resize(), (drawn(1, 4), None, at(1, 8)), 0),
    (resize.Resize("linear", "align_corners"), (drawn(3, 3), None, at(3, 5)), 2 * 3 * (3 + 2 * 2)),
    (Overlap((3,), stride=(2,)), (drawn(1, 4, 6),), 24),
    (tensor.Transpose(), (drawn(3, 4),), 0),
]


@pytest.mark.parametrize(("operator", "inputs", "count"), COUNTED, ids=lambda value: str(value)[:40])
def test_operations_are_counted_as_the_docstring_says(operator: Operator, inputs: Any, count: int) -> None:
    outputs = operator.run(*inputs)
    assert len(outputs) == operator.results
    assert operator.operations(*inputs) == count


def test_real_numbers_are_float32_and_others_keep_their_type() -> None:
    double = np.array([1.5, 2.5])
    assert elementwise.Binary("add").run(double, double)[0].dtype == np.float32
    for kind in (np.int8, np.uint8, np.int32, np.int64):
        whole = np.array([7, 2], kind)
        assert elementwise.Binary("div").run(whole, kind(2))[0].dtype == kind
        assert reduction.Reduce("sum").run(whole)[0].dtype == kind
    assert elementwise.Cast("int64").run(np.array([-1.7, 1.7]))[0].tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("x", "y", "quotient", "rest"), [(7, 2, 3, 1), (-7, 2, -3, 1), (7, -2, -3, -1), (-6, 2, -3, 0)]
)
def test_quotients_are_cut_off_and_rests_have_the_divisors_sign(x: int, y: int, quotient: int, rest: int) -> None:
    assert elementwise.Binary("div").run(np.array(x), np.array(y))[0] == quotient
    assert elementwise.Binary("mod").run(np.array(x), np.array(y))[0] == rest


def test_infinities_come_without_warnings() -> None:
    assert np.isneginf(elementwise.Unary("log").run(np.zeros(1, np.float32))[0]).all()
    assert np.isposinf(elementwise.Binary("div").run(np.ones(1, np.float32), np.zeros(1, np.float32))[0]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: elementwise.Unary("cube"), "function must be one of abs, .*, got 'cube'"),
        (lambda: elementwise.Binary("cube"), "function must be one of add, .*, got 'cube'"),
        (lambda: reduction.Reduce("median"), "function must be one of l1, .*, got 'median'"),
        (lambda: elementwise.Binary("add").run(drawn(2), drawn(3)), r"does not take float32\(2,\), float32\(3,\)"),
        (lambda: elementwise.Binary("add").run(drawn(2)), "does not take"),
        (lambda: indexing.Gather().run(drawn(3), at(3)), "indices reach from 3 to 3, along an axis of 3"),
        (lambda: indexing.Top().run(drawn(3), np.array(4)), "the first 4 of 3 were asked for"),
        (lambda: tensor.Split(0, 2).run(drawn(4), at(3, 2)), r"parts of \[3, 2\] do not make up axis 0 of \(4,\)"),
        (lambda: tensor.Tile().run(drawn(4), at(2, 2)), "2 repeats for an array of shape"),
        (lambda: tensor.Tile().run(drawn(4), at(2**40)), "an array of shape .* cannot be"),
        (lambda: tensor.Pad().run(drawn(4), at(1)), "1 pads for 1 axes"),
        (lambda: tensor.Reverse().run(drawn(3, 2), at(1, 4)), r"lengths \[1, 4\] for 2 sequences of up to 3"),
        (lambda: tensor.Reshape().run(drawn(4), at(3, -1)), "does not take"),
        (lambda: pooling.MaxPool(()), "a window has lengths of 1 or more"),
        (lambda: pooling.MaxPool((2,), strides=(0,)), "strides of a window over 1 axes must be 1, from 1"),
        (lambda: pooling.MaxPool((5,)).run(drawn(1, 1, 4)), "a window of 5 does not fit into 4 places"),
        (lambda: pooling.MaxPool((2,)).run(drawn(1, 1, 4, 4)), "a window over 1 axes cannot move over 2"),
        (lambda: quantization.Dequantize(0).run(np.ones((3, 2), np.int8), drawn(2)), r"\(2,\) scales for axis 0"),
        (lambda: resize.Resize("sharp"), "mode must be one of nearest, linear, cubic, got 'sharp'"),
        (lambda: resize.Resize().run(drawn(2)), "neither scales nor lengths"),
        (lambda: Overlap((3,), stride=(0,)), "stride must be whole numbers from 1"),
        (lambda: Overlap((3,), padding=((0, 0), (0, 0))), "padding and size must be given for each of 1 axes"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        call()


def test_operators_are_stored_with_a_graph(tmp_path: Any) -> None:
    """Each of those that are counted above."""
    nodes, constants = [], {}
    for number, (operator, inputs, _) in enumerate(COUNTED):
        names = ["" if array is None else f"{number}/{place}" for place, array in enumerate(inputs)]
        constants |= {name: np.asarray(array) for name, array in zip(names, inputs, strict=True) if name}
        outputs = tuple(f"{number}/y{place}" for place in range(operator.results))
        nodes.append(Node(f"{number}", operator, tuple(names), outputs))
    graph = Graph(tuple(nodes), (), tuple(node.outputs[0] for node in nodes), constants)
    graph.save(tmp_path / "graph.npz")
    found = Graph.load(tmp_path / "graph.npz").run({}).outputs
    for name, array in graph.run({}).outputs.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
