"""RTL engine: the chip's Verilog in Verilator, driven by cocotb, with the physics behind the analog boundary.

`RtlEngine` runs programs. Its parts serve other test benches as well: docs/testbench.md.
"""

from cosim.rtl_engine.agents import AnalogAgent, ChipError, ErrorMonitor, HostPort, Physics, reset
from cosim.rtl_engine.build import BuildError, build, compile_simulator
from cosim.rtl_engine.engine import RtlEngine, RunInterrupted
from cosim.rtl_engine.receivers import ReceiverAgent
from cosim.rtl_engine.simulator import SimulationError, Simulator

__all__ = [
    "AnalogAgent",
    "BuildError",
    "ChipError",
    "ErrorMonitor",
    "HostPort",
    "Physics",
    "ReceiverAgent",
    "RtlEngine",
    "RunInterrupted",
    "SimulationError",
    "Simulator",
    "build",
    "compile_simulator",
    "reset",
]
