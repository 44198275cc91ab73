"""The host's vector unit: every operator that is no product with a fixed matrix, in numpy."""

from cosim.graph.operators import (
    activations,
    arithmetic,
    attention,
    cells,
    convolution,
    elementwise,
    embedding,
    indexing,
    normalisation,
    pooling,
    products,
    quantization,
    recurrent,
    reduction,
    resize,
    stacking,
    tensor,
    transposed,
)

#: All are there as soon as one is, so that a file of a graph finds its operators.
__all__ = [
    "activations",
    "arithmetic",
    "attention",
    "cells",
    "convolution",
    "elementwise",
    "embedding",
    "indexing",
    "normalisation",
    "pooling",
    "products",
    "quantization",
    "recurrent",
    "reduction",
    "resize",
    "stacking",
    "tensor",
    "transposed",
]
