"""Compiler: networks become programs.

`chain` maps a feed-forward network onto one chip, whose layers hand on pulses; `matrices` lays out matrices of any
network on any number of chips, between which the host works. `router` finds ways for vectors over the mesh one by one,
`multicast` for several together, `solver` asks whether there are any at all.
"""

from cosim.compiler.chain.compile import compile_network
from cosim.compiler.chain.options import LayerOptions, MappingOptions
from cosim.compiler.errors import MappingError

__all__ = ["LayerOptions", "MappingError", "MappingOptions", "compile_network"]
