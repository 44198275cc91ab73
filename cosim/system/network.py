"""Graphs that are one system: their matrices sit on the same chips, their walks are anybody's to combine."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cosim.compiler.matrices import alike_inputs
from cosim.graph import Graph, Linear, NetworkError, Scan, Step, hoisted
from cosim.graph.graph import Observer, Walk

__all__ = ["Network"]


@dataclass(frozen=True, eq=False)
class Network:
    """Graphs by name, such as an encoder and a decoder.

    Parameters
    ----------
    graphs : mapping of str to Graph
        Full names of nodes begin with the graph's name and a slash; a graph alone may be called "", and its nodes keep
        their names.

    Raises
    ------
    NetworkError
        If there is no graph, or none of them has a matrix.
    """

    graphs: Mapping[str, Graph]

    def __post_init__(self) -> None:
        object.__setattr__(self, "graphs", dict(self.graphs))
        if not self.linears:
            raise NetworkError("a network needs at least one graph with a matrix")

    @classmethod
    def of(cls, model: "Network | Graph | Mapping[str, Graph]") -> "Network":
        """A graph, or several, as a network, with what does not recur `hoisted` out of loops; a network as it is.

        Whoever wants products of a step's input and of its state in one call, for frames of a chip in which both are
        due, gives the graphs to `Network` itself.
        """
        if isinstance(model, Network):
            return model
        graphs = {"": model} if isinstance(model, Graph) else model
        return cls({name: hoisted(graph) for name, graph in graphs.items()})

    @property
    def only(self) -> Graph:
        """The graph of a network that has one.

        Raises
        ------
        NetworkError
            If there are several: their walks are somebody's to combine.
        """
        if len(self.graphs) > 1:
            raise NetworkError(f"the network has graphs {', '.join(self.graphs)}; give walks that combine them")
        return next(iter(self.graphs.values()))

    @cached_property
    def linears(self) -> Mapping[str, Linear]:
        """Every `Linear` node by full name."""
        found = ((name, graph.linears.items()) for name, graph in self.graphs.items())
        return {_prefix(name) + node: operator for name, nodes in found for node, operator in nodes}

    def product(self, node: str, x: NDArray) -> NDArray[np.float32]:
        """Output of a `Linear` node for inputs (..., rows), in float32 without a chip."""
        (y,) = self.linears[node].run(x)
        return y

    @cached_property
    def matrix_of(self) -> Mapping[str, str]:
        """Name of the matrix of every `Linear` node: the full name of the first node that uses it."""
        first: dict[int, str] = {}
        return {node: first.setdefault(id(operator), node) for node, operator in self.linears.items()}

    @cached_property
    def matrices(self) -> Mapping[str, Linear]:
        """Every matrix once, by name."""
        return {matrix: self.linears[matrix] for matrix in dict.fromkeys(self.matrix_of.values())}

    def matching(self, patterns: str) -> frozenset[str]:
        """Names of the matrices that fit a pattern, or one of several with commas between them.

        Raises
        ------
        NetworkError
            If a pattern fits none; the message lists all there are.
        """
        found: set[str] = set()
        for pattern in patterns.split(","):
            fitting = {name for name in self.matrices if fnmatchcase(name, pattern.strip())}
            if not fitting:
                raise NetworkError(f"no matrix is called {pattern.strip()!r}; there are {', '.join(self.matrices)}")
            found |= fitting
        return frozenset(found)

    @cached_property
    def requests(self) -> tuple[tuple[str, ...], ...]:
        """Nodes of every request that a walk may make, in the order of the walks."""
        found = (nodes for name, graph in self.graphs.items() for nodes in _requests(graph, _prefix(name)))
        return tuple(dict.fromkeys(found))

    def matrices_of(self, nodes: Iterable[str]) -> tuple[str, ...]:
        """Matrices that a request asks for, each once: a wave."""
        return tuple(dict.fromkeys(self.matrix_of[node] for node in nodes))

    @cached_property
    def waves(self) -> tuple[tuple[str, ...], ...]:
        """Matrices that are asked for at once, each wave once, in the order of the walks."""
        return tuple(dict.fromkeys(map(self.matrices_of, self.requests)))

    @cached_property
    def alike(self) -> tuple[tuple[str, ...], ...]:
        """Matrices that always get the same input, as the query, key and value of an attention do."""
        used = Counter(id(linear) for graph in self.graphs.values() for linear in graph.matrices.values())
        groups = (
            tuple(self.matrix_of[_prefix(name) + matrix] for matrix in group)
            for name, graph in self.graphs.items()
            for group in alike_inputs(graph)
        )
        return tuple(group for group in groups if all(used[id(self.linears[matrix])] == 1 for matrix in group))

    def walk(
        self,
        inputs: Mapping[str, NDArray],
        states: Mapping[str, NDArray] | None = None,
        *,
        graph: str | None = None,
        observe: Observer | None = None,
    ) -> Walk[Step]:
        """One step of one of the graphs, by default of the only one; `Graph.walk`."""
        if graph is None:
            graph = next(name for name, one in self.graphs.items() if one is self.only)
        if graph not in self.graphs:
            raise NetworkError(f"the network has no graph {graph!r}; it has {', '.join(map(repr, self.graphs))}")
        return self.graphs[graph].walk(inputs, states, observe=observe, path=_prefix(graph))


def _prefix(name: str) -> str:
    return f"{name}/" if name else ""


def _requests(graph: Graph, path: str) -> Iterator[tuple[str, ...]]:
    for host, linear in graph.waves:
        for node in host:
            if isinstance(node.operator, Scan):
                yield from _requests(node.operator.body, f"{path}{node.name}/")
        if linear:
            yield tuple(path + node.name for node in linear)
