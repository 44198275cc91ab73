"""RTL engine: the chip's Verilog in Verilator, driven by cocotb, with the physics behind the analog boundary.

`RtlEngine` runs programs. Its parts serve other test benches as well: docs/testbench.md.
"""

from cosim.engines.engine import RunInterrupted
from cosim.engines.rtl.agents.host import AnalogAgent, ChipError, ErrorMonitor, HostPort, Physics, reset
from cosim.engines.rtl.agents.receivers import ReceiverAgent
from cosim.engines.rtl.build import BuildError, build, compile_simulator
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.rtl.simulator import SimulationError, Simulator

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
