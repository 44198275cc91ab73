"""Which chip, tile, row and column hold a weight, and what its devices were to become, and have become."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analog_models.config import AnalogConfig
from cosim.files.errors import UserError
from cosim.program import Mode
from cosim.system.chips import Chips
from cosim.system.image import SystemImage

__all__ = ["Pair", "Place", "WhereError", "places"]


class WhereError(UserError, LookupError):
    """There is no such weight, or it is on no chip."""


@dataclass(frozen=True)
class Pair:
    """Two devices that hold a weight.

    Parameters
    ----------
    name : str
        WP1 or WP2.
    target_us : (float, float)
        Conductances that they were to get, plus and minus, uS.
    programmed_us : (float, float) or None
        What they got; None if no chip has been made.
    """

    name: str
    target_us: tuple[float, float]
    programmed_us: tuple[float, float] | None


@dataclass(frozen=True)
class Place:
    """One of the places of a weight: there are several where a matrix is there in copies.

    Parameters
    ----------
    block : str
    mode : Mode
    chip, tile : int
    square : (int, int)
        Of the floorplan, row and column.
    row, column : int
        Of the tile.
    weight : float
        As programmed, of what a pair of devices holds.
    pairs : tuple of Pair
    """

    block: str
    mode: Mode
    chip: int
    tile: int
    square: tuple[int, int]
    row: int
    column: int
    weight: float
    pairs: tuple[Pair, ...]


def places(
    image: SystemImage, layer: str, row: int, column: int, analog: AnalogConfig, chips: Chips | None = None
) -> list[Place]:
    """Where a weight is.

    Parameters
    ----------
    image : SystemImage
    layer : str
        A node with a matrix, by full name.
    row, column : int
        Of the matrix: input and output. The rows of an expanded matrix are those on the chip.
    analog : AnalogConfig
        Says what a weight of 1 is in uS.
    chips : Chips, optional
        To tell what has been programmed.

    Raises
    ------
    WhereError
        If there is no such weight, or the host has it, all of the matrix or an outlier; the message says what there is.
    """
    known = image.network.matrix_of
    if layer not in known:
        near = [name for name in known if layer.lower() in name.lower()] or list(known)
        raise WhereError(f"no layer {layer!r}; there are {', '.join(near[:8])}{' ...' if len(near) > 8 else ''}")
    matrix = known[layer]
    if matrix not in image.codings:
        raise WhereError(f"{layer} stays with the host: no chip has its weights")
    if row in image.codings[matrix].outliers:
        raise WhereError(f"{layer} leaves input {row}, an outlier, to the host: no chip has its weights")
    height, width = image.weights[matrix].shape
    if not (0 <= row < height and 0 <= column < width):
        raise WhereError(f"{layer} has rows 0 to {height - 1} and columns 0 to {width - 1}, not ({row}, {column})")
    return list(_found(image, matrix, (row, column), analog, chips))


def _found(
    image: SystemImage, matrix: str, weight: tuple[int, int], analog: AnalogConfig, chips: Chips | None
) -> Iterator[Place]:
    layout = image.layout
    height = len(image.codings[matrix].rows)
    for block in layout.blocks_of[matrix]:
        if not block.columns[0] <= weight[1] < block.columns[1]:
            continue
        seat = layout.seats[block.name]
        for own in range(weight[0], block.rows[1], height):
            if own < block.rows[0]:
                continue
            at = own - block.rows[0]
            part = next(part for part in layout.parts(block.name) if part.rows[0] <= at < part.rows[1])
            row, column = part.at + at - part.rows[0], seat.column + seat.step * (weight[1] - block.columns[0])
            value = float(image.programmed(block.name)[at, weight[1] - block.columns[0]])
            pairs = []
            for pair in (0, 1) if part.pair is None else (part.pair,):
                signed = -value if block.mode is Mode.BALANCED and pair == 1 else value
                target = np.array([max(signed, 0.0), max(-signed, 0.0)]) * analog.pcm.g_max_us
                got: tuple[float, float] | None = None
                if chips is not None:
                    cells = chips.analog[seat.chip].tile(part.tile).cells
                    plus, minus = (float(cells.programmed_us(row, 2 * pair + one)[column]) for one in (0, 1))
                    got = plus, minus
                pairs.append(Pair(f"WP{pair + 1}", (float(target[0]), float(target[1])), got))
            square = layout.config.floorplan.tiles[part.tile]
            yield Place(block.name, block.mode, seat.chip, part.tile, square, row, column, value, tuple(pairs))
