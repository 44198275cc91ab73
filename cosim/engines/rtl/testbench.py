"""The cocotb side of the engine: runs the job in the working directory, a program group of frames by group of frames
or a session experiment by experiment.
"""

import gc
import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from numpy.typing import NDArray

from analog_models.events import TileEvent
from cosim.engines.rtl.agents.host import CYCLE_NS, AnalogAgent, ErrorMonitor, HostPort, reset
from cosim.engines.rtl.agents.receivers import ReceiverAgent
from cosim.engines.rtl.bare import run_bare
from cosim.engines.rtl.job import Job, ProgramJob, SessionJob
from cosim.experiment import STATUS_FIELDS, Experiment, ExperimentError, Record, Recorder
from cosim.program import Program
from rtl.isa import CONTROL_LATENCY

#: Cycles after the last unit's halt in which the last writes take force and flags rise, before anything is read.
_SETTLING_CYCLES = 8


@cocotb.test()
async def run_job(dut: Any) -> None:
    job = Job.open(Path.cwd())
    if "clock" not in cocotb.plusargs:  # a simulator without our main program
        Clock(dut.clk, CYCLE_NS, "ns").start()
    try:
        if isinstance(job, ProgramJob):
            await _run_program(dut, job)
        else:
            await _run_session(dut, job)
    except Exception as error:
        job.fail(error)
        raise


# ---- a program


async def _run_program(dut: Any, job: ProgramJob) -> None:
    program, chip, codes = job.load()
    options = job.options
    gc.freeze()  # none of what is imported and loaded by now goes away; do not search it again and again
    started, cpu_started = perf_counter(), process_time()

    host = HostPort(dut, program.config, options.pause)
    analog = AnalogAgent(dut, program.config, chip, program.locate)
    receivers = ReceiverAgent(dut, program.config, chip, program.locate)
    monitor = ErrorMonitor(dut)
    await reset(dut)
    analog.start()
    receivers.start()
    await host.load_programs(program.units)
    for (tile, edge), mask in program.masks.items():
        await host.load_masks(tile, {edge: mask})

    pads = {slot.olp for slot in program.outputs}
    parent = os.getppid()
    for first in range(0, len(codes), program.frames_per_run):
        if os.getppid() != parent:
            raise RuntimeError("the process that started this run is gone")  # killed: nobody would read the rest
        group = codes[first : first + program.frames_per_run]
        analog.first_frame = receivers.first_frame = options.first_frame + first
        for ilp, image in program.ilp_image(group).items():
            await host.load_vectors(ilp, image)
        last = None if len(group) == program.frames_per_run else _end_of_frame(program, len(group) - 1)
        cycles = await host.run(stop_in=last)
        await host.check(monitor)
        results = {olp: await _results(host, program, olp, len(group)) for olp in sorted(pads)}
        statistics = {
            "done": first + len(group),
            "frames": first + len(group),
            "cycles": int(dut.cycle.value),
            "events": analog.events,
            "cpu_s": process_time() - cpu_started,
            **_shares(started, host, analog, receivers),
        }
        if options.bare:
            paused, cpu_paused = perf_counter(), process_time()
            statistics |= {"bare_cycles": cycles, **await _again_bare(dut, host, cycles)}
            started += perf_counter() - paused
            cpu_started += process_time() - cpu_paused
        job.keep(first, program.olp_codes(results, len(group)), statistics)


async def _again_bare(dut: Any, host: HostPort, cycles: int) -> dict[str, float]:
    """Run the loaded program once more in the bare loop: its wall and CPU time in s."""
    await host.start()
    await RisingEdge(dut.busy)
    began = process_time()
    seconds = await run_bare(dut, cycles)
    spent = process_time() - began
    if dut.busy.value:
        await host.stop()
    return {"bare_s": seconds, "bare_cpu_s": spent}


