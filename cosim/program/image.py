"""What a chip holds while it serves a host: weights, masks, and the words of one or several programs, its entries.

Every sequencer starts at word 0 and cannot wait for the host. Where an image has several entries, word 0 is a JUMP,
and the host chooses by rewriting that word in all units before the start. The JUMP takes one cycle in every unit, so
that an entry runs as it would alone, `ChipImage.lead` cycles later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.programming import WeightTargets
from cosim.files.wording import counted
from cosim.isa.assembler import program_depth
from cosim.isa.words import Operation, WordError, decode, encode
from cosim.program.program import Program
from cosim.program.slots import ProgramError, Unit
from rtl.config import ChipConfig, Edge

__all__ = ["ChipImage"]

#: Steering words, whose target moves with the words around it.
_STEERING = ("JUMP", "LOOP")


@dataclass(frozen=True)
class ChipImage:
    """One chip's weights, masks and words, with the programs that a host can start.

    Parameters
    ----------
    entries : mapping of str to Program
        Each as it would run alone, from word 0 on. All are for one chip with the same weights; masks of an edge are the
        same wherever two entries use them.

    Raises
    ------
    ProgramError
        If there is no entry, entries disagree about the chip, its weights or masks, or a unit's SRAM is too small for
        the words of all entries; the message says which.
    """

    entries: Mapping[str, Program]

    def __post_init__(self) -> None:
        if not self.entries:
            raise ProgramError("an image without entries; expected at least one program")
        name, first = next(iter(self.entries.items()))
        for other, program in self.entries.items():
            if program.config != first.config:
                raise ProgramError(f"entries {name} and {other} are for different chips; compile both for one")
            if not _same_weights(first.targets, program.targets):
                raise ProgramError(f"entries {name} and {other} have other weights; one chip holds one set")
        _ = self.masks
        for unit, words in self.words.items():
            depth = program_depth(unit.kind, self.config)
            if len(words) > depth:
                raise ProgramError(
                    f"{unit} needs {counted(len(words), 'word')} for entries {', '.join(self.entries)}, its SRAM "
                    f"holds {depth}; loop what repeats, or put entries on another chip"
                )

    @classmethod
    def of(cls, program: "Program | ChipImage", name: str = "main") -> "ChipImage":
        """An image with one entry; an image as it is."""
        return program if isinstance(program, ChipImage) else cls({name: program})

    @property
    def config(self) -> ChipConfig:
        return self._first.config

    @property
    def targets(self) -> Mapping[int, WeightTargets]:
        """What to program, by tile index."""
        return self._first.targets

    @property
    def tiles(self) -> tuple[int, ...]:
        """Tiles that hold weights."""
        return self._first.tiles

    @property
    def _first(self) -> Program:
        return next(iter(self.entries.values()))

    @cached_property
    def masks(self) -> Mapping[tuple[int, Edge], NDArray[np.bool_]]:
        """Custom masks of all entries."""
        masks: dict[tuple[int, Edge], NDArray[np.bool_]] = {}
        for name, program in self.entries.items():
            for (tile, edge), mask in program.masks.items():
                if not np.array_equal(masks.setdefault((tile, edge), mask), mask):
                    raise ProgramError(f"entry {name} needs another mask at the {edge} edge of TILE {tile}")
        return masks

    @property
    def lead(self) -> int:
        """Cycles from a start to cycle 0 of the entry."""
        return 1 if len(self.entries) > 1 else 0

    @cached_property
    def words(self) -> Mapping[Unit, tuple[int, ...]]:
        """Words of every unit that any entry uses; word 0 chooses the first entry."""
        if not self.lead:
            return self._first.units
        placed = {
            unit: tuple(
                word
                for name, program in self.entries.items()
                for word in _moved(program.units.get(unit, ()), unit, self._starts[name, unit])
            )
            for unit in self._units
        }
        chosen = self.selection(next(iter(self.entries)))
        return {unit: (chosen[unit], *words) for unit, words in placed.items()}

    def selection(self, entry: str) -> Mapping[Unit, int]:
        """Word 0 of every unit that makes the next start run `entry`; empty if there is nothing to choose.

        Raises
        ------
        ProgramError
            If the image has no such entry.
        """
        program = self.entry(entry)
        if not self.lead:
            return {}
        return {
            unit: encode(unit.kind, Operation("JUMP", {"target": self._starts[entry, unit]}))
            if unit in program.units
            else encode(unit.kind, Operation("HALT"))
            for unit in self._units
        }

    def entry(self, name: str) -> Program:
        """The program of an entry.

        Raises
        ------
        ProgramError
            If the image has no such entry.
        """
        if name not in self.entries:
            raise ProgramError(f"the image has no entry {name!r}; it has {', '.join(self.entries)}")
        return self.entries[name]

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """The image without its weights, which are in the chip: as what JSON holds, and arrays."""
        meta: dict[str, Any] = {}
        arrays: dict[str, NDArray] = {}
        for number, (name, program) in enumerate(self.entries.items()):
            meta[name], parts = program.to_parts(weights=False)
            arrays |= {f"{number} {key}": array for key, array in parts.items()}
        return meta, arrays

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> "ChipImage":
        """Inverse of `to_parts`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is missing, or of another shape or type.
        """
        parts: list[dict[str, NDArray]] = [{} for _ in meta]
        for key, array in arrays.items():
            number, _, name = key.partition(" ")
            parts[int(number)][name] = array
        entries = zip(meta.items(), parts, strict=True)
        return cls({name: Program.from_parts(fields, own) for (name, fields), own in entries})

    @cached_property
    def _units(self) -> tuple[Unit, ...]:
        return tuple(dict.fromkeys(unit for program in self.entries.values() for unit in program.units))

    @cached_property
    def _starts(self) -> Mapping[tuple[str, Unit], int]:
        """First word of each entry in each unit."""
        starts: dict[tuple[str, Unit], int] = {}
        for unit in self._units:
            at = self.lead
            for name, program in self.entries.items():
                starts[name, unit] = at
                at += len(program.units.get(unit, ()))
        return starts


def _moved(words: tuple[int, ...], unit: Unit, by: int) -> tuple[int, ...]:
    """A unit's words as they read from word `by` on; words that are no instruction stay as they are."""
    moved = []
    for word in words:
        try:
            operation = decode(unit.kind, word)
        except WordError:
            moved.append(word)
            continue
        if operation.mnemonic in _STEERING:
            fields = {**operation.fields, "target": operation.fields["target"] + by}
            word = encode(unit.kind, Operation(operation.mnemonic, fields, operation.wait))
        moved.append(word)
    return tuple(moved)


def _same_weights(ours: Mapping[int, WeightTargets], theirs: Mapping[int, WeightTargets]) -> bool:
    if ours is theirs:
        return True
    return ours.keys() == theirs.keys() and all(
        ours[tile] is theirs[tile]
        or all(np.array_equal(getattr(ours[tile], pair), getattr(theirs[tile], pair)) for pair in ("wp1", "wp2"))
        for tile in ours
    )
