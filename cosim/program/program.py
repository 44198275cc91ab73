"""A compiled program: all that the host loads into the chip, and all that it must know to feed it and read it.

`Program` is data. What the words make the chip do is derived from the words (`cosim.fabric`), never stored beside them,
so a listing edited by hand runs on every engine.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.npz import ArraySpec, check_arrays
from analog_models.programming import WeightTargets
from analog_models.values import whole_number
from cosim.files.archive import load_archive, write_archive
from cosim.files.chip_config import config_to_json
from cosim.files.typed import typed
from cosim.files.wording import counted
from cosim.isa import vectors
from cosim.isa.numbers import parse_number
from cosim.isa.words import ILP, OLP, beats_to_words, words_to_beats
from cosim.program.parts import checked_mask, checked_tile, checked_unit, checked_words
from cosim.program.plan import LayerPlan
from cosim.program.slots import InputSlot, OutputSlot, ProgramError, Unit
from rtl.config import ChipConfig, Edge

__all__ = ["Program"]

_FORMAT, _VERSION = "duramesh program", 1
#: Beyond any program.
_MOST_CYCLES, _MOST_FRAMES, _MOST_INPUTS = 1 << 40, 1 << 16, 1 << 20


@dataclass(frozen=True)
class Program:
    """Everything the host loads, and the maps to feed and read the chip.

    Parameters
    ----------
    config : ChipConfig
        The chip that the program is for.
    frame_cycles : int
        Period of a frame.
    frames_per_run : int
        Frames from one start pulse to HALT.
    units : mapping of Unit to words
        128-bit words of every unit that does anything.
    origins : mapping of Unit to int
        For a unit that begins its frame later: cycles from the start of the program to its frame 0 (default 0).
    inputs, outputs : tuple of InputSlot, OutputSlot
    layers : tuple of LayerPlan
    targets : mapping of tile index to WeightTargets
        What to program: arrays (rows + bias rows, columns), 1 is the largest weight of a pair of devices.
    masks : mapping of (tile index, edge) to bool (lanes,)
        Custom masks.
    duration : int
        Code of an input of 1; by default the chip's largest.

    Raises
    ------
    ProgramError
        On a unit, tile or slot that the chip does not have, a program longer than its SRAM, a number out of its range,
        or arrays of another type or shape. What is kept is a copy, which nobody changes afterwards.
    """

    config: ChipConfig
    frame_cycles: int
    frames_per_run: int
    units: Mapping[Unit, tuple[int, ...]]
    inputs: tuple[InputSlot, ...] = ()
    outputs: tuple[OutputSlot, ...] = ()
    layers: tuple[LayerPlan, ...] = ()
    targets: Mapping[int, WeightTargets] = field(default_factory=dict)
    origins: Mapping[Unit, int] = field(default_factory=dict)
    masks: Mapping[tuple[int, Edge], NDArray[np.bool_]] = field(default_factory=dict)
    duration: int = 0

    def __post_init__(self) -> None:
        config = self.config
        if not self.duration:
            object.__setattr__(self, "duration", config.max_code)
        try:
            for name, low, high in (
                ("frame_cycles", 1, _MOST_CYCLES),
                ("frames_per_run", 1, _MOST_FRAMES),
                ("duration", 1, config.max_code),  # code of an input of 1
            ):
                object.__setattr__(self, name, whole_number(getattr(self, name), name, low, high))
            units = {unit: checked_words(unit, words, config) for unit, words in self.units.items()}
            object.__setattr__(self, "units", units)
            object.__setattr__(self, "origins", {unit: self._origin(unit, at) for unit, at in self.origins.items()})
            object.__setattr__(self, "masks", dict(checked_mask(*item, config) for item in self.masks.items()))
            object.__setattr__(self, "targets", dict(self._target(*item) for item in self.targets.items()))
            self._check_slots()
        except ProgramError:
            raise
        except ValueError as error:
            raise ProgramError(str(error)) from None

    def _origin(self, unit: Unit, cycles: int) -> int:
        return whole_number(cycles, f"origin of {checked_unit(unit, self.config)}", 0, _MOST_CYCLES)

    def _target(self, tile: int, target: WeightTargets) -> tuple[int, WeightTargets]:
        index = checked_tile(tile, self.config, f"weights of tile {tile}")
        shape = (self.config.total_rows, self.config.lanes)
        for name in ("wp1", "wp2"):
            array = getattr(target, name)
            if array is None or array.shape != shape or not np.all(np.abs(array) <= 1):
                got = None if array is None else array.shape
                raise ValueError(f"{name} of tile {tile} must be {shape} numbers in [-1, 1], got {got}")
        return index, target

    def _check_slots(self) -> None:
        """Every slot of frame 0 is one that the landing pads have; every tile of a layer exists."""
        config = self.config
        slots = [(ILP, one.ilp, one.slot, one.stride, one.count, config.ilp_vectors) for one in self.inputs]
        slots += [(OLP, one.olp, one.slot, one.stride, one.width, config.olp_vectors) for one in self.outputs]
        for kind, index, slot, stride, lanes, depth in slots:
            checked_unit(Unit(kind, index), config)
            whole_number(slot, "slot", 0, depth - 1)
            whole_number(stride, "stride of a slot", 0, depth)
            whole_number(lanes, "lanes of a slot", 0, config.lanes)
        for one in self.inputs:
            whole_number(one.first, "first input of a slot", 0, _MOST_INPUTS)
            if one.sign not in (1, -1):
                raise ValueError(f"a slot holds inputs of sign 1 or -1, got {one.sign}")
        for layer in self.layers:
            if len(layer.tiles) not in (1, 2):
                raise ValueError(
                    f"{layer.name} is on {counted(len(layer.tiles), 'tile')}; expected one, or a vertical pair"
                )
            for tile in (*layer.tiles, layer.reader):
                checked_tile(tile, config, layer.name)

    @cached_property
    def tiles(self) -> tuple[int, ...]:
        """Tiles that hold weights."""
        return tuple(sorted(self.targets))

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(north, south) tiles that share their capacitors."""
        return tuple((layer.tiles[0], layer.tiles[1]) for layer in self.layers if len(layer.tiles) == 2)

    @property
    def input_width(self) -> int:
        """Numbers that the network takes."""
        return max((slot.first + slot.count for slot in self.inputs), default=0)

    @property
    def overlaps(self) -> bool:
        """Whether a frame is still worked on when the next has begun."""
        return any(origin >= self.frame_cycles for origin in self.origins.values())

    def locate(self, unit: Unit, cycle: int) -> tuple[int, int]:
        """Frame of the run, and cycle within it, that `unit` works on in a cycle of the program.

        A unit with an origin counts its frame from there, so what it reads out while the next frame has begun still
        belongs to the old one, at a cycle beyond `frame_cycles`. Both engines label the physics' events so.
        """
        origin = self.origins.get(unit, 0)
        frame, within = divmod(cycle - origin, self.frame_cycles)
        return frame, within + origin

    def input_codes(self, inputs: ArrayLike) -> NDArray[np.int16]:
        """Inputs (frames, width) as signed codes: floats in [-1, 1] are quantised, integers taken as they are.

        Raises
        ------
        ProgramError
            If the shape is not (frames, `input_width`), or an integer is beyond `duration` on either side.
        VectorError
            If a float is outside [-1, 1].
        """
        array = np.asarray(inputs)
        if array.ndim != 2 or array.shape[1] != self.input_width:
            raise ProgramError(f"expected inputs of shape (frames, {self.input_width}), got {array.shape}")
        if array.dtype.kind not in "iu":
            return vectors.quantise(array, self.duration)
        top = self.duration
        if array.size and not -top <= array.min() <= array.max() <= top:
            raise ProgramError(f"input codes must be -{top} to {top}, got {array.min()} to {array.max()}")
        return array.astype(np.int16)

    def ilp_image(self, codes: NDArray[np.int16]) -> dict[int, NDArray[np.uint8]]:
        """Vector SRAMs of one run: signed codes (frames, inputs) -> {ilp: (ilp_vectors, lanes)}.

        Raises
        ------
        ProgramError
            If there are more frames than a run has, or the width is not the network's.
        """
        if codes.ndim != 2 or codes.shape[1] != self.input_width or len(codes) > self.frames_per_run:
            raise ProgramError(
                f"expected codes of at most {counted(self.frames_per_run, 'frame')} x "
                f"{counted(self.input_width, 'input')}, got {codes.shape}"
            )
        magnitudes = dict(zip((1, -1), vectors.split_signs(codes), strict=True))
        images: dict[int, NDArray[np.uint8]] = {}
        for slot in self.inputs:
            empty = np.zeros((self.config.ilp_vectors, self.config.lanes), np.uint8)
            image = images.setdefault(slot.ilp, empty)
            numbers = _numbers(slot, len(codes), self.config.ilp_vectors)
            image[numbers, : slot.count] = magnitudes[slot.sign][:, slot.first : slot.first + slot.count]
        return images

    def olp_codes(self, results: Mapping[int, NDArray[np.uint8]], frames: int) -> dict[str, NDArray[np.uint8]]:
        """Codes of each output from the result SRAMs {olp: (olp_vectors, lanes)}: {name: (frames, width)}."""
        return {
            slot.name: results[slot.olp][_numbers(slot, frames, self.config.olp_vectors), : slot.width]
            for slot in self.outputs
        }

    def with_targets(self, targets: Mapping[int, WeightTargets]) -> "Program":
        """The same program with other weights, e.g. calibrated ones."""
        return replace(self, targets=targets)

    def to_parts(self, *, weights: bool = True) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """The program, with its weights or without them, as what JSON holds, and arrays."""
        arrays: dict[str, NDArray] = {}
        for unit, words in self.units.items():
            arrays[f"words {unit}"] = words_to_beats(words)
        for (tile, edge), mask in self.masks.items():
            arrays[f"mask {tile} {edge}"] = mask
        for tile, target in self.targets.items() if weights else ():
            for name in ("wp1", "wp2"):
                arrays[f"{name} {tile}"] = getattr(target, name)
        meta = {
            "config": config_to_json(self.config),
            "frame_cycles": self.frame_cycles,
            "frames_per_run": self.frames_per_run,
            "inputs": [asdict(slot) for slot in self.inputs],
            "outputs": [asdict(slot) for slot in self.outputs],
            "layers": [asdict(layer) for layer in self.layers],
            "duration": self.duration,
            "origins": {str(unit): cycles for unit, cycles in self.origins.items()},
        }
        return meta, arrays

    def save(self, path: Path) -> None:
        """Write the program to an npz file without pickle: numbers as arrays, the rest as JSON."""
        write_archive(path, _FORMAT, _VERSION, *self.to_parts())

    @classmethod
    def load(cls, path: Path) -> "Program":
        """Read what `save` wrote.

        Raises
        ------
        ProgramError
            If the file is no program, is truncated, or was written by another version.
        """
        return load_archive(path, _FORMAT, _VERSION, cls.from_parts, ProgramError)

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> "Program":
        """Inverse of `to_parts`.

        Raises
        ------
        ValueError
            If something is missing or unknown, or of another type, shape or range.
        """
        header = typed(_Header, meta)
        check_arrays(arrays, _ARRAYS, lanes=header.config.lanes, rows=header.config.total_rows)
        units, masks, targets = {}, {}, {}
        for key, array in arrays.items():
            kind, _, rest = key.partition(" ")
            if kind == "words":
                units[Unit.parse(rest)] = beats_to_words(array)
            elif kind == "mask":
                tile, edge = rest.split(" ")
                masks[parse_number(tile), Edge(edge)] = array
            elif kind == "wp1":
                targets[parse_number(rest)] = WeightTargets(array, arrays.get(f"wp2 {rest}"))
        return cls(
            units=units,
            targets=targets,
            masks=masks,
            **{**vars(header), "origins": {Unit.parse(unit): cycles for unit, cycles in header.origins.items()}},
        )


def _numbers(slot: InputSlot | OutputSlot, frames: int, depth: int) -> NDArray[np.int64]:
    """Of the vectors of a slot in each frame."""
    numbers = slot.slot + slot.stride * np.arange(frames)
    if frames and numbers[-1] >= depth:
        raise ProgramError(
            f"a run of {counted(frames, 'frame')} needs vector {numbers[-1]} of a landing pad, it holds {depth}"
        )
    return numbers


@dataclass(frozen=True)
class _Header:
    """What a file has of a program beside arrays."""

    config: ChipConfig
    frame_cycles: int
    frames_per_run: int
    inputs: tuple[InputSlot, ...]
    outputs: tuple[OutputSlot, ...]
    layers: tuple[LayerPlan, ...]
    duration: int
    origins: Mapping[str, int]


#: Arrays of a file.
_ARRAYS = {
    "words *": ArraySpec("u8", (None, 2)),
    "mask *": ArraySpec("b1", ("lanes",)),
    "wp[12] *": ArraySpec("f8", ("rows", "lanes"), -1, 1),
}
