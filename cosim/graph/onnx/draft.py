"""A graph while a file is read: values, constants, nodes; what can be computed now is computed now."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from cosim.files.digest import digest
from cosim.graph.errors import NetworkError
from cosim.graph.graph import Graph, Node, Scan
from cosim.graph.linear import Linear
from cosim.graph.operator import Operator
from cosim.graph.operators.array import LARGEST
from cosim.graph.operators.tensor import Identity

__all__ = ["Draft"]


@dataclass
class _Planned:
    """A node whose matrix may still get a bias."""

    name: str
    operator: Operator
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Draft:
    """Takes operators one after the other, each after those that it needs.

    Values have names of their own until the graph is made; `call` gives them those of the file.

    Parameters
    ----------
    inputs : iterable of str
    constants : mapping of str to array
    reserved : iterable of str
        Names of the file.

    Members
    -------
    constants : mapping of str to array
        Values that are known.
    origins : mapping of str to str
        The initialiser that a constant was made from.
    """

    def __init__(self, inputs: Iterable[str], constants: Mapping[str, NDArray], reserved: Iterable[str]) -> None:
        self.constants = dict(constants)
        self.origins = {name: name for name in constants}
        self._taken = {*inputs, *constants, *reserved}
        self._nodes: list[_Planned] = []
        self._called: set[str] = set()
        self._makers: dict[str, _Planned] = {}
        self._linears: dict[str, Linear] = {}
        self._values: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._numbers: defaultdict[str, int] = defaultdict(lambda: 1)

    def value(self, name: str) -> str:
        """The value that goes by a name of the file."""
        return self._values.get(name, name)

    def call(self, name: str, value: str) -> None:
        """Let a value go by a name of the file, beside those that it has."""
        self._values[name] = value
        if value in self._makers:
            self._names.setdefault(value, name)

    def constant(self, array: NDArray | Sequence[int] | float, like: str = "") -> str:
        """A constant of one's own: real numbers are float32, whole ones int64, unless they are an array's.

        Parameters
        ----------
        array : array, numbers or number
        like : str
            The value that it was made from, for the names of matrices.
        """
        made = np.asarray(array)
        value = self._fresh("constant")
        self.constants[value] = made.astype(np.float32) if made.dtype.kind == "f" else made
        if like in self.origins:
            self.origins[value] = self.origins[like]
        return value

    def add(self, operator: Operator, inputs: Sequence[str], outputs: int, name: str) -> tuple[str, ...]:
        """A node, and the values that it gives. If all its inputs are known, so are its outputs, and there is no node.

        Parameters
        ----------
        operator : Operator
        inputs : sequence of str
            Values; "" is an input that is absent.
        outputs : int
        name : str
            Numbered, where another node has it.
        """
        given = tuple(inputs)
        while given and not given[-1]:
            given = given[:-1]
        if not isinstance(operator, Scan) and all(not value or value in self.constants for value in given):
            arrays = operator.run(*(self.constants[value] if value else None for value in given))  # type: ignore[arg-type]
            if (largest := max((array.size for array in arrays), default=0)) > LARGEST:
                raise NetworkError(f"it makes an array of {largest} elements; {LARGEST} are allowed at most")
            like = next((value for value in given if value in self.origins), "")
            return tuple(self.constant(array, like) for array in arrays[:outputs])
        node = _Planned("", operator, given, tuple(self._fresh(name) for _ in range(outputs)))
        self._name(node, name)
        self._nodes.append(node)
        self._makers.update(dict.fromkeys(node.outputs, node))
        return node.outputs

    def linear(self, weights: NDArray, bias: NDArray | None = None) -> Linear:
        """A matrix; equal numbers are one and the same, so that the chip holds them once."""
        arrays = [np.ascontiguousarray(array, np.float32) for array in (weights, bias) if array is not None]
        key = digest(part for array in arrays for part in (str(array.shape), array.tobytes()))
        if key not in self._linears:
            with np.errstate(invalid="ignore"):  # NaN is refused by name, not warned of
                self._linears[key] = Linear(*arrays)
        return self._linears[key]

    def product(self, name: str) -> Linear | None:
        """The matrix whose product goes by this name of the file, and has no bias yet."""
        value = self.value(name)
        node = self._makers.get(value)
        if node is None or not isinstance(node.operator, Linear) or self._names.get(value) != name:
            return None
        return node.operator if node.operator.bias is None else None

    def give_bias(self, name: str, bias: NDArray, layer: str | None = None) -> str:
        """Add a bias to the product that goes by this name; the value, which goes by no name now.

        Parameters
        ----------
        name : str
        bias : (outputs,) array
        layer : str, optional
            What the node shall be called.
        """
        value = self.value(name)
        node = self._makers[value]
        assert isinstance(node.operator, Linear)
        node.operator = self.linear(node.operator.weights, bias)
        if layer is not None:
            self._called.remove(node.name)
            self._name(node, layer)
        del self._values[name], self._names[value]
        return value

    def graph(self, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
        """The graph, without what no output needs."""
        for output in outputs:
            value = self.value(output)
            if self._names.get(value, value) != output:  # an input, a constant or an output under another name
                node = _Planned("", Identity(), (value,), (self._fresh(output),))
                self._name(node, output)
                self._nodes.append(node)
                self._values[output], self._names[node.outputs[0]] = node.outputs[0], output
        needed = {self.value(output) for output in outputs}
        made: list[Node] = []
        for node in reversed(self._nodes):
            if needed.intersection(node.outputs):
                needed.update(node.inputs)
                given, found = (
                    tuple(self._names.get(value, value) for value in values) for values in (node.inputs, node.outputs)
                )
                made.append(Node(node.name, node.operator, given, found))
        constants = {value: array for value, array in self.constants.items() if value in needed}
        return Graph(tuple(reversed(made)), tuple(inputs), tuple(outputs), constants, name=name)

    def _name(self, node: _Planned, name: str) -> None:
        node.name = self._unlike(name, self._called)
        self._called.add(node.name)

    def _fresh(self, name: str) -> str:
        own = self._unlike(f"{name}:0", self._taken)
        self._taken.add(own)
        return own

    def _unlike(self, name: str, taken: Collection[str]) -> str:
        """The name, with a number behind it where it is taken."""
        if name not in taken:
            return name
        self._numbers[name] = next(one for one in count(self._numbers[name] + 1) if f"{name}_{one}" not in taken)
        return f"{name}_{self._numbers[name]}"
