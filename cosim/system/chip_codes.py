"""Requests become frames of chips: inputs are coded, put together as each call takes them, and the codes taken apart.

Frames are numbered by sample and chip, ``sample << 32 | how many the sample has had on the chip``: numbers key the
noise, so that a sample's codes depend on nothing else that runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.calibration.coding import Coding, rows_of
from cosim.compiler.matrices.layout import Block, Call, Layout
from cosim.engines.session import ChipSession, Codes
from cosim.files.errors import UserError
from cosim.system.network import Network
from cosim.system.scheduler import Asked

__all__ = ["SAMPLE_BITS", "ChipCodes", "Told", "UnplannedRequest", "frames_of"]

#: Bits of a frame's number that count the frames of a sample.
SAMPLE_BITS = 32


@dataclass(frozen=True)
class Told:
    """Codes of one block for one node of a request.

    Parameters
    ----------
    block : Block
    node : int
        Which of the request's.
    codes : (frames, columns) uint8
        Of all requests, one after the other.
    """

    block: Block
    node: int
    codes: NDArray[np.uint8]


class UnplannedRequest(UserError, ValueError):
    """A walk asks for what the layout has no calls for."""


@dataclass(frozen=True)
class _Placed:
    """Frames of a call, of all requests one after the other."""

    needed: NDArray[np.int64]
    places: Mapping[int, NDArray[np.int64] | slice]

    @property
    def total(self) -> int:
        return int(self.needed.sum())


@dataclass(frozen=True)
class _Job:
    """What one call runs."""

    call: Call
    vectors: NDArray[np.int16]
    numbers: NDArray[np.int64]


class ChipCodes:
    """The way to the chips and back.

    Parameters
    ----------
    network : Network
    layout : Layout
    codings : mapping of matrix to Coding
    sessions : sequence of ChipSession
        Of every chip.
    executor : Executor, optional
        Runs calls of different chips side by side.
    """

    def __init__(
        self,
        network: Network,
        layout: Layout,
        codings: Mapping[str, Coding],
        sessions: Sequence[ChipSession],
        executor: Executor | None = None,
    ) -> None:
        self._network, self._layout, self._codings = network, layout, codings
        self._sessions, self._executor = sessions, executor
        self._calls: dict[tuple[str, ...], tuple[Call, ...]] = {}

    def on_chip(self, node: str) -> bool:
        """Whether a node's matrix is on a chip."""
        return self._network.matrix_of[node] in self._layout.blocks_of

    def run(self, nodes: tuple[str, ...], asked: Sequence[Asked]) -> Iterator[Told]:
        """Run the requests of one kind, of the nodes that are on a chip.

        Parameters
        ----------
        nodes : tuple of str
            Of each request.
        asked : sequence of Asked
        """
        matrices = {index: self._network.matrix_of[node] for index, node in enumerate(nodes) if self.on_chip(node)}
        counts = {index: np.array([frames_of(one.request.inputs[index]) for one in asked]) for index in matrices}
        inputs = {
            index: self._coded(nodes[index], index, asked)
            for index, matrix in matrices.items()
            if matrix not in self._layout.shares
        }
        calls = self._calls_of(nodes)
        placed = [self._placed(call, matrices, counts) for call in calls]
        jobs = [
            _Job(call, self._vectors(call, matrices, inputs, place), _numbers(call.chip, asked, place.needed))
            for call, place in zip(calls, placed, strict=True)
        ]
        for call, place, codes in zip(calls, placed, self._served(jobs), strict=True):
            for output in call.outputs:
                block = self._layout.blocks[output.block]
                lanes = output.lanes(block.shape[1])
                for index, matrix in matrices.items():
                    if matrix == block.matrix:
                        yield Told(block, index, codes[output.output][place.places[index], lanes])

    def _coded(self, node: str, index: int, asked: Sequence[Asked]) -> NDArray[np.int16]:
        """Codes of a node's inputs, (frames, rows), of all requests one after the other."""
        coding = self._codings[self._network.matrix_of[node]]
        arrays = (one.request.inputs[index] for one in asked)
        rows = [coding.spread(array.reshape(-1, array.shape[-1])) for array in arrays]  # a product: each by itself
        return coding.codes(node, rows[0] if len(rows) == 1 else np.concatenate(rows))

    def hosted(self, node: str, arrays: Sequence[NDArray]) -> NDArray[np.float32]:
        """What the host adds to a node's products, of all requests one after the other: those of outliers."""
        coding, weights = self._codings[self._network.matrix_of[node]], self._network.linears[node].weights
        frames = (array.reshape(-1, array.shape[-1]) for array in arrays)
        return np.concatenate([coding.hosted(x, weights) for x in frames])  # a product: each by itself

    def _calls_of(self, nodes: tuple[str, ...]) -> tuple[Call, ...]:
        if nodes not in self._calls:
            wave = tuple(m for m in self._network.matrices_of(nodes) if m in self._layout.blocks_of)
            if wave and wave not in self._layout.calls:
                raise UnplannedRequest(
                    f"the layout multiplies no {', '.join(wave)} at once; lay the network out with this wave"
                )
            self._calls[nodes] = self._layout.calls[wave] if wave else ()
        return self._calls[nodes]

    def _placed(self, call: Call, matrices: Mapping[int, str], counts: Mapping[int, NDArray[np.int64]]) -> _Placed:
        """Which frames of a call each node's inputs are; nodes that share a matrix follow each other."""
        used = {part.matrix for part in call.inputs}
        used |= {self._layout.blocks[output.block].matrix for output in call.outputs}
        ours = {index: matrix for index, matrix in matrices.items() if matrix in used}
        before: dict[int, NDArray[np.int64]] = {}
        sums: dict[str, NDArray[np.int64]] = {}
        for index, matrix in ours.items():
            before[index] = sums.get(matrix, np.zeros_like(counts[index]))
            sums[matrix] = before[index] + counts[index]
        needed = np.max(list(sums.values()), axis=0)
        starts = np.cumsum(needed) - needed
        places: dict[int, NDArray[np.int64] | slice] = {}
        for index in ours:
            count = counts[index]
            if np.array_equal(count, needed):
                places[index] = slice(None)
            else:
                own = np.cumsum(count) - count
                places[index] = np.arange(count.sum()) + np.repeat(starts + before[index] - own, count)
        return _Placed(needed, places)

    def _vectors(
        self, call: Call, matrices: Mapping[int, str], inputs: Mapping[int, NDArray], placed: _Placed
    ) -> NDArray[np.int16]:
        """Inputs of a call, (frames, width)."""
        width = self._sessions[call.chip].image.entry(call.entry).input_width
        vectors = np.zeros((placed.total, width), np.int16)
        for part in call.inputs:
            for index, matrix in matrices.items():
                if matrix == part.matrix:
                    rows = inputs[index][:, rows_of(part.rows, inputs[index].shape[1])]
                    vectors[placed.places[index], part.at : part.at + rows.shape[1]] = rows
        return vectors

    def _served(self, jobs: Sequence[_Job]) -> list[Codes]:
        """Codes of every job; those of one chip in turn."""

        def run(job: _Job) -> Codes:
            return self._sessions[job.call.chip].run(job.call.entry, job.vectors, job.numbers)

        if self._executor is None:
            return [run(job) for job in jobs]
        chips = dict.fromkeys(job.call.chip for job in jobs)

        def in_turn(chip: int) -> list[tuple[int, Codes]]:
            return [(at, run(job)) for at, job in enumerate(jobs) if job.call.chip == chip]

        found = dict(pair for part in self._executor.map(in_turn, chips) for pair in part)
        return [found[at] for at in range(len(jobs))]


def frames_of(array: NDArray) -> int:
    """All axes of an array of inputs but the last."""
    return array.size // array.shape[-1]


def _numbers(chip: int, asked: Sequence[Asked], needed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Frame numbers of a call, each sample's counted on."""
    first = np.empty(len(asked), np.int64)
    for at, (one, count) in enumerate(zip(asked, needed.tolist(), strict=True)):
        had = one.frames.get(chip, 0)
        first[at] = (one.sample << SAMPLE_BITS) + had
        one.frames[chip] = had + count
    starts = np.cumsum(needed) - needed
    return np.repeat(first - starts, needed) + np.arange(int(needed.sum()))
