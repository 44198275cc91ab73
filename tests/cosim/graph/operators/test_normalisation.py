"""Normalisation against onnxruntime."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph import NetworkError
from cosim.graph.operators.normalisation import BatchNorm, LayerNorm, PeakNorm, PeakRestored
from tests.cosim.graph.reference import onnx_outputs

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> NDArray[np.float32]:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(6,), (4, 6)])
@pytest.mark.parametrize("shifted", [True, False])
def test_layer_norm_is_the_one_of_onnxruntime(shape: tuple[int, ...], shifted: bool) -> None:
    x, scale, shift = 3 * drawn(5, 4, 6) + 2, drawn(*shape), drawn(*shape) if shifted else None
    (expected,) = onnx_outputs("LayerNormalization", x, scale, shift, axis=-len(shape), epsilon=1e-3)
    norm = LayerNorm(scale, shift, eps=1e-3)
    np.testing.assert_allclose(norm.run(x)[0], expected, rtol=1e-5, atol=1e-5)
    assert norm.operations(x) == x.size * (7 if shifted else 6) + 5 * x.size // scale.size


def test_batch_norm_is_the_one_of_onnxruntime() -> None:
    x, scale, shift, mean, variance = drawn(2, 3, 5), drawn(3), drawn(3), drawn(3), np.square(drawn(3))
    (expected,) = onnx_outputs("BatchNormalization", x, scale, shift, mean, variance, epsilon=1e-3)
    norm = BatchNorm(scale, shift, mean, variance, eps=1e-3, axis=1)
    np.testing.assert_allclose(norm.run(x)[0], expected, rtol=1e-5, atol=1e-5)
    last = BatchNorm(scale, shift, mean, variance, eps=1e-3)
    np.testing.assert_allclose(last.run(x.swapaxes(1, 2))[0].swapaxes(1, 2), expected, rtol=1e-5, atol=1e-5)
    assert norm.operations(x) == 2 * x.size


@pytest.mark.parametrize("centred", [True, False])
def test_what_peak_norm_takes_off_is_restored_behind_a_product(centred: bool) -> None:
    x, weights, bias = 3 * drawn(4, 6) + 2, drawn(6, 5), drawn(5)
    x[1] = 2.5 * centred  # nothing is left, of the second without its mean
    normal, mean, peak = PeakNorm(centred).run(x)
    assert np.abs(normal).max(axis=-1) == pytest.approx([1, 0, 1, 1])
    assert mean == pytest.approx(x.mean(axis=-1, keepdims=True) * centred)
    assert (normal.mean(axis=-1) == pytest.approx([0] * 4, abs=1e-6)) is centred
    (y,) = PeakRestored(weights.sum(axis=0), bias).run(normal @ weights, mean, peak)
    np.testing.assert_allclose(y, x @ weights + bias, rtol=1e-5, atol=1e-5)
    assert PeakNorm(centred).operations(x) == (5 * 24 + 4 if centred else 3 * 24)
    assert PeakRestored(bias, bias).operations(y, mean, peak) == 4 * 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PeakNorm().run(np.float32(1)), r"expected inputs \(..., width\), got shape \(\)"),
        (lambda: PeakRestored(drawn(3), drawn(2)), r"must be \(columns,\) both, got \(3,\) and \(2,\)"),
        (
            lambda: PeakRestored(drawn(3), drawn(3)).run(drawn(4, 3), drawn(4, 1), drawn(1)),
            r"got \(4, 3\), \(4, 1\) and \(1,\)",
        ),
        (lambda: LayerNorm(drawn(4)).run(drawn(4, 5)), r"expected inputs \(..., 4\), got shape \(4, 5\)"),
        (lambda: LayerNorm(drawn(4), drawn(3)), r"shift must be \(4,\), as scale is, got \(3,\)"),
        (lambda: LayerNorm(np.array([1, np.inf])), r"scale at \(1\) is inf; expected a finite number"),
        (lambda: LayerNorm(np.float32(1)), r"scale must be \(width,\)"),
        (lambda: BatchNorm(*[drawn(4)] * 3, drawn(3) ** 2), r"must be \(channels,\) each"),
        (lambda: BatchNorm(*[drawn(4)] * 3, -np.ones(4)), "variance must be above -eps"),
        (lambda: BatchNorm(*[np.ones(4)] * 4).run(drawn(4, 5)), "expected 4 channels on axis -1"),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        call()
