"""Integration phases of one or two tiles, and their merging: phases that read the same pulses share one product."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analog_models.crossbar import CellArray, Pairs, Read, Rows

__all__ = ["Group", "Move", "NoiseKey", "Phase", "Pulses", "grouped"]

Array = NDArray[np.float64]
#: Tile of a node, pairs that are read, rows.
NoiseKey = tuple[int, Pairs, Rows]
#: Word lines that are high for (B, rows) ns; without those that are low in all frames.
Pulses = Sequence[tuple[Rows, NDArray[np.integer]]]


class Move(NamedTuple):
    """What tile `member` of a node does in a phase: its switches inject charge, and its word lines are high.

    Mesh rows and bias rows have pulses of their own, since bias rows differ between phases that are otherwise the same.
    """

    member: int
    read: Read
    pulses: Pulses


class Phase(NamedTuple):
    """Integrations of a node that end in `cycle`."""

    cycle: int
    moves: Sequence[Move]


@dataclass(eq=False)
class Group:
    """Phases in which one tile reads the same pulses on the same rows.

    Members
    -------
    phases : list of int
        Which of the merged phases, ascending.
    reads : tuple of Read
        How each of them reads.
    sums : (B, columns) float64
        Signal units of all of them together, exact; (1, columns) if all frames have the same pulses, as bias rows do.
    norms : (B,) or (1,) float64
        Euclidean norm of each frame's pulses.
    """

    member: int
    cells: CellArray
    rows: Rows
    times: NDArray[np.integer]
    phases: list[int] = field(default_factory=list)
    reads: tuple[Read, ...] = ()

    def __post_init__(self) -> None:
        first = self.times[:1]
        same = len(self.times) == 1 or ((first == self.times[-1:]).all() and (first == self.times).all())
        #: `times` of the frames that differ.
        self.pulses = first if same else self.times

    def compute(self, columns: int) -> None:
        """The one product, for so many columns."""
        times = self.pulses.astype(np.float64)
        self.sums = self.cells.charge(times, self.reads, self.rows, columns)
        self.norms = np.sqrt(np.vecdot(times, times))

    @property
    def noise_key(self) -> NoiseKey:
        """Groups with the same key have their squared pulses added up before they are multiplied."""
        return self.member, _pairs(self.reads), self.rows

    def deviations(self) -> Array:
        """How far `sums` may be from what its first 0, 1, ... phases moved: see `CellArray.deviations`."""
        return self.cells.deviations(self.reads, self.rows)


@cache
def _pairs(reads: tuple[Read, ...]) -> Pairs:
    """The pairs of devices that these read, in an order that says nothing of the phases'."""
    return tuple(sorted((read.wp1, read.wp2) for read in reads))


def grouped(phases: Sequence[Phase], arrays: Sequence[CellArray | None]) -> list[Group]:
    """Group the moves of phases by tile, rows and pulses; a tile without array has nothing to sum up."""
    groups: list[Group] = []
    for number, phase in enumerate(phases):
        for member, read, pulses in phase.moves:
            cells = arrays[member]
            if cells is None:
                continue
            for rows, times in pulses:
                group = _like(groups, member, rows, times)
                if group is None:
                    group = Group(member, cells, rows, times)
                    groups.append(group)
                group.phases.append(number)
                group.reads += (read,)
    return groups


def _like(groups: Sequence[Group], member: int, rows: Rows, times: NDArray[np.integer]) -> Group | None:
    """The group of these pulses; they are compared only where nobody knows that they are the same array."""
    alike = [group for group in groups if group.member == member and group.rows == rows]
    for group in alike:
        if group.times is times:
            return group
    for group in alike:
        if (group.times == times).all():
            return group
    return None
