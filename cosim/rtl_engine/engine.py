"""Runs a Program on the RTL: one process of the simulator for each run, fed and read through a folder."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analog_models.chip import AnalogChip
from cosim.program import Program, ProgramError
from cosim.results import Results
from cosim.rtl_engine.agents import ChipError
from cosim.rtl_engine.build import build
from cosim.rtl_engine.job import Job, Options
from cosim.rtl_engine.simulator import SimulationError, tail
from cosim.rtl_engine.waves import write_save_file
from rtl.config import ChipConfig, preset

__all__ = ["RtlEngine", "RunInterrupted"]

_TESTBENCH = "cosim.rtl_engine.testbench"
#: The test bench is no test: rewriting the assertions of every module that it imports would take seconds.
_ENVIRONMENT = {"COCOTB_REWRITE_ASSERTION_FILES": ""}
_POLL_S = 0.05
_GRACE_S = 5.0

Progress = Callable[[int, int], None]


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C during a run; `results` holds the frames that were finished."""

    def __init__(self, results: Results) -> None:
        super().__init__()
        self.results = results


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

    Raises
    ------
    BuildError
        If the simulator cannot be built.
    """

    def __init__(
        self,
        config: ChipConfig | None = None,
        *,
        waves: Path | None = None,
        pause: float = 0.0,
        quiet: bool = False,
    ) -> None:
        self.config = config or preset()
        if waves is None and os.environ.get("WAVES", "0") not in ("", "0"):
            waves = Path("waves")
        self._simulator = build(self.config, waves=waves is not None, quiet=quiet)
        self.waves = waves and waves.resolve().with_suffix(f".{self._simulator.trace_format}")
        self._pause = pause

    def run(
        self,
        program: Program,
        chip: AnalogChip,
        inputs: ArrayLike,
        *,
        first_frame: int = 0,
        progress: Progress | None = None,
        folder: Path | None = None,
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

        Returns
        -------
        Results
            `statistics` has `frames`, `cycles` (since reset, with all host transfers), `events` (analog ones); `wall_s`
            from reset to the last result and its parts `simulator_s`, `analog_s` (the physics), `host_s` (Python that
            carries vectors and events); `cycles_per_s` and `frames_per_s` over `wall_s`; and beside it `startup_s`,
            which starting and ending the process took.

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
        with ExitStack() as stack:
            if folder is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="duramesh-")))
            job = Job.create(folder.resolve(), program, chip, codes, Options(first_frame, self._pause))
            if self.waves:
                write_save_file(self.waves, program)
            process = self._simulator.start(
                [_TESTBENCH], job.folder, log=job.log, trace=self.waves, environment=_ENVIRONMENT
            )
            try:
                _watch(process, job, len(codes), progress)
            except KeyboardInterrupt:
                _end(process)
                raise RunInterrupted(_results(program, job, first_frame, perf_counter() - started)) from None
            finally:
                _end(process)
            _raise_errors(job, process.returncode, len(codes))
            return _results(program, job, first_frame, perf_counter() - started)


def _watch(process: subprocess.Popen, job: Job, frames: int, progress: Progress | None) -> None:
    """Wait for the simulator, and tell `progress` about every group of frames."""
    told = 0
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
        done = job.done()
        if progress and done != told:
            progress(done, frames)
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


def _raise_errors(job: Job, status: int, frames: int) -> None:
    if job.error.is_file():
        error = json.loads(job.error.read_text())
        if error["type"] == ChipError.__name__:
            raise ChipError(error["message"])
        raise SimulationError(f"{error['type']} in the test bench: {error['message']}\n{tail(job.log)}")
    if status or job.done() != frames:
        raise SimulationError(
            f"the simulator ended with status {status} after {job.done()} of {frames} frames\n{tail(job.log)}"
        )


def _results(program: Program, job: Job, first_frame: int, elapsed_s: float) -> Results:
    statistics: dict[str, Any] = {}
    if job.statistics.is_file():
        statistics = json.loads(job.statistics.read_text())
        wall = statistics["wall_s"]
        statistics |= {
            "cycles_per_s": statistics["cycles"] / wall,
            "frames_per_s": statistics["frames"] / wall,
            "startup_s": elapsed_s - wall,
        }
    nothing = {slot.name: np.zeros((0, slot.width), np.uint8) for slot in program.outputs}
    return Results.of("rtl", program, job.collect() or nothing, first_frame=first_frame, statistics=statistics)
