"""The shared layer on one chip, as the paper maps it: four layer-blocks whose inputs and outputs take turns.

Every matrix has asymmetry balance, four devices a weight. FC1 is summed on the chip, in six pairs of tiles with joined
capacitors; of the other three each tile is read alone, and the host adds. So 38 pieces sit on 34 tiles, some tiles have
pieces of two layer-blocks, and nothing crosses in any phase. Codes have seven bits.

Source: Nat. Commun. 16, 8661 (2025), figure 2 and "Read-to-read variation".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import Layout, LayoutOptions, MatrixOptions, lay_out
from cosim.program import Mode
from cosim.system.building import BuildOptions
from cosim.workloads.albert.blocks import BLOCKS, block_of
from rtl.config import ChipConfig, preset

__all__ = ["Mapped", "Phase", "Piece", "layer_layout", "mapped", "mapping", "pieces"]

_HOST = MatrixOptions(host=True)
_ALONE = MatrixOptions(mode=Mode.BALANCED, joined=False)
_IN_PAIRS = MatrixOptions(mode=Mode.BALANCED, joined=True)
#: Deterministic time in which places and ways of all phases are solved together; it takes a seventh.
_SOLVER_S = 30.0
#: Changes that are tried before: the solver finds what they do not.
_EFFORT = 20
#: Hidden width of ALBERT-base, and of what is between FC1 and FC2.
_WIDTH, _INNER = 768, 3072


def mapping(analog: AnalogConfig, readout_bits: int = 7) -> BuildOptions:
    """The shared layer on one chip; embeddings, attention, normalisation, pooler and classifier are the host's.

    Parameters
    ----------
    analog : AnalogConfig
        Whose errors the ranges are chosen for.
    readout_bits : int
        Of a code, 7 as in the paper, or 8.
    """
    return BuildOptions(layout=_options(analog, readout_bits), analog=analog)


def _options(analog: AnalogConfig, readout_bits: int) -> LayoutOptions:
    # Names of matrices end so, of a network's with a slash and the number of their first pass.
    on_chip = {
        f"*{part}{end}": _IN_PAIRS if block == "FC1" else _ALONE
        for block, parts in BLOCKS.items()
        for part in parts
        for end in ("", "/0")
    }
    return LayoutOptions(
        chips=1,
        matrices={**on_chip, "*": _HOST},
        readout_bits=readout_bits,
        spread=True,
        analog=analog,
        effort=_EFFORT,
        solver_s=_SOLVER_S,
    )


def layer_layout(
    width: int = _WIDTH, inner: int = _INNER, readout_bits: int = 7, config: ChipConfig | None = None
) -> Layout:
    """A layer on a chip, without any network.

    Parameters
    ----------
    width, inner : int
        Sizes of the layer.
    readout_bits : int
    config : ChipConfig, optional
        The full chip by default.

    Raises
    ------
    MappingError
        If it does not fit.
    MissingPackage
        If the extra "compile" is missing.
    """
    sizes = {"inProj": (width, width), "outProj": (width, width), "FC1": (width, inner), "FC2": (inner, width)}
    shapes = {part: sizes[block] for block, parts in BLOCKS.items() for part in parts}
    options = _options(AnalogConfig(), readout_bits)
    return lay_out(shapes, list(BLOCKS.values()), replace(options, alike=(BLOCKS["inProj"],)), config or preset())


@dataclass(frozen=True)
class Piece:
    """A part of a layer-block on one tile: what a figure shows as one rectangle.

    Members
    -------
    block : str
    tile : int
    rows, columns : (int, int)
        Of the tile.
    """

    block: str
    tile: int
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def weights(self) -> int:
        return (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])


def pieces(layout: Layout) -> tuple[Piece, ...]:
    """Of all tiles; columns of query, key and value that stand side by side are one piece."""
    found = []
    for block in layout.blocks.values():
        first = layout.seats[block.name].column
        for part in layout.parts(block.name):
            rows = part.at, part.at + part.rows[1] - part.rows[0]
            found.append(Piece(block_of(block.matrix), part.tile, rows, (first, first + block.shape[1])))
    found.sort(key=lambda piece: (piece.tile, piece.block, piece.rows, piece.columns))
    merged = []
    for _, group in groupby(found, key=lambda piece: (piece.tile, piece.block, piece.rows)):
        some = list(group)
        merged.append(replace(some[0], columns=(some[0].columns[0], some[-1].columns[1])))
    return tuple(merged)


@dataclass(frozen=True)
class Phase:
    """One layer-block's entry of the chip's image, or entries; the host chooses which one is next.

    Members
    -------
    block : str
    weights, pieces : int
    entries : tuple of str
    vectors_in, readouts : int
        Input vectors that are sent at once, and tiles or joined pairs that are read.
    slots : int
        Output steps.
    ns : int
        Of a token, from the programs.
    """

    block: str
    weights: int
    pieces: int
    entries: tuple[str, ...]
    vectors_in: int
    readouts: int
    slots: int
    ns: int


@dataclass(frozen=True)
class Mapped:
    """A layer on its chip, in numbers that are counted from the layout and its programs.

    Members
    -------
    weights, devices : int
    share : float
        Of the chip's devices.
    pieces, tiles : int
    joined : int
        Pairs of tiles with joined capacitors.
    shared : int
        Tiles with pieces of several layer-blocks.
    ns : int
        Of a token, all phases.
    phases : tuple of Phase
    """

    weights: int
    devices: int
    share: float
    pieces: int
    tiles: int
    joined: int
    shared: int
    ns: int
    phases: tuple[Phase, ...]


def mapped(layout: Layout) -> Mapped:
    """Figures of a layout of one layer."""
    config = layout.config
    parts = pieces(layout)
    blocks_on: dict[int, set[str]] = {}
    for piece in parts:
        blocks_on.setdefault(piece.tile, set()).add(piece.block)
    found = tuple(_phases(layout, parts))
    devices = 2 * sum(block.shape[0] * block.shape[1] * block.mode.gain for block in layout.blocks.values())
    return Mapped(
        sum(piece.weights for piece in parts),
        devices,
        devices / (4 * config.tile_count * config.lanes**2),
        len(parts),
        len(blocks_on),
        len(layout.joined(0)),
        sum(len(blocks) > 1 for blocks in blocks_on.values()),
        sum(phase.ns for phase in found),
        found,
    )


def _phases(layout: Layout, parts: Sequence[Piece]) -> Iterator[Phase]:
    for wave, calls in layout.calls.items():
        frames = [layout.frames[call.chip][call.entry] for call in calls]
        block = block_of(wave[0])
        own = [piece for piece in parts if piece.block == block]
        yield Phase(
            block,
            sum(piece.weights for piece in own),
            len(own),
            tuple(call.entry for call in calls),
            sum(len(frame.streams) for frame in frames),
            sum(len(frame.readings) for frame in frames),
            sum(frame.readout_steps for frame in frames),
            sum(frame.ns for frame in frames),
        )
