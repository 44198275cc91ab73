"""One run of a chip as a user wrote it, and what was seen of it.

A `Program` is what the compiler makes of a network: frames, slots, layers. An `Experiment` is below that: words for
some units, masks, vectors, weights, and nothing else. Every engine (RTL, golden model, twin) turns an Experiment into a
`Record`, so that records can be compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.events import TileEvent
from analog_models.programming import WeightTargets
from cosim.assembler import program_depth
from cosim.program import Unit
from cosim.words import ILP, OLP, TILE
from rtl.config import ChipConfig, Edge
from rtl.isa import WORD_BITS

__all__ = ["Experiment", "ExperimentError", "Record"]


class ExperimentError(ValueError):
    """An experiment cannot be run, or the file that should describe one is wrong; the message says what and where."""


@dataclass(frozen=True)
class Experiment:
    """What the host loads before one start pulse, and how long it lets the chip run.

    Parameters
    ----------
    config : ChipConfig
    units : mapping of Unit to words
        128-bit words from word 0 on; every other unit gets a HALT.
    masks : mapping of (tile index, edge) to bool (lanes,)
        Custom masks; the others are empty.
    vectors : mapping of ILP index to uint8 (n, lanes)
        Vectors 0 to n - 1 of the landing pad, codes in ns.
    weights : mapping of tile index to WeightTargets
        What the tile's devices are programmed to, closed loop, before the run; other tiles have no conductance.
    analog : AnalogConfig
    seed : int
        Mismatch and noise of the chip.
    frame : int
        Keys the noise together with the cycle of the program.
    cycles : int
        Length of the run: in this cycle of the program every unit that still runs is stopped.
    name : str
        For messages and pictures.

    Raises
    ------
    ExperimentError
        On a unit, edge or tile that the chip does not have, a program longer than its SRAM, or arrays of another shape.
    """

    config: ChipConfig
    units: Mapping[Unit, tuple[int, ...]]
    masks: Mapping[tuple[int, Edge], NDArray[np.bool_]] = field(default_factory=dict)
    vectors: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    weights: Mapping[int, WeightTargets] = field(default_factory=dict)
    analog: AnalogConfig = field(default_factory=AnalogConfig.ideal)
    seed: int = 0
    frame: int = 0
    cycles: int = 100_000
    name: str = "experiment"

    def __post_init__(self) -> None:
        if problem := next(self._problems(), None):
            raise ExperimentError(f"{self.name}: {problem}")

    def _problems(self) -> Iterator[str]:
        config = self.config
        if self.cycles < 1:
            yield f"a run has at least 1 cycle, got {self.cycles}"
        counts = {TILE: config.tile_count, ILP: config.domain_count, OLP: config.domain_count}
        for unit, words in self.units.items():
            if unit.index >= counts[unit.kind]:
                yield f"{unit} does not exist: this chip has {counts[unit.kind]}, numbered from 0"
            depth = program_depth(unit.kind, config)
            if not 1 <= len(words) <= depth:
                yield f"program of {unit} has {len(words)} words; expected 1 to {depth}, what its SRAM holds"
            if not all(0 <= word < 1 << WORD_BITS for word in words):
                yield f"program of {unit} has a word of more than {WORD_BITS} bits"
        for (tile, edge), mask in self.masks.items():
            where = f"mask of the {edge} edge of TILE {tile}"
            if not 0 <= tile < config.tile_count:
                yield f"{where}: there is no such tile, this chip has {config.tile_count}, numbered from 0"
            if mask.shape != (config.lanes,) or mask.dtype != np.bool_:
                yield f"{where} must be bool ({config.lanes},), got {mask.dtype} {mask.shape}"
        for ilp, codes in self.vectors.items():
            where = f"vectors of ILP {ilp}"
            if not 0 <= ilp < config.domain_count:
                yield f"{where}: there is no such landing pad, this chip has {config.domain_count}, numbered from 0"
            if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != config.lanes:
                yield f"{where} must be uint8 (n, {config.lanes}), got {codes.dtype} {codes.shape}"
            elif len(codes) > config.ilp_vectors:
                yield f"{where}: {len(codes)} vectors, its SRAM holds {config.ilp_vectors}"
        shape = (config.total_rows, config.lanes)
        for tile, target in self.weights.items():
            if not 0 <= tile < config.tile_count:
                yield f"weights of TILE {tile}: there is no such tile, this chip has {config.tile_count}"
            for name in ("wp1", "wp2"):
                array = getattr(target, name)
                if array.shape != shape:
                    yield f"{name} of TILE {tile} must be {shape}, rows and bias rows by columns, got {array.shape}"
                elif not np.all(np.abs(array) <= 1):
                    row, column = np.argwhere(~(np.abs(array) <= 1))[0]
                    yield f"{name} of TILE {tile}, row {row}, column {column}: {array[row, column]} is not in [-1, 1]"


@dataclass(frozen=True)
class Record:
    """What was seen of one run.

    Cycles count from cycle 0 of the program, the first one in which `busy` is high.

    Members
    -------
    engine : `rtl`, `golden` or `twin`
    cycles : int
        Cycles that `busy` was high.
    error_cycle : int or None
        First cycle in which the `error` pin was high.
    statuses : mapping of Unit to fields of its STATUS
        `running`, `illegal`, `fault`, `contention` (bits as in docs/fabric.md), `pointer`; of all units, after the run.
    results : mapping of OLP index to uint8 (olp_vectors, lanes)
        The whole result SRAM of each landing pad.
    events : tuple of TileEvent
        Everything that crossed the analog boundary, in order of cycle, kind and tile.
    crossings : mapping of (cycle, tile) to uint16 (lanes,)
        What the physics answered to each ramp.
    statistics : mapping
        What the engine measured, e.g. `wall_s`.
    """

    engine: str
    cycles: int
    error_cycle: int | None
    statuses: Mapping[Unit, Mapping[str, int]]
    results: Mapping[int, NDArray[np.uint8]]
    events: tuple[TileEvent, ...] = ()
    crossings: Mapping[tuple[int, int], NDArray[np.uint16]] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)
