"""Simulators, random networks and inputs for the tests of compiler and engines."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from tests.cosim.scripts import NO_ICARUS


@pytest.fixture(scope="session", params=["verilator", pytest.param("icarus", marks=[NO_ICARUS, pytest.mark.long])])
def tool(request: pytest.FixtureRequest) -> str:
    """The simulator of a co-simulation of the small chip: no behaviour rests on one. Icarus takes far longer."""
    return request.param


@pytest.fixture(scope="session")
def random_network() -> Callable[..., FeedForwardNetwork]:
    """``random_network(16, 8, 4)``: ReLU but for the last layer; outputs fill about half of the full scale."""

    def network(*widths: int, seed: int = 0) -> FeedForwardNetwork:
        rng = np.random.default_rng(seed)
        layers = []
        for index, (rows, columns) in enumerate(pairwise(widths)):
            weights = np.clip(rng.normal(0, 0.25, (rows, columns)), -1, 1)
            activation = Activation.LINEAR if index == len(widths) - 2 else Activation.RELU
            layers.append(Layer(weights, activation, full_scale=0.3 * np.sqrt(rows)))
        return FeedForwardNetwork(tuple(layers))

    return network


@pytest.fixture(scope="session")
def random_inputs() -> Callable[..., NDArray[np.float64]]:
    """``random_inputs(frames, width)``: numbers in [-1, 1], a third of them zero."""

    def inputs(frames: int, width: int, seed: int = 1) -> NDArray[np.float64]:
        rng = np.random.default_rng(seed)
        return rng.uniform(-1, 1, (frames, width)) * (rng.random((frames, width)) < 2 / 3)

    return inputs
