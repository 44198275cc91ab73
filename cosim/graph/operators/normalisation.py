"""Normalisation of vectors, and of channels by what training found of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operator import Operator, Values, parameter, taken

__all__ = ["BatchNorm", "LayerNorm", "PeakNorm", "PeakRestored"]


@dataclass(frozen=True, eq=False)
class LayerNorm(Operator):
    """``(x - mean) / sqrt(variance + eps) scale + shift`` over the last axes, as many as `scale` has.

    Operations: seven for each number, six without shift; five for each vector, its mean, variance and root.

    Parameters
    ----------
    scale : (width,) float32
        Or of more axes.
    shift : float32, optional
        Of the same shape.
    eps : float
    """

    scale: NDArray[np.float32]
    shift: NDArray[np.float32] | None = None
    eps: float = 1e-5

    def __post_init__(self) -> None:
        scale = parameter(self.scale, "scale")
        if not scale.size or not scale.ndim:
            raise NetworkError(f"scale must be (width,), got shape {scale.shape}")
        object.__setattr__(self, "scale", scale)
        if self.shift is not None:
            object.__setattr__(self, "shift", parameter(self.shift, "shift"))
            if self.shift.shape != scale.shape:
                raise NetworkError(f"shift must be {scale.shape}, as scale is, got {self.shift.shape}")

    def run(self, *inputs: NDArray) -> Values:
        (x,) = taken(inputs, "x")
        rank = self.scale.ndim
        if x.shape[-rank:] != self.scale.shape:
            raise NetworkError(f"expected inputs (..., {', '.join(map(str, self.scale.shape))}), got shape {x.shape}")
        axes = tuple(range(-rank, 0))
        y = x - x.mean(axes, keepdims=True)
        variance = np.square(y).mean(axes, keepdims=True)
        y /= np.sqrt(variance + np.float32(self.eps))
        y *= self.scale
        if self.shift is not None:
            y += self.shift
        return (y,)

    def operations(self, *inputs: NDArray) -> int:
        x = inputs[0]
        return (6 if self.shift is None else 7) * x.size + 5 * (x.size // self.scale.size)


@dataclass(frozen=True, eq=False)
class BatchNorm(Operator):
    """``(x - mean) / sqrt(variance + eps) scale + shift`` by channel: a multiplication and an addition for each number.

    What does not depend on the input is worked out once.

    Parameters
    ----------
    scale, shift, mean, variance : (channels,) float32
    eps : float
    axis : int
        Of the channels.
    """

    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]
    eps: float = 1e-5
    axis: int = -1

    def __post_init__(self) -> None:
        names = "scale", "shift", "mean", "variance"
        for name in names:
            object.__setattr__(self, name, parameter(getattr(self, name), name))
        shapes = {getattr(self, name).shape for name in names}
        if len(shapes) != 1 or self.scale.ndim != 1:
            raise NetworkError(f"{', '.join(names)} must be (channels,) each, got {sorted(shapes)}")
        if not (self.variance.astype(np.float64) + self.eps > 0).all():
            raise NetworkError(f"variance must be above -eps, {-self.eps:g}, got {self.variance.min():g}")

    def run(self, *inputs: NDArray) -> Values:
        (x,) = taken(inputs, "x")
        if not -x.ndim <= self.axis < x.ndim or x.shape[self.axis] != len(self.scale):
            raise NetworkError(f"expected {len(self.scale)} channels on axis {self.axis}, got shape {x.shape}")
        shape = [1] * x.ndim
        shape[self.axis] = -1
        factor = self.scale / np.sqrt(self.variance + np.float32(self.eps))
        y = x * factor.reshape(shape)
        y += (self.shift - self.mean * factor).reshape(shape)
        return (y,)

    def operations(self, *inputs: NDArray) -> int:
        return 2 * inputs[0].size


@dataclass(frozen=True, eq=False)
class PeakNorm(Operator):
    """Vectors without their mean, divided by what is largest then: (..., width).

    Outputs: ``(x - mean) / peak``, (..., width), within -1 and 1; mean and peak, (..., 1). A vector whose numbers are
    all alike has peak 1. Operations: five for each number (sum, difference, magnitude, comparison, quotient), one for
    each vector; three for each number if the mean stays.

    Parameters
    ----------
    centred : bool
        Take the mean off; if not, the mean that is given is zero.

    Source
    ------
    Nature 620, 768 (2023), Methods: the input of RNN-T's Enc-LSTM0 is made zero in the mean and normalised to the
    largest amplitude, with expanded weights only the latter; `PeakRestored` takes both back behind the product.
    """

    centred: bool = True

    @property
    def results(self) -> int:
        return 3

    def run(self, *inputs: NDArray) -> Values:
        (x,) = taken(inputs, "x")
        if not x.ndim or not x.shape[-1]:
            raise NetworkError(f"expected inputs (..., width), got shape {x.shape}")
        mean = x.mean(axis=-1, keepdims=True) if self.centred else np.zeros((*x.shape[:-1], 1), x.dtype)
        y = x - mean
        peak = np.abs(y).max(axis=-1, keepdims=True)
        peak[peak == 0] = 1
        y /= peak
        return y, mean, peak

    def operations(self, *inputs: NDArray) -> int:
        vectors = inputs[0].size // inputs[0].shape[-1]
        return 5 * inputs[0].size + vectors if self.centred else 3 * inputs[0].size


@dataclass(frozen=True, eq=False)
class PeakRestored(Operator):
    """What a matrix gives for x, from what it gives for the first output of `PeakNorm`: ``y peak + mean sums + bias``.

    Inputs: y, (..., columns); mean and peak, (..., 1). Operations: four for each number.

    Parameters
    ----------
    sums : (columns,) float32
        Of the matrix's columns.
    bias : (columns,) float32
    """

    sums: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __post_init__(self) -> None:
        sums, bias = parameter(self.sums, "sums"), parameter(self.bias, "bias")
        if sums.ndim != 1 or sums.shape != bias.shape:
            raise NetworkError(f"sums and bias must be (columns,) both, got {sums.shape} and {bias.shape}")
        object.__setattr__(self, "sums", sums)
        object.__setattr__(self, "bias", bias)

    def run(self, *inputs: NDArray) -> Values:
        y, mean, peak = taken(inputs, "y", "mean", "peak")
        if y.shape[-1:] != self.sums.shape or mean.shape != peak.shape or mean.shape != (*y.shape[:-1], 1):
            raise NetworkError(
                f"expected products (..., {len(self.sums)}), mean and peak (..., 1), got {y.shape}, {mean.shape} and "
                f"{peak.shape}"
            )
        return (y * peak + mean * self.sums + self.bias,)

    def operations(self, *inputs: NDArray) -> int:
        return 4 * inputs[0].size
