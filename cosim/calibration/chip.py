"""A chip that is ready to run, with what its calibration measured and set; a folder of files."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.programming_report import ProgrammingReport
from cosim.compiler import MappingOptions
from cosim.files.archive import ArchiveError, read_archive, replacing, write_archive
from cosim.program import Program

__all__ = ["CalibratedChip", "LayerCalibration"]

Array = NDArray[np.float64]

_FORMAT, _VERSION = "duramesh calibration", 3
#: Arrays of a LayerCalibration.
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

    def save(self, folder: Path) -> None:
        """Write the chip into a folder: `program.npz`, `analog.npz`, and how it came about, `calibration.npz`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.program.save(folder / "program.npz")
        with replacing(folder / "analog.npz") as part:
            self.analog.save(part)
        report = self.programming
        arrays = {
            f"{name} {tile} {pair}": values
            for name in ("errors", "targets")
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
        ArchiveError, ProgramError, AnalogFileError
            If a file is damaged, or of another version.
        FileNotFoundError
            If one is missing.
        """
        path = folder / "calibration.npz"
        meta, arrays = read_archive(path, _FORMAT, _VERSION)
        report: dict[str, dict[tuple[int, int], NDArray[np.float32]]] = {"errors": {}, "targets": {}}
        try:
            for key, values in arrays.items():
                name, *numbers = key.split()
                if name in report:
                    report[name][int(numbers[0]), int(numbers[1])] = values
            programming = ProgrammingReport(
                **report,
                iterations={(tile, pair): count for tile, pair, count in meta["iterations"]},
                unfinished=meta["unfinished"],
            )
            layers = tuple(
                LayerCalibration(**{name: arrays[f"{name} {index}"] for name in _MEASURED}, enable_offset=offset)
                for index, offset in enumerate(meta["enable_offsets"])
            )
            options = MappingOptions.from_json(meta["options"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArchiveError(f"{path} is damaged: {type(error).__name__}: {error}") from None
        if not (folder / "program.npz").is_file():
            raise FileNotFoundError(f"{folder / 'program.npz'} is missing")
        program, analog = Program.load(folder / "program.npz"), AnalogChip.load(folder / "analog.npz")
        return cls(program, analog, programming, layers, options)
