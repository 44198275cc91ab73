"""Matrices of any size on any number of chips: the host hands in vectors, and takes products, frame by frame.

`blocks` cuts a matrix into pieces that a tile or a joined pair holds, `packing` puts them onto tiles, `demand` says
what pieces need that are multiplied at once, `placement` chooses tiles, pads, slots and `ways`, `frames` are what
entries do, `script` writes their words, `layout` is what comes out of `lay_out`.
"""

from cosim.compiler.matrices.frames import Frame, Reading, Readout, Source, Stream, Timing, Vector, Work
from cosim.compiler.matrices.lay_out import lay_out
from cosim.compiler.matrices.layout import Block, Call, Layout, Output, Part, Seat, Slice
from cosim.compiler.matrices.options import LayoutOptions, MatrixOptions
from cosim.compiler.matrices.waves import alike_inputs, matrix_waves

__all__ = [
    "Block",
    "Call",
    "Frame",
    "Layout",
    "LayoutOptions",
    "MatrixOptions",
    "Output",
    "Part",
    "Reading",
    "Readout",
    "Seat",
    "Slice",
    "Source",
    "Stream",
    "Timing",
    "Vector",
    "Work",
    "alike_inputs",
    "lay_out",
    "matrix_waves",
]
