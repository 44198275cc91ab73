"""Functions of each number, and softmax, against onnxruntime and PyTorch."""

import numpy as np
import pytest

from cosim.graph import NetworkError
from cosim.graph.operators import activations
from cosim.graph.operators.activations import (
    Clip,
    Elu,
    Gelu,
    HardSigmoid,
    LeakyRelu,
    Line,
    LogSoftmax,
    Pointwise,
    Relu,
    ScaledTanh,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
    TanhGelu,
    ThresholdedRelu,
)
from tests.cosim.graph.reference import onnx_outputs

X = np.concatenate([np.linspace(-9, 9, 121), [0.0, -1e-6, 1e-6, 80.0, -80.0]]).astype(np.float32)

CASES: list[tuple[Pointwise, str, dict]] = [
    (Relu(), "Relu", {}),
    (LeakyRelu(0.3), "LeakyRelu", {"alpha": 0.3}),
    (ThresholdedRelu(0.7), "ThresholdedRelu", {"alpha": 0.7}),
    (Elu(0.6), "Elu", {"alpha": 0.6}),
    (Clip(-2.0, 3.0), "Clip", {"weights": {1: np.float32(-2), 2: np.float32(3)}}),
    (Clip(low=-2.0), "Clip", {"weights": {1: np.float32(-2)}}),
    (Clip(high=3.0), "Clip", {"weights": {2: np.float32(3)}}),
    (Sigmoid(), "Sigmoid", {}),
    (HardSigmoid(0.25, 0.6), "HardSigmoid", {"alpha": 0.25, "beta": 0.6}),
    (Tanh(), "Tanh", {}),
    (Softsign(), "Softsign", {}),
    (Softplus(), "Softplus", {}),
    (Gelu(), "Gelu", {}),
    (TanhGelu(), "Gelu", {"approximate": "tanh"}),
]


@pytest.mark.parametrize(("function", "operator", "attributes"), CASES, ids=[repr(case[0]) for case in CASES])
def test_functions_are_those_of_onnxruntime(function: Pointwise, operator: str, attributes: dict) -> None:
    (expected,) = onnx_outputs(operator, X, **attributes)
    (y,) = function.run(X)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)
    assert function.operations(X) == function.COST * X.size


def test_those_that_onnxruntime_has_in_no_node_of_their_own() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    np.testing.assert_allclose(Silu().run(X)[0], torch.nn.functional.silu(torch.from_numpy(X)), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ScaledTanh(1.5, 0.5).run(X)[0], 1.5 * np.tanh(0.5 * X.astype(float)), rtol=1e-6)
    np.testing.assert_allclose(Line(1.5, 0.5).run(X)[0], 1.5 * X.astype(float) + 0.5, rtol=1e-6, atol=1e-6)


def test_every_function_is_compared_with_another_definition() -> None:
    names = {name for name in activations.__all__ if issubclass(getattr(activations, name), Pointwise)}
    assert names - {"Pointwise"} == {type(case[0]).__name__ for case in CASES} | {"Line", "Silu", "ScaledTanh"}


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize(("ours", "theirs"), [(Softmax, "Softmax"), (LogSoftmax, "LogSoftmax")])
def test_softmax_is_the_one_of_onnxruntime(ours: type, theirs: str, axis: int) -> None:
    x = (30 * np.random.default_rng(0).standard_normal((3, 4, 5))).astype(np.float32)
    np.testing.assert_allclose(ours(axis).run(x)[0], onnx_outputs(theirs, x, axis=axis)[0], rtol=1e-6, atol=1e-6)


def test_large_numbers_do_not_overflow() -> None:
    huge = np.array([-1e30, -1000.0, 1000.0, 1e30], np.float32)
    np.testing.assert_array_equal(Sigmoid().run(huge)[0], [0, 0, 1, 1])
    np.testing.assert_array_equal(Softmax().run(huge)[0], [0, 0, 0, 1])
    np.testing.assert_array_equal(Elu().run(huge[:3])[0], [-1, -1, 1000])
    assert np.isfinite(LogSoftmax().run(huge[:3])[0]).all()


def test_softmax_counts_its_sums() -> None:
    x = np.ones((3, 4), np.float32)
    assert (Softmax(0).operations(x), LogSoftmax(0).operations(x)) == (60, 60 + 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Relu().run(X, X), "takes x, got 2 inputs"),
        (lambda: Relu().run(np.array(["a"])), "expected real numbers, got <U1"),
        (lambda: Softmax(2).run(X), r"no axis 2 in an array of shape \(126,\)"),
        (lambda: Clip(1.0, -1.0), "low must not be above high, got 1.0 and -1.0"),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        call()
