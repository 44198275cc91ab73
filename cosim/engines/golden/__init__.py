"""The golden model: the digital fabric as docs/fabric.md specifies it, in plain Python and numpy.

It was written from the specification, not from the RTL, and shares with it only the instruction encoding (`rtl.isa`)
and the tables of `rtl.config`. `GoldenEngine` turns experiments into records, `Port` answers packets of the host port;
`cosim.verification` compares both with the RTL.
"""

from cosim.engines.golden.engine import GoldenEngine
from cosim.engines.golden.memory import Memory
from cosim.engines.golden.port import Port

__all__ = ["GoldenEngine", "Memory", "Port"]
