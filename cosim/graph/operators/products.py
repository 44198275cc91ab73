"""Products of arrays that both change from frame to frame, as in attention."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.operators.array import ArrayOperator

__all__ = ["Einsum", "Product"]


@dataclass(frozen=True)
class Product(ArrayOperator):
    """Inputs: stacks of matrices (..., rows, inner) and (..., inner, columns), or vectors. Output: their products.

    Operations: a multiplication and an addition for each number of the output and of the inner axis.
    """

    def compute(self, x: NDArray, y: NDArray) -> NDArray:
        return np.asarray(np.matmul(x, y))

    def operations(self, *inputs: NDArray) -> int:
        x, y = inputs
        rows = x.shape[-2:-1] if x.ndim > 1 else ()
        columns = y.shape[-1:] if y.ndim > 1 else ()
        stack = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        return 2 * math.prod((*stack, *rows, *columns, x.shape[-1]))


@dataclass(frozen=True)
class Einsum(ArrayOperator):
    """Sums of products over letters that are equal.

    Operations: one for each combination of all letters and each input: multiplications, and an addition.

    Parameters
    ----------
    equation : str
        As numpy's, "bij,bjk->bik".
    """

    equation: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "equation", self.equation.replace(" ", ""))

    def compute(self, *arrays: NDArray) -> NDArray:
        return np.asarray(np.einsum(self.equation, *arrays, optimize=len(arrays) > 2))

    def operations(self, *inputs: NDArray) -> int:
        lengths: dict[str, int] = {}
        around: tuple[int, ...] = ()
        for term, array in zip(self.equation.split("->")[0].split(","), inputs, strict=True):
            before, dots, behind = term.partition("...")
            end = array.ndim - len(behind) if dots else len(before)
            lengths |= dict(zip(before, array.shape[: len(before)], strict=True))
            lengths |= dict(zip(behind, array.shape[end:], strict=True))
            around = np.broadcast_shapes(around, array.shape[len(before) : end])
        return len(inputs) * math.prod((*around, *lengths.values()))
