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
    """Every node by itself, from a function; nothing depends on what is asked together.

    Parameters
    ----------
    product : callable (node, inputs)
    """

    def __init__(self, product: Product) -> None:
        self._product = product

    @classmethod
    def of_floats(cls, network: Network) -> "NodeProducts":
        """The network's own products, in float32."""
        return cls(lambda node, x: network.linears[node].run(x)[0])

    def kind(self, request: Request) -> Hashable:
        return request.nodes

    def multiply(self, asked: Sequence[Asked]) -> list[list[NDArray]]:
        return [
            [self._product(node, x) for node, x in zip(one.request.nodes, one.request.inputs, strict=True)]
            for one in asked
        ]


class ChipProducts:
    """Products of matrices on chips, calibrated; matrices that are on none are multiplied in float32.

    Parameters
    ----------
    network : Network
    chips : ChipCodes
    affine : Affine
    """

    def __init__(self, network: Network, chips: ChipCodes, affine: Affine) -> None:
        self._network, self._chips, self._affine = network, chips, affine

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
        for told in self._chips.run(nodes, asked):
            node = nodes[told.node]
            if told.node not in sums:
                sums[told.node] = np.zeros((len(told.codes), self._network.linears[node].outputs), np.float32)
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
                shared.append([self._network.linears[node].run(array)[0] for array in arrays])
                continue
            ends = np.cumsum([frames_of(array) for array in arrays])
            parts = np.split(sums[index], ends[:-1])
            shared.append([part.reshape(*x.shape[:-1], part.shape[-1]) for part, x in zip(parts, arrays, strict=True)])
        return shared
