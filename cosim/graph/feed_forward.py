"""A feed-forward network as the chip sees it: weights in [-1, 1], inputs in [-1, 1], one full scale per layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.npz import ArraySpec, NpzError, check_arrays
from analog_models.values import kept, real_number, real_numbers, shown
from cosim.files.archive import ArchiveError, read_arrays, write_arrays
from cosim.files.wording import counted
from cosim.graph.builder import chain
from cosim.graph.errors import NetworkError
from cosim.graph.graph import Graph
from cosim.graph.linear import Linear
from cosim.graph.operator import Operator
from cosim.graph.operators.activations import Clip

__all__ = ["Activation", "FeedForwardNetwork", "Layer", "NetworkError"]

Array = NDArray[np.float64]
#: Lowest and highest: beyond, no layer of any size would use its readout.
_FULL_SCALE = 1e-6, 1e6


class Activation(StrEnum):
    """What a layer does to its MAC result; on the chip it comes out of the ramp and the output-enable window."""

    RELU = "relu"
    LINEAR = "linear"


@dataclass(frozen=True)
class Layer:
    """One weight matrix and its activation.

    Parameters
    ----------
    weights : (inputs, outputs) float64, within [-1, 1]
        A copy is kept, which nobody changes afterwards.
    activation : Activation
    full_scale : float
        MAC result that fills the readout. The layer's output is ``clip(x @ weights / full_scale, lo, 1)`` with
        lo = 0 for RELU and -1 for LINEAR; 1 is the longest duration (255 ns).

    Raises
    ------
    NetworkError
        On a wrong shape or type, NaN or infinity, a weight outside [-1, 1], a full scale that is not positive or beyond
        all use, or an activation that there is not.
    """

    weights: Array
    activation: Activation
    full_scale: float

    def __post_init__(self) -> None:
        try:
            weights = kept(real_numbers(self.weights, "weights"))
            full_scale = real_number(self.full_scale, "full_scale", *_FULL_SCALE)
        except ValueError as error:
            raise NetworkError(str(error)) from None
        if weights.ndim != 2 or 0 in weights.shape:
            raise NetworkError(f"weights must be a non-empty matrix (inputs, outputs), got shape {weights.shape}")
        bad = np.argwhere(~np.isfinite(weights))
        if bad.size:
            row, column = bad[0]
            raise NetworkError(
                f"weight at row {row}, column {column} is {weights[row, column]}; expected a finite number"
            )
        row, column = np.unravel_index(np.abs(weights).argmax(), weights.shape)
        if abs(weights[row, column]) > 1:
            raise NetworkError(
                f"weight at row {row}, column {column} is {weights[row, column]:.4g}, outside [-1, 1]; "
                "divide the layer's weights and its full scale by the largest magnitude"
            )
        choices = [activation.value for activation in Activation]
        if self.activation not in choices:
            raise NetworkError(f"activation must be one of {', '.join(choices)}, got {shown(self.activation)}")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "activation", Activation(self.activation))
        object.__setattr__(self, "full_scale", full_scale)

    @property
    def inputs(self) -> int:
        return self.weights.shape[0]

    @property
    def outputs(self) -> int:
        return self.weights.shape[1]

    def forward(self, x: Array) -> Array:
        """Outputs for inputs `x`: (batch, inputs) -> (batch, outputs), in units of the full scale."""
        low = 0.0 if self.activation is Activation.RELU else -1.0
        return np.clip(x @ self.weights / self.full_scale, low, 1.0)


@dataclass(frozen=True)
class FeedForwardNetwork:
    """Layers in a row; each layer's output, in [-1, 1] or [0, 1], is the next one's input.

    Raises
    ------
    NetworkError
        If there is no layer, or two neighbours do not fit together.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise NetworkError("a network needs at least one layer")
        for index, (layer, following) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            if layer.outputs != following.inputs:
                raise NetworkError(
                    f"layer {index} has {counted(layer.outputs, 'output')}, but layer {index + 1} takes "
                    f"{counted(following.inputs, 'input')}"
                )

    @property
    def shape(self) -> tuple[int, ...]:
        """Widths from input to output, e.g. (1024, 512, 512, 12)."""
        return (self.layers[0].inputs, *(layer.outputs for layer in self.layers))

    def forward(self, x: Array) -> list[Array]:
        """Every layer's output for inputs `x` in [-1, 1]: the software reference, in float64."""
        outputs: list[Array] = []
        for layer in self.layers:
            x = layer.forward(x)
            outputs.append(x)
        return outputs

    def graph(self) -> Graph:
        """The network as a graph, in float32, from "x" to "y": of a layer a product over its full scale, and a clip."""
        operators: list[Operator] = []
        for layer in self.layers:
            low = 0.0 if layer.activation is Activation.RELU else -1.0
            operators += Linear((layer.weights / layer.full_scale).astype(np.float32)), Clip(low, 1.0)
        return chain(operators)

    def to_arrays(self) -> dict[str, NDArray]:
        """The network as named arrays, for a file of numbers only."""
        arrays: dict[str, NDArray] = {
            "full_scale": np.array([layer.full_scale for layer in self.layers]),
            "activation": np.array([layer.activation.value for layer in self.layers]),
        }
        return arrays | {f"{_WEIGHTS}{i}": layer.weights for i, layer in enumerate(self.layers)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> "FeedForwardNetwork":
        """Inverse of `to_arrays`; other arrays may stand beside the network's.

        Raises
        ------
        NetworkError
            If an array is missing, or of another type, shape or range.
        """
        own = {name: array for name, array in arrays.items() if name in _ARRAYS or name.startswith(_WEIGHTS)}
        try:
            count = check_arrays(own, _ARRAYS)["layers"]
            check_arrays(own, _ARRAYS | {f"{_WEIGHTS}{index}": _MATRIX for index in range(count)})
        except NpzError as error:
            raise NetworkError(str(error)) from None
        weights = [own[f"{_WEIGHTS}{index}"].astype(np.float64) for index in range(count)]
        layers = zip(weights, own["activation"].tolist(), own["full_scale"].tolist(), strict=True)
        return cls(tuple(Layer(*layer) for layer in layers))

    def save(self, path: Path) -> None:
        """Write the network to an npz file without pickle, whole or not at all.

        Raises
        ------
        OutputError
        """
        write_arrays(path, self.to_arrays())

    @classmethod
    def load(cls, path: Path) -> "FeedForwardNetwork":
        """Read what `save` wrote.

        Raises
        ------
        NetworkError
            If the file is no network, or cut short.
        FileNotFoundError
        """
        try:
            arrays = read_arrays(path, "network")
            check_arrays(arrays, _ARRAYS)
            return cls.from_arrays(arrays)
        except ArchiveError as error:
            raise NetworkError(str(error)) from None
        except ValueError as error:
            raise NetworkError(f"{path}: {error}") from None


_WEIGHTS = "weights"
_MATRIX = ArraySpec("f", (None, None))
#: Arrays of a file.
_ARRAYS = {
    "full_scale": ArraySpec("f", ("layers",)),
    "activation": ArraySpec("U", ("layers",)),
    f"{_WEIGHTS}*": _MATRIX,
}
