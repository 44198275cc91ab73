"""The twin: programs and experiments on the analog models without RTL, bit by bit as the RTL engine."""

from cosim.engines.twin.engine import TwinEngine, make_chip

__all__ = ["TwinEngine", "make_chip"]
