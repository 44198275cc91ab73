"""Functions of each number alone, and softmax.

Names, and what `alpha` and `beta` mean, are those of ONNX.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from cosim.graph.errors import NetworkError
from cosim.graph.operator import Operator, Values, taken

__all__ = [
    "Clip",
    "Elu",
    "Gelu",
    "HardSigmoid",
    "LeakyRelu",
    "Line",
    "LogSoftmax",
    "Pointwise",
    "Relu",
    "ScaledTanh",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "TanhGelu",
    "ThresholdedRelu",
]

Array: TypeAlias = NDArray[np.float32]


class Pointwise(Operator):
    """A function of each number alone.

    Members
    -------
    COST : int
        Operations for each number.
    """

    COST: ClassVar[int]

    @abstractmethod
    def function(self, x: Array) -> Array:
        """The function, of an array of any shape; a new array."""

    def run(self, *inputs: NDArray) -> Values:
        (x,) = taken(inputs, "x")
        return (self.function(x),)

    def operations(self, *inputs: NDArray) -> int:
        return self.COST * inputs[0].size


@dataclass(frozen=True)
class Relu(Pointwise):
    """``max(x, 0)``: a comparison for each number."""

    COST: ClassVar[int] = 1

    def function(self, x: Array) -> Array:
        return np.maximum(x, np.float32(0))


@dataclass(frozen=True)
class LeakyRelu(Pointwise):
    """``x``, below 0 ``alpha x``: a comparison and a multiplication for each number."""

    COST: ClassVar[int] = 2
    alpha: float = 0.01

    def function(self, x: Array) -> Array:
        return np.where(x < 0, np.float32(self.alpha) * x, x)


@dataclass(frozen=True)
class Line(Pointwise):
    """``alpha x + beta``, ONNX's Affine in recurrent layers: a multiplication and an addition for each number."""

    COST: ClassVar[int] = 2
    alpha: float = 1.0
    beta: float = 0.0

    def function(self, x: Array) -> Array:
        return np.float32(self.alpha) * x + np.float32(self.beta)


@dataclass(frozen=True)
class ThresholdedRelu(Pointwise):
    """``x`` above `alpha`, else 0: a comparison for each number."""

    COST: ClassVar[int] = 1
    alpha: float = 1.0

    def function(self, x: Array) -> Array:
        return np.where(x > self.alpha, x, np.float32(0))


@dataclass(frozen=True)
class Elu(Pointwise):
    """``x``, below 0 ``alpha (exp(x) - 1)``: a comparison, an exponential and two more for each number."""

    COST: ClassVar[int] = 4
    alpha: float = 1.0

    def function(self, x: Array) -> Array:
        return np.where(x < 0, np.float32(self.alpha) * np.expm1(np.minimum(x, np.float32(0))), x)


@dataclass(frozen=True)
class Clip(Pointwise):
    """``x`` within `low` and `high`; None is no limit. Two comparisons for each number."""

    COST: ClassVar[int] = 2
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise NetworkError(f"low must not be above high, got {self.low} and {self.high}")

    def function(self, x: Array) -> Array:
        y = x if self.low is None else np.maximum(x, np.float32(self.low))
        return y if self.high is None else np.minimum(y, np.float32(self.high))


@dataclass(frozen=True)
class Sigmoid(Pointwise):
    """``1 / (1 + exp(-x))``, as ``(1 + tanh(x / 2)) / 2``, which never overflows: four for each number."""

    COST: ClassVar[int] = 4

    def function(self, x: Array) -> Array:
        y = np.multiply(x, np.float32(0.5))
        np.tanh(y, out=y)
        y *= np.float32(0.5)
        y += np.float32(0.5)
        return y


@dataclass(frozen=True)
class HardSigmoid(Pointwise):
    """``alpha x + beta`` within 0 and 1: four for each number."""

    COST: ClassVar[int] = 4
    alpha: float = 0.2
    beta: float = 0.5

    def function(self, x: Array) -> Array:
        return np.clip(np.float32(self.alpha) * x + np.float32(self.beta), np.float32(0), np.float32(1))


@dataclass(frozen=True)
class Tanh(Pointwise):
    """``tanh(x)``: one for each number."""

    COST: ClassVar[int] = 1

    def function(self, x: Array) -> Array:
        return np.tanh(x)


