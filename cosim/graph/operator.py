"""What a node of a graph does: a pure function of arrays."""

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

from numpy.typing import NDArray

__all__ = ["Operator", "Values"]

#: Outputs of an operator, in order.
Values: TypeAlias = tuple[NDArray[Any], ...]


class Operator(ABC):
    """A pure function of arrays: same inputs, same bits.

    Operators are frozen dataclasses; their fields are numbers, texts, tuples of them, arrays and graphs, so that a file
    can hold them without pickle. Real numbers are float32, as in the host's vector unit; indices are int64.
    """

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
