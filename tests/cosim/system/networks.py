"""Small networks, samples and images that the tests of systems share."""

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cosim.compiler.matrices import LayoutOptions, MatrixOptions
from cosim.graph import Builder, Graph, Linear, chain
from cosim.graph.operators.activations import Relu, Tanh
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.recurrent import lstm
from cosim.system.building import BuildOptions, build
from cosim.system.image import SystemImage
from cosim.system.inputs import samples_of
from cosim.system.network import Network
from rtl.config import preset

SMALL = preset("small")
#: With memory for the words of several networks.
ROOMY = replace(SMALL, program_depth=256, pad_program_depth=256)


def linear(inputs: int, outputs: int, seed: int = 0, *, bias: bool = True) -> Linear:
    random = np.random.default_rng(seed)
    weights = random.normal(0, 1 / np.sqrt(inputs), (inputs, outputs))
    return Linear(weights, random.normal(0, 0.2, outputs) if bias else None)


def mlp() -> Graph:
    return chain([linear(40, 30, 1), Relu(), linear(30, 10, 2)])


def recurrent() -> Graph:
    """A loop of an LSTM, six wide, over sequences of eight numbers."""
    b = Builder("recurrent")
    states = b.add_several(lstm(linear(8, 24, 1), linear(6, 24, 2)), b.input("x"), name="lstm")[0]
    b.output(b.linear(states, linear(6, 3, 3), name="head"), "y")
    return b.graph()


def shared() -> Graph:
    """One matrix twice, as in ALBERT: the second time on its own outputs, and beside another matrix."""
    b = Builder("shared")
    matrix = linear(12, 12, 1)
    first = b.add(Tanh(), b.linear(b.input("x"), matrix, name="first"))
    both = b.linear(first, matrix, name="second"), b.linear(first, linear(12, 12, 2), name="beside")
    b.output(b.add(Sum(), *both), "y")
    return b.graph()


def numbers(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


@cache
def image(name: str = "mlp", **matrices: MatrixOptions) -> SystemImage:
    """An image of one of the networks above on small chips, with 64 samples."""
    graph = {"mlp": mlp, "recurrent": recurrent, "shared": shared}[name]()
    shapes = {"mlp": (64, 40), "recurrent": (64, 5, 8), "shared": (64, 12)}
    samples = samples_of(graph, numbers(*shapes[name], seed=1))
    network = Network.of(graph)
    options = BuildOptions(LayoutOptions(matrices=matrices), trials=6)
    return build(network, lambda: map(network.walk, samples), options, config=SMALL)
