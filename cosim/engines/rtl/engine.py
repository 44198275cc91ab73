"""Runs programs and experiments on the RTL, each run or session in a simulator process of its own."""

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from numpy.typing import ArrayLike

from analog_models.chip import AnalogChip
from cosim.engines.engine import Progress, Watch, check_experiment, perform_each, run_frames
from cosim.engines.results import Results
from cosim.engines.rtl.build import build
from cosim.engines.rtl.cache import Effort
from cosim.engines.rtl.channel import Message
from cosim.engines.rtl.icarus import build_icarus
from cosim.engines.rtl.process import SimulatorProcess
from cosim.engines.rtl.session import RtlSession
from cosim.engines.rtl.waves import check_place, part_of, save_file, trace_file, write_save_file
from cosim.experiment import Experiment, Record
from cosim.program import ChipImage, Program, ProgramError
from rtl.config import ChipConfig, preset

__all__ = ["RtlEngine"]

#: Seconds in which a simulator that writes a waveform finishes its file.
_TRACE_S = 60.0


class RtlEngine:
    """The chip's Verilog in Verilator, driven by cocotb.

    Parameters
    ----------
    config : ChipConfig
        The full chip by default.
    waves : Path or None
        Write a waveform there, and a GTKWave save file beside it; the suffix of the trace format is added. If None, the
        environment variable ``WAVES=1`` asks for a file ``waves`` in the working directory. Several times slower.
    waves_frames : collection of int, optional
        Numbers of the frames of a program that the waveform shows; by default all that happens. Codes are the same.
    pause : float
        Chance that the host port holds back a beat in a cycle; changes no result, for verification.
    quiet : bool
        Say nothing on stderr while the simulator is built.
    timeout_s : float, optional
        How long one answer of the simulator may take, e.g. a group of frames; by default as long as it takes. A chip
        that hangs is noticed by its cycles in any case.
    coverage : Path, optional
        Folder for the counts of line and toggle coverage, as for `build`.
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
        waves_frames: Collection[int] | None = None,
        pause: float = 0.0,
        quiet: bool = False,
        timeout_s: float | None = None,
        coverage: Path | None = None,
        tool: str = "verilator",
    ) -> None:
        self.config = config or preset()
        if waves is None and os.environ.get("WAVES", "0") not in ("", "0"):
            waves = Path("waves")
        if tool not in ("verilator", "icarus") or (tool == "icarus" and waves):
            raise ValueError(f"no tool {tool!r}{' that writes waves' if waves else ''}; expected verilator or icarus")
        if waves:
            check_place(trace_file(waves))  # the build takes minutes
        if tool == "icarus":
            self._simulator = build_icarus(self.config, quiet=quiet)
        else:
            self._simulator = build(self.config, waves=waves is not None, quiet=quiet, coverage=coverage)
        if waves:  # the end of a long trace takes a while to write
            self._simulator = replace(self._simulator, grace_s=max(self._simulator.grace_s, _TRACE_S))
        self.waves = waves and trace_file(waves, f".{self._simulator.trace_format}")
        self._waves_frames = waves_frames
        self._traced_by: int | None = None  # number of the process
        self._pause, self._timeout_s = pause, timeout_s

    @property
    def save_file(self) -> Path | None:
        """The viewer's save file of the waveform."""
        return self.waves and save_file(self.waves)

    @property
    def waves_bytes(self) -> int:
        """Size of the waveform so far; it grows in steps of some megabytes."""
        if not self.waves or self._traced_by is None:
            return 0
        for path in (part_of(self.waves, self._traced_by), self.waves):
            with suppress(OSError):
                return path.stat().st_size
        return 0

    @property
    def build_effort(self) -> Effort | None:
        """What building the simulator took, from Amaranth on, whenever that was; None if that was not noted."""
        return self._simulator.effort

    def open(self, image: ChipImage | Program, chip: AnalogChip, *, bare: bool = False) -> RtlSession:
        """Start a simulator with an image and a chip that has the weights programmed.

        Parameters
        ----------
        image : ChipImage or Program
            A program is an image whose one entry is called `main`.
        chip : AnalogChip
            It is not changed: the simulator works on a copy.
        bare : bool
            For benchmarks: also time each group's cycles in a loop with nothing but the model.

        Raises
        ------
        ProgramError
            If the image is for another chip than the engine's, or than `chip`.
        SimulationError, ChipError
            If the simulator does not start, or the chip does not answer.
        """
        image = ChipImage.of(image)
        if image.config != self.config:
            raise ProgramError("the program was compiled for another chip than the engine's; compile it for this one")
        session = RtlSession(
            self._simulator,
            image,
            chip,
            pause=self._pause,
            bare=bare,
            trace=self.waves,
            shown=self._waves_frames,
            timeout_s=self._timeout_s,
        )
        self._traced_by = session.pid
        return session

    def run(
        self,
        program: Program,
        chip: AnalogChip,
        inputs: ArrayLike,
        *,
        first_frame: int = 0,
        progress: Progress | None = None,
        bare: bool = False,
    ) -> Results:
        """Feed the chip group of frames by group of frames and read every output, in a session of its own.

        Parameters
        ----------
        program : Program
        chip : AnalogChip
            With the weights programmed. It is not changed.
        inputs : (frames, width)
            Floats in [-1, 1], or integers as signed codes, -255 to 255.
        first_frame : int
            Number of the first frame; it keys the noise.
        progress : callable (frames done, frames in all)
            Called after each group.
        bare : bool
            As for `open`.

        Returns
        -------
        Results
            `statistics` are those of `RtlSession`. With `bare`, also `bare_cycles`, `bare_s` and `bare_cpu_s` of the
            last group.

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
        codes = program.input_codes(inputs)
        with self.open(program, chip, bare=bare) as session:
            return run_frames(
                "rtl", session, codes, group=program.frames_per_run, first_frame=first_frame, progress=progress
            )

    def perform(
        self,
        experiments: Sequence[Experiment],
        *,
        progress: Progress | None = None,
        cycles: Progress | None = None,
    ) -> list[Record]:
        """Run experiments one after the other in one simulator.

        Before each of them the chip is reset, which leaves the contents of its SRAMs as they are; at the beginning they
        are zero. Then every unit is loaded (one HALT if the experiment has no program for it), masks and vectors are
        written, sticky flags cleared, and the program is started; in cycle `Experiment.cycles` the units that still run
        are stopped. Error flags raise nothing: they are in the record.

        Parameters
        ----------
        experiments : sequence of Experiment
        progress : callable (experiments done, experiments in all)
            Called after each experiment.
        cycles : callable (cycles done, cycles at most), optional
            Called now and then within an experiment.

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
            On Ctrl-C; it carries what was finished, and what was going on as far as it came.
        """
        for experiment in experiments:
            check_experiment(experiment, self.config)
        if not experiments:
            return []
        units = {unit: words for experiment in experiments for unit, words in experiment.units.items()}
        if self.waves:
            write_save_file(self.waves, self.config, units)
        process = SimulatorProcess(self._simulator, trace=self.waves, timeout_s=self._timeout_s)
        self._traced_by = process.pid
        begins: int | None = None  # where the waves of the first program do

        def performed(experiment: Experiment, watch: Watch) -> tuple[Experiment, Record]:
            nonlocal begins
            meta, arrays = experiment.to_parts()
            request = Message("perform", {"experiment": meta, "pause": self._pause}, arrays)
            answer = process.request(request, f"perform {experiment.name}", watch.interrupted)
            record = Record.from_parts(answer.meta, answer.arrays)
            if self.waves and begins is None:
                begins = record.statistics["started_ns"]
                write_save_file(self.waves, self.config, units, start_ns=begins)
            if watch.over:
                experiment = replace(experiment, cycles=min(max(record.cycles - 1, 1), experiment.cycles))
            return experiment, record

        try:
            return perform_each(experiments, performed, progress=progress, cycles=cycles)
        finally:
            process.close()
