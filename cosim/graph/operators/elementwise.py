"""Functions of numbers at the same place of one, two or three arrays, as shapes broadcast; and changes of type.

Operations: one for each number of the output, whatever the function.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from cosim.graph.errors import NetworkError
from cosim.graph.operators.array import ArrayOperator, Mover

__all__ = ["BINARY", "UNARY", "Binary", "BitShift", "Cast", "Infinite", "Unary", "Where"]

Function = Callable[..., NDArray[Any]]

#: Functions of one array, by name.
UNARY: Mapping[str, Function] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "bitwise_not": np.bitwise_not,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": erf,
    "exp": np.exp,
    "floor": np.floor,
    "isnan": np.isnan,
    "log": np.log,
    "neg": np.negative,
    "not": np.logical_not,
    "reciprocal": np.reciprocal,
    "round": np.rint,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
}


def _divided(x: NDArray, y: NDArray) -> NDArray:
    """Quotients; those of integers towards 0."""
    if x.dtype.kind == "f" or y.dtype.kind == "f":
        return np.divide(x, y)
    quotient = np.floor_divide(x, y)
    return quotient + ((quotient < 0) & (quotient * y != x)).astype(quotient.dtype)


def _power(x: NDArray, y: NDArray) -> NDArray:
    """Powers, of the type of the base."""
    return np.power(x, y.astype(x.dtype) if x.dtype.kind == y.dtype.kind else y).astype(x.dtype)


#: Functions of two arrays, by name.
BINARY: Mapping[str, Function] = {
    "add": np.add,
    "and": np.logical_and,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "div": _divided,
    "equal": np.equal,
    "fmod": np.fmod,
    "greater": np.greater,
    "greater_or_equal": np.greater_equal,
    "less": np.less,
    "less_or_equal": np.less_equal,
    "max": np.maximum,
    "min": np.minimum,
    "mod": np.mod,
    "mul": np.multiply,
    "or": np.logical_or,
    "pow": _power,
    "sub": np.subtract,
    "xor": np.logical_xor,
}


class _Elementwise(ArrayOperator):
    def operations(self, *inputs: NDArray) -> int:
        """One for each number of the output."""
        return math.prod(np.broadcast_shapes(*(array.shape for array in inputs if array is not None)))


@dataclass(frozen=True)
class Unary(_Elementwise):
    """A function of each number.

    Parameters
    ----------
    function : str
        One of `UNARY`.
    """

    function: str

    def __post_init__(self) -> None:
        _check(self.function, UNARY)

    def compute(self, x: NDArray) -> NDArray:
        return UNARY[self.function](x)


@dataclass(frozen=True)
class Binary(_Elementwise):
    """A function of two numbers.

    Parameters
    ----------
    function : str
        One of `BINARY`. Quotients of integers are cut off towards 0, "mod" has the sign of the divisor, "fmod" that of
        the dividend, "pow" the type of the base.
    """

    function: str

    def __post_init__(self) -> None:
        _check(self.function, BINARY)

    def compute(self, x: NDArray, y: NDArray) -> NDArray:
        return BINARY[self.function](x, y)


@dataclass(frozen=True)
class BitShift(_Elementwise):
    """Inputs: unsigned integers, places. Output: the bits moved up, or down."""

    up: bool

    def compute(self, x: NDArray, places: NDArray) -> NDArray:
        return (np.left_shift if self.up else np.right_shift)(x, places)


@dataclass(frozen=True)
class Infinite(_Elementwise):
    """Whether a number is infinite, of the signs that count."""

    positive: bool = True
    negative: bool = True

    def compute(self, x: NDArray) -> NDArray:
        return (np.isposinf(x) & self.positive) | (np.isneginf(x) & self.negative)


@dataclass(frozen=True)
class Where(_Elementwise):
    """Inputs: truth values, what counts where they are true, what counts elsewhere."""

    def compute(self, condition: NDArray, x: NDArray, y: NDArray) -> NDArray:
        return np.where(condition, x, y)


@dataclass(frozen=True)
class Cast(Mover):
    """Numbers of another type; real ones lose what is behind the point where they become integers.

    Parameters
    ----------
    type : str
        numpy's name, "float32", "int64", "bool".
    """

    type: str

    def compute(self, x: NDArray) -> NDArray:
        return x.astype(np.dtype(self.type))


def _check(function: str, known: Mapping[str, Function]) -> None:
    if function not in known:
        raise NetworkError(f"function must be one of {', '.join(known)}, got {function!r}")
