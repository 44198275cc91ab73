"""Products that do not recur are taken out of loops, so that those of all steps are one request."""

from collections.abc import Iterator
from dataclasses import replace

from cosim.graph.graph import Graph, Node, Scan
from cosim.graph.linear import Linear
from cosim.graph.operators.activations import Pointwise

__all__ = ["hoisted"]


def hoisted(graph: Graph) -> Graph:
    """The same network with every `Linear` that waits for no state before its loop, instead of within it.

    Within a `Scan` a matrix that multiplies the step's input is asked for anew in each step, although it could multiply
    those of all steps at once. Such nodes, and functions of each number alone on their way, move in front of the loop,
    which then scans what they give. Nodes keep their full names and matrices, and numbers stay what they are, but for
    the order in which float products are summed up.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Graph
        `graph` itself where nothing is to be moved.
    """
    known = {*graph.inputs, *graph.constants, *(state.name for state in graph.states)}
    known |= {name for node in graph.nodes for name in node.outputs}
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes += _opened(node, node.operator, known) if isinstance(node.operator, Scan) else (node,)
    return replace(graph, nodes=tuple(nodes)) if nodes != list(graph.nodes) else graph


def _opened(node: Node, loop: Scan, known: set[str]) -> Iterator[Node]:
    """What moves out of a loop, then the loop; `known` are the values around it, and become more."""
    body = hoisted(loop.body)
    outside = dict(zip(body.inputs, node.inputs, strict=False))  # what is scanned, by its name in the body
    rest = []
    for inner in body.nodes:
        movable = isinstance(inner.operator, Linear | Pointwise) and any(inner.outputs)
        if movable and all(map(outside.get, inner.inputs)):
            (value,) = inner.outputs
            outside[value] = _free(f"{node.name}/{value}", known)
            given = tuple(outside[name] for name in inner.inputs)
            yield Node(f"{node.name}/{inner.name}", inner.operator, given, (outside[value],))
        else:
            rest.append(inner)
    if len(rest) == len(body.nodes):
        yield node if body is loop.body else replace(node, operator=replace(loop, body=body))
        return
    needed = {name for inner in rest for name in inner.inputs} | {*body.outputs, *(s.following for s in body.states)}
    scanned = [name for name in outside if name in needed] or list(outside)[:1]  # one at least says how many steps
    inside = replace(body, nodes=tuple(rest), inputs=tuple(scanned))
    inputs = (*map(outside.__getitem__, scanned), *node.inputs[len(body.inputs) :])
    yield replace(node, operator=replace(loop, body=inside), inputs=inputs)


def _free(name: str, known: set[str]) -> str:
    """A name that no other value has."""
    while name in known:
        name += "'"
    known.add(name)
    return name
