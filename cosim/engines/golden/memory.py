"""What the host can write and read: SRAMs and masks, as beats behind addresses.

Source: docs/fabric.md, "Host port".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.isa.vectors import pack_codes, unpack_codes, unpack_mask
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from rtl.config import ChipConfig, Edge

__all__ = ["MASKS", "PROGRAM", "STATUS", "VECTORS", "Memory"]

Beats = NDArray[np.uint64]

#: Regions of a unit. Masks and vectors are never in the same one: masks are a tile's, vectors a landing pad's.
PROGRAM, STATUS, MASKS, VECTORS = 0, 1, 2, 2
_LOW = (1 << 64) - 1


class Memory:
    """Every SRAM and mask of a chip; zero at first.

    Members
    -------
    beats : dict of (kind, index, region) to uint64 (beats,)
        The content as the host sees it, by numbers of an address.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        self.units = [
            *(Unit(TILE, index) for index in range(config.tile_count)),
            *(Unit(kind, index) for kind in (ILP, OLP) for index in range(config.domain_count)),
        ]
        depths = {TILE: config.program_depth, ILP: config.pad_program_depth, OLP: config.pad_program_depth}
        content = {
            TILE: (MASKS, len(Edge) * self.mask_beats),
            ILP: (VECTORS, config.ilp_vectors * config.vector_beats),
            OLP: (VECTORS, config.olp_vectors * config.vector_beats),
        }
        self.beats: dict[tuple[int, int, int], Beats] = {}
        for unit in self.units:
            region, size = content[unit.kind]
            self.beats[unit.kind.value, unit.index, PROGRAM] = np.zeros(2 * depths[unit.kind], np.uint64)
            self.beats[unit.kind.value, unit.index, region] = np.zeros(size, np.uint64)

    @property
    def mask_beats(self) -> int:
        return -(-self.config.lanes // 64)

    def clear_masks(self) -> None:
        """What reset does: masks are registers, the rest is SRAM and keeps its content."""
        for tile in range(self.config.tile_count):
            self._of(Unit(TILE, tile), MASKS)[:] = 0

    def load_program(self, unit: Unit, words: Sequence[int]) -> None:
        """Put words into the program SRAM of a unit, from word 0 on."""
        halves = [half for word in words for half in (word & _LOW, word >> 64)]
        self._of(unit, PROGRAM)[: len(halves)] = np.array(halves, np.uint64)

    def program(self, unit: Unit) -> list[int]:
        """All words of a unit's SRAM."""
        beats = self._of(unit, PROGRAM).tolist()
        return [low | high << 64 for low, high in zip(beats[0::2], beats[1::2], strict=True)]

    def masks(self) -> dict[tuple[int, Edge], NDArray[np.bool_]]:
        """Custom masks, (lanes,) each."""
        masks: dict[tuple[int, Edge], NDArray[np.bool_]] = {}
        for tile in range(self.config.tile_count):
            beats = self._of(Unit(TILE, tile), MASKS).reshape(len(Edge), -1)
            masks |= {(tile, edge): unpack_mask(beats[i], self.config) for i, edge in enumerate(Edge)}
        return masks

    def vectors(self, unit: Unit) -> NDArray[np.uint8]:
        """All vectors of a landing pad: (depth, lanes) codes."""
        return unpack_codes(self._of(unit, VECTORS).reshape(-1, self.config.vector_beats), self.config)

    def store(self, unit: Unit, slot: int, codes: NDArray[np.uint8]) -> None:
        """Put one vector (lanes,) into a landing pad."""
        self.load(unit, VECTORS, slot * self.config.vector_beats, pack_codes(codes, self.config))

    def load(self, unit: Unit, region: int, first: int, beats: Beats) -> None:
        """Put beats into a region from beat `first` on."""
        self._of(unit, region)[first : first + len(beats)] = beats

    def _of(self, unit: Unit, region: int) -> Beats:
        kind: Any = unit.kind
        return self.beats[kind.value, unit.index, region]
