"""Recurrent layers: loops over time around a cell, with two matrices each.

Columns of the matrices lie by gates, in the order of the cells; `gate_columns` brings others into it.
"""

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.graph import Graph, Scan
from cosim.graph.linear import Linear
from cosim.graph.node import Node, State
from cosim.graph.operators.activations import Clip, Pointwise, Tanh
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.cells import GruCell, GruGates, GruUpdate, LstmCell

__all__ = ["gate_columns", "gru", "lstm", "rnn"]


def lstm(
    inputs: Linear,
    recurrent: Linear,
    cell: LstmCell | None = None,
    *,
    reverse: bool = False,
    initial: tuple[NDArray, NDArray] | None = None,
) -> Scan:
    """A loop over time around an `LstmCell`.

    The loop takes (steps, ..., inputs) and, if they are not to be the initial ones, state and memory; it gives all
    states, the last state and the last memory.

    Parameters
    ----------
    inputs : Linear
        (inputs, 4 width), of the step's input; the node "input".
    recurrent : Linear
        (width, 4 width), of the state; the node "recurrent".
    cell : LstmCell, optional
    reverse : bool
        Begin with the last step.
    initial : (state, memory), optional
        (..., width) each; zeros by default.

    Raises
    ------
    NetworkError
        If the matrices do not fit together.
    """
    width = _checked(inputs, recurrent, 4)
    state, memory = initial if initial is not None else (_zeros(width), _zeros(width))
    body = Graph(
        nodes=(
            Node("input", inputs, ("x",), ("x products",)),
            Node("recurrent", recurrent, ("state",), ("state products",)),
            Node("cell", cell or LstmCell(), ("x products", "state products", "memory"), ("next state", "next memory")),
        ),
        inputs=("x",),
        outputs=("next state",),
        states=(State("state", "next state", state), State("memory", "next memory", memory)),
        name="lstm",
    )
    return Scan(body, reverse)


def gru(
    inputs: Linear,
    recurrent: Linear,
    cell: GruCell | None = None,
    *,
    reset_after: bool = True,
    reverse: bool = False,
    initial: NDArray | None = None,
) -> Scan:
    """A loop over time around a `GruCell`, or around its halves.

    The loop takes (steps, ..., inputs) and, if it is not to be the initial one, the state; it gives all states and the
    last one.

    Parameters
    ----------
    inputs : Linear
        (inputs, 3 width), of the step's input; the node "input".
    recurrent : Linear
        (width, 3 width), of the state; the node "recurrent". Where the reset gate acts before the product, it is cut in
        two, nodes "recurrent" and "candidate", because one waits for the other.
    cell : GruCell, optional
    reset_after : bool
        The reset gate acts after the product: PyTorch's, ONNX's with linear_before_reset = 1. The original one acts
        before it.
    reverse : bool
        Begin with the last step.
    initial : array, optional
        (..., width); zeros by default.

    Raises
    ------
    NetworkError
        If the matrices do not fit together.
    """
    width = _checked(inputs, recurrent, 3)
    cell = cell or GruCell()
    nodes: tuple[Node, ...] = (Node("input", inputs, ("x",), ("x products",)),)
    if reset_after:
        nodes += (
            Node("recurrent", recurrent, ("state",), ("state products",)),
            Node("cell", cell, ("x products", "state products", "state"), ("next state",)),
        )
    else:
        gates, candidate = (
            Linear(recurrent.weights[:, part], None if recurrent.bias is None else recurrent.bias[part])
            for part in (slice(None, 2 * width), slice(2 * width, None))
        )
        nodes += (
            Node("recurrent", gates, ("state",), ("state products",)),
            Node(
                "gates", GruGates(cell.gate, cell.clip), ("x products", "state products", "state"), ("update", "rest")
            ),
            Node("candidate", candidate, ("rest",), ("rest products",)),
            Node(
                "cell",
                GruUpdate(cell.candidate, cell.clip),
                ("x products", "rest products", "update", "state"),
                ("next state",),
            ),
        )
    state = State("state", "next state", _zeros(width) if initial is None else initial)
    return Scan(Graph(nodes, ("x",), ("next state",), states=(state,), name="gru"), reverse)


def rnn(
    inputs: Linear,
    recurrent: Linear,
    activation: Pointwise | None = None,
    *,
    clip: float | None = None,
    reverse: bool = False,
    initial: NDArray | None = None,
) -> Scan:
    """A loop over time around a plain recurrent layer, ``state' = activation(x products + state products)``.

    Parameters
    ----------
    inputs, recurrent : Linear
        (inputs, width) and (width, width).
    activation : Pointwise, optional
        Tanh by default.
    clip : float, optional
        Limit of what goes into the activation, both ways.
    reverse, initial
        As of `gru`.

    Raises
    ------
    NetworkError
        If the matrices do not fit together.
    """
    width = _checked(inputs, recurrent, 1)
    nodes = [
        Node("input", inputs, ("x",), ("x products",)),
        Node("recurrent", recurrent, ("state",), ("state products",)),
        Node("sum", Sum(), ("x products", "state products"), ("sum",)),
        Node("activation", activation or Tanh(), ("sum" if clip is None else "limited",), ("next state",)),
    ]
    if clip is not None:
        nodes.append(Node("limit", Clip(-clip, clip), ("sum",), ("limited",)))
    state = State("state", "next state", _zeros(width) if initial is None else initial)
    return Scan(Graph(tuple(nodes), ("x",), ("next state",), states=(state,), name="rnn"), reverse)


def gate_columns(array: NDArray, given: str, wanted: str) -> NDArray:
    """Columns of gates in another order.

    Parameters
    ----------
    array : (..., gates x width)
        Weights (inputs, outputs), or a bias.
    given, wanted : str
        A letter for each gate, in order: "ifgo" (PyTorch's LSTM) and "iofg"; "rzn" (PyTorch's GRU) and "zrn".

    Raises
    ------
    NetworkError
        If the letters are not the same, or the columns are no multiple of them.
    """
    if sorted(given) != sorted(wanted) or array.shape[-1] % len(given):
        raise NetworkError(f"cannot bring {array.shape[-1]} columns from the order {given!r} to {wanted!r}")
    parts = dict(zip(given, np.split(array, len(given), axis=-1), strict=True))
    return np.concatenate([parts[gate] for gate in wanted], axis=-1)


def _zeros(width: int) -> NDArray[np.float32]:
    return np.zeros(width, np.float32)


def _checked(inputs: Linear, recurrent: Linear, gates: int) -> int:
    width = recurrent.inputs
    if (inputs.outputs, recurrent.outputs) != (gates * width, gates * width):
        raise NetworkError(
            f"matrices of a recurrent layer must be (inputs, {gates} width) and (width, {gates} width), got "
            f"{inputs.weights.shape} and {recurrent.weights.shape}"
        )
    return width
