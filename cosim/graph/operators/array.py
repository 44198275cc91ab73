"""What operators on arrays have in common: float32, IEEE's infinities without warnings, one kind of error."""

import math
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operator import Operator, Values

__all__ = ["LARGEST", "ArrayOperator", "Mover", "allowed"]

#: Elements of one array, at most: a shape that was computed wrongly shall not fill the memory.
LARGEST = 1 << 28


class ArrayOperator(Operator):
    """An operator that numpy does in a few lines.

    Real numbers become float32 before and after; integers and truth values keep their type. Division by zero and
    logarithms of zero give infinities, as IEEE 754 has it.
    """

    @abstractmethod
    def compute(self, *inputs: Any) -> Any:
        """The output, or a tuple of outputs; an input that is absent is None."""

    def run(self, *inputs: NDArray) -> Values:
        try:
            with np.errstate(all="ignore"):
                found = self.compute(*(array if array is None else _real(array) for array in inputs))
        except NetworkError:
            raise
        except (ValueError, TypeError, IndexError, OverflowError, MemoryError) as error:
            shapes = ", ".join("absent" if array is None else f"{array.dtype}{array.shape}" for array in inputs)
            raise NetworkError(f"{self} does not take {shapes or 'no inputs'}: {error}") from None
        return tuple(_real(array) for array in (found if isinstance(found, tuple) else (found,)))


class Mover(ArrayOperator):
    """Moves values and computes none."""

    def operations(self, *inputs: NDArray) -> int:
        """None: values are only moved."""
        return 0


def _real(values: Any) -> NDArray:
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype.kind == "f" and array.dtype != np.float32 else array


def allowed(shape: Iterable[Any]) -> tuple[int, ...]:
    """The shape, if an array may have it.

    Raises
    ------
    NetworkError
        If a length is negative, or there are more elements than `LARGEST`.
    """
    lengths = tuple(int(length) for length in shape)
    if min(lengths, default=0) < 0 or math.prod(lengths) > LARGEST:
        raise NetworkError(
            f"an array of shape {lengths} cannot be; lengths must be 0 or more, elements {LARGEST} at most"
        )
    return lengths