@dataclass(frozen=True)
class ScaledTanh(Pointwise):
    """``alpha tanh(beta x)``: three for each number."""

    COST: ClassVar[int] = 3
    alpha: float = 1.0
    beta: float = 1.0

    def function(self, x: Array) -> Array:
        return np.float32(self.alpha) * np.tanh(np.float32(self.beta) * x)


@dataclass(frozen=True)
class Softsign(Pointwise):
    """``x / (1 + |x|)``: three for each number."""

    COST: ClassVar[int] = 3

    def function(self, x: Array) -> Array:
        y = np.abs(x)
        y += np.float32(1)
        return np.divide(x, y, out=y)


@dataclass(frozen=True)
class Softplus(Pointwise):
    """``ln(1 + exp(x))``, without overflow: an exponential, a logarithm and an addition for each number."""

    COST: ClassVar[int] = 3

    def function(self, x: Array) -> Array:
        y = np.empty_like(x)
        np.logaddexp(x, np.float32(0), out=y)
        return y


@dataclass(frozen=True)
class Silu(Pointwise):
    """``x sigmoid(x)``, also called swish: five for each number."""

    COST: ClassVar[int] = Sigmoid.COST + 1

    def function(self, x: Array) -> Array:
        y = Sigmoid().function(x)
        y *= x
        return y


@dataclass(frozen=True)
class Gelu(Pointwise):
    """``x (1 + erf(x / sqrt 2)) / 2``, the exact one: an erf and four more for each number."""

    COST: ClassVar[int] = 5

    def function(self, x: Array) -> Array:
        y = np.multiply(x, np.float32(math.sqrt(0.5)))
        erf(y, out=y)
        y += np.float32(1)
        y *= x
        y *= np.float32(0.5)
        return y


@dataclass(frozen=True)
class TanhGelu(Pointwise):
    """``x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2``, as in ALBERT and GPT-2: nine for each number."""

    COST: ClassVar[int] = 9

    def function(self, x: Array) -> Array:
        y = np.multiply(x, x)
        y *= np.float32(0.044715)
        y += np.float32(1)
        y *= x
        y *= np.float32(math.sqrt(2 / math.pi))
        np.tanh(y, out=y)
        y += np.float32(1)
        y *= x
        y *= np.float32(0.5)
        return y


@dataclass(frozen=True)
class Softmax(Operator):
    """``exp(x) / sum exp(x)`` along `axis`, the largest subtracted first: five for each number.

    They are a comparison, a subtraction, an exponential, an addition and a division.
    """

    axis: int = -1

    def run(self, *inputs: NDArray) -> Values:
        (x,) = _along(inputs, self.axis)
        with np.errstate(invalid="ignore"):  # where all is -inf the result is NaN
            y = x - x.max(axis=self.axis, keepdims=True, initial=-np.inf)
        np.exp(y, out=y)
        y /= y.sum(axis=self.axis, keepdims=True)
        return (y,)

    def operations(self, *inputs: NDArray) -> int:
        return 5 * inputs[0].size


@dataclass(frozen=True)
class LogSoftmax(Operator):
    """``x - ln sum exp(x)`` along `axis`, the largest subtracted first: five for each number, a logarithm for each sum.

    The five are a comparison, a subtraction, an exponential, an addition and a subtraction.
    """

    axis: int = -1

    def run(self, *inputs: NDArray) -> Values:
        (x,) = _along(inputs, self.axis)
        with np.errstate(invalid="ignore"):  # where all is -inf the result is NaN
            y = x - x.max(axis=self.axis, keepdims=True, initial=-np.inf)
        y -= np.log(np.exp(y).sum(axis=self.axis, keepdims=True))
        return (y,)

    def operations(self, *inputs: NDArray) -> int:
        x = inputs[0]
        return 5 * x.size + (x.size // x.shape[self.axis] if x.size else 0)


def _along(inputs: Values, axis: int) -> tuple[Array]:
    (x,) = taken(inputs, "x")
    if not -x.ndim <= axis < x.ndim:
        raise NetworkError(f"there is no axis {axis} in an array of shape {x.shape}")
    return (x,)
