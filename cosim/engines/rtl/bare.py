"""The bare loop: the chip's model alone, without callbacks, in the process of a simulation. For benchmarks."""

import ctypes
from typing import Any

from cocotb.triggers import RisingEdge

__all__ = ["run_bare"]


async def run_bare(dut: Any, cycles: int) -> float:
    """Let the model run for so many cycles with nothing else; the wall time in s.

    Analog events go unanswered meanwhile. Only with our main program, which Python calls in its own process.
    """
    main_program = ctypes.CDLL(None)
    main_program.bare_run.argtypes = [ctypes.c_uint64]
    main_program.bare_seconds.restype = ctypes.c_double
    main_program.bare_run(cycles)
    for _ in range(2):  # it begins before the next rising edge
        await RisingEdge(dut.clk)
    return main_program.bare_seconds()
