"""LSTM, GRU and RNN: loops over time, one for each direction."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cosim.graph.graph import Graph, Node, Scan, State
from cosim.graph.onnx.call import Call, reads
from cosim.graph.onnx.numbers import POINTWISE, pointwise
from cosim.graph.operators.activations import Pointwise
from cosim.graph.operators.cells import GruCell, LstmCell
from cosim.graph.operators.elementwise import Binary, Cast, Where
from cosim.graph.operators.indexing import Gather
from cosim.graph.operators.recurrent import gru, lstm, rnn
from cosim.graph.operators.tensor import Concatenate, Range, Shape, Squeeze, Transpose, Unsqueeze

__all__: list[str] = []

#: By operator: number of gates, states, activations of a direction.
_KINDS = {
    "LSTM": (4, 2, ("Sigmoid", "Tanh", "Tanh")),
    "GRU": (3, 1, ("Sigmoid", "Tanh")),
    "RNN": (1, 1, ("Tanh",)),
}
_DIRECTIONS = {"forward": ("forward",), "reverse": ("reverse",), "bidirectional": ("forward", "reverse")}


@reads("LSTM", "GRU", "RNN")
def recurrent(call: Call) -> tuple[str, ...]:
    """All states (steps, directions, batch, width), then the last ones (directions, batch, width)."""
    _, states, _ = _KINDS[call.operator]
    directions = _DIRECTIONS.get(call.attribute("direction", "forward"), ())
    if not directions:
        call.refuse(f"direction must be one of {', '.join(_DIRECTIONS)}")
    batch_first = bool(call.attribute("layout", 0))
    x = call.inputs[0]
    if batch_first:
        x = call.do(Transpose((1, 0, 2)), x, part="time first")
    mask = _mask(call, x) if call.input(4) else ""
    activations = _activations(call, len(directions))
    found: list[list[str]] = [[] for _ in range(1 + states)]
    for at, direction in enumerate(directions):
        loop = _loop(call, at, direction == "reverse", next(activations))
        if mask:
            loop = _masked(loop)
        which = direction if len(directions) > 1 else ""
        initial = _initial(call, loop, at, batch_first, which)
        name = "/".join(filter(None, (call.layer(1), which)))
        values = call.draft.add(loop, (x, *([mask] if mask else []), *initial), 1 + states, name)
        for values_of, value in zip(found, values, strict=True):
            values_of.append(value)
    every = [call.do(Unsqueeze(), value, call.number([1]), part="direction") for value in found[0]]
    last = [
        [call.do(Unsqueeze(), value, call.number([0]), part="direction") for value in values] for values in found[1:]
    ]
    y = _joined(call, every, 1)
    ends = [_joined(call, values, 0) for values in last]
    if batch_first:
        y = call.do(Transpose((2, 0, 1, 3)), y, part="batch first")
        ends = [call.do(Transpose((1, 0, 2)), value, part="batch first") for value in ends]
    return (y, *ends)


def _joined(call: Call, values: Sequence[str], axis: int) -> str:
    return values[0] if len(values) == 1 else call.do(Concatenate(axis), *values, part="directions")


def _loop(call: Call, at: int, reverse: bool, activations: Sequence[Pointwise]) -> Scan:
    """The loop of one direction."""
    gates, _, _ = _KINDS[call.operator]
    inputs, states = (call.known(which, what)[at].T for which, what in ((1, "W"), (2, "R")))
    width = len(states)
    if inputs.shape[1] != gates * width or states.shape[1] != gates * width:
        call.refuse(f"W and R of shapes {inputs.T.shape} and {states.T.shape} do not fit together")
    biases = call.known(3, "B", np.zeros((at + 1, 2 * gates * width), np.float32))[at].reshape(2, -1)
    clip = call.attribute("clip")
    after = bool(call.attribute("linear_before_reset", 0))
    # Both biases are added in the same place, unless a gate stands between them.
    apart = 2 * width if call.operator == "GRU" and after else gates * width
    first, second = biases.copy()
    first[:apart] += second[:apart]
    second[:apart] = 0
    matrices = (
        call.draft.linear(inputs, first if first.any() else None),
        call.draft.linear(states, second if second.any() else None),
    )
    if call.operator == "RNN":
        return rnn(*matrices, activations[0], clip=clip, reverse=reverse)
    if call.operator == "GRU":
        return gru(*matrices, GruCell(activations[0], activations[1], clip=clip), reset_after=after, reverse=reverse)
    peepholes = call.known(7, "P")[at].reshape(3, width) if call.input(7) else None
    coupled = bool(call.attribute("input_forget", 0))
    gate, candidate, output = activations
    return lstm(*matrices, LstmCell(gate, candidate, output, clip, peepholes, coupled), reverse=reverse)


def _activations(call: Call, directions: int) -> Iterator[list[Pointwise]]:
    """Activations of each direction; those that have alpha, or beta, take the next one that the file gives."""
    _, _, usual = _KINDS[call.operator]
    names = call.attribute("activations", list(usual) * directions)
    if len(names) != len(usual) * directions:
        call.refuse(f"activations must be {len(usual)} for each direction, got {names}")
    given = {name: iter(call.attribute(f"activation_{name}", ())) for name in ("alpha", "beta")}
    known = {name.lower(): name for name in POINTWISE}
    made = []
    for name in names:
        if name.lower() not in known:
            call.refuse(f"activation must be one of {', '.join(POINTWISE)}, got {name}")
        _, attributes = POINTWISE[known[name.lower()]]
        made.append(pointwise(known[name.lower()], **{one: next(given[one], None) for one in attributes}))
    for at in range(directions):
        yield made[at * len(usual) : (at + 1) * len(usual)]


def _initial(call: Call, loop: Scan, at: int, batch_first: bool, which: str) -> list[str]:
    """Initial states of a direction, (batch, width) each, as far as they are given."""
    found: list[str] = []
    for state, given in reversed(list(zip(loop.body.states, (5, 6), strict=False))):
        if call.input(given):
            part = "/".join(filter(None, (which, f"initial {state.name}")))
            value = call.do(Gather(int(batch_first)), call.inputs[given], call.number(np.array(at)), part=part)
            found.insert(0, value)
        elif found:
            found.insert(0, call.number(state.initial))
    return found


def _mask(call: Call, x: str) -> str:
    """Whether each sequence goes on, (steps, batch, 1)."""
    steps = call.do(Squeeze(), call.do(Shape(0, 1), x, part="shape"), part="steps")
    times = call.do(Range(), call.number(np.array(0)), steps, call.number(np.array(1)), part="times")
    times = call.do(Unsqueeze(), times, call.number([1, 2]), part="each time")
    lengths = call.do(Cast("int64"), call.inputs[4], part="lengths")
    lengths = call.do(Unsqueeze(), lengths, call.number([0, 2]), part="each length")
    return call.do(Binary("less"), times, lengths, part="mask")


def _masked(loop: Scan) -> Scan:
    """The loop with a second input, a mask: where it is false states stay as they are, and outputs are 0."""
    body = loop.body
    nodes, states, outputs = list(body.nodes), [], []
    for state in body.states:
        value = f"{state.name} or before"
        nodes.append(Node(f"hold/{state.name}", Where(), ("mask", state.following, state.name), (value,)))
        states.append(State(state.name, value, state.initial))
    for output in body.outputs:
        nodes.append(Node(f"mask/{output}", Where(), ("mask", output, "nothing"), (f"{output} or 0",)))
        outputs.append(f"{output} or 0")
    constants: dict[str, NDArray] = {**body.constants, "nothing": np.zeros((), np.float32)}
    masked = Graph(tuple(nodes), (*body.inputs, "mask"), tuple(outputs), constants, tuple(states), body.name)
    return replace(loop, body=masked)