async def _results(host: HostPort, program: Program, olp: int, frames: int) -> NDArray[np.uint8]:
    """Result SRAM of a landing pad, (olp_vectors, lanes); only the part that the frames fill is read."""
    slots = [slot for slot in program.outputs if slot.olp == olp]
    first = min(slot.slot for slot in slots)
    last = max(slot.slot + slot.stride * (frames - 1) for slot in slots)
    image = np.zeros((program.config.olp_vectors, program.config.lanes), np.uint8)
    image[first : last + 1] = await host.read_vectors(olp, last + 1 - first, first)
    return image


def _end_of_frame(program: Program, frame: int) -> int:
    """Cycle of the program in which all results of a frame are in the landing pads' SRAMs."""
    begun = frame * program.frame_cycles + max(program.origins.values(), default=0)
    return begun + program.frame_cycles + 2 * CONTROL_LATENCY


def _shares(started: float, host: HostPort, analog: AnalogAgent, receivers: ReceiverAgent) -> dict[str, float]:
    """Wall time since `started`, and what each part of the co-simulation took of it."""
    wall = perf_counter() - started
    carried = host.seconds + analog.overhead + receivers.seconds
    return {
        "wall_s": wall,
        "analog_s": analog.seconds,
        "host_s": carried,
        "simulator_s": wall - analog.seconds - carried,
    }


# ---- experiments


async def _run_session(dut: Any, job: SessionJob) -> None:
    pause = job.options.pause
    began, cycles = perf_counter(), 0
    for number, path in enumerate(job.load()):
        record = await _perform(dut, Experiment.load(path), pause)
        cycles += record.statistics["session_cycles"]
        statistics = {"done": number + 1, "cycles": cycles, "wall_s": perf_counter() - began}
        job.keep(number, record, statistics)


async def _perform(dut: Any, experiment: Experiment, pause: float) -> Record:
    config = experiment.config
    chip = experiment.make_chip()
    physics = _Patient(Recorder(chip, experiment.name))
    started = perf_counter()
    host = HostPort(dut, config, pause)
    analog = AnalogAgent(dut, config, physics)
    receivers = ReceiverAgent(dut, config, chip)
    analog.first_frame = receivers.first_frame = experiment.frame
    await reset(dut)
    serving = analog.start()
    receivers.start()
    await host.load_programs(experiment.units)
    for (tile, edge), mask in experiment.masks.items():
        await host.load_masks(tile, {edge: mask})
    for ilp, codes in experiment.vectors.items():
        if len(codes):
            await host.load_vectors(ilp, codes)
    await host.clear()
    monitor = ErrorMonitor(dut)
    busy = await host.run(stop_in=experiment.cycles)
    await ClockCycles(dut.clk, _SETTLING_CYCLES)
    statuses = await host.unit_statuses()
    results = {olp: await host.read_vectors(olp, config.olp_vectors) for olp in range(config.domain_count)}
    serving.cancel()
    receivers.stop()
    monitor.stop()
    if physics.error:
        raise physics.error
    session_cycles = int(dut.cycle.value)
    shares = _shares(started, host, analog, receivers)
    return Record(
        engine="rtl",
        cycles=busy,
        error_cycle=monitor.program_cycle,
        statuses={unit: {name: status[name] for name in STATUS_FIELDS} for unit, status in statuses.items()},
        results=results,
        events=physics.recorder.events,
        crossings=physics.recorder.crossings,
        statistics={"session_cycles": session_cycles, "cycles_per_s": session_cycles / shares["wall_s"], **shares},
    )


class _Patient:
    """Keeps the first error of the physics until the run is over: raised in the agent's task, it would end the process
    without a word to the job.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.error: ExperimentError | None = None

    def serve(self, frames: NDArray[np.int64], events: Sequence[TileEvent]) -> dict[int, NDArray[np.uint16]]:
        try:
            return self.recorder.serve(frames, events)
        except ExperimentError as error:
            self.error = self.error or error
            return {}
