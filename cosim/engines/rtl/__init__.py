"""RTL engine: the chip's Verilog in Verilator, driven by cocotb, with the physics behind the analog boundary.

`RtlEngine` runs programs. Its parts serve other test benches as well: docs/testbench.md.
"""

import cosim.engines.rtl.quietly  # noqa: F401 - before all that import cocotb
from cosim.engines.engine import RunInterrupted
from cosim.engines.physics import Physics
from cosim.engines.rtl.agents import (
    AnalogAgent,
    ChipError,
    ErrorMonitor,
    HostPort,
    ReceiverAgent,
    StreamMonitor,
    StreamSink,
    StreamSource,
    reset,
)
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
    "StreamMonitor",
    "StreamSink",
    "StreamSource",
    "build",
    "compile_simulator",
    "reset",
]
