"""A wider network that does what a narrow one does: units are copied, and the copies share what each was listened to.

Every unit of the wide network copies one of the narrow network's. A matrix's row, which is what a unit listens to, is
its original's; of a column, which is how a unit is listened to, each copy gets a random share, anew for every row,
and the shares of one original's copies add up to 1. So copies say the same and are connected differently: trained on,
they part. Until then they average the noise of analog weights, and a comparison with other networks has to say so.

Source: Net2Net, Chen, Goodfellow and Shlens, arXiv:1511.05641, section 2.3, for LSTMs, with shares that are random.
"""

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape

__all__ = ["widened"]

#: Share of a copy before all are divided by their sum: uniform between these.
SHARES = (0.5, 1.5)
_GATES = 4

Places = NDArray[np.int64]


def widened(network: RnntNetwork, shape: RnntShape, seed: int = 0) -> RnntNetwork:
    """A network of that shape with the same outputs, up to rounding.

    Parameters
    ----------
    network : RnntNetwork
    shape : RnntShape
        None of its widths less than the network's; inputs, stacking and labels the same.
    seed : int
        Of the shares; the card says it, and has the narrow network's card.

    Raises
    ------
    NetworkError
        If a width is less, or inputs, stacking or labels differ.
    """
    old = network.shape
    for name in ("features", "stack", "labels"):
        if getattr(old, name) != getattr(shape, name):
            raise NetworkError(
                f"{name} {getattr(old, name)} cannot become {getattr(shape, name)}; only widths grow: encoder, "
                "prediction, joint"
            )
    for name in ("encoder", "prediction", "joint"):
        if getattr(shape, name) < getattr(old, name):
            raise NetworkError(f"{name} of width {getattr(old, name)} cannot become {getattr(shape, name)}: narrower")
    if shape == old:
        return network
    encoder, prediction, joint = (
        np.arange(getattr(shape, name)) % getattr(old, name) for name in ("encoder", "prediction", "joint")
    )
    inputs, labels = np.arange(shape.features), np.arange(shape.labels)
    stacked = np.concatenate([encoder + part * old.encoder for part in range(shape.stack)])
    heard = np.concatenate([encoder, prediction + old.encoder])
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, array in network.tensors.items():
        part, _, kind = name.rpartition(".")
        units = {"encoder": encoder, "prediction": prediction}.get(name.partition(".")[0], joint)
        if name == "prediction.embed.weight":
            tensors[name] = array[:, prediction]
            continue
        if "lstm" in name:
            first = kind == "weight_ih_l0"
            below = {"encoder.pre_rnn.lstm": inputs, "encoder.post_rnn.lstm": stacked}.get(part, units)
            below = below if first else units
            rows = np.concatenate([units + gate * (len(array) // _GATES) for gate in range(_GATES)])
        else:
            rows, below = (joint, heard) if part == "joint_net.0" else (labels, joint)
        tensors[name] = _copied(array, rows, below, rng) if array.ndim == 2 else array[rows]
    card = {"widened": {"seed": seed, "from": dict(network.card)}}
    return RnntNetwork(tensors, network.labels, network.front_end, card)


def _copied(matrix: NDArray[np.float32], rows: Places, columns: Places, rng: np.random.Generator) -> NDArray:
    """Rows copied; columns copied and shared out: (outputs, inputs) to (len(rows), len(columns))."""
    share = rng.uniform(*SHARES, (len(rows), len(columns)))
    total = np.zeros((matrix.shape[1], len(rows)))
    np.add.at(total, columns, share.T)
    share /= total[columns].T
    return (matrix[np.ix_(rows, columns)] * share).astype(np.float32)
