"""The chip as a table: how many tiles, where they sit, how wide a vector is, how deep each SRAM is.

Nothing else in the project knows these numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

__all__ = ["PRESETS", "ChipConfig", "Edge", "Floorplan", "PadSite", "Square", "preset"]

#: A square of the grid as (row, column), counted from the north-west corner.
Square = tuple[int, int]


class Edge(StrEnum):
    """One of the four edges of a tile."""

    NORTH = "north"
    EAST = "east"
    SOUTH = "south"
    WEST = "west"

    @property
    def opposite(self) -> "Edge":
        """The edge that the neighbour turns towards this one."""
        return _OPPOSITE[self]

    @property
    def step(self) -> Square:
        """(rows, columns) to the neighbour behind this edge."""
        return _STEP[self]


_OPPOSITE = {Edge.NORTH: Edge.SOUTH, Edge.SOUTH: Edge.NORTH, Edge.EAST: Edge.WEST, Edge.WEST: Edge.EAST}
_STEP = {Edge.NORTH: (-1, 0), Edge.SOUTH: (1, 0), Edge.EAST: (0, 1), Edge.WEST: (0, -1)}


@dataclass(frozen=True)
class PadSite:
    """Where a landing pad touches the mesh: the outer `edge` of the tile on `square`."""

    square: Square
    edge: Edge


@dataclass(frozen=True)
class Floorplan:
    """Which squares hold tiles, which hold nothing, and where the landing pads sit.

    Parameters
    ----------
    rows, columns : int
        Size of the grid in squares.
    holes : frozenset of Square
        Squares without tile or mesh (the processing elements, which this project does not model).
    domains : tuple of str
        Names of the power domains. Each has one input and one output landing pad.
    ilp_sites, olp_sites : tuple of PadSite
        One site per domain, in the order of `domains`.

    Raises
    ------
    ValueError
        If a site is not on the outer edge of a tile, or two sites share an edge.

    Source
    ------
    34 tiles, two PEs, six power domains with one ILP-OLP pair each: Nature 620, 768 (2023), Fig. 1.
    The arrangement (6 x 6 squares, where the PEs and pads sit) is our assumption: the papers do not print it.
    """

    rows: int
    columns: int
    holes: frozenset[Square]
    domains: tuple[str, ...]
    ilp_sites: tuple[PadSite, ...]
    olp_sites: tuple[PadSite, ...]

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1:
            raise ValueError(f"floorplan needs at least one square, got {self.rows} x {self.columns}")
        for hole in self.holes:
            if not self._inside(hole):
                raise ValueError(f"hole {hole} lies outside the {self.rows} x {self.columns} grid")
        if not len(self.domains) == len(self.ilp_sites) == len(self.olp_sites):
            raise ValueError(
                f"each of the {len(self.domains)} domains needs one ILP and one OLP site, "
                f"got {len(self.ilp_sites)} and {len(self.olp_sites)}"
            )
        sites = self.ilp_sites + self.olp_sites
        for site in sites:
            if site.square not in self.tile_index:
                raise ValueError(f"landing pad at {site.square} touches no tile")
            if self.neighbour(site.square, site.edge) is not None:
                raise ValueError(
                    f"{site.edge} edge of tile {site.square} is taken by its neighbour, not free for a pad"
                )
        if len(set(sites)) != len(sites):
            raise ValueError("two landing pads share one tile edge")

    def _inside(self, square: Square) -> bool:
        return 0 <= square[0] < self.rows and 0 <= square[1] < self.columns

    @cached_property
    def tiles(self) -> tuple[Square, ...]:
        """Squares that hold a tile, row by row; the position in this tuple is the tile's index."""
        squares = ((r, c) for r in range(self.rows) for c in range(self.columns))
        return tuple(square for square in squares if square not in self.holes)

    @cached_property
    def tile_index(self) -> dict[Square, int]:
        """Index of the tile on each square."""
        return {square: index for index, square in enumerate(self.tiles)}

    def neighbour(self, square: Square, edge: Edge) -> Square | None:
        """The tile square behind `edge`, or None at a hole or at the edge of the chip."""
        there = (square[0] + edge.step[0], square[1] + edge.step[1])
        return there if there in self.tile_index else None

    def capacitor_pairs(self) -> Iterator[tuple[int, int]]:
        """(north, south) tile indices of every vertical pair that can share capacitors: rows 0-1, 2-3, ..."""
        for square, index in self.tile_index.items():
            south = self.neighbour(square, Edge.SOUTH)
            if square[0] % 2 == 0 and south is not None:
                yield index, self.tile_index[south]


