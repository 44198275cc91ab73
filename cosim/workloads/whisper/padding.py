"""Positions that hear nothing but padding: they are computed like all others, and left out of every statistic."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cosim.graph import Request
from cosim.graph.graph import Walk, relay
from cosim.system.network import Network
from cosim.workloads.whisper.features import POSITIONS

__all__ = ["Padding"]

T = TypeVar("T")


class Padding:
    """Takes the padding of one recording out of a walk's requests, and puts it back.

    ``padding.with_it(watch(padding.apart(walk)))`` asks for what `walk` asks for, and `watch` sees the spoken part.

    Parameters
    ----------
    spoken : int
        Positions of the encoder that hear something, of 1,500.
    """

    def __init__(self, spoken: int) -> None:
        self._spoken = spoken
        self._rest: tuple[NDArray, ...] = ()
        self._answers: Sequence[NDArray] = ()

    def _count(self, node: str, x: NDArray) -> int:
        """Rows of a node's inputs that count; the decoder has no padding."""
        if node.startswith("decoder/"):
            return len(x)
        return min(-(-len(x) * self._spoken // POSITIONS), len(x))

    def apart(self, walk: Walk[T]) -> Walk[T]:
        """The walk, asking for spoken rows only; whoever stands around it answers the others."""

        def spoken(request: Request) -> Walk[Sequence[NDArray]]:
            pairs = zip(request.nodes, request.inputs, strict=True)
            parts = [np.split(x, [self._count(node, x)]) for node, x in pairs]
            self._rest = tuple(rest for _, rest in parts)
            told = yield Request(request.nodes, tuple(heard for heard, _ in parts))
            return [np.concatenate(pair) for pair in zip(told, self._answers, strict=True)]

        return relay(walk, spoken)

    def with_it(self, walk: Walk[T]) -> Walk[T]:
        """A walk around `apart`, asking for all rows again."""

        def whole(request: Request) -> Walk[Sequence[NDArray]]:
            inputs = tuple(np.concatenate(pair) for pair in zip(request.inputs, self._rest, strict=True))
            answers = yield Request(request.nodes, inputs)
            split = [np.split(y, [len(x)]) for x, y in zip(request.inputs, answers, strict=True)]
            self._answers = [rest for _, rest in split]
            return [heard for heard, _ in split]

        return relay(walk, whole)

    def in_float(self, walk: Walk[T], network: Network) -> Walk[T]:
        """A walk around `apart`, asking for spoken rows only; the others are multiplied in float."""

        def in_part(request: Request) -> Walk[Sequence[NDArray]]:
            told = yield request
            rest = zip(request.nodes, self._rest, strict=True)
            self._answers = [network.product(node, x) for node, x in rest]
            return told

        return relay(walk, in_part)
