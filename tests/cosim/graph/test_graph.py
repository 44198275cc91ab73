"""Graphs: their checks, their waves, and how they are walked."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph import Builder, Graph, Linear, NetworkError, Node, OperationCount, Request, Scan, State, chain
from cosim.graph.graph import answer
from cosim.graph.operators.activations import Relu, Tanh
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.attention import Append
from cosim.graph.operators.cells import LstmCell
from cosim.graph.operators.recurrent import lstm


def drawn(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture
def diamond() -> Graph:
    """Two matrices that are ready at once, and one that waits for both."""
    b = Builder("diamond")
    x = b.input("x")
    left, right = b.linear(x, drawn(3, 4), name="left"), b.linear(x, drawn(3, 4, seed=1), name="right")
    b.output(b.linear(b.add(Sum(), b.add(Relu(), left), right), drawn(4, 2, seed=2), drawn(2), name="top"), "y")
    return b.graph()


def test_a_walk_hands_out_what_is_ready_together(diamond: Graph) -> None:
    x = drawn(5, 3)
    walk = diamond.walk({"x": x})
    first = next(walk)
    assert first.nodes == ("left", "right")
    left, right = (diamond.linears[name].run(x)[0] for name in first.nodes)
    second = walk.send([left, right])
    assert second.nodes == ("top",)
    np.testing.assert_array_equal(second.inputs[0], np.maximum(left, 0) + right)
    with pytest.raises(StopIteration) as stop:
        walk.send([np.full((5, 2), 7.0)])
    assert (stop.value.value.outputs["y"] == 7).all()


def test_waves_are_the_requests_that_come(diamond: Graph) -> None:
    requests: list[Request] = []

    def watched(graph: Graph):
        walk, reply = graph.walk({"x": drawn(3)}), None
        while True:
            try:
                request = walk.send(reply)
            except StopIteration:
                return
            requests.append(request)
            reply = [
                graph.linears[name].run(array)[0] for name, array in zip(request.nodes, request.inputs, strict=True)
            ]

    watched(diamond)
    waves = [tuple(node.name for node in linear) for _, linear in diamond.waves if linear]
    assert [request.nodes for request in requests] == waves == [("left", "right"), ("top",)]


def test_nodes_may_come_in_any_order(diamond: Graph) -> None:
    turned = Graph(diamond.nodes[::-1], diamond.inputs, diamond.outputs)
    x = drawn(3)
    np.testing.assert_array_equal(turned.run({"x": x}).outputs["y"], diamond.run({"x": x}).outputs["y"])


def test_a_matrix_that_several_nodes_use_is_one() -> None:
    b, shared = Builder(), Linear(drawn(3, 3))
    x = b.input("x")
    b.output(b.linear(b.linear(x, shared, name="first"), shared, name="second"))
    graph = b.graph()
    assert graph.matrices == {"first": shared}
    assert graph.matrix_of == {"first": "first", "second": "first"}


def test_states_go_from_step_to_step_and_may_grow() -> None:
    b = Builder()
    cache = b.state("cache", np.zeros((0, 2), np.float32))
    grown = b.add(Append(), cache, b.input("x"))
    b.follow(cache, grown)
    b.output(grown, "all")
    graph, x = b.graph(), drawn(3, 2)
    states = None
    for at in range(3):
        step = graph.run({"x": x[at : at + 1]}, states)
        states = step.states
    np.testing.assert_array_equal(step.outputs["all"], x)
    np.testing.assert_array_equal(graph.run({"x": x[:1]}).outputs["all"], x[:1])  # begins anew


def test_loops_in_loops_name_their_nodes_by_the_whole_way() -> None:
    inner = lstm(Linear(drawn(3, 8)), Linear(drawn(2, 8)))
    body = Graph((Node("layer", inner, ("x",), ("y",)),), ("x",), ("y",))
    graph = Graph((Node("outer", Scan(body), ("x",), ("y",)),), ("x",), ("y",))
    assert set(graph.linears) == {"outer/layer/input", "outer/layer/recurrent"}
    x, seen = drawn(4, 5, 3), set()
    step = graph.run({"x": x}, observe=lambda name, node, inputs, outputs: seen.add(name))
    assert seen == {"outer", "outer/layer", *graph.linears, "outer/layer/cell"}
    np.testing.assert_array_equal(step.outputs["y"][2], inner.run(x[2])[0])


def test_values_that_nothing_needs_any_more_are_let_go(diamond: Graph) -> None:
    """Of three waves, the first one's products are not held while the last one's are awaited."""
    walk = diamond.walk({"x": drawn(3)})
    next(walk)
    walk.send([drawn(4), drawn(4)])
    assert set(walk.gi_frame.f_locals["values"]) == {"sum0"}


def test_an_output_without_a_name_is_dropped() -> None:
    nodes = Node("cell", LstmCell(), ("z", "z", "c"), ("", "memory")), Node("tanh", Tanh(), ("memory",), ("y",))
    graph = Graph(nodes, ("z", "c"), ("y",))
    given = {"z": drawn(8), "c": drawn(2)}
    expected = np.tanh(LstmCell().run(given["z"], given["z"], given["c"])[1])
    np.testing.assert_array_equal(graph.run(given).outputs["y"], expected)


def test_operations_are_counted_by_node_over_all_steps() -> None:
    graph = Graph(
        (Node("layer", lstm(Linear(drawn(3, 8)), Linear(drawn(2, 8), drawn(8))), ("x",), ("y",)),), ("x",), ("y",)
    )
    count, x = OperationCount(), drawn(4, 3)
    graph.run({"x": x}, observe=count)
    assert count.host == {"layer/cell": graph.nodes[0].operator.operations(x)}
    assert count.products == {"layer/input": 4 * 2 * 24, "layer/recurrent": 4 * (2 * 16 + 8)}


def test_a_builder_makes_names_where_none_are_given() -> None:
    b = Builder()
    x = b.input("x")
    assert b.linear(x, drawn(2, 2)) == "linear0"
    assert b.add(Relu(), "linear0") == "relu0"
    assert b.linear("relu0", drawn(2, 2)) == "linear1"
    assert b.add_several(LstmCell(), "a", "a", "c", name="cell") == ("cell/0", "cell/1")
    assert b.constant(drawn(2)) == "constant0"


def test_convolutions_are_built_as_their_nodes() -> None:
    b = Builder()
    b.output(b.convolution(b.input("x"), drawn(4, 2, 3), drawn(4), name="conv"), "y")
    graph = b.graph()
    assert [node.name for node in graph.nodes] == ["conv/patches", "conv", "conv/maps"]
    assert graph.run({"x": drawn(2, 9)}).outputs["y"].shape == (4, 7)


def test_a_loop_answers_with_its_name_before_those_of_its_nodes(diamond: Graph) -> None:
    step = answer(diamond.walk({"x": drawn(3)}, path="sample/"), diamond, "sample/")
    np.testing.assert_array_equal(step.outputs["y"], diamond.run({"x": drawn(3)}).outputs["y"])


def test_a_graph_says_in_a_line_what_it_is(diamond: Graph) -> None:
    assert repr(diamond) == "<Graph diamond: x -> y; 5 nodes, 3 matrices, 32 weights>"


def relu(name: str, x: str, y: str) -> Node:
    return Node(name, Relu(), (x,), (y,))


def unfollowed() -> Graph:
    b = Builder()
    b.state("h", drawn(2))
    return b.graph()


def called_twice() -> None:
    b = Builder()
    y = b.add(Relu(), b.input("x"))
    b.output(y, "y")
    b.output(y, "z")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Graph((relu("a", "x", "y"), relu("a", "y", "z")), ("x",), ("z",)), "two nodes are called 'a'"),
        (lambda: Graph((relu("a", "x", "y"), relu("b", "x", "y")), ("x",), ("y",)), "'y', an output of node b, is the"),
        (lambda: Graph((relu("a", "x", "x"),), ("x",), ("x",)), "'x', an output of node a, is the name of another"),
        (lambda: Graph((relu("a", "x", "y"),), (), ("y",)), "'x', an input of node a, is given by nothing"),
        (lambda: Graph((relu("a", "y", "z"), relu("b", "z", "y")), (), ("y",)), "stands in a ring without a state"),
        (lambda: Graph((), ("x",), ("y",)), "nothing gives 'y'"),
        (lambda: Graph((), ("x",), ("x",), states=(State("h", "g", drawn(2)),)), "nothing gives 'g'"),
        (lambda: chain([Relu()]).run({"z": drawn(2)}), "network takes x, got z"),
        (lambda: chain([Relu()]).run({"x": drawn(2)}, {"h": drawn(2)}), "network has no state 'h'"),
        (lambda: chain([Linear(drawn(2, 2))]).run({"x": drawn(3)}), r"node linear0: expected inputs \(..., 2\)"),
        (lambda: chain([Relu(), Sum()]).run({"x": drawn(3)}), "node sum0: a sum takes two or more"),
        (
            lambda: Graph((Node("a", Relu(), ("x",), ("y", "z")),), ("x",), ("z",)).run({"x": drawn(2)}),
            "a names 2 outputs",
        ),
        (lambda: chain([]), "'x' cannot be called 'y'"),
        (unfollowed, "no state, or no value that follows it: h"),
        (called_twice, "cannot be called 'z'; only what a node gives"),
    ],
)
def test_what_is_wrong_is_said(call, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        call()
