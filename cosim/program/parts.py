"""Parts of programs and of experiments, checked against the chip that they are for."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from analog_models.values import kept, whole_number
from cosim.files.wording import counted
from cosim.isa.assembler import program_depth
from cosim.isa.words import TILE, WordError, decode
from cosim.program.slots import Unit
from rtl.config import ChipConfig, Edge
from rtl.isa import WORD_BITS

__all__ = ["checked_mask", "checked_tile", "checked_unit", "checked_words"]

#: Of a column, docs/physics.md.
_CAPACITORS = 8


def checked_unit(unit: Unit, config: ChipConfig) -> Unit:
    """A unit that the chip has.

    Raises
    ------
    ValueError
    """
    count = config.tile_count if unit.kind is TILE else config.domain_count
    if unit.index >= count:
        raise ValueError(f"{unit} does not exist: this chip has {count}, numbered from 0")
    return unit


def checked_tile(tile: int, config: ChipConfig, what: str) -> int:
    """Index of a tile that the chip has; `what` is there, for the message.

    Raises
    ------
    ValueError
    """
    try:
        return whole_number(tile, "tile", 0, config.tile_count - 1)
    except ValueError:
        count = config.tile_count
        raise ValueError(f"{what}: there is no such tile, this chip has {count}, numbered from 0") from None


def checked_words(unit: Unit, words: Sequence[int], config: ChipConfig) -> tuple[int, ...]:
    """The words of a unit, as ints.

    Raises
    ------
    ValueError
        If the chip has no such unit, its SRAM does not hold so many words, or one is no word of 128 bits or connects
        more capacitors than a column has.
    """
    checked_unit(unit, config)
    depth = program_depth(unit.kind, config)
    if not 1 <= len(words) <= depth:
        raise ValueError(
            f"program of {unit} has {counted(len(words), 'word')}; expected 1 to {depth}, what its SRAM holds"
        )
    whole = tuple([whole_number(word, f"a word of {unit}", 0, (1 << WORD_BITS) - 1) for word in words])
    for address, word in enumerate(whole if unit.kind is TILE else ()):
        with suppress(WordError):
            count = decode(TILE, word).fields.get("capacitors", 0)
            if count > _CAPACITORS:
                raise ValueError(
                    f"word {address} of {unit} connects {counted(count, 'capacitor')}, a column has {_CAPACITORS}"
                )
    return whole


def checked_mask(
    place: tuple[int, Edge], mask: NDArray[np.bool_], config: ChipConfig
) -> tuple[tuple[int, Edge], NDArray[np.bool_]]:
    """The place of a custom mask and the mask, (lanes,), which nobody changes afterwards.

    Raises
    ------
    ValueError
        If the chip has no such tile or edge, or the mask another type or shape.
    """
    tile, edge = place
    where = f"mask of the {edge} edge of TILE {tile}"
    key = checked_tile(tile, config, where), Edge(edge)
    array = np.asarray(mask)
    if array.shape != (config.lanes,) or array.dtype != np.bool_:
        raise ValueError(f"{where} must be bool ({config.lanes},), got {array.dtype} {array.shape}")
    return key, kept(array)
