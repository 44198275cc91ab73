"""Integration phases of one or two tiles, and their merging: phases that read the same pulses share one product."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analog_models.crossbar import CellArray, Pairs, Read, Rows

__all__ = ["Group", "Move", "NoiseKey", "Phase", "grouped"]

Array = NDArray[np.float64]
#: Tile of a node, pairs that are read, rows.
NoiseKey = tuple[int, Pairs, Rows]


class Move(NamedTuple):
    """Charge that tile `member` of a node moves in a phase: word lines `rows` are high for `times`, (B, rows) ns.

    Mesh rows and bias rows move apart, since bias rows differ between phases that are otherwise the same.
    """

    member: int
    read: Read
    rows: Rows
    times: NDArray[np.integer]


class Phase(NamedTuple):
    """Integrations of a node that end in `cycle`; each of `members` injects its switches' charge."""

    cycle: int
    members: tuple[int, ...]
    moves: tuple[Move, ...]


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
        Euclidean norm of each frame's pulses; nobody asks for it when nothing was merged.
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
        self.norms = np.sqrt(np.einsum("br,br->b", times, times)) if len(self.phases) > 1 else np.zeros(1)

    @property
    def noise_key(self) -> NoiseKey:
        """Groups with the same key have their squared pulses added up before they are multiplied."""
        return self.member, tuple(sorted((read.wp1, read.wp2) for read in self.reads)), self.rows

    def deviations(self) -> Array:
        """How far `sums` may be from what its first 0, 1, ... phases moved: see `CellArray.deviations`."""
        return self.cells.deviations(self.reads, self.rows)


def grouped(phases: Sequence[Phase], arrays: Sequence[CellArray | None]) -> list[Group]:
    """Group the moves of phases by tile, rows and pulses; a tile without array has nothing to sum up."""
    groups: list[Group] = []
    for number, phase in enumerate(phases):
        for member, read, rows, times in phase.moves:
            cells = arrays[member]
            if cells is None:
                continue
            for group in groups:
                if group.member == member and group.rows == rows and (group.times == times).all():
                    break
            else:
                group = Group(member, cells, rows, times)
                groups.append(group)
            group.phases.append(number)
            group.reads += (read,)
    return groups
