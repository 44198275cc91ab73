"""What the paper measures of ALBERT on its chip beside accuracy: exits, settling, reads again and again, fewer bits.

Source: Nat. Commun. 16, 8661 (2025), figures 1e, 3c, 3f, 3g, 4e.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cosim.compiler.matrices import Layout
from cosim.graph import Request
from cosim.graph.graph import Walk
from cosim.system.network import Network
from cosim.system.products import NodeProducts
from cosim.system.system import System
from cosim.workloads.albert.blocks import BLOCKS, block_of, pass_of

__all__ = ["codes_added", "margins", "read_variation", "settled", "with_bits"]


def settled(decisions: NDArray) -> NDArray[np.int64]:
    """Pass, counted from 1, from which on every sample is decided as at the end.

    Parameters
    ----------
    decisions : (samples, passes)

    >>> settled(np.array([[0, 1, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]]))
    array([4, 1, 5])
    """
    other = decisions != decisions[:, -1:]
    last = other.shape[1] - other[:, ::-1].argmax(axis=1)
    return np.where(other.any(axis=1), last + 1, 1)


def margins(logits: NDArray) -> NDArray[np.float64]:
    """How far the class of each sample is ahead of the next one: (samples, classes) -> (samples,).

    >>> margins(np.array([[1.0, -1.0], [0.0, 0.5]]))
    array([2. , 0.5])
    """
    ordered = np.sort(np.asarray(logits, np.float64), axis=-1)
    found: NDArray[np.float64] = ordered[:, -1] - ordered[:, -2]
    return found


def codes_added(layout: Layout) -> dict[str, int]:
    """Codes of a product that the host adds, by layer-block: blocks of rows are read alone, or joined."""
    return {name: len({one.rows for one in layout.blocks.values() if block_of(one.matrix) == name}) for name in BLOCKS}


def with_bits(network: Network, bits: int) -> NodeProducts:
    """The network in float, with weights of its layer-blocks rounded to so many bits, column by column, sign included.

    The largest weight of a column is the largest number: with two bits weights are -1, 0 and 1 times it.
    """
    levels = np.float32(2 ** (bits - 1) - 1)
    linears = dict(network.linears)
    made = {}
    for matrix in network.matrices:
        if block_of(matrix):
            linear = linears[matrix]
            largest = np.abs(linear.weights).max(axis=0)
            step = np.where(largest > 0, largest, np.float32(1)) / levels
            made[matrix] = replace(linear, weights=(np.rint(linear.weights / step) * step).astype(np.float32))
    return NodeProducts(lambda node, x: made.get(network.matrix_of[node], linears[node]).run(x)[0])


def read_variation(system: System, reads: int, frames: int, passes: Sequence[int]) -> Mapping[tuple[str, int], float]:
    """How much products differ from read to read of the same inputs: median deviation over median size.

    Parameters
    ----------
    system : System
    reads : int
    frames : int
        Of the inputs that calibrate, the first ones.
    passes : sequence of int
        Counted from 0.

    Returns
    -------
    mapping of (layer-block, pass) to float
    """
    network, samples = system.network, system.image.samples
    found = {}
    for nodes in network.requests:
        block = block_of(nodes[0])
        number = pass_of(nodes[0])
        if not block or number not in passes or any(node not in samples for node in nodes):
            continue
        request = Request(nodes, tuple(samples[node][:frames] for node in nodes))
        outputs = np.stack(system.results(_asked(request) for _ in range(reads)))  # samples of a number: other noise
        size = np.median(np.abs(outputs.mean(axis=0)))
        found[block, number] = float(np.median(outputs.std(axis=0, ddof=1)) / size)
    return found


def _asked(request: Request) -> Walk[NDArray]:
    """Products of one request, side by side."""
    answers = yield request
    return np.concatenate(answers, axis=-1)
