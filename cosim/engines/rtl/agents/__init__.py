"""cocotb agents for the test bench `bench.sv`: host port, physics, receivers, error flags.

They are independent of each other and of the engine; docs/testbench.md shows a test bench of your own. All of them take
the `dut` that cocotb hands to a test.
"""

from cosim.engines.rtl.agents.clock import CYCLE_NS, reset
from cosim.engines.rtl.agents.errors import ChipError, ErrorMonitor
from cosim.engines.rtl.agents.host import HostPort
from cosim.engines.rtl.agents.physics import AnalogAgent
from cosim.engines.rtl.agents.receivers import ReceiverAgent
from cosim.engines.rtl.agents.stream import StreamMonitor, StreamSink, StreamSource

__all__ = [
    "CYCLE_NS",
    "AnalogAgent",
    "ChipError",
    "ErrorMonitor",
    "HostPort",
    "ReceiverAgent",
    "StreamMonitor",
    "StreamSink",
    "StreamSource",
    "reset",
]
