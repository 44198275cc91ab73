"""What does not recur leaves its loop: the same numbers, fewer requests."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosim.graph import Builder, Graph, Linear, Node, OperationCount, Scan, hoisted
from cosim.graph.operators.activations import Relu, Tanh
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.recurrent import gru, lstm, rnn


def drawn(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def around(loop: Scan, inputs: Sequence[str] = ("x",), outputs: Sequence[str] = ("y",), **more: NDArray) -> Graph:
    return Graph((Node("loop", loop, tuple(inputs), tuple(outputs)),), ("x",), tuple(outputs), more)


def requests_of(graph: Graph, x: NDArray) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Nodes of every request, and the shape of what the first one multiplies."""
    found, walk, reply = [], graph.walk({"x": x}), None
    while True:
        try:
            request = walk.send(reply)
        except StopIteration:
            return found
        found.append((request.nodes, request.inputs[0].shape))
        reply = [graph.linears[n].run(one)[0] for n, one in zip(request.nodes, request.inputs, strict=True)]


LOOPS = {
    "lstm": lambda reverse: lstm(Linear(drawn(3, 8), drawn(8)), Linear(drawn(2, 8, seed=1)), reverse=reverse),
    "gru": lambda reverse: gru(Linear(drawn(3, 6)), Linear(drawn(2, 6, seed=1), drawn(6)), reverse=reverse),
    "gru, reset before": lambda reverse: gru(
        Linear(drawn(3, 6)), Linear(drawn(2, 6, seed=1)), reset_after=False, reverse=reverse
    ),
    "rnn": lambda reverse: rnn(Linear(drawn(3, 2)), Linear(drawn(2, 2, seed=1)), clip=0.5, reverse=reverse),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("kind", LOOPS)
def test_recurrent_layers_give_the_same(kind: str, batch: tuple[int, ...], reverse: bool) -> None:
    loop = LOOPS[kind](reverse)
    outputs = ("y", *(f"last {state.name}" for state in loop.body.states))
    initial = {f"first {state.name}": drawn(*batch, 2, seed=at) for at, state in enumerate(loop.body.states)}
    graph = around(loop, ("x", *initial), outputs, **initial)
    moved, x = hoisted(graph), drawn(5, *batch, 3, seed=4)
    assert moved.linears == graph.linears  # names and matrices
    ours, theirs = moved.run({"x": x}).outputs, graph.run({"x": x}).outputs
    for name in outputs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-6)
    assert hoisted(moved) is moved


def test_all_steps_are_one_request() -> None:
    graph, x = around(LOOPS["lstm"](False)), drawn(3, 3)
    assert requests_of(graph, x) == [(("loop/input", "loop/recurrent"), (3,))] * 3
    assert requests_of(hoisted(graph), x) == [(("loop/input",), (3, 3)), *[(("loop/recurrent",), (2,))] * 3]
    before, after = OperationCount(), OperationCount()
    graph.run({"x": x}, observe=before)
    hoisted(graph).run({"x": x}, observe=after)
    assert (after.host, after.products) == (before.host, before.products)


def test_both_directions_are_one_request() -> None:
    b = Builder()
    x = b.input("x")
    for name, reverse in (("there", False), ("back", True)):
        b.output(b.add_several(LOOPS["lstm"](reverse), x, name=name)[0])
    first, *_ = requests_of(hoisted(b.graph()), drawn(4, 3))
    assert first == (("there/input", "back/input"), (4, 3))


def test_nothing_moves_where_everything_recurs() -> None:
    b = Builder()
    state = b.state("state", np.zeros(3, np.float32))
    b.follow(state, b.linear(b.add(Sum(), state, b.input("x")), drawn(3, 3)))
    b.output("linear0", "y")
    graph = around(Scan(b.graph()))
    assert hoisted(graph) is graph


@st.composite
def bodies(draw: st.DrawFn, shape: tuple[int, ...]) -> Graph:
    """A step of values of one shape: products, functions, sums and loops over the first axis, in any order."""
    b = Builder("body")
    values = [b.input("x"), b.input("z"), b.state("state", drawn(*shape))]
    kinds = ["linear", "function", "sum", *(["loop"] if len(shape) > 1 else [])]
    seed = draw(st.integers(0, 99))
    for at in range(draw(st.integers(1, 6))):
        x, z = (draw(st.sampled_from(values)) for _ in range(2))
        kind = draw(st.sampled_from(kinds))
        if kind == "linear":
            values.append(b.linear(x, drawn(2, 2, seed=seed + at)))
        elif kind == "function":
            values.append(b.add(draw(st.sampled_from([Relu(), Tanh()])), x))
        elif kind == "sum":
            values.append(b.add(Sum(), x, z))
        else:
            values.append(b.add_several(Scan(draw(bodies(shape[1:]))), x, z, "", name=f"x{at}")[0])
    b.follow("state", draw(st.sampled_from(values)))
    b.output(values[-1])
    return b.graph()


def products_of_what_is_scanned(graph: Graph) -> list[str]:
    loops = [node.operator.body for node in graph.nodes if isinstance(node.operator, Scan)]
    own = [
        node.name
        for body in loops
        for node in body.nodes
        if isinstance(node.operator, Linear) and node.inputs[0] in body.inputs
    ]
    return own + [name for body in loops for name in products_of_what_is_scanned(body)]


@given(bodies((2, 2)), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_loop_gives_the_same(body: Graph, reverse: bool) -> None:
    graph = around(Scan(body, reverse), ("x", "x"), ("y", "last"))
    moved, x = hoisted(graph), drawn(3, 2, 2, seed=5)
    assert moved.linears == graph.linears
    assert not products_of_what_is_scanned(moved)
    ours, theirs = moved.run({"x": x}).outputs, graph.run({"x": x}).outputs
    for name in ("y", "last"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-5)
    assert hoisted(moved) is moved


def test_no_steps_are_no_steps() -> None:
    graph, x = around(LOOPS["lstm"](False), outputs=("y", "state", "memory")), np.zeros((0, 3), np.float32)
    ours, theirs = hoisted(graph).run({"x": x}).outputs, graph.run({"x": x}).outputs
    for name in graph.outputs:
        np.testing.assert_array_equal(ours[name], theirs[name])
