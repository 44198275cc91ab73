"""How far every matrix's outputs are from float, layer by layer: what it adds itself, and what has come together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, nan, sqrt
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cosim.graph import Request
from cosim.graph.graph import Walk
from cosim.system.network import Network

__all__ = ["LayerError", "LayerErrors"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class LayerError:
    """Of one node, root of square error over square.

    Parameters
    ----------
    node : str
    own : float
        Against the float product of the inputs that the node got.
    total : float
        Against what the node gives in the float network; NaN where the two networks did not ask alike.
    frames : int
    """

    node: str
    own: float
    total: float
    frames: int


class LayerErrors:
    """Watches walks.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        #: By node and kind of error, squares of errors and of what is right, request by request.
        self._squares: dict[tuple[str, str], list[tuple[float, float]]] = {}
        self._frames: dict[str, int] = {}

    def beside(self, walk: Walk[Result], reference: Walk[Any]) -> Walk[Result]:
        """The walk, watched, with another one of the same sample beside it that is answered in float."""
        other = _Reference(reference, self._network)
        answers: Sequence[NDArray] | None = None
        while True:
            try:
                request = next(walk) if answers is None else walk.send(answers)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            answers = yield request
            for node, x, y in zip(request.nodes, request.inputs, answers, strict=True):
                self._frames[node] = self._frames.get(node, 0) + x.size // x.shape[-1]
                self._add(node, "own", y, self._network.linears[node].run(x)[0])
            exact = other.answers(request)
            for node, y in zip(request.nodes, answers, strict=True) if exact else ():
                if y.shape == exact[node].shape:
                    self._add(node, "total", y, exact[node])

    def _add(self, node: str, kind: str, got: NDArray, exact: NDArray) -> None:
        error = float(np.square(got - exact, dtype=np.float64).sum())
        total = float(np.square(exact, dtype=np.float64).sum())
        self._squares.setdefault((node, kind), []).append((error, total))

    def __iter__(self) -> Iterator[LayerError]:
        """Of every node that was reached, in the network's order."""
        for node in self._network.linears:
            if node in self._frames:
                yield LayerError(node, self._relative(node, "own"), self._relative(node, "total"), self._frames[node])

    def _relative(self, node: str, kind: str) -> float:
        squares = self._squares.get((node, kind), [])
        total = fsum(total for _, total in squares)  # in any order the same
        return sqrt(fsum(error for error, _ in squares) / total) if total else nan


class _Reference:
    """A walk in float, as long as it asks for what another one asks for."""

    def __init__(self, walk: Walk[Any], network: Network) -> None:
        self._walk, self._network = walk, network
        self._request: Request | None = None
        self._advance(None)

    def answers(self, request: Request) -> Mapping[str, NDArray]:
        """Outputs of the nodes of a request, if this walk asks for the same ones now."""
        own = self._request
        if own is None or own.nodes != request.nodes:
            self._request = None
            return {}
        found = [self._network.linears[node].run(x)[0] for node, x in zip(own.nodes, own.inputs, strict=True)]
        self._advance(found)
        return dict(zip(own.nodes, found, strict=True))

    def _advance(self, answers: Sequence[NDArray] | None) -> None:
        try:
            self._request = next(self._walk) if answers is None else self._walk.send(answers)
        except StopIteration:
            self._request = None
