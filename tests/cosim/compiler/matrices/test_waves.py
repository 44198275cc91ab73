"""Matrices that are due at once, and those that take the same input."""

import numpy as np

from cosim.compiler.matrices import alike_inputs, matrix_waves
from cosim.graph import Graph, Node, Scan, State
from cosim.graph.linear import Linear
from cosim.graph.operators.arithmetic import Sum

SQUARE = np.eye(2, dtype=np.float32)


def linear(name: str, source: str, matrix: Linear | None = None) -> Node:
    return Node(name, matrix or Linear(SQUARE), (source,), (f"{name}'",))


def test_waves_of_a_loop_and_of_a_shared_matrix() -> None:
    """x and h of a recurrent layer are one wave; a matrix that is used twice gives one wave once."""
    body = Graph(
        nodes=(linear("x", "in"), linear("h", "state"), Node("sum", Sum(), ("x'", "h'"), ("out",))),
        inputs=("in",),
        outputs=("out",),
        states=(State("state", "out", np.zeros(2, np.float32)),),
    )
    shared = Linear(SQUARE)
    nodes = (
        Node("loop", Scan(body), ("in",), ("scanned",)),
        linear("first", "scanned", shared),
        linear("second", "first'", shared),
        linear("last", "second'"),
    )
    graph = Graph(nodes=nodes, inputs=("in",), outputs=("last'",))
    assert matrix_waves(graph) == [("loop/x", "loop/h"), ("first",), ("last",)]
    assert alike_inputs(graph) == ()


def test_matrices_are_alike_only_where_they_always_are() -> None:
    """q and k stand beside each other on one value; v has another one; a matrix used elsewhere too is alone."""
    both = Linear(SQUARE)
    nodes = (
        linear("q", "in"),
        linear("k", "in"),
        linear("v", "other"),
        linear("both", "in", both),
        Node("sum", Sum(), ("q'", "k'", "v'", "both'"), ("mixed",)),
        linear("again", "mixed", both),
    )
    graph = Graph(nodes=nodes, inputs=("in", "other"), outputs=("again'",))
    assert matrix_waves(graph) == [("q", "k", "v", "both"), ("both",)]
    assert alike_inputs(graph) == ()
    without = Graph(nodes=nodes[:3], inputs=("in", "other"), outputs=("q'", "k'", "v'"))
    assert alike_inputs(without) == (("q", "k"),)
