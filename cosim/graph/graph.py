"""A network as nodes between values, with states where it is recurrent; and how it is walked.

A walk is a generator: it does the host's nodes itself and yields a `Request` wherever products of matrices are due, all
that are ready at once. Whoever drives it answers from a chip, or in float; walks of many samples go on side by side,
each from request to request.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from analog_models.values import kept
from cosim.files.archive import load_archive, write_archive
from cosim.files.wording import counted
from cosim.graph.errors import NetworkError
from cosim.graph.linear import Linear
from cosim.graph.node import Node, Observer, Request, State, Step, Walk
from cosim.graph.operator import Operator, Values
from cosim.graph.parts import digest_of, from_parts, to_parts
from cosim.graph.waves import Wave, spent, waves

__all__ = ["Graph", "Node", "Observer", "Request", "Scan", "State", "Step", "Walk", "answer", "relay"]

Result = TypeVar("Result")
_KIND, _VERSION = "duramesh graph", 1


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """Nodes in an order in which each finds its inputs ready; one evaluation of all is a step.

    Parameters
    ----------
    nodes : tuple of Node
        In any order; they are sorted.
    inputs, outputs : tuple of str
        Values that a step takes and gives.
    constants : mapping of str to array
        Values that are always the same.
    states : tuple of State
    name : str

    Raises
    ------
    NetworkError
        On a name that is used twice, a value that nothing gives, or a ring without a state; the message names them.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, NDArray] = field(default_factory=dict)
    states: tuple[State, ...] = ()
    name: str = "network"

    def __post_init__(self) -> None:
        constants = {name: kept(np.asarray(array)) for name, array in self.constants.items()}
        object.__setattr__(self, "constants", constants)
        for name in ("inputs", "outputs", "states"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "nodes", tuple(self._sorted()))
        known = self._given()
        for value in (*self.outputs, *(state.following for state in self.states)):
            if value not in known:
                raise NetworkError(f"{self.name}: nothing gives {value!r}, which the graph puts out or keeps")

    def __repr__(self) -> str:
        weights = sum(linear.weights.size for linear in self.matrices.values())
        return (
            f"<Graph {self.name}: {', '.join(self.inputs)} -> {', '.join(self.outputs)}; "
            f"{counted(len(self.nodes), 'node')}, "
            f"{counted(len(self.matrices), 'matrix', 'matrices')}, {counted(weights, 'weight')}>"
        )

    def _given(self) -> set[str]:
        """Values that are there; names are checked."""
        known: set[str] = set()
        sources = [(self.inputs, "an input"), (tuple(self.constants), "a constant")]
        sources += [(tuple(state.name for state in self.states), "a state")]
        sources += [(tuple(filter(None, node.outputs)), f"an output of node {node.name}") for node in self.nodes]
        for names, what in sources:
            for name in names:
                if name in known or not name:
                    raise NetworkError(f"{self.name}: {name!r}, {what}, is the name of another value too")
                known.add(name)
        called: set[str] = set()
        for node in self.nodes:
            if node.name in called:
                raise NetworkError(f"{self.name}: two nodes are called {node.name!r}")
            called.add(node.name)
        return known

    def _sorted(self) -> Iterator[Node]:
        ready = {*self.inputs, *self.constants, *(state.name for state in self.states), ""}
        waiting = list(self.nodes)
        while waiting:
            rest = []
            for node in waiting:
                if ready.issuperset(node.inputs):
                    ready.update(node.outputs)
                    yield node
                else:
                    rest.append(node)
            if len(rest) == len(waiting):
                given = {name for node in rest for name in node.outputs}
                node, missing = next((n, v) for n in rest for v in n.inputs if v not in ready)
                why = "stands in a ring without a state" if missing in given else "is given by nothing"
                raise NetworkError(f"{self.name}: {missing!r}, an input of node {node.name}, {why}")
            waiting = rest

    @cached_property
    def linears(self) -> Mapping[str, Linear]:
        """Every node that is a `Linear`, those in loops included, by full name."""
        found: dict[str, Linear] = {}
        for node in self.nodes:
            if isinstance(node.operator, Linear):
                found[node.name] = node.operator
            elif isinstance(node.operator, Scan):
                inner = node.operator.body.linears.items()
                found |= {f"{node.name}/{name}": operator for name, operator in inner}
        return found

    @cached_property
    def matrices(self) -> Mapping[str, Linear]:
        """Every matrix once, by the name of the first node that uses it."""
        found: dict[int, tuple[str, Linear]] = {}
        for name, operator in self.linears.items():
            found.setdefault(id(operator), (name, operator))
        return dict(found.values())

    @cached_property
    def matrix_of(self) -> Mapping[str, str]:
        """Name of the matrix of every `Linear` node."""
        names = {id(operator): name for name, operator in self.matrices.items()}
        return {node: names[id(operator)] for node, operator in self.linears.items()}

    @cached_property
    def waves(self) -> tuple[Wave, ...]:
        """Nodes in turns: what the host does as soon as it can, then all `Linear` nodes that are ready together."""
        return waves(self.nodes, self._beginning.keys() | set(self.inputs))

    @cached_property
    def _beginning(self) -> Mapping[str, NDArray]:
        """Values that are there before a first step's inputs."""
        return {**self.constants, **{state.name: state.initial for state in self.states}}

    @cached_property
    def _spent(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        return spent(self.waves, {*self.outputs, *(state.following for state in self.states)})

    def walk(
        self,
        inputs: Mapping[str, NDArray],
        states: Mapping[str, NDArray] | None = None,
        *,
        observe: Observer | None = None,
        path: str = "",
    ) -> Walk[Step]:
        """One step.

        Parameters
        ----------
        inputs : mapping of str to array
        states : mapping of str to array, optional
            From the step before; those left out begin anew.
        observe : Observer, optional
        path : str
            Before the names of nodes.

        Raises
        ------
        NetworkError
            On inputs or states of other names; and what an operator refuses, with the node's name.
        """
        if inputs.keys() != set(self.inputs):
            raise NetworkError(f"{self.name} takes {', '.join(self.inputs)}, got {', '.join(inputs) or 'nothing'}")
        values = {**self._beginning, **inputs}
        for name, array in (states or {}).items():
            if name not in values or name in inputs or name in self.constants:
                raise NetworkError(f"{self.name} has no state {name!r}; it has {[s.name for s in self.states]}")
            values[name] = array

        def done(node: Node, given: Values, outputs: Sequence[NDArray]) -> None:
            if len(outputs) < len(node.outputs):
                raise NetworkError(
                    f"node {path}{node.name} names {counted(len(node.outputs), 'output')}, it has {len(outputs)}"
                )
            for name, array in zip(node.outputs, outputs, strict=False):
                if name:
                    values[name] = array
            if observe is not None:
                observe(path + node.name, node, given, tuple(outputs))

        for (host, linear), (after_host, after_linear) in zip(self.waves, self._spent, strict=True):
            for node in host:
                given: Values = tuple([values.get(name) for name in node.inputs])  # type: ignore[misc]
                if isinstance(node.operator, Scan):
                    outputs = yield from node.operator.walk(given, observe=observe, path=f"{path}{node.name}/")
                else:
                    outputs = _run(path + node.name, node, given)
                done(node, given, outputs)
            for name in after_host:
                del values[name]
            if linear:
                arrays = tuple([_given(path + node.name, node, values[node.inputs[0]]) for node in linear])
                answers = yield Request(tuple([path + node.name for node in linear]), arrays)
                for node, array, output in zip(linear, arrays, answers, strict=True):
                    done(node, (array,), (output,))
            for name in after_linear:
                del values[name]
        return Step(
            {name: values[name] for name in self.outputs},
            {state.name: values[state.following] for state in self.states},
        )

    def run(
        self,
        inputs: Mapping[str, NDArray],
        states: Mapping[str, NDArray] | None = None,
        *,
        observe: Observer | None = None,
    ) -> Step:
        """One step in float, without a chip.

        Raises
        ------
        NetworkError
            As `walk`.
        """
        return answer(self.walk(inputs, states, observe=observe), self)

    @cached_property
    def digest(self) -> str:
        """Short name of all that the graph is: nodes, operators, weights."""
        return digest_of(*self.to_parts())

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """The graph as what JSON holds, and arrays, each once."""
        return to_parts(self)

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> "Graph":
        """Inverse of `to_parts`; nodes that shared a matrix share it.

        Raises
        ------
        NetworkError, JsonError
            If something is missing, unknown, or of another shape or type.
        """
        return from_parts(cls, meta, arrays, (Node, State))

    def save(self, path: Path) -> None:
        """Write the graph to an npz file without pickle, whole or not at all.

        Raises
        ------
        OutputError
        """
        meta, arrays = self.to_parts()
        # The digest tells whether what is read is what was written, of arrays that fit in any shape, too.
        meta |= {"digest": self.digest}
        write_archive(path, _KIND, _VERSION, meta, arrays, compress=False)  # weights hardly shrink

    @classmethod
    def load(cls, path: Path) -> "Graph":
        """Read what `save` wrote.

        Raises
        ------
        NetworkError
            If the file is no graph, cut short or damaged, or has an operator that there is not.
        FileNotFoundError
        """
        return load_archive(path, _KIND, _VERSION, _checked, NetworkError)


@dataclass(frozen=True, eq=False)
class Scan(Operator):
    """A graph with states, once for each entry of its inputs along their first axis: a recurrent layer over time.

    Inputs: first those that are scanned, one for each input of `body`; then, optionally, initial values of its states.
    Outputs: those of `body`, stacked along a new first axis, in the order of the inputs; then the states after the last
    step. Operations: those of the body's host operators, over all steps.

    Parameters
    ----------
    body : Graph
    reverse : bool
        Begin with the last entry.
    """

    body: Graph
    reverse: bool = False

    @property
    def results(self) -> int:
        return len(self.body.outputs) + len(self.body.states)

    def run(self, *inputs: NDArray) -> Values:
        """Outputs in float, without a chip."""
        return answer(self.walk(inputs), self.body)

    def walk(self, inputs: Values, *, observe: Observer | None = None, path: str = "") -> Walk[Values]:
        """All steps; `Graph.walk`."""
        body = self.body
        scanned, initial = inputs[: len(body.inputs)], inputs[len(body.inputs) :]
        shapes = [None if array is None else array.shape for array in inputs]
        lengths = {shape[0] if shape else None for shape in shapes[: len(scanned)]}
        if len(scanned) != len(body.inputs) or len(lengths) != 1 or None in lengths or len(initial) > len(body.states):
            raise NetworkError(
                f"{path.rstrip('/') or 'Scan'}: a loop over {body.name} takes {counted(len(body.inputs), 'array')} "
                f"of one length and up to {len(body.states)} states, got shapes {shapes}"
            )
        (length,) = lengths
        states = {s.name: array for s, array in zip(body.states, initial, strict=False) if array is not None}
        if not length:
            return self._empty(scanned, states)
        taken: list[Mapping[str, NDArray]] = []
        order = range(length - 1, -1, -1) if self.reverse else range(length)
        for at in order:
            entries = {name: array[at] for name, array in zip(body.inputs, scanned, strict=True)}
            step = yield from body.walk(entries, states, observe=observe, path=path)
            taken.append(step.outputs)
            states = dict(step.states)
        if self.reverse:
            taken.reverse()
        last = (states[state.name] for state in body.states)
        return (*(np.stack([step[name] for step in taken]) for name in body.outputs), *last)

    def _empty(self, scanned: Values, states: Mapping[str, NDArray]) -> Values:
        """No step: a step in float, whose numbers nobody uses, says what the outputs' shapes would be."""
        entries = {name: np.zeros(x.shape[1:], x.dtype) for name, x in zip(self.body.inputs, scanned, strict=True)}
        step = self.body.run(entries, states)
        given = (step.outputs[name] for name in self.body.outputs)
        outputs = (np.empty((0, *array.shape), array.dtype) for array in given)
        return (*outputs, *(states.get(state.name, state.initial) for state in self.body.states))

    def operations(self, *inputs: NDArray) -> int:
        total = 0

        def count(name: str, node: Node, given: Values, outputs: Values) -> None:
            nonlocal total
            if not isinstance(node.operator, Linear | Scan):
                total += node.operator.operations(*given)

        answer(self.walk(inputs, observe=count), self.body)
        return total


def relay(walk: Walk[Result], answers: Callable[[Request], Walk[Sequence[NDArray[Any]]]]) -> Walk[Result]:
    """A walk around another one: each of its requests is answered by a walk of its own, which may ask for something."""
    reply: Sequence[NDArray[Any]] | None = None
    while True:
        try:
            request = next(walk) if reply is None else walk.send(reply)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        reply = yield from answers(request)


def answer(walk: Walk[Result], graph: Graph, prefix: str = "") -> Result:
    """Drive a walk to its end, every request answered in float."""
    reply: Sequence[NDArray] | None = None
    while True:
        try:
            request = next(walk) if reply is None else walk.send(reply)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        reply = [
            graph.linears[name.removeprefix(prefix)].run(array)[0]
            for name, array in zip(request.nodes, request.inputs, strict=True)
        ]


def _checked(meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Graph:
    graph = Graph.from_parts(meta, arrays)
    if graph.digest != meta.get("digest"):
        raise NetworkError("what it holds is not what was written")
    return graph


def _given(name: str, node: Node, x: NDArray) -> NDArray[np.float32]:
    """What a matrix multiplies, as a request has it."""
    assert isinstance(node.operator, Linear)
    try:
        return node.operator.checked(x)
    except NetworkError as error:
        raise NetworkError(f"node {name}: {error}") from None


def _run(name: str, node: Node, inputs: tuple[NDArray | None, ...]) -> Values:
    try:
        return node.operator.run(*inputs)  # type: ignore[arg-type]
    except NetworkError as error:
        raise NetworkError(f"node {name}: {error}") from None
