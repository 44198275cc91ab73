"""A run of the engine as a folder: what the simulator's process reads, and what it leaves behind.

::

    program.npz  analog.npz  inputs.npz   the job; numbers only, no pickle
    options.json
    frames/000000.npz, ...                codes of every finished group of frames, named by its first one
    statistics.json                       of the groups so far
    error.json                            only after an error
    sim.log  results.xml                  what the simulator and cocotb print

Files appear complete, under their final name, in the order above: a run that is interrupted keeps what is done.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from cosim.program import Program

__all__ = ["Job", "Options"]

Codes = dict[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Options:
    """How to run.

    Parameters
    ----------
    first_frame : int
        Number of the first frame; it keys the noise.
    pause : float
        Chance of a held-back beat on the host port (`agents.HostPort`).
    """

    first_frame: int = 0
    pause: float = 0.0


@dataclass(frozen=True)
class Job:
    """Paths and formats of a run's folder."""

    folder: Path

    @classmethod
    def create(
        cls, folder: Path, program: Program, chip: AnalogChip, codes: NDArray[np.int16], options: Options
    ) -> "Job":
        """Write a new job; results of an earlier one in the same folder are removed."""
        job = cls(folder)
        job.frames.mkdir(parents=True, exist_ok=True)
        for old in (*job.frames.glob("*.npz"), job.statistics, job.error, job.log):
            old.unlink(missing_ok=True)
        program.save(folder / "program.npz")
        chip.save(folder / "analog.npz")
        np.savez(folder / "inputs.npz", allow_pickle=False, codes=codes)
        (folder / "options.json").write_text(json.dumps(asdict(options)))
        return job

    def load(self) -> tuple[Program, AnalogChip, NDArray[np.int16], Options]:
        """Read what `create` wrote."""
        with np.load(self.folder / "inputs.npz", allow_pickle=False) as file:
            codes = file["codes"]
        options = Options(**json.loads((self.folder / "options.json").read_text()))
        return (
            Program.load(self.folder / "program.npz"),
            AnalogChip.load(self.folder / "analog.npz"),
            codes,
            options,
        )

    @property
    def frames(self) -> Path:
        return self.folder / "frames"

    @property
    def statistics(self) -> Path:
        return self.folder / "statistics.json"

    @property
    def error(self) -> Path:
        return self.folder / "error.json"

    @property
    def log(self) -> Path:
        return self.folder / "sim.log"

    def keep(self, first: int, codes: Codes, statistics: dict[str, Any]) -> None:
        """Store the codes (frames, width) of the group that begins with frame `first` of the job."""
        path = self.frames / f"{first:06d}.npz"
        with _replacing(path).open("wb") as file:
            np.savez(file, allow_pickle=False, **codes)
        os.replace(_replacing(path), path)
        _write_json(self.statistics, statistics)

    def fail(self, error: Exception) -> None:
        """Store why the run ended early."""
        _write_json(self.error, {"type": type(error).__name__, "message": str(error)})

    def done(self) -> int:
        """Frames finished so far."""
        if not self.statistics.is_file():
            return 0
        return json.loads(self.statistics.read_text())["frames"]

    def collect(self) -> Codes:
        """Codes of all frames finished so far: {output: (frames, width)}."""
        groups = []
        for path in sorted(self.frames.glob("*.npz")):
            with np.load(path, allow_pickle=False) as file:
                groups.append(dict(file))
        return {name: np.concatenate([group[name] for group in groups]) for name in (groups[0] if groups else ())}


def _replacing(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _replacing(path).write_text(json.dumps(content, indent=1))
    os.replace(_replacing(path), path)
