"""One sample of a network as what each of its graphs does for it: some steps, one graph behind the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from numpy.typing import NDArray

from cosim.graph import Graph
from cosim.system.image import SystemImage
from cosim.system.inputs import InputError, real_numbers, samples_of
from cosim.system.network import Network

__all__ = ["Stage", "stages"]

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Stage:
    """What one graph does for a sample.

    Parameters
    ----------
    graph : str
        Its name in the network.
    inputs : mapping of str to array
        What each step takes, which begins when the step, or the graph, before it is done. Inputs that are left out are
        outputs of graphs before it: those of the same name, or the only one of the graph just before. They are waited
        for entry by entry.
    steps : int
        One after the other, each with the states of the one before it, as of a decoder whose next token is its last
        one's result. All take the same inputs: what happens when depends on shapes, not on numbers.
    """

    graph: str
    inputs: Mapping[str, NDArray]
    steps: int = 1

    def of(self, network: Network) -> Graph:
        """The graph.

        Raises
        ------
        InputError
            If the network has no such one.
        """
        if self.graph not in network.graphs:
            names = ", ".join(map(repr, network.graphs))
            raise InputError(f"the network has no graph {self.graph!r}; it has {names}")
        return network.graphs[self.graph]

    def wired(self, graph: Graph, known: Mapping[str, Value], last: Mapping[str, Value]) -> dict[str, Value]:
        """Of the inputs that are left out, what they are, from all outputs so far, and those of the graph before.

        Raises
        ------
        InputError
            If some are nobody's, or there are others than the graph takes.
        """
        missing = [name for name in graph.inputs if name not in self.inputs]
        found = {name: known[name] for name in missing if name in known}
        rest = [name for name in missing if name not in found]
        if len(rest) == len(last) == 1:
            found[rest.pop()] = next(iter(last.values()))
        unknown = [name for name in self.inputs if name not in graph.inputs]
        if rest or unknown:
            raise InputError(
                f"{graph.name} takes {', '.join(graph.inputs)}; "
                + (f"it has no {', '.join(unknown)}" if unknown else f"nothing gives {', '.join(rest)}")
            )
        return found


def stages(image: SystemImage, inputs: NDArray | Mapping[str, NDArray], steps: Mapping[str, int]) -> list[Stage]:
    """The first sample of some inputs.

    Parameters
    ----------
    image : SystemImage
    inputs : array, or mapping of str to array
        Of a network of one graph, samples as `samples_of` takes them. Of several graphs, what each takes for one step,
        by "GRAPH/INPUT".
    steps : mapping of str to int
        Of graphs, by name, that do more than one; "" is the only graph of a network.

    Raises
    ------
    InputError
        If something is missing, or is not the network's.
    """
    graphs = image.network.graphs
    if len(graphs) == 1:
        (name,) = graphs
        given = {name: samples_of(graphs[name], inputs, image.axes)[0]}
        steps = {graph or name: count for graph, count in steps.items()}
    else:
        given = _by_graph(image.network, inputs)
    if unknown := [name for name in steps if name not in graphs]:
        raise InputError(f"the network has no graph {unknown[0]!r}; it has {', '.join(map(repr, graphs))}")
    return [Stage(name, given.get(name, {}), steps.get(name, 1)) for name in graphs]


def _by_graph(network: Network, inputs: NDArray | Mapping[str, NDArray]) -> dict[str, dict[str, NDArray]]:
    found: dict[str, dict[str, NDArray]] = {}
    names = {f"{graph}/{name}": (graph, name) for graph, one in network.graphs.items() for name in one.inputs}
    if not isinstance(inputs, Mapping):
        raise InputError(
            f"the network has graphs {', '.join(network.graphs)}; give an .npz file with {', '.join(names)}"
        )
    for key, array in inputs.items():
        if key not in names:
            raise InputError(f"{key!r} is no input of the network; it has {', '.join(names)}")
        graph, name = names[key]
        found.setdefault(graph, {})[name] = real_numbers(array, key)
    return found
