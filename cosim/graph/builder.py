"""Graphs in a few lines of Python."""

from collections.abc import Iterable

from numpy.typing import ArrayLike, NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.graph import Graph
from cosim.graph.linear import Linear
from cosim.graph.node import Node, State
from cosim.graph.operator import Operator
from cosim.graph.operators.convolution import Patches, convolution

__all__ = ["Builder", "chain"]


class Builder:
    """Makes a graph node by node; values are known by their names.

    >>> import numpy as np
    >>> from cosim.graph.operators.activations import Relu
    >>> b = Builder("mlp")
    >>> x = b.input("x")
    >>> hidden = b.add(Relu(), b.linear(x, np.ones((4, 3)), np.zeros(3), name="fc1"))
    >>> b.output(b.linear(hidden, np.ones((3, 2)), name="fc2"), "y")
    >>> b.graph().run({"x": np.ones(4)}).outputs["y"]
    array([12., 12.], dtype=float32)

    Parameters
    ----------
    name : str
        Of the graph.
    """

    def __init__(self, name: str = "network") -> None:
        self.name = name
        self._nodes: list[Node] = []
        self._inputs: list[str] = []
        self._outputs: dict[str, str] = {}
        self._constants: dict[str, NDArray] = {}
        self._initial: dict[str, NDArray] = {}
        self._following: dict[str, str] = {}
        self._count: dict[str, int] = {}

    def input(self, name: str) -> str:
        """A value that each step is given."""
        self._inputs.append(name)
        return name

    def constant(self, array: NDArray, name: str | None = None) -> str:
        """A value that is always the same."""
        name = self._named("constant", name)
        self._constants[name] = array
        return name

    def state(self, name: str, initial: NDArray) -> str:
        """A value that the step before left, at first `initial`; `follow` says what is left for the next one."""
        self._initial[name] = initial
        return name

    def follow(self, state: str, value: str) -> None:
        """`value` is what `state` will be in the next step."""
        self._following[state] = value

    def add(self, operator: Operator, *inputs: str, name: str | None = None) -> str:
        """A node; its output, or the first of several. An optional input that is absent is ""."""
        return self.add_several(operator, *inputs, name=name)[0]

    def add_several(self, operator: Operator, *inputs: str, name: str | None = None) -> tuple[str, ...]:
        """A node; all its outputs."""
        name = self._named(type(operator).__name__.lower(), name)
        outputs = (name,) if operator.results == 1 else tuple(f"{name}/{at}" for at in range(operator.results))
        self._nodes.append(Node(name, operator, inputs, outputs))
        return outputs

    def linear(
        self, x: str, weights: ArrayLike | Linear, bias: ArrayLike | None = None, name: str | None = None
    ) -> str:
        """A product with a matrix (inputs, outputs), and a bias; nodes that are given one `Linear` share it."""
        operator = weights if isinstance(weights, Linear) else Linear(weights, bias)  # type: ignore[arg-type]
        return self.add(operator, x, name=name)

    def convolution(
        self,
        x: str,
        weights: NDArray,
        bias: NDArray | None = None,
        name: str | None = None,
        *,
        patches: Patches | None = None,
        channels_last: bool | None = None,
    ) -> str:
        """A convolution with weights (outputs, inputs / groups, *kernel): `operators.convolution.convolution`."""
        name = self._named("convolution", name)
        self._nodes += convolution(name, x, name, weights, bias, patches=patches, channels_last=channels_last)
        return name

    def output(self, value: str, name: str | None = None) -> None:
        """`value` is put out, by another name if one is given.

        Raises
        ------
        NetworkError
            If the value is no node's and is to have another name, or has one already.
        """
        given = {one for node in self._nodes for one in node.outputs}
        if self._outputs.get(value, name) != name or (name not in (None, value) and value not in given):
            raise NetworkError(
                f"{self.name}: {value!r} cannot be called {name!r}; only what a node gives, and only once"
            )
        self._outputs[value] = name or value

    def graph(self) -> Graph:
        """The graph.

        Raises
        ------
        NetworkError
            If a state is never followed, or a name is used twice, or a value that is needed is missing.
        """
        if self._initial.keys() != self._following.keys():
            odd = sorted(self._initial.keys() ^ self._following.keys())
            raise NetworkError(f"{self.name}: no state, or no value that follows it: {', '.join(odd)}")

        def renamed(names: Iterable[str]) -> tuple[str, ...]:
            return tuple(self._outputs.get(name, name) for name in names)

        nodes = [Node(node.name, node.operator, renamed(node.inputs), renamed(node.outputs)) for node in self._nodes]
        following = renamed(self._following[state] for state in self._initial)
        states = [State(*parts) for parts in zip(self._initial, following, self._initial.values(), strict=True)]
        return Graph(
            tuple(nodes),
            tuple(self._inputs),
            tuple(self._outputs.values()),
            constants=self._constants,
            states=tuple(states),
            name=self.name,
        )

    def _named(self, kind: str, name: str | None) -> str:
        if name is not None:
            return name
        number = self._count.get(kind, 0)
        self._count[kind] = number + 1
        return f"{kind}{number}"


def chain(operators: Iterable[Operator], name: str = "network") -> Graph:
    """Operators one after the other, from the value "x" to the value "y"; nodes are "linear0", "relu0" and so on.

    >>> from cosim.graph.operators.activations import Relu
    >>> import numpy as np
    >>> [node.name for node in chain([Linear(np.ones((4, 3))), Relu(), Linear(np.ones((3, 2)))]).nodes]
    ['linear0', 'relu0', 'linear1']

    Raises
    ------
    NetworkError
        If there is no operator.
    """
    builder = Builder(name)
    value = builder.input("x")
    for operator in operators:
        value = builder.add(operator, value)
    builder.output(value, "y")
    return builder.graph()
