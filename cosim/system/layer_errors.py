"""How far every matrix's outputs are from float, layer by layer: what it adds itself, and what has come together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, nan, sqrt
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cosim.graph import Request
from cosim.graph.graph import Walk, relay
from cosim.system.network import Network

__all__ = ["LayerError", "LayerErrors", "root", "squares"]

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


#: What is added up for a node: squares of its own errors, and of what is right there; the same with all that came
#: before, where the float network asked alike; frames.
_SUMS = 5


class LayerErrors:
    """Watches walks.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._sums: dict[int, dict[str, NDArray[np.float64]]] = {}

    def beside(self, walk: Walk[Result], reference: Walk[Any], sample: int) -> Walk[Result]:
        """The walk, watched, with another one of the same sample beside it that is answered in float."""
        sums = self._sums.setdefault(sample, {})
        other = _Reference(reference, self._network)

        def watched(request: Request) -> Walk[Sequence[NDArray]]:
            answers = yield request
            exact = other.answers(request)
            for node, x, y in zip(request.nodes, request.inputs, answers, strict=True):
                own = squares(y, self._network.product(node, x))
                all_before = squares(y, exact[node]) if node in exact and exact[node].shape == y.shape else (0.0, 0.0)
                added = np.array([*own, *all_before, x.size // x.shape[-1]])
                sums[node] = sums.get(node, np.zeros(_SUMS)) + added
            return answers

        return (yield from relay(walk, watched))

    def of(self, sample: int) -> Mapping[str, NDArray[np.float64]]:
        """What was added up for a sample, by node; `take` takes it again."""
        return self._sums.get(sample, {})

    def take(self, sample: int, sums: Mapping[str, NDArray[np.float64]]) -> None:
        """What was added up for a sample that ran earlier."""
        self._sums[sample] = dict(sums)

    def __iter__(self) -> Iterator[LayerError]:
        """Of every node that was reached, in the network's order."""
        for node in self._network.linears:
            found = [sums[node] for sums in self._sums.values() if node in sums]
            if found:
                own, own_total, error, total, frames = (fsum(sums) for sums in zip(*found, strict=True))  # in any order
                yield LayerError(node, root(own, own_total), root(error, total), int(frames))


def squares(got: NDArray, exact: NDArray) -> tuple[float, float]:
    """Sums of the error's squares, and of those of what is right."""
    return float(np.square(got - exact, dtype=np.float64).sum()), float(np.square(exact, dtype=np.float64).sum())


def root(error: float, total: float) -> float:
    """Root of square error over square; NaN where nothing is right but zero."""
    return sqrt(error / total) if total else nan


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
        found = [self._network.product(node, x) for node, x in zip(own.nodes, own.inputs, strict=True)]
        self._advance(found)
        return dict(zip(own.nodes, found, strict=True))

    def _advance(self, answers: Sequence[NDArray] | None) -> None:
        try:
            self._request = next(self._walk) if answers is None else self._walk.send(answers)
        except StopIteration:
            self._request = None
