"""Runs a Program, or Experiments, on the RTL: one process of the simulator a run, fed and read through a folder."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analog_models.chip import AnalogChip
from cosim.engines.engine import Progress, RunInterrupted
from cosim.engines.results import Results
from cosim.engines.rtl.agents.host import ChipError
from cosim.engines.rtl.build import build
from cosim.engines.rtl.cache import Effort
from cosim.engines.rtl.icarus import build_icarus
from cosim.engines.rtl.job import Job, Options, ProgramJob, SessionJob
from cosim.engines.rtl.simulator import SimulationError, tail
from cosim.engines.rtl.waves import write_save_file
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.program import Program, ProgramError
from rtl.config import ChipConfig, preset

__all__ = ["RtlEngine"]

_TESTBENCH = "cosim.engines.rtl.testbench"
#: The test bench is no test: rewriting the assertions of every module that it imports would take seconds.
_ENVIRONMENT = {"COCOTB_REWRITE_ASSERTION_FILES": ""}
_POLL_S = 0.05
_GRACE_S = 5.0


class RtlEngine:
    """The chip's Verilog in Verilator, driven by cocotb.

    Parameters
    ----------
    config : ChipConfig
        The full chip by default.
    waves : Path or None
        Write a waveform there, and a GTKWave save file beside it; the suffix becomes that of the trace format. If None,
        the environment variable ``WAVES=1`` asks for a file ``waves`` in the working directory. Several times slower.
    pause : float
        Chance that the host port holds back a beat in a cycle; changes no result, for verification.
    quiet : bool
        Say nothing on stderr while the simulator is built.
    tool : str
        `verilator`; or `icarus`, where that is installed: a second opinion on small chips, without waves.

    Raises
    ------
    BuildError
        If the simulator cannot be built.
    ValueError
        On another tool, or waves from Icarus.
    """

    def __init__(
        self,
        config: ChipConfig | None = None,
        *,
        waves: Path | None = None,
        pause: float = 0.0,
        quiet: bool = False,
        tool: str = "verilator",
    ) -> None:
        self.config = config or preset()
        if waves is None and os.environ.get("WAVES", "0") not in ("", "0"):
            waves = Path("waves")
        if tool not in ("verilator", "icarus") or (tool == "icarus" and waves):
            raise ValueError(f"no tool {tool!r}{' that writes waves' if waves else ''}; expected verilator or icarus")
        if tool == "icarus":
            self._simulator = build_icarus(self.config, quiet=quiet)
        else:
            self._simulator = build(self.config, waves=waves is not None, quiet=quiet)
        self.waves = waves and waves.resolve().with_suffix(f".{self._simulator.trace_format}")
        self._pause = pause

    @property
    def build_effort(self) -> Effort | None:
        """What building the simulator took, from Amaranth on, whenever that was; None if that was not noted."""
        return self._simulator.effort

    def run(
        self,
        program: Program,
        chip: AnalogChip,
        inputs: ArrayLike,
        *,
        first_frame: int = 0,
        progress: Progress | None = None,
        folder: Path | None = None,
        bare: bool = False,
    ) -> Results:
        """Feed the chip frame by frame and read every output.

        Parameters
        ----------
        program : Program
        chip : AnalogChip
            With the weights programmed. It is not changed: the simulator works on a copy.
        inputs : (frames, width)
            Floats in [-1, 1], or integers as signed codes, -255 to 255.
        first_frame : int
            Number of the first frame; it keys the noise.
        progress : callable (frames done, frames in all)
            Called now and then while the run goes on.
        folder : Path or None
            Keep the run's files there (`job`); by default they are temporary.
        bare : bool
            For benchmarks: also time each group's cycles in a loop with nothing but the model.

        Returns
        -------
        Results
            `statistics` has `frames`, `cycles` (since reset, with all host transfers), `events` (analog ones); `wall_s`
            from reset to the last result and its parts `simulator_s`, `analog_s` (the physics), `host_s` (Python that
            carries vectors and events); `cycles_per_s` and `frames_per_s` over `wall_s`; and beside it `startup_s`,
            which starting and ending the process took; `cpu_s`, the process's CPU time over `wall_s`. With `bare`, also
            `bare_cycles`, `bare_s` and `bare_cpu_s` of the last group.

        Raises
        ------
        ProgramError, VectorError
            If the program is for another chip; on inputs of another width, or out of range.
        ChipError
            If the chip reports an error or hangs.
        SimulationError
            If the simulator ends abnormally.
        RunInterrupted
            On Ctrl-C; it carries what was finished.
        """
        if program.config != self.config:
            raise ProgramError("the program was compiled for another chip than the engine's; compile it for this one")
        codes = program.input_codes(inputs)
        started = perf_counter()
        with _folder(folder) as place:
            job = ProgramJob.create(place, program, chip, codes, Options(first_frame, self._pause, bare))
            try:
                self._simulate(job, len(codes), progress, program)
            except KeyboardInterrupt:
                raise RunInterrupted(_results(program, job, first_frame, perf_counter() - started)) from None
            return _results(program, job, first_frame, perf_counter() - started)

    def perform(
        self, experiments: Sequence[Experiment], *, progress: Progress | None = None, folder: Path | None = None
    ) -> list[Record]:
        """Run experiments one after the other in one session.

        Before each of them the chip is reset, which leaves the contents of its SRAMs as they are; at the beginning of
        the session they are zero. Then every unit is loaded (one HALT if the experiment has no program for it), masks
        and vectors are written, sticky flags cleared, and the program is started; in cycle `Experiment.cycles` the
        units that still run are stopped. Error flags raise nothing: they are in the record.

        Parameters
        ----------
        experiments : sequence of Experiment
        progress : callable (experiments done, experiments in all)
            Called now and then while the session goes on.
        folder : Path or None
            Keep the session's files there (`job`); by default they are temporary.

        Returns
        -------
        list of Record
            `statistics` has `session_cycles` (from reset to the last read), `wall_s` and its parts, `cycles_per_s`.

        Raises
        ------
        ExperimentError
            If an experiment is for another chip, or asks the physics for what it cannot do.
        ChipError
            If the chip does not start, stop or answer.
        SimulationError
            If the simulator ends abnormally.
        RunInterrupted
            On Ctrl-C; it carries the records of what was finished.
        """
        for experiment in experiments:
            if experiment.config != self.config:
                raise ExperimentError(
                    f"{experiment.name} is for another chip than the engine's; give RtlEngine its `config`"
                )
        if not experiments:
            return []
        with _folder(folder) as place:
            job = SessionJob.create(place, experiments, Options(pause=self._pause))
            units = {unit: words for experiment in experiments for unit, words in experiment.units.items()}
            try:
                self._simulate(job, len(experiments), progress, replace(experiments[0], units=units))
            except KeyboardInterrupt:
                raise RunInterrupted(job.collect()) from None
            return job.collect()

    def _simulate(
        self, job: ProgramJob | SessionJob, total: int, progress: Progress | None, traced: Program | Experiment
    ) -> None:
        """Run the simulator on a job until all of it is done."""
        if self.waves:
            write_save_file(self.waves, traced)
        process = self._simulator.start(
            [_TESTBENCH], job.folder, log=job.log, trace=self.waves, environment=_ENVIRONMENT
        )
        try:
            _watch(process, job, total, progress)
        finally:
            _end(process)
        _raise_errors(job, process.returncode, total)


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    """The given folder, or a temporary one."""
    if folder is not None:
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="duramesh-") as name:
        yield Path(name).resolve()


def _watch(process: subprocess.Popen, job: Job, total: int, progress: Progress | None) -> None:
    """Wait for the simulator, and tell `progress` about all that gets done."""
    told = 0
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
        done = job.done()
        if progress and done != told:
            progress(done, total)
            told = done
        if process.poll() is not None:
            return


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _raise_errors(job: Job, status: int, total: int) -> None:
    if job.error.is_file():
        error = json.loads(job.error.read_text())
        for expected in (ChipError, ExperimentError):
            if error["type"] == expected.__name__:
                raise expected(error["message"])
        raise SimulationError(f"{error['type']} in the test bench: {error['message']}\n{tail(job.log)}")
    if status or job.done() != total:
        what = "frames" if isinstance(job, ProgramJob) else "experiments"
        raise SimulationError(
            f"the simulator ended with status {status} after {job.done()} of {total} {what}\n{tail(job.log)}"
        )


def _results(program: Program, job: ProgramJob, first_frame: int, elapsed_s: float) -> Results:
    statistics: dict[str, Any] = {}
    if job.statistics.is_file():
        statistics = json.loads(job.statistics.read_text())
        del statistics["done"]
        wall = statistics["wall_s"]
        statistics |= {
            "cycles_per_s": statistics["cycles"] / wall,
            "frames_per_s": statistics["frames"] / wall,
            "startup_s": elapsed_s - wall,
        }
    nothing = {slot.name: np.zeros((0, slot.width), np.uint8) for slot in program.outputs}
    return Results.of("rtl", program, job.collect() or nothing, first_frame=first_frame, statistics=statistics)
