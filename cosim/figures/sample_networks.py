"""Networks of every kind with random weights, as a framework initialises them: what a study puts on chips."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cosim.graph import Graph, Linear
from cosim.graph.builder import Builder
from cosim.graph.operators.activations import Gelu, Relu
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.attention import Attention
from cosim.graph.operators.convolution import Patches
from cosim.graph.operators.normalisation import LayerNorm
from cosim.graph.operators.pooling import MaxPool
from cosim.graph.operators.recurrent import lstm
from cosim.graph.operators.tensor import Flatten

__all__ = ["SampleNetwork", "sample_networks"]

Random = np.random.Generator


@dataclass(frozen=True)
class SampleNetwork:
    """A network with inputs to judge it by.

    Parameters
    ----------
    name : str
        Short, in words.
    graph : Graph
    samples : int
        To choose ranges, calibrate and judge with, each.
    on_rtl : int
        Samples that go through the RTL as well: at least four frames of every matrix.
    draw : callable (generator, samples) -> inputs
        By name, the samples along the first axis.
    """

    name: str
    graph: Graph
    samples: int
    on_rtl: int
    draw: Callable[[Random, int], Mapping[str, NDArray]]


def sample_networks(seed: int, lanes: int = 512) -> tuple[SampleNetwork, ...]:
    """A perceptron, a convolutional network, two recurrent layers, a transformer's layer.

    Parameters
    ----------
    seed : int
        Of the weights.
    lanes : int
        Of a tile; with fewer than 512 widths are as many times smaller.
    """
    random = np.random.default_rng(seed)

    def size(width: int) -> int:
        return max(4, width * lanes // 512)

    def normal(shape: tuple[int, ...], random: Random, count: int) -> dict[str, NDArray]:
        return {"x": random.standard_normal((count, *shape), np.float32)}

    def images(random: Random, count: int) -> dict[str, NDArray]:
        return {"x": random.random((count, 1, 1, 28, 28), np.float32)}

    wide = size(768)
    return (
        SampleNetwork(
            f"MLP {size(784)}-{size(1024)}-{size(1024)}-10", _mlp(random, size), 128, 4, partial(normal, (size(784),))
        ),
        SampleNetwork("small convolutional network", _convolutional(random), 8, 1, images),
        SampleNetwork(
            f"two LSTM layers, {size(512)} wide", _recurrent(random, size(512)), 16, 1, partial(normal, (8, size(512)))
        ),
        SampleNetwork(
            f"transformer layer, {wide}/{4 * wide}", _transformer(random, wide), 16, 1, partial(normal, (8, wide))
        ),
    )


def _uniform(random: Random, rows: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """As PyTorch draws the weights of a layer with so many inputs."""
    return random.uniform(-1, 1, shape).astype(np.float32) / np.float32(np.sqrt(rows))


def _linear(random: Random, rows: int, columns: int) -> Linear:
    return Linear(_uniform(random, rows, (rows, columns)), _uniform(random, rows, (columns,)))


def _mlp(random: Random, size: Callable[[int], int]) -> Graph:
    b = Builder("mlp")
    x = b.input("x")
    hidden = b.add(Relu(), b.linear(x, _linear(random, size(784), size(1024)), name="fc1"))
    hidden = b.add(Relu(), b.linear(hidden, _linear(random, size(1024), size(1024)), name="fc2"))
    b.output(b.linear(hidden, _linear(random, size(1024), 10), name="fc3"), "y")
    return b.graph()


def _convolutional(random: Random) -> Graph:
    b = Builder("convolutional")
    x, channels = b.input("x"), 1
    same = Patches((3, 3), padding=((1, 1), (1, 1)))
    for name, wanted in (("conv1", 8), ("conv2", 16)):
        rows = channels * 9
        weights, bias = _uniform(random, rows, (wanted, channels, 3, 3)), _uniform(random, rows, (wanted,))
        x = b.add(Relu(), b.convolution(x, weights, bias, name, patches=same))
        x, channels = b.add(MaxPool((2, 2), strides=(2, 2)), x), wanted
    b.output(b.linear(b.add(Flatten(), x), _linear(random, 784, 10), name="fc"), "y")
    return b.graph()


def _recurrent(random: Random, width: int) -> Graph:
    b = Builder("recurrent")
    x = b.input("x")
    for name in ("lstm1", "lstm2"):
        x, *_ = b.add_several(lstm(_linear(random, width, 4 * width), _linear(random, width, 4 * width)), x, name=name)
    b.output(x, "y")
    return b.graph()


def _transformer(random: Random, width: int) -> Graph:
    b = Builder("transformer")
    x = b.input("x")
    q, k, v = (b.linear(x, _linear(random, width, width), name=name) for name in ("query", "key", "value"))
    attended = b.linear(b.add(Attention(4), q, k, v), _linear(random, width, width), name="out")
    ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
    x = b.add(LayerNorm(ones, zeros), b.add(Sum(), x, attended))
    hidden = b.add(Gelu(), b.linear(x, _linear(random, width, 4 * width), name="fc1"))
    back = b.linear(hidden, _linear(random, 4 * width, width), name="fc2")
    b.output(b.add(LayerNorm(ones, zeros), b.add(Sum(), x, back)), "y")
    return b.graph()
