"""What a network does with one sample, as jobs: frames of chips, work of the host, and what waits for what.

Waiting is followed along the first axis of every value: where an operator works on each entry by itself, an entry
waits for the same entry only, so that layers, steps and tokens follow one another as a pipeline does. Every other
operator waits for all of its inputs.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cosim.compiler.matrices.layout import Call, Layout
from cosim.graph import Graph, Linear, Node, Scan
from cosim.graph.operators.activations import Pointwise
from cosim.graph.operators.arithmetic import Affine, Sum
from cosim.graph.operators.elementwise import Binary, Cast, Unary, Where
from cosim.graph.operators.normalisation import LayerNorm
from cosim.graph.operators.stacking import StackFrames
from cosim.performance.host import Aside, HostTiming, recombined
from cosim.performance.sample import Stage
from cosim.performance.timing import Jobs
from cosim.system.network import Network

__all__ = ["Trace", "trace"]

#: What each entry of a value waits for, jobs by number; one for all where the value has no entries of its own.
Waits: TypeAlias = list[tuple[int, ...]]
#: A value, and what it waits for.
Known: TypeAlias = tuple[NDArray, Waits]

#: Operators that do the same with every entry along the first axis.
_BY_ENTRY = (Pointwise, Affine, Sum, Unary, Binary, Cast, Where, LayerNorm)


@dataclass(eq=False)
class Trace:
    """One sample.

    Members
    -------
    jobs : Jobs
    frames : counter of (chip, entry)
    host : counter of kind of operator to operations
    products : int
        Operations of products on chips, two for each weight.
    """

    jobs: Jobs = field(default_factory=Jobs)
    frames: Counter[tuple[int, str]] = field(default_factory=Counter)
    host: Counter[str] = field(default_factory=Counter)
    products: int = 0


def trace(
    network: Network,
    layout: Layout,
    sample: Sequence[Stage],
    host: HostTiming,
    aside: Mapping[str, Aside] | None = None,
) -> Trace:
    """Jobs of one sample; its numbers are computed in float.

    Parameters
    ----------
    network : Network
    layout : Layout
    sample : sequence of Stage
        In this order.
    host : HostTiming
    aside : mapping of str to Aside, optional
        By matrix, what the host multiplies itself.

    Raises
    ------
    InputError
        On a graph that there is not, or inputs that are not a graph's.
    NetworkError
        What an operator refuses.
    """
    tracer = _Tracer(network, layout, host, aside or {})
    known: dict[str, Known] = {}
    last: dict[str, Known] = {}
    for stage in sample:
        last = tracer.run(stage, known, last)
        known |= last
    return tracer.trace


class _Tracer:
    def __init__(self, network: Network, layout: Layout, host: HostTiming, aside: Mapping[str, Aside]) -> None:
        self._network, self._layout, self._host, self._aside = network, layout, host, aside
        self.trace = Trace()

    def run(self, stage: Stage, known: Mapping[str, Known], last: Mapping[str, Known]) -> dict[str, Known]:
        """All steps of a graph: from what graphs have put out, and the last one of them, to what the last step does."""
        graph = stage.of(self._network)
        path = f"{stage.graph}/" if stage.graph else ""
        taken = stage.wired(graph, known, last)
        states = {state.name: (state.initial, _nothing()) for state in graph.states}
        constants = {name: (array, _nothing()) for name, array in graph.constants.items()}
        for _ in range(stage.steps):
            before = [_joined([entry for _, waits in last.values() for entry in waits])] if last else _nothing()
            given = {name: (array, before) for name, array in stage.inputs.items()}
            beginning = {**constants, **states, **taken, **given}
            values = {name: array for name, (array, _) in beginning.items()}
            waits = {name: one for name, (_, one) in beginning.items()}
            self.walk(graph, values, waits, path)
            last = {name: (values[name], waits[name]) for name in graph.outputs}
            states = {state.name: (values[state.following], waits[state.following]) for state in graph.states}
        return dict(last)

    def walk(self, graph: Graph, values: dict[str, NDArray], waits: dict[str, Waits], path: str) -> None:
        """All nodes of a graph; their outputs go into `values`, what they wait for into `waits`."""
        for host, linear in graph.waves:
            for node in host:
                if isinstance(node.operator, Scan):
                    self._scan(node, node.operator, values, waits, path)
                else:
                    self._hosted(node, values, waits)
            on_chip = [node for node in linear if self._network.matrix_of[path + node.name] in self._layout.blocks_of]
            for node in linear:
                if node not in on_chip:
                    self._hosted(node, values, waits)
            if on_chip:
                self._multiplied(on_chip, values, waits, path)

    def _hosted(self, node: Node, values: dict[str, NDArray], waits: dict[str, Waits]) -> None:
        given = tuple(values.get(name) for name in node.inputs)
        outputs = node.operator.run(*given)  # type: ignore[arg-type]
        operations = node.operator.operations(*given)  # type: ignore[arg-type]
        self.trace.host[type(node.operator).__name__] += operations
        sources = [waits[name] for name in node.inputs if name in waits]
        result = _passed(node, sources, len(outputs[0]) if outputs[0].ndim > 1 else 1)
        ns = self._host.layer(operations / len(result)) if self._host.counted else 0.0
        # What takes no time is a job as well where it brings several together: otherwise waits would grow with each.
        result = [(self.trace.jobs.add(node.name, "host", ns, one),) if ns or len(one) > 1 else one for one in result]
        for name, array in zip(node.outputs, outputs, strict=False):
            values[name], waits[name] = array, result

    def _scan(self, node: Node, scan: Scan, values: dict[str, NDArray], waits: dict[str, Waits], path: str) -> None:
        """All steps of a loop, each behind the one before it as its states ask for."""
        body, count = scan.body, len(scan.body.inputs)
        scanned = node.inputs[:count]
        states = {state.name: (state.initial, _nothing()) for state in body.states}
        for state, name in zip(body.states, node.inputs[count:], strict=False):
            if name:
                states[state.name] = values[name], waits[name]
        length = len(values[scanned[0]])
        taken: list[dict[str, tuple[NDArray, Waits]]] = []
        for at in range(length - 1, -1, -1) if scan.reverse else range(length):
            now = {**{name: (array, _nothing()) for name, array in body.constants.items()}, **states}
            for name, source in zip(body.inputs, scanned, strict=True):
                now[name] = values[source][at], [_entry(waits[source], at, length)]
            inner = {name: array for name, (array, _) in now.items()}
            inner_waits = {name: one for name, (_, one) in now.items()}
            self.walk(body, inner, inner_waits, f"{path}{node.name}/")
            taken.append({name: (inner[name], inner_waits[name]) for name in body.outputs})
            states = {state.name: (inner[state.following], inner_waits[state.following]) for state in body.states}
        if scan.reverse:
            taken.reverse()
        for name, output in zip(node.outputs, body.outputs, strict=False):
            values[name] = np.stack([step[output][0] for step in taken])
            waits[name] = [_joined(step[output][1]) for step in taken]
        for name, state in zip(node.outputs[len(body.outputs) :], body.states, strict=False):
            values[name], waits[name] = states[state.name]

    def _multiplied(
        self, nodes: Sequence[Node], values: dict[str, NDArray], waits: dict[str, Waits], path: str
    ) -> None:
        """A wave of products: a frame of each call for every row of inputs."""
        matrices = [self._network.matrix_of[path + node.name] for node in nodes]
        calls = self._layout.calls[tuple(dict.fromkeys(matrices))]
        rows: list[list[tuple[int, ...]]] = []
        for node in nodes:
            x = values[node.inputs[0]]
            count = x.size // x.shape[-1]
            entries = waits[node.inputs[0]]
            rows.append([_entry(entries, at, count) if x.ndim == 2 else _joined(entries) for at in range(count)])
        done: list[list[tuple[int, ...]]] = [[() for _ in own] for own in rows]
        for matrix, own, results in zip(matrices, rows, done, strict=True):
            self._put_aside(matrix, own, results)
        for call in calls:
            self._called(call, matrices, rows, done)
        for node, own in zip(nodes, done, strict=True):
            linear = node.operator
            assert isinstance(linear, Linear)
            x = values[node.inputs[0]]
            (y,) = linear.run(x)
            aside = self._aside.get(self._network.matrix_of[path + node.name], Aside())
            self.trace.products += (2 * linear.weights.size - aside.outliers) * len(own)
            for kind, number in aside.counted.items():
                self.trace.host[kind] += number * len(own)
            values[node.outputs[0]] = y
            waits[node.outputs[0]] = own if y.ndim == 2 else [_joined(own)]

    def _put_aside(self, matrix: str, rows: list[tuple[int, ...]], done: list[tuple[int, ...]]) -> None:
        """What the host multiplies itself: an expansion before the frames of a matrix, outliers beside them."""
        aside = self._aside.get(matrix, Aside())
        for at, after in enumerate(rows if self._host.counted else ()):
            if aside.outliers:
                done[at] += (self.trace.jobs.add("outliers", "host", self._host.layer(aside.outliers), after),)
            if aside.expansion:
                rows[at] = (self.trace.jobs.add("weight expansion", "host", self._host.layer(aside.expansion), after),)

    def _called(
        self,
        call: Call,
        matrices: Sequence[str],
        rows: Sequence[Sequence[tuple[int, ...]]],
        done: list[list[tuple[int, ...]]],
    ) -> None:
        """Frames of a call; nodes that share a matrix follow each other."""
        layout, jobs = self._layout, self.trace.jobs
        ours = {layout.blocks[output.block].matrix for output in call.outputs}
        before: Counter[str] = Counter()
        frames: list[list[tuple[int, int]]] = []
        for index, matrix in enumerate(matrices):
            if matrix not in ours:
                continue
            first = before[matrix]
            before[matrix] += len(rows[index])
            while len(frames) < before[matrix]:
                frames.append([])
            for at in range(len(rows[index])):
                frames[first + at].append((index, at))
        frame = layout.frames[call.chip][call.entry]
        ns = max(frame.ns, self._host.port(frame.beats(layout.config)))
        operations = recombined(layout, [call])
        lag = self._host.layer(operations.total())
        for served in frames:
            after = tuple(sorted({job for index, at in served for job in rows[index][at]}))
            job = jobs.add(call.entry, f"chip {call.chip}", ns, after, lag)
            self.trace.frames[call.chip, call.entry] += 1
            for index, at in served:
                done[index][at] += (job,)
        for kind, number in operations.items():
            self.trace.host[kind] += number * len(frames)


def _nothing() -> Waits:
    return [()]


def _joined(waits: Waits) -> tuple[int, ...]:
    return waits[0] if len(waits) == 1 else tuple(sorted({job for entry in waits for job in entry}))


def _entry(waits: Waits, at: int, length: int) -> tuple[int, ...]:
    return waits[at] if len(waits) == length else _joined(waits)


def _passed(node: Node, sources: Sequence[Waits], length: int) -> Waits:
    """What the entries of a host operator's outputs wait for."""
    if isinstance(node.operator, _BY_ENTRY):
        return [tuple(sorted({job for waits in sources for job in _entry(waits, at, length)})) for at in range(length)]
    stack = node.operator
    if isinstance(stack, StackFrames) and len(sources[0]) > 1:
        (waits,) = sources
        firsts = (at * (stack.step or stack.count) + stack.first for at in range(length))
        return [_joined(waits[max(first, 0) : first + stack.count]) for first in firsts]
    return [_joined([entry for waits in sources for entry in waits])]
