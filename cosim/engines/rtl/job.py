"""A run of the engine as a folder: what the simulator's process reads, and what it leaves behind.

::

    options.json
    program.npz  analog.npz  inputs.npz   of a run of a program; numbers only, no pickle
    experiments/000000.npz, ...           or of a session of experiments
    done/000000.npz, ...                  codes of every finished group of frames, named by its first one; or records
    statistics.json                       of what is done
    error.json                            only after an error
    sim.log  results.xml                  what the simulator and cocotb print

Files appear complete, under their final name, in the order above: a run that is interrupted keeps what is done.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from cosim.experiment import Experiment, Record
from cosim.files.archive import replacing, write_text
from cosim.program import Program

__all__ = ["Job", "Options", "ProgramJob", "SessionJob"]

Codes = dict[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Options:
    """How to run.

    Parameters
    ----------
    first_frame : int
        Number of a program's first frame; it keys the noise.
    pause : float
        Chance of a held-back beat on the host port (`agents.HostPort`).
    bare : bool
        After each group of a program's frames, let the model run as many cycles of it again, alone, and time that.
    """

    first_frame: int = 0
    pause: float = 0.0
    bare: bool = False


@dataclass(frozen=True)
class Job:
    """Paths and formats that a program and a session of experiments have in common."""

    folder: Path

    @staticmethod
    def open(folder: Path) -> "ProgramJob | SessionJob":
        """The job that `create` wrote into `folder`."""
        return ProgramJob(folder) if (folder / "program.npz").is_file() else SessionJob(folder)

    def _prepare(self, options: Options) -> None:
        """A folder for the job, without what an earlier one left there."""
        for name in ("experiments", "done"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        inputs = (self.folder / f"{name}.npz" for name in ("program", "analog", "inputs"))
        items = (path for name in ("experiments", "done") for path in (self.folder / name).glob("*.npz"))
        for old in (*inputs, *items, self.statistics, self.error, self.log):
            old.unlink(missing_ok=True)
        (self.folder / "options.json").write_text(json.dumps(asdict(options)))

    @property
    def options(self) -> Options:
        return Options(**json.loads((self.folder / "options.json").read_text()))

    @property
    def statistics(self) -> Path:
        return self.folder / "statistics.json"

    @property
    def error(self) -> Path:
        return self.folder / "error.json"

    @property
    def log(self) -> Path:
        return self.folder / "sim.log"

    def _result(self, number: int) -> Path:
        return self.folder / "done" / f"{number:06d}.npz"

    def _results(self) -> list[Path]:
        return sorted((self.folder / "done").glob("*.npz"))

    def tell(self, statistics: dict[str, Any]) -> None:
        """Store the statistics of all that is done, `done` among them."""
        write_text(self.statistics, json.dumps(statistics, indent=1))

    def fail(self, error: Exception) -> None:
        """Store why the run ended early."""
        write_text(self.error, json.dumps({"type": type(error).__name__, "message": str(error)}, indent=1))

    def done(self) -> int:
        """Frames, or experiments, finished so far."""
        if not self.statistics.is_file():
            return 0
        return json.loads(self.statistics.read_text())["done"]


@dataclass(frozen=True)
class ProgramJob(Job):
    """Frames of one program."""

    @classmethod
    def create(
        cls, folder: Path, program: Program, chip: AnalogChip, codes: NDArray[np.int16], options: Options
    ) -> "ProgramJob":
        """Write a new job; results of an earlier one in the same folder are removed."""
        job = cls(folder)
        job._prepare(options)
        program.save(folder / "program.npz")
        chip.save(folder / "analog.npz")
        np.savez(folder / "inputs.npz", allow_pickle=False, codes=codes)
        return job

    def load(self) -> tuple[Program, AnalogChip, NDArray[np.int16]]:
        """Read what `create` wrote."""
        with np.load(self.folder / "inputs.npz", allow_pickle=False) as file:
            codes = file["codes"]
        return Program.load(self.folder / "program.npz"), AnalogChip.load(self.folder / "analog.npz"), codes

    def keep(self, first: int, codes: Codes, statistics: dict[str, Any]) -> None:
        """Store the codes (frames, width) of the group that begins with frame `first` of the job."""
        with replacing(self._result(first)) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, **codes)
        self.tell(statistics)

    def collect(self) -> Codes:
        """Codes of all frames finished so far: {output: (frames, width)}."""
        groups = []
        for path in self._results():
            with np.load(path, allow_pickle=False) as file:
                groups.append(dict(file))
        return {name: np.concatenate([group[name] for group in groups]) for name in (groups[0] if groups else ())}


@dataclass(frozen=True)
class SessionJob(Job):
    """Experiments, one after the other on one chip."""

    @classmethod
    def create(cls, folder: Path, experiments: Sequence[Experiment], options: Options) -> "SessionJob":
        """Write a new job; records of an earlier one in the same folder are removed."""
        job = cls(folder)
        job._prepare(options)
        for number, experiment in enumerate(experiments):
            experiment.save(folder / "experiments" / f"{number:06d}.npz")
        return job

    def load(self) -> list[Path]:
        """Files of the experiments, in order."""
        return sorted((self.folder / "experiments").glob("*.npz"))

    def keep(self, number: int, record: Record, statistics: dict[str, Any]) -> None:
        """Store the record of experiment `number`."""
        record.save(self._result(number))
        self.tell(statistics)

    def collect(self) -> list[Record]:
        """Records of all experiments finished so far."""
        return [Record.load(path) for path in self._results()]
