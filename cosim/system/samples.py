"""Samples go through a network in float: what its matrices get, and what a task loses where they are less exact."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cosim.graph import NetworkError, Request, Step
from cosim.graph.graph import Walk
from cosim.system.network import Network
from cosim.system.products import NodeProducts
from cosim.system.scheduler import Asked, results_of

__all__ = ["Loss", "Recorder", "Walks", "arrays_of", "relative_loss"]

#: Begins a walk for every sample; asked for several times.
Walks: TypeAlias = Callable[[], Iterable[Walk[Any]]]
#: Of results, sample by sample; less is better.
Loss: TypeAlias = Callable[[Sequence[Any]], float]

#: Frames that are kept of each node, and of each request: evenly spread ones, and those that reach farthest.
FRAMES, _OF_REQUEST = 512, 64
FARTHEST, _FARTHEST_OF_REQUEST = 128, 32


class Recorder:
    """Answers requests in float, and keeps some of their inputs; a `Multiplier`.

    Beside frames at even distances it keeps those in which an input is largest beside its usual size: after gelu many
    inputs are almost always near zero, and one frame of a thousand tells how far they reach.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self._floats = NodeProducts.of_floats(network)
        self._kept: dict[str, list[NDArray[np.float32]]] = {}
        self._farthest: dict[str, list[NDArray[np.float32]]] = {}

    def kind(self, request: Request) -> Hashable:
        return self._floats.kind(request)

    def multiply(self, asked: Sequence[Asked]) -> Sequence[Sequence[NDArray]]:
        for one in asked:
            for node, x in zip(one.request.nodes, one.request.inputs, strict=True):
                frames = x.reshape(-1, x.shape[-1])
                self._kept.setdefault(node, []).append(_thinned(frames, _OF_REQUEST))
                if len(frames) > _OF_REQUEST:
                    self._farthest.setdefault(node, []).append(_farthest(frames, _FARTHEST_OF_REQUEST))
        return self._floats.multiply(asked)

    def samples(self) -> dict[str, NDArray[np.float32]]:
        """Inputs of every node that was reached, (frames, inputs)."""
        found = {}
        for node, parts in self._kept.items():
            frames = [_thinned(np.concatenate(parts), FRAMES)]
            if node in self._farthest:
                frames.append(_farthest(np.concatenate(self._farthest[node]), FARTHEST))
            found[node] = np.concatenate(frames).astype(np.float32, copy=False)
        return found

    def run(self, walks: Walks) -> list[Any]:
        """Results of all samples.

        Raises
        ------
        NetworkError
            If there is no sample, or what a matrix gets is no number.
        """
        results = results_of(walks(), self)
        if not results:
            raise NetworkError("no samples; give at least one, so that ranges can be found")
        for node, parts in self._kept.items():
            if not all(np.isfinite(part).all() for part in parts):
                raise NetworkError(f"inputs of node {node} are NaN or infinite on the samples; look at what goes in")
        return results


def _thinned(frames: NDArray, most: int) -> NDArray:
    """So many frames at most, evenly spread."""
    if len(frames) <= most:
        return frames
    return frames[np.linspace(0, len(frames) - 1, most).round().astype(int)]


def _farthest(frames: NDArray, most: int) -> NDArray:
    """So many frames at most, in their order: those with an input that is largest beside its own usual size."""
    usual = np.sqrt(np.square(frames).mean(axis=0))
    reach = (np.abs(frames) / np.where(usual > 0, usual, 1)).max(axis=1)
    return frames[np.sort(np.argsort(-reach, kind="stable")[:most])]


def arrays_of(result: Any) -> Iterator[NDArray]:
    """Arrays of real numbers in what a walk gave: a step's outputs, mappings, sequences, arrays."""
    if isinstance(result, Step):
        result = result.outputs
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, list | tuple):
        for part in result:
            yield from arrays_of(part)
    elif isinstance(result, np.ndarray) and result.dtype.kind == "f":
        yield result


def relative_loss(exact: Sequence[Any]) -> Loss:
    """Square error over square of all numbers in the results, samples averaged."""

    def loss(results: Sequence[Any]) -> float:
        lost = []
        for ours, theirs in zip(results, exact, strict=True):
            error = total = 0.0
            for mine, his in zip(arrays_of(ours), arrays_of(theirs), strict=True):
                same = mine.shape == his.shape
                error += float(np.square(mine - his).sum()) if same else float(np.square(his).sum())
                total += float(np.square(his).sum())
            lost.append(error / (total or 1.0))
        return float(np.mean(lost))

    return loss