@dataclass(frozen=True)
class ChipConfig:
    """Every size of the chip, validated.

    Parameters
    ----------
    floorplan : Floorplan
    lanes : int
        Wires of the mesh, rows and columns of a tile, entries of a vector. A power of two, at least 8.
    bias_rows : int
        Extra rows per tile, driven by the local controller and not by the mesh.
    code_bits : int
        Width of a duration code in a landing pad; 8 bits are 0-255 ns.
    ilp_vectors, olp_vectors : int
        Depth of the landing pads' SRAMs. Powers of two.
    program_depth : int
        Instructions that a local controller's SRAM holds. A power of two.
    pad_program_depth : int
        The same for a landing pad's sequencer.
    loop_levels : int
        Nesting depth of LOOP.

    Source
    ------
    512 lanes, 8-bit codes, 32 vectors in the ILP SRAM, 128-bit instructions, eight bias rows: Nature 620, 768 (2023),
    Methods. Depths of the other SRAMs and of LOOP nesting are our assumption.
    """

    floorplan: Floorplan
    lanes: int = 512
    bias_rows: int = 8
    code_bits: int = field(default=8)
    ilp_vectors: int = 32
    olp_vectors: int = 32
    program_depth: int = 256
    pad_program_depth: int = 256
    loop_levels: int = 4

    def __post_init__(self) -> None:
        for name in ("lanes", "ilp_vectors", "olp_vectors", "program_depth", "pad_program_depth"):
            value = getattr(self, name)
            if value < 2 or value & (value - 1):
                raise ValueError(f"{name} must be a power of two and at least 2, got {value}")
        if self.lanes < 8:
            raise ValueError(f"lanes must be at least 8, got {self.lanes}")
        if self.ilp_vectors > 256 or self.olp_vectors > 256:
            raise ValueError("a landing pad's SRAM holds at most 256 vectors (8-bit pointer)")
        if self.program_depth > 32768 or self.pad_program_depth > 32768:
            raise ValueError("a program holds at most 32,768 instructions (two host beats each, 16-bit offset)")
        if not 1 <= self.bias_rows <= 8:
            raise ValueError(f"bias_rows must be 1 to 8, got {self.bias_rows}")
        if self.code_bits != 8:
            raise ValueError(
                f"code_bits must be 8 (the instruction word and the vector format fix it), got {self.code_bits}"
            )
        if not 1 <= self.loop_levels <= 8:
            raise ValueError(f"loop_levels must be 1 to 8 (3-bit level field), got {self.loop_levels}")

    @property
    def tile_count(self) -> int:
        return len(self.floorplan.tiles)

    @property
    def domain_count(self) -> int:
        return len(self.floorplan.domains)

    @property
    def total_rows(self) -> int:
        """Word-line rows of a tile, bias rows last."""
        return self.lanes + self.bias_rows

    @property
    def max_code(self) -> int:
        """Longest duration code."""
        return (1 << self.code_bits) - 1

    @property
    def vector_beats(self) -> int:
        """Host beats of 64 bits that carry one vector of `lanes` codes."""
        return -(-self.lanes * self.code_bits // 64)


def _chip() -> ChipConfig:
    west, east = 0, 5
    return ChipConfig(
        floorplan=Floorplan(
            rows=6,
            columns=6,
            # One vertical pair of the centre: the other 34 squares make 17 whole pairs, and every outer square keeps a
            # tile, so that each domain has an edge of its own for the ILP and another for the OLP.
            holes=frozenset({(2, 2), (3, 2)}),
            domains=("NW", "NE", "CW", "CE", "SW", "SE"),
            ilp_sites=tuple(
                PadSite((row, column), edge)
                for row in (0, 2, 4)
                for column, edge in ((west, Edge.WEST), (east, Edge.EAST))
            ),
            olp_sites=tuple(
                PadSite((row, column), edge)
                for row in (1, 3, 5)
                for column, edge in ((west, Edge.WEST), (east, Edge.EAST))
            ),
        )
    )


def _small() -> ChipConfig:
    return ChipConfig(
        floorplan=Floorplan(
            rows=2,
            columns=2,
            holes=frozenset(),
            domains=("W", "E"),
            ilp_sites=(PadSite((0, 0), Edge.WEST), PadSite((0, 1), Edge.EAST)),
            olp_sites=(PadSite((1, 0), Edge.WEST), PadSite((1, 1), Edge.EAST)),
        ),
        lanes=16,
        ilp_vectors=8,
        olp_vectors=8,
        program_depth=64,
        pad_program_depth=64,
    )


#: Named configurations. `chip` is the full chip and the default everywhere; `small` serves unit tests and proofs.
PRESETS = {"chip": _chip, "small": _small}


def preset(name: str = "chip") -> ChipConfig:
    """The configuration called `name`.

    >>> preset().tile_count, preset().domain_count
    (34, 6)

    Raises
    ------
    ValueError
        If there is no such preset.
    """
    try:
        return PRESETS[name]()
    except KeyError:
        raise ValueError(f"no preset {name!r}; there are: {', '.join(PRESETS)}") from None
