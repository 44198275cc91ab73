"""Tables, stacked frames, sums: against onnxruntime, and against frames set side by side by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph import NetworkError
from cosim.graph.operators.arithmetic import Affine, Sum
from cosim.graph.operators.embedding import Embedding, Positions, Row
from cosim.graph.operators.stacking import StackFrames
from tests.cosim.graph.reference import onnx_outputs


def drawn(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_embedding_is_gather() -> None:
    table, rows = drawn(7, 3), np.array([[6, 0], [2, 2]])
    np.testing.assert_array_equal(Embedding(table).run(rows)[0], onnx_outputs("Gather", table, rows)[0])
    assert Embedding(table).operations(rows) == 0


def test_positions_are_as_many_as_the_input_is_long() -> None:
    table = drawn(7, 3)
    np.testing.assert_array_equal(Positions(table).run(drawn(2, 5, 4))[0], table[:5])


@pytest.mark.parametrize("at", [0, 3, -1])
def test_a_row_is_gathered(at: int) -> None:
    x = drawn(2, 4, 3)
    np.testing.assert_array_equal(Row(at).run(x)[0], onnx_outputs("Gather", x, np.array(at), axis=1)[0])


def test_sums_and_affines_are_those_of_onnxruntime() -> None:
    x, y, z, scale = drawn(4, 3), drawn(3, seed=1), drawn(4, 1, seed=2), drawn(3, seed=3)
    np.testing.assert_array_equal(Sum().run(x, y, z)[0], onnx_outputs("Sum", x, y, z)[0])
    assert Sum().operations(x, y, z) == 2 * 12
    (product,) = onnx_outputs("Mul", x, scale)
    np.testing.assert_array_equal(Affine(scale, y).run(x)[0], onnx_outputs("Add", product, y)[0])
    assert Affine(scale, y).operations(x) == 2 * 12


@pytest.mark.parametrize("length", [0, 1, 5, 6])
def test_frames_two_by_two_as_rnn_t_stacks_them(length: int) -> None:
    x = drawn(length, 3)
    padded = np.concatenate([x, np.zeros((length % 2, 3), np.float32)])
    np.testing.assert_array_equal(StackFrames(2).run(x)[0], padded.reshape(-1, 6))


def test_frames_with_company_before_and_after() -> None:
    x = np.arange(1, 6, dtype=np.float32)[:, None]
    expected = [[0, 1, 2], [2, 3, 4], [4, 5, 0]]
    np.testing.assert_array_equal(StackFrames(3, step=2, first=-1).run(x)[0], expected)
    np.testing.assert_array_equal(StackFrames(3, step=3).run(x)[0], [[1, 2, 3], [4, 5, 0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Embedding(drawn(7, 3)).run(np.array([7])), "there are rows 0 to 6, got 7 to 7"),
        (lambda: Embedding(drawn(7, 3)).run(drawn(2)), "expected whole numbers.*got float32"),
        (lambda: Embedding(drawn(7)), r"table must be \(entries, width\)"),
        (lambda: Positions(drawn(7, 3)).run(drawn(8, 3)), "there are 7 positions, the input is 8 long"),
        (lambda: Row(4).run(drawn(4, 3)), r"no row 4 in an array of shape \(4, 3\)"),
        (lambda: Sum().run(drawn(3)), "takes two or more inputs, got 1"),
        (lambda: Sum().run(drawn(3), drawn(4)), r"shapes \(3,\), \(4,\) cannot be added"),
        (lambda: Affine(drawn(3), drawn(4)), r"scale and shift must be \(columns,\) both"),
        (lambda: Affine(drawn(3), drawn(3)).run(drawn(4)), r"expected inputs \(..., 3\), got shape \(4,\)"),
        (lambda: StackFrames(0), "count and step must be 1 or more, got 0 and 0"),
        (lambda: StackFrames(2).run(drawn(3)), r"expected frames \(..., T, width\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        call()
