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

from analog_models.programming import WeightTargets
from cosim.files.archive import ArchiveError, read_archive, write_archive
from cosim.files.chip_config import config_from_json, config_to_json
from cosim.isa import assembler, vectors
from cosim.isa.words import TILE, beats_to_words, words_to_beats
from cosim.program.plan import LayerPlan
from cosim.program.slots import InputSlot, OutputSlot, ProgramError, Unit
from rtl.config import ChipConfig, Edge
from rtl.isa import UnitKind

__all__ = ["Program"]

_FORMAT, _VERSION = "duramesh program", 1


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
        if not self.duration:
            object.__setattr__(self, "duration", self.config.max_code)
        if not 1 <= self.duration <= self.config.max_code:
            raise ProgramError(f"an input of 1 is a code of 1 to {self.config.max_code}, got {self.duration}")
        if self.frame_cycles < 1 or self.frames_per_run < 1:
            raise ProgramError(
                f"a run has {self.frames_per_run} frames of {self.frame_cycles} cycles; expected at least 1"
            )
        for unit, words in self.units.items():
            if unit.index >= self._count(unit.kind):
                raise ProgramError(f"{unit} does not exist: this chip has {self._count(unit.kind)} of them")
            depth = assembler.program_depth(unit.kind, self.config)
            if len(words) > depth:
                raise ProgramError(f"program of {unit} has {len(words)} words, its SRAM holds {depth}")
        shape = (self.config.total_rows, self.config.lanes)
        for tile, target in self.targets.items():
            for name in ("wp1", "wp2"):
                array = getattr(target, name)
                if array.shape != shape or not np.all(np.abs(array) <= 1):
                    raise ProgramError(f"{name} of tile {tile} must be {shape} numbers in [-1, 1], got {array.shape}")

    def _count(self, kind: UnitKind) -> int:
        return self.config.tile_count if kind is TILE else self.config.domain_count

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
                f"expected codes of at most {self.frames_per_run} frames x {self.input_width} inputs, got {codes.shape}"
            )
        magnitudes = dict(zip((1, -1), vectors.split_signs(codes), strict=True))
        images: dict[int, NDArray[np.uint8]] = {}
        for slot in self.inputs:
            empty = np.zeros((self.config.ilp_vectors, self.config.lanes), np.uint8)
            image = images.setdefault(slot.ilp, empty)
            rows = slot.slot + slot.stride * np.arange(len(codes))
            image[rows, : slot.count] = magnitudes[slot.sign][:, slot.first : slot.first + slot.count]
        return images

    def olp_codes(self, results: Mapping[int, NDArray[np.uint8]], frames: int) -> dict[str, NDArray[np.uint8]]:
        """Codes of each output from the result SRAMs {olp: (olp_vectors, lanes)}: {name: (frames, width)}."""
        return {
            slot.name: results[slot.olp][slot.slot + slot.stride * np.arange(frames), : slot.width]
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
        try:
            meta, arrays = read_archive(path, _FORMAT, _VERSION)
        except ArchiveError as error:
            raise ProgramError(str(error)) from None
        try:
            return cls.from_parts(meta, arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise ProgramError(f"{path} is damaged: {type(error).__name__}: {error}") from None

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> "Program":
        """Inverse of `to_parts`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is missing, or of another shape or type.
        """
        units, masks, targets = {}, {}, {}
        for key, array in arrays.items():
            kind, _, rest = key.partition(" ")
            if kind == "words":
                units[Unit.parse(rest)] = beats_to_words(array)
            elif kind == "mask":
                tile, edge = rest.split(" ")
                masks[int(tile), Edge(edge)] = array
            elif kind == "wp1":
                targets[int(rest)] = WeightTargets(array, arrays[f"wp2 {rest}"])
        return cls(
            config=config_from_json(meta["config"]),
            frame_cycles=meta["frame_cycles"],
            frames_per_run=meta["frames_per_run"],
            units=units,
            inputs=tuple(InputSlot(**slot) for slot in meta["inputs"]),
            outputs=tuple(OutputSlot(**slot) for slot in meta["outputs"]),
            layers=tuple(LayerPlan.from_json(layer) for layer in meta["layers"]),
            targets=targets,
            origins={Unit.parse(unit): cycles for unit, cycles in meta["origins"].items()},
            masks=masks,
            duration=meta.get("duration", 0),
        )
