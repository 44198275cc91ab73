"""What a node of a graph does: a pure function of arrays."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.values import kept, real_numbers
from cosim.files.wording import counted
from cosim.graph.errors import NetworkError

__all__ = ["Operator", "Values", "parameter", "real", "taken"]

#: Outputs of an operator, in order.
Values: TypeAlias = tuple[NDArray[Any], ...]


class Operator(ABC):
    """A pure function of arrays: same inputs, same bits.

    Operators are frozen dataclasses; their fields are numbers, texts, tuples of them, arrays, other operators and
    graphs, so that a file can hold them without pickle. Real numbers are float32, as in the host's vector unit; indices
    are int64.

    Operations are counted as the vector unit does them, one for each number: an addition, a multiplication, a division,
    a comparison, a root, an exponential, a tanh, an erf is one. Moving numbers is none.
    """

    @property
    def results(self) -> int:
        """How many outputs there are."""
        return 1

    @abstractmethod
    def run(self, *inputs: NDArray) -> Values:
        """Outputs for the inputs.

        Raises
        ------
        NetworkError
            On inputs of another number, shape or type; the message says what was expected.
        """

    @abstractmethod
    def operations(self, *inputs: NDArray) -> int:
        """Scalar operations that the host does for these inputs; how they are counted is said in each operator."""


def real(array: NDArray) -> NDArray[np.float32]:
    """Real numbers as the vector unit has them.

    Raises
    ------
    NetworkError
        On complex numbers, text or objects.
    """
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise NetworkError(f"expected real numbers, got {array.dtype} of shape {array.shape}")
    return array.astype(np.float32, copy=False)


def parameter(values: ArrayLike, what: str) -> NDArray[np.float32]:
    """Numbers that an operator keeps, in float32, read-only.

    Raises
    ------
    NetworkError
        On what is no real number, NaN or infinity; the message says what it is of.
    """
    try:
        array = kept(real_numbers(values, what).astype(np.float32))
    except ValueError as error:
        raise NetworkError(str(error)) from None
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        where = ", ".join(map(str, bad[0]))
        raise NetworkError(f"{what} at ({where}) is {array[tuple(bad[0])]}; expected a finite number")
    return array


def taken(inputs: Sequence[NDArray | None], *names: str) -> tuple[NDArray[np.float32], ...]:
    """Inputs of an operator, all of them there, as real numbers.

    Raises
    ------
    NetworkError
        If there are more or fewer than `names`, or one is absent or no number.
    """
    if len(inputs) != len(names) or any(one is None for one in inputs):
        raise NetworkError(f"takes {', '.join(names)}, got {counted(sum(one is not None for one in inputs), 'input')}")
    return tuple(real(one) for one in inputs if one is not None)
