"""In which turns nodes are done, and what nothing needs after each turn."""

from collections.abc import Collection, Sequence
from typing import TypeAlias

from cosim.graph.linear import Linear
from cosim.graph.node import Node

__all__ = ["Wave", "spent", "waves"]

#: What the host does as soon as it can; then all `Linear` nodes that are ready together.
Wave: TypeAlias = tuple[tuple[Node, ...], tuple[Node, ...]]


def waves(nodes: Sequence[Node], given: Collection[str]) -> tuple[Wave, ...]:
    """Turns of nodes that stand in an order in which each finds its inputs ready; `given` are there at first."""
    ready, waiting, found = {*given, ""}, list(nodes), []
    while waiting:
        host = []
        for node in waiting:  # in order, so that one pass finds all
            if not isinstance(node.operator, Linear) and ready.issuperset(node.inputs):
                ready.update(node.outputs)
                host.append(node)
        linear = [n for n in waiting if isinstance(n.operator, Linear) and ready.issuperset(n.inputs)]
        ready.update(name for node in linear for name in node.outputs)
        done = {node.name for node in (*host, *linear)}
        waiting = [node for node in waiting if node.name not in done]
        found.append((tuple(host), tuple(linear)))
    return tuple(found)


def spent(turns: Sequence[Wave], needed: Collection[str]) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Of both parts of each wave, values that nothing needs afterwards; `needed` are those of the end."""
    later, names_of = {*needed, ""}, []
    for nodes in reversed([part for wave in turns for part in wave]):
        names = {name for node in nodes for name in (*node.inputs, *node.outputs)} - later
        later |= names
        names_of.append(tuple(names))
    return tuple(zip(names_of[::-2], names_of[-2::-2], strict=True))
