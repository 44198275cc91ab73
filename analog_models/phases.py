"""Integration phases of one or two tiles, and their merging: phases that read the same pulses share one product."""

from collections.abc import Sequence
from functools import cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from analog_models.crossbar import CellArray, Pairs, Read, Rows

__all__ = ["Group", "Move", "NoiseKey", "Phases", "Pulses"]

Array = NDArray[np.float64]
#: Tile of a node, pairs that are read, rows.
NoiseKey = tuple[int, Pairs, Rows]
#: Word lines that are high for (B, rows) ns; without those that are low in all frames. Mesh rows and bias rows have
#: pulses of their own, since bias rows differ between phases that are otherwise the same.
Pulses = Sequence[tuple[Rows, NDArray[np.integer]]]
#: What a tile does in a phase: which tile of the node, how it reads its rows, and what arrives there.
Move = tuple[int, Read, Pulses]


class Group:
    """Phases in which one tile reads the same pulses on the same rows.

    Parameters
    ----------
    member : int
        The tile, as the node counts its tiles.
    cells : CellArray
    rows : Rows
    times : (B, rows) integers, ns

    Members
    -------
    phases : list of int
        Which of the merged phases, ascending.
    reads : tuple of Read
        How each of them reads.
    pulses : (B, rows) or (1, rows)
        `times`; one row where all frames have the same pulses, as bias rows do.
    sums : (B, columns) or (1, columns) float64
        Signal units of all phases together, exact.
    """

    def __init__(self, member: int, cells: CellArray, rows: Rows, times: NDArray[np.integer]) -> None:
        self.member, self.cells, self.rows, self.times = member, cells, rows, times
        self.phases: list[int] = []
        self.reads: tuple[Read, ...] = ()
        first = times[:1]
        same = len(times) == 1 or ((first == times[-1:]).all() and (first == times).all())
        self.pulses = first if same else times

    def compute(self, columns: int) -> None:
        """The one product, for so many columns."""
        times = self.pulses.astype(np.float64)
        self.sums = self.cells.charge(times, self.reads, self.rows, columns)
        self._squares = np.vecdot(times, times)

    def norm(self, frames: slice = slice(None)) -> float:
        """Largest Euclidean norm of the pulses of one of these frames, by default of all."""
        return sqrt(self._squares[0] if len(self._squares) == 1 else self._squares[frames].max())

    @property
    def noise_key(self) -> NoiseKey:
        """Groups with the same key have their pulses' shares of a variance added up before they are multiplied."""
        return self.member, _pairs(self.reads), self.rows

    def deviations(self) -> Array:
        """How far `sums` may be from what its first 0, 1, ... phases moved: see `CellArray.deviations`."""
        return self.cells.deviations(self.reads, self.rows)


class Phases:
    """Integrations of a node, one after the other, grouped as they come.

    Members
    -------
    cycles : list of int
        When each of them ends.
    members : list of tuple of int
        The tiles that integrate in it; the switches of each inject their charge.
    groups : list of Group
        What their rows move: not summed up yet.
    """

    def __init__(self) -> None:
        self.cycles: list[int] = []
        self.members: list[tuple[int, ...]] = []
        self.groups: list[Group] = []

    def __len__(self) -> int:
        return len(self.cycles)

    def add(self, cycle: int, moves: Sequence[Move], arrays: Sequence[CellArray | None]) -> None:
        """One more phase. A tile without array has nothing to sum up."""
        for member, read, pulses in moves:
            cells = arrays[member]
            if cells is not None:
                for rows, times in pulses:
                    group = self._like(member, cells, rows, times)
                    group.phases.append(len(self.cycles))
                    group.reads += (read,)
        self.cycles.append(cycle)
        self.members.append(tuple([member for member, _, _ in moves]))

    def _like(self, member: int, cells: CellArray, rows: Rows, times: NDArray[np.integer]) -> Group:
        """The group of these pulses; they are compared only where nobody knows that they are the same array."""
        for group in self.groups:
            if group.times is times and group.member == member:
                return group
        for group in self.groups:
            if group.member == member and group.rows == rows and (group.times == times).all():
                return group
        group = Group(member, cells, rows, times)
        self.groups.append(group)
        return group

    def of(self, part: slice) -> "Phases":
        """The same phases in some of the frames."""
        phases = Phases()
        phases.cycles, phases.members = self.cycles, self.members
        for group in self.groups:
            same = Group(group.member, group.cells, group.rows, group.times[part])
            same.phases, same.reads = group.phases, group.reads
            phases.groups.append(same)
        return phases

    def alone(self, number: int) -> "Phases":
        """One of them, with groups of its own."""
        phase = Phases()
        phase.cycles, phase.members = [self.cycles[number]], [self.members[number]]
        for group in self.groups:
            if number in group.phases:
                single = Group(group.member, group.cells, group.rows, group.times)
                single.phases, single.reads = [0], (group.reads[group.phases.index(number)],)
                phase.groups.append(single)
        return phase


@cache
def _pairs(reads: tuple[Read, ...]) -> Pairs:
    """The pairs of devices that these read, in an order that says nothing of the phases'."""
    return tuple(sorted((read.wp1, read.wp2) for read in reads))
