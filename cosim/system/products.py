"""What answers the requests of walks: numpy node by node, or chips for all walks at once."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.calibration.affine import Affine
from cosim.graph import Request
from cosim.system.chip_codes import ChipCodes, frames_of
from cosim.system.network import Network
from cosim.system.scheduler import Asked

__all__ = ["LARGEST_GROUP", "ChipProducts", "NodeProducts"]

#: Frames that are put together at once: enough for any engine, and not more memory than a chip's arrays take.
LARGEST_GROUP = 4096

#: Of a node by its name and inputs.
Product = Callable[[str, NDArray[Any]], NDArray[Any]]


class NodeProducts:
    """Every node by itself, from a function.

    Parameters
    ----------
    product : callable (node, inputs)
        Of inputs (..., rows).
    together : bool
        Call it once for all that is asked: much faster where requests are small, as those of recurrent layers are. But
        a product's last bits depend on how many rows it has, so that those of a sample then depend on the others.
    """

    def __init__(self, product: Product, *, together: bool = False) -> None:
        self._product, self._together = product, together

    @classmethod
    def of_floats(cls, network: Network) -> "NodeProducts":
        """The network's own products, in float32."""
        return cls(network.product)

    def kind(self, request: Request) -> Hashable:
        return request.nodes

    def multiply(self, asked: Sequence[Asked]) -> list[list[NDArray]]:
        nodes = [
            self._products(node, [one.request.inputs[index] for one in asked])
            for index, node in enumerate(asked[0].request.nodes)
        ]
        return list(map(list, zip(*nodes, strict=True)))

    def _products(self, node: str, inputs: Sequence[NDArray]) -> list[NDArray]:
        """Of one node, for each request."""
        if not self._together:
            return [self._product(node, x) for x in inputs]
        return _taken_apart(self._product(node, np.concatenate([x.reshape(-1, x.shape[-1]) for x in inputs])), inputs)


class ChipProducts:
    """Products of matrices on chips, calibrated; matrices that are on none are multiplied in float32.

    Parameters
    ----------
    network : Network
    chips : ChipCodes
    affine : Affine
    only : str
        Patterns, as of `Network.matching`, of the matrices that chips multiply; the others are multiplied in float32 as
        well.

    Raises
    ------
    NetworkError
        If one of them fits no matrix.
    """

    def __init__(self, network: Network, chips: ChipCodes, affine: Affine, only: str = "*") -> None:
        self._network, self._chips, self._affine = network, chips, affine
        chosen = network.matching(only)
        self._chosen = {node for node, matrix in network.matrix_of.items() if matrix in chosen}

    def kind(self, request: Request) -> Hashable:
        return request.nodes

    def multiply(self, asked: Sequence[Asked]) -> list[list[NDArray]]:
        found: list[list[NDArray]] = []
        group: list[Asked] = []
        size = 0
        for one in asked:
            frames = max(frames_of(array) for array in one.request.inputs)
            if group and size + frames > LARGEST_GROUP:
                found += self._multiplied(group)
                group, size = [], 0
            group.append(one)
            size += frames
        return found + self._multiplied(group)

    def _multiplied(self, asked: Sequence[Asked]) -> list[list[NDArray]]:
        nodes = asked[0].request.nodes
        sums: dict[int, NDArray[np.float32]] = {}
        for told in self._chips.run(nodes, asked) if self._chosen.intersection(nodes) else ():
            node = nodes[told.node]
            if node not in self._chosen:
                continue
            if told.node not in sums:
                sums[told.node] = self._chips.hosted(node, [one.request.inputs[told.node] for one in asked])
            line = self._affine.lines[told.block.name, node]
            part = told.codes.astype(np.float32)
            part *= line.gain
            part += line.offset
            sums[told.node][:, slice(*told.block.columns)] += part
        return list(map(list, zip(*self._shared(nodes, asked, sums), strict=True)))

    def _shared(
        self, nodes: tuple[str, ...], asked: Sequence[Asked], sums: dict[int, NDArray[np.float32]]
    ) -> list[list[NDArray]]:
        """Of every node, the outputs of each request."""
        shared: list[list[NDArray]] = []
        for index, node in enumerate(nodes):
            arrays = [one.request.inputs[index] for one in asked]
            if index not in sums:
                shared.append([self._network.product(node, array) for array in arrays])
                continue
            shared.append(_taken_apart(sums[index], arrays))
        return shared


def _taken_apart(outputs: NDArray, inputs: Sequence[NDArray]) -> list[NDArray]:
    """Outputs (frames, columns) of inputs (..., rows) that came one after the other, each in its shape again."""
    ends = np.cumsum([frames_of(x) for x in inputs])
    parts = np.split(outputs, ends[:-1])
    return [part.reshape(*x.shape[:-1], part.shape[-1]) for part, x in zip(parts, inputs, strict=True)]
