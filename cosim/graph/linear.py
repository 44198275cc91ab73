"""A matrix with a bias: what may go onto a chip."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operator import Operator, Values, parameter, real

__all__ = ["Linear"]


@dataclass(frozen=True, eq=False)
class Linear(Operator):
    """``x @ weights + bias`` over the last axis; all other axes are frames.

    Nodes that share one instance share one matrix on the chip.

    Operations, where the host does it: two for each weight and frame, one for each bias and frame.

    Parameters
    ----------
    weights : (inputs, outputs) float32
    bias : (outputs,) float32, optional

    Raises
    ------
    NetworkError
        On other shapes or types, NaN or infinity.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        weights = parameter(self.weights, "weights")
        if weights.ndim != 2 or 0 in weights.shape:
            raise NetworkError(f"weights must be a non-empty matrix (inputs, outputs), got shape {weights.shape}")
        object.__setattr__(self, "weights", weights)
        if self.bias is not None:
            bias = parameter(self.bias, "bias")
            if bias.shape != (self.outputs,):
                raise NetworkError(f"bias must be ({self.outputs},), one for each column, got shape {bias.shape}")
            object.__setattr__(self, "bias", bias)

    @property
    def inputs(self) -> int:
        return self.weights.shape[0]

    @property
    def outputs(self) -> int:
        return self.weights.shape[1]

    def checked(self, x: NDArray) -> NDArray[np.float32]:
        """What the matrix multiplies, (..., inputs), in float32.

        Raises
        ------
        NetworkError
            On another shape, or what is no number.
        """
        if not x.ndim or x.shape[-1] != self.inputs:
            raise NetworkError(f"expected inputs (..., {self.inputs}), got shape {x.shape}")
        return real(x)

    def run(self, *inputs: NDArray) -> Values:
        (x,) = inputs
        y = self.checked(x) @ self.weights
        return (y if self.bias is None else y + self.bias,)

    def operations(self, *inputs: NDArray) -> int:
        frames = inputs[0].size // self.inputs
        return frames * (2 * self.weights.size + (0 if self.bias is None else self.outputs))
