"""A chip that is ready to run, with what its calibration measured and set; a folder of files."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip, AnalogFileError
from analog_models.npz import ArraySpec, check_arrays
from analog_models.programming_report import ProgrammingReport
from cosim.compiler import MappingOptions
from cosim.files.archive import ArchiveError, load_archive, replacing, write_archive
from cosim.files.typed import typed
from cosim.program import Program

__all__ = ["CalibratedChip", "LayerCalibration"]

Array = NDArray[np.float64]

_FORMAT, _VERSION = "duramesh calibration", 3
#: Arrays of a ProgrammingReport, and of a LayerCalibration.
_REPORTED = ("errors", "targets")
_MEASURED = ("slopes", "offsets", "residual_slopes", "residual_offsets")


@dataclass(frozen=True)
class LayerCalibration:
    """What was measured and set for one layer.

    Parameters
    ----------
    slopes : (outputs,) measured over expected MAC, before the weights were scaled or the ramp's slope set.
    offsets : (outputs,) without bias rows if these were programmed, in units of the full scale.
    residual_slopes, residual_offsets : (outputs,) the same at the end.
    enable_offset : int
        Cycle in which the output-enable window opens.
    """

    slopes: Array
    offsets: Array
    residual_slopes: Array
    residual_offsets: Array
    enable_offset: int


@dataclass(frozen=True)
class CalibratedChip:
    """A chip that is ready to run: program, programmed analog part, and how it came about.

    Parameters
    ----------
    program : Program
    analog : AnalogChip
    programming : ProgrammingReport
        Of the first programming.
    layers : tuple of LayerCalibration
        None if it was not calibrated.
    options : MappingOptions
        What the program was compiled with: all choices of the compiler and of the calibration.
    """

    program: Program
    analog: AnalogChip
    programming: ProgrammingReport
    layers: tuple[LayerCalibration, ...] = field(default=())
    options: MappingOptions = field(default_factory=MappingOptions)

    def aged(self, age_s: float) -> "CalibratedChip":
        """The chip at an age; this one stays as it is."""
        analog = self.analog.copy()
        analog.set_age(age_s)
        return replace(self, analog=analog)

    def save(self, folder: Path) -> None:
        """Write the chip into a folder: `program.npz`, `analog.npz`, and how it came about, `calibration.npz`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.program.save(folder / "program.npz")
        with replacing(folder / "analog.npz") as part:
            self.analog.save(part)
        report = self.programming
        arrays = {
            f"{name} {tile} {pair}": values
            for name in _REPORTED
            for (tile, pair), values in getattr(report, name).items()
        }
        for index, layer in enumerate(self.layers):
            arrays |= {f"{name} {index}": getattr(layer, name) for name in _MEASURED}
        meta = {
            "iterations": [[tile, pair, count] for (tile, pair), count in report.iterations.items()],
            "unfinished": report.unfinished,
            "enable_offsets": [layer.enable_offset for layer in self.layers],
            "options": self.options.to_json(),
        }
        write_archive(folder / "calibration.npz", _FORMAT, _VERSION, meta, arrays)

    @classmethod
    def load(cls, folder: Path) -> "CalibratedChip":
        """Read what `save` wrote: it gives the same codes, in any process.

        Raises
        ------
        ArchiveError, ProgramError
            If a file is damaged, or of another version.
        FileNotFoundError
            If one is missing.
        """
        path = folder / "calibration.npz"
        programming, layers, options = load_archive(path, _FORMAT, _VERSION, _from_parts, ArchiveError)
        for name in ("program.npz", "analog.npz"):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder / name} is missing")
        try:
            analog = AnalogChip.load(folder / "analog.npz")
        except AnalogFileError as error:
            raise ArchiveError(str(error)) from None
        return cls(Program.load(folder / "program.npz"), analog, programming, layers, options)


@dataclass(frozen=True)
class _Header:
    """What the file has of a calibration beside arrays; `iterations` are those of the report, with tile and pair."""

    iterations: tuple[tuple[int, int, int], ...]
    unfinished: int
    enable_offsets: tuple[int, ...]
    options: Mapping[str, Any]


def _from_parts(
    meta: Mapping[str, Any], arrays: Mapping[str, NDArray]
) -> tuple[ProgrammingReport, tuple[LayerCalibration, ...], MappingOptions]:
    header = typed(_Header, meta)
    pairs, layers = [(tile, pair) for tile, pair, _ in header.iterations], range(len(header.enable_offsets))
    schema = {
        f"{name} {tile} {pair}": ArraySpec("f4", (f"rows {tile} {pair}", "columns"))
        for name in _REPORTED
        for tile, pair in pairs
    }
    schema |= {f"{name} {index}": ArraySpec("f8", (f"outputs {index}",)) for name in _MEASURED for index in layers}
    check_arrays(arrays, schema)
    programming = ProgrammingReport(
        **{name: {(tile, pair): arrays[f"{name} {tile} {pair}"] for tile, pair in pairs} for name in _REPORTED},
        iterations={(tile, pair): count for tile, pair, count in header.iterations},
        unfinished=header.unfinished,
    )
    calibrations = tuple(
        LayerCalibration(**{name: arrays[f"{name} {index}"] for name in _MEASURED}, enable_offset=offset)
        for index, offset in enumerate(header.enable_offsets)
    )
    return programming, calibrations, MappingOptions.from_json(header.options)
