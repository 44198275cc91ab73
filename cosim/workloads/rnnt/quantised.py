"""Fewer levels for the weights of some layers: how sensitive a network is, without any chip.

Source: Nature 620, 768 (2023), Fig. 4b-d: weights of each layer are quantised to n bits, also fractions of them (42
levels are 5.4 bits), until the word error rate rises. The uniform quantiser, symmetric up to a layer's largest weight,
is our assumption.
"""

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.workloads.rnnt.network import POST, PRE, PREDICTION, RnntNetwork

__all__ = ["LAYERS", "levels", "quantised", "with_levels"]

Floats = NDArray[np.float32]

#: The paper's names of layers, and the tensors with their weights.
LAYERS: Mapping[str, tuple[str, ...]] = {
    **{
        f"enc-lstm{number}": tuple(f"encoder.{part}.lstm.weight_{kind}_l{layer}" for kind in ("ih", "hh"))
        for number, (part, layer) in enumerate(
            [("pre_rnn", layer) for layer in range(PRE)] + [("post_rnn", layer) for layer in range(POST)]
        )
    },
    "enc-fc": ("joint_net.0.weight",),
    "dec-emb": ("prediction.embed.weight",),
    **{
        f"dec-lstm{layer}": tuple(f"prediction.dec_rnn.lstm.weight_{kind}_l{layer}" for kind in ("ih", "hh"))
        for layer in range(PREDICTION)
    },
    "dec-fc": ("joint_net.0.weight",),
    "joint-fc": ("joint_net.3.weight",),
}


def levels(bits: float) -> int:
    """Levels of so many bits.

    >>> levels(5.4), levels(4.0)
    (42, 16)
    """
    return round(2**bits)


def with_levels(weights: Floats, count: int, largest: float) -> Floats:
    """Each weight as the nearest of so many, evenly spread from minus `largest` to `largest`, both included."""
    step = 2 * largest / (count - 1)
    return (np.rint((weights + largest) / step) * step - largest).astype(np.float32)


def quantised(network: RnntNetwork, bits: Mapping[str, float]) -> RnntNetwork:
    """The network with fewer levels for some layers; biases stay.

    Parameters
    ----------
    network : RnntNetwork
    bits : mapping of str to float
        By name of `LAYERS`, or a pattern such as "enc-*"; the last that fits counts.

    Raises
    ------
    NetworkError
        If a pattern fits no layer, or there are not two levels.
    """
    chosen: dict[str, float] = {}
    for pattern, number in bits.items():
        found = [layer for layer in LAYERS if fnmatchcase(layer, pattern.lower())]
        if not found or not 1 <= number <= 24:
            raise NetworkError(f"{pattern!r} with {number:g} bits: layers are {', '.join(LAYERS)}, bits 1 to 24")
        chosen |= dict.fromkeys(found, number)
    tensors = dict(network.tensors)
    for layer, number in chosen.items():
        part = _columns(layer, network)
        largest = max(float(np.abs(tensors[name][:, part]).max()) for name in LAYERS[layer])
        for name in LAYERS[layer] if largest else ():
            array = tensors[name].copy()
            array[:, part] = with_levels(array[:, part], levels(number), largest)
            tensors[name] = array
    return replace(network, tensors=tensors)


def _columns(layer: str, network: RnntNetwork) -> slice:
    """Inputs of a layer's tensors: encoder and prediction network share the first matrix of the joint network."""
    width = network.shape.encoder
    return {"enc-fc": slice(None, width), "dec-fc": slice(width, None)}.get(layer, slice(None))
