"""Compiler: a feed-forward network becomes a `Program`.

`options` is what one may choose, `frame` decides which step of the frame does what, `placement` and `router` where,
`scales` with which ramps and windows, `emit` writes the words, `compile` puts them together.
"""

from cosim.compiler.compile import compile_network
from cosim.compiler.options import LayerOptions, MappingError, MappingOptions

__all__ = ["LayerOptions", "MappingError", "MappingOptions", "compile_network"]
