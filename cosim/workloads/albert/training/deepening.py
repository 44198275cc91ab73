"""A shared layer that is passed more often: of what a pass did before, each of several passes does a part.

Passes through one layer are steps along one way; so many more steps are as much shorter at first, and the network goes
on learning from about where it was. Source: B. Chang et al., "Multi-level Residual Networks from Dynamical Systems
View", arXiv:1710.10348, for layers of one set of weights, normalised behind each sum.
"""

from typing import Any

import torch

__all__ = ["deepen"]

#: What is added to the states, and what normalises the sums.
_ADDED, _NORMALISING = ("attention.dense", "ffn_output"), ("attention.LayerNorm", "full_layer_layer_norm")


@torch.no_grad()
def deepen(layer: Any, factor: int) -> None:
    """Make one pass through a layer a step of 1 / `factor`, in place.

    Parameters
    ----------
    layer : transformers.AlbertLayer
    factor : int
    """
    for name in _ADDED:
        for parameter in layer.get_submodule(name).parameters():
            parameter.div_(factor)
    for name in _NORMALISING:
        norm = layer.get_submodule(name)
        norm.weight.copy_(norm.weight.sign() * norm.weight.abs() ** (1 / factor))
        norm.bias.div_(factor)
