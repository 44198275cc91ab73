"""The cocotb side of the engine: runs the job in the working directory, group of frames by group of frames."""

import gc
from pathlib import Path
from time import perf_counter
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from cosim.program import Program
from cosim.rtl_engine.agents import AnalogAgent, ErrorMonitor, HostPort, reset
from cosim.rtl_engine.job import Job
from rtl.isa import CONTROL_LATENCY


@cocotb.test()
async def run_job(dut: Any) -> None:
    job = Job(Path.cwd())
    try:
        await _run(dut, job)
    except Exception as error:
        job.fail(error)
        raise


async def _run(dut: Any, job: Job) -> None:
    program, chip, codes, options = job.load()
    config = program.config
    gc.freeze()  # none of what is imported and loaded by now goes away; do not search it again and again
    started = perf_counter()

    host = HostPort(dut, config, options.pause)
    analog = AnalogAgent(dut, config, chip, program.locate)
    monitor = ErrorMonitor(dut)
    await reset(dut)
    analog.start()
    await host.load_programs(program.units)
    for (tile, edge), mask in program.masks.items():
        await host.load_masks(tile, {edge: mask})

    pads = {slot.olp for slot in program.outputs}
    for first in range(0, len(codes), program.frames_per_run):
        group = codes[first : first + program.frames_per_run]
        analog.first_frame = options.first_frame + first
        for ilp, image in program.ilp_image(group).items():
            await host.load_vectors(ilp, image)
        last = None if len(group) == program.frames_per_run else _end_of_frame(program, len(group) - 1)
        await host.run(stop_after=last)
        await host.check(monitor)
        results = {olp: await _results(host, program, olp, len(group)) for olp in sorted(pads)}
        wall = perf_counter() - started
        statistics = {
            "frames": first + len(group),
            "cycles": int(dut.cycle.value),
            "events": analog.events,
            "wall_s": wall,
            "analog_s": analog.seconds,
            "host_s": host.seconds + analog.overhead,
            "simulator_s": wall - analog.seconds - host.seconds - analog.overhead,
        }
        job.keep(first, program.olp_codes(results, len(group)), statistics)


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
