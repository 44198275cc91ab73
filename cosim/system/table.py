"""What a layout takes of each chip, as numbers for people and for JSON."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cosim.compiler.matrices.layout import Layout

__all__ = ["ChipUse", "uses"]


@dataclass(frozen=True)
class ChipUse:
    """One chip.

    Parameters
    ----------
    chip : int
    tiles : int
        That hold weights.
    blocks : int
    weights : int
        On the chip, copies counted.
    share : float
        Of all pairs of devices of the chip.
    entries : int
    vectors_in, vectors_out : int
        On the host's port, most of an entry's frame.
    slots : int
        Output steps, most of an entry.
    frame_ns : int
        Longest frame.
    port_beats : int
        Of 64 bits, for one frame of every entry.
    """

    chip: int
    tiles: int
    blocks: int
    weights: int
    share: float
    entries: int
    vectors_in: int
    vectors_out: int
    slots: int
    frame_ns: int
    port_beats: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def uses(layout: Layout) -> Iterator[ChipUse]:
    """Of every chip."""
    config = layout.config
    for chip, entries in enumerate(layout.frames):
        blocks = layout.blocks_on(chip)
        tiles = {part.tile for block in blocks for part in layout.parts(block.name)}
        weights = sum(block.shape[0] * block.shape[1] for block in blocks)
        pairs = sum(block.shape[0] * block.shape[1] * block.mode.gain for block in blocks)
        frames = list(entries.values())
        yield ChipUse(
            chip,
            len(tiles),
            len(blocks),
            weights,
            pairs / (2 * config.tile_count * config.lanes**2),
            len(frames),
            max(frame.vectors_in for frame in frames),
            max(len(frame.readings) for frame in frames),
            max(frame.readout_steps for frame in frames),
            max(frame.ns for frame in frames),
            sum(frame.beats(config) for frame in frames),
        )
