"""Recurrent cells, each one operator of the host: what comes after a step's two products.

Columns of the products lie by gates: input, output, forget, candidate of an LSTM; update, reset, candidate of a GRU (as
ONNX has them).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operator import Operator, Values, parameter, taken
from cosim.graph.operators.activations import Pointwise, Sigmoid, Tanh

__all__ = ["GruCell", "GruGates", "GruUpdate", "LstmCell"]

_HALF = np.float32(0.5)
_ONE = np.float32(1)


@dataclass(frozen=True, eq=False)
class LstmCell(Operator):
    """One step of a long short-term memory, after its two products.

    Inputs: products of the step's input and of the state before, (..., 4 width) each; the memory, (..., width). The
    second one is absent where one product has summed both. Outputs: the next state and the next memory::

        i, o, f, g = (x products + state products) by gates
        memory' = gate(f) memory + gate(i) candidate(g)
        state' = gate(o) output(memory')

    Operations: the sum of both products, the five functions, four more for each number of the state; limits, peepholes
    and coupled gates beside them.

    Parameters
    ----------
    gate, candidate, output : Pointwise
        ONNX's f, g and h.
    clip : float, optional
        Limit of what goes into the gates and the candidate, both ways.
    peepholes : (3, width) float32, optional
        What the memory adds to input, output and forget gate.
    coupled : bool
        The forget gate is what the input gate leaves.

    Raises
    ------
    NetworkError
        On peepholes of another shape, or a limit that is not positive.
    """

    gate: Pointwise = field(default_factory=Sigmoid)
    candidate: Pointwise = field(default_factory=Tanh)
    output: Pointwise = field(default_factory=Tanh)
    clip: float | None = None
    peepholes: NDArray[np.float32] | None = None
    coupled: bool = False

    def __post_init__(self) -> None:
        _check_clip(self.clip)
        if self.peepholes is not None:
            peepholes = parameter(self.peepholes, "peepholes")
            if peepholes.ndim != 2 or len(peepholes) != 3:
                raise NetworkError(f"peepholes must be (3, width), got shape {peepholes.shape}")
            object.__setattr__(self, "peepholes", peepholes)

    @property
    def results(self) -> int:
        return 2

    def run(self, *inputs: NDArray) -> Values:
        names = ("products of the input", "products of the state", "the memory")
        if len(inputs) == len(names) and inputs[1] is None:
            x, memory = taken((inputs[0], inputs[2]), names[0], names[2])
            width = _width(x, x, memory, 4)
            z = x.copy()
        else:
            x, h, memory = taken(inputs, *names)
            width = _width(x, h, memory, 4)
            z = x + h
        if self._plain:
            # sigmoid(z) = (1 + tanh(z / 2)) / 2, so that one tanh serves all gates: an LSTM's steps are many and small.
            gates, g = z[..., : 3 * width], z[..., 3 * width :]
            gates *= _HALF
            np.tanh(z, out=z)
            gates *= _HALF
            gates += _HALF
            g *= gates[..., :width]
            following = gates[..., 2 * width :] * memory
            following += g
            state = np.tanh(following)
            state *= gates[..., width : 2 * width]
            return state, following
        i, o, f, g = np.split(z, 4, axis=-1)
        if self.peepholes is not None:
            i, f = i + self.peepholes[0] * memory, f + self.peepholes[2] * memory
        i = self.gate.function(_limited(i, self.clip))
        f = _ONE - i if self.coupled else self.gate.function(_limited(f, self.clip))
        following = f * memory + i * self.candidate.function(_limited(g, self.clip))
        if self.peepholes is not None:
            o = o + self.peepholes[1] * following
        return self.gate.function(_limited(o, self.clip)) * self.output.function(following), following

    @property
    def _plain(self) -> bool:
        return (
            self.clip is None
            and self.peepholes is None
            and not self.coupled
            and isinstance(self.gate, Sigmoid)
            and isinstance(self.candidate, Tanh)
            and isinstance(self.output, Tanh)
        )

    def operations(self, *inputs: NDArray) -> int:
        gates = 2 if self.coupled else 3
        each = 4 + gates * self.gate.COST + self.candidate.COST + self.output.COST + 4
        each += 0 if self.clip is None else 2 * (gates + 1)
        each += 0 if self.peepholes is None else 2 * gates
        each += 1 if self.coupled else 0
        each -= 4 if inputs[1] is None else 0
        return each * (inputs[0].size // 4)


@dataclass(frozen=True)
class GruCell(Operator):
    """One step of a gated recurrent unit whose reset gate acts after the product, as PyTorch's does.

    Inputs: products of the step's input and of the state before, (..., 3 width) each; that state, (..., width).
    Output: the next state::

        z, r = gate(x products + state products), update and reset
        n = candidate(x products + r state products)
        state' = (1 - z) n + z state

    Operations: three functions, eight additions and multiplications for each number of the state; two for each limit.

    Parameters
    ----------
    gate, candidate : Pointwise
        ONNX's f and g.
    clip : float, optional
        Limit of what goes into the gates and the candidate, both ways.
    """

    gate: Pointwise = field(default_factory=Sigmoid)
    candidate: Pointwise = field(default_factory=Tanh)
    clip: float | None = None

    def __post_init__(self) -> None:
        _check_clip(self.clip)

    def run(self, *inputs: NDArray) -> Values:
        x, h, state = taken(inputs, "products of the input", "products of the state", "the state")
        width = _width(x, h, state, 3)
        gates = self.gate.function(_limited(x[..., : 2 * width] + h[..., : 2 * width], self.clip))
        n = gates[..., width:] * h[..., 2 * width :]
        n += x[..., 2 * width :]
        n = self.candidate.function(_limited(n, self.clip))
        return (_mixed(gates[..., :width], n, state),)

    def operations(self, *inputs: NDArray) -> int:
        each = 8 + 2 * self.gate.COST + self.candidate.COST + (0 if self.clip is None else 6)
        return each * (inputs[0].size // 3)


@dataclass(frozen=True)
class GruGates(Operator):
    """First half of a gated recurrent unit whose reset gate acts before the product.

    Inputs: products of the step's input, (..., 3 width), and of the state before, (..., 2 width); that state.
    Outputs: the update gate; the state times the reset gate, which the candidate's matrix multiplies.

    Operations: two functions and three more for each number of the state; two for each limit.

    Parameters
    ----------
    gate : Pointwise
    clip : float, optional
    """

    gate: Pointwise = field(default_factory=Sigmoid)
    clip: float | None = None

    def __post_init__(self) -> None:
        _check_clip(self.clip)

    @property
    def results(self) -> int:
        return 2

    def run(self, *inputs: NDArray) -> Values:
        x, h, state = taken(inputs, "products of the input", "products of the state", "the state")
        width = state.shape[-1]
        if (x.shape[-1], h.shape[-1]) != (3 * width, 2 * width):
            raise NetworkError(f"expected (..., {3 * width}) and (..., {2 * width}), got {x.shape} and {h.shape}")
        gates = self.gate.function(_limited(x[..., : 2 * width] + h, self.clip))
        return gates[..., :width], gates[..., width:] * state

    def operations(self, *inputs: NDArray) -> int:
        each = 3 + 2 * self.gate.COST + (0 if self.clip is None else 4)
        return each * (inputs[0].size // 3)


@dataclass(frozen=True)
class GruUpdate(Operator):
    """Second half of a gated recurrent unit whose reset gate acts before the product.

    Inputs: products of the step's input, (..., 3 width), and of the state after reset, (..., width); the update gate;
    the state before. Output: the next state.

    Operations: a function and five more for each number of the state; two for a limit.

    Parameters
    ----------
    candidate : Pointwise
    clip : float, optional
    """

    candidate: Pointwise = field(default_factory=Tanh)
    clip: float | None = None

    def __post_init__(self) -> None:
        _check_clip(self.clip)

    def run(self, *inputs: NDArray) -> Values:
        names = ("products of the input", "products of the state after reset", "the update gate", "the state")
        x, h, update, state = taken(inputs, *names)
        width = state.shape[-1]
        if (x.shape[-1], h.shape[-1], update.shape[-1]) != (3 * width, width, width):
            raise NetworkError(
                f"expected (..., {3 * width}) and twice (..., {width}), got {x.shape}, {h.shape} and {update.shape}"
            )
        n = self.candidate.function(_limited(x[..., 2 * width :] + h, self.clip))
        return (_mixed(update, n, state),)

    def operations(self, *inputs: NDArray) -> int:
        each = 5 + self.candidate.COST + (0 if self.clip is None else 2)
        return each * (inputs[0].size // 3)


def _check_clip(clip: float | None) -> None:
    if clip is not None and not clip > 0:
        raise NetworkError(f"clip must be above 0, or None for no limit, got {clip}")


def _width(x: NDArray, h: NDArray, state: NDArray, gates: int) -> int:
    width = state.shape[-1] if state.ndim else 0
    if not (x.ndim and h.ndim) or {x.shape[-1], h.shape[-1]} != {gates * width}:
        raise NetworkError(
            f"expected products (..., {gates * width}), {gates} for each of a state {state.shape}, got {x.shape} and "
            f"{h.shape}"
        )
    return width


def _limited(z: NDArray, clip: float | None) -> NDArray:
    return z if clip is None else np.clip(z, np.float32(-clip), np.float32(clip))


def _mixed(update: NDArray, candidate: NDArray, state: NDArray) -> NDArray:
    """``(1 - update) candidate + update state``."""
    return (_ONE - update) * candidate + update * state
