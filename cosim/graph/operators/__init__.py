"""The host's vector unit: every operator that is no product with a fixed matrix, in numpy."""

from cosim.graph.operators import (
    activations,
    arithmetic,
    attention,
    cells,
    convolution,
    embedding,
    normalisation,
    recurrent,
    stacking,
)

#: All are there as soon as one is, so that a file of a graph finds its operators.
__all__ = [
    "activations",
    "arithmetic",
    "attention",
    "cells",
    "convolution",
    "embedding",
    "normalisation",
    "recurrent",
    "stacking",
]
