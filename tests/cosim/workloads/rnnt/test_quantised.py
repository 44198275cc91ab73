"""Weights with fewer levels, layer by layer."""

import numpy as np
import pytest

from cosim.graph.errors import NetworkError
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape
from cosim.workloads.rnnt.quantised import LAYERS, levels, quantised

SHAPE = RnntShape(features=12, encoder=16, prediction=8, joint=10)


@pytest.fixture(scope="module")
def network() -> RnntNetwork:
    return RnntNetwork.random(SHAPE, seed=1)


def changed(one: RnntNetwork, other: RnntNetwork) -> set[str]:
    return {name for name in one.tensors if not np.array_equal(one.tensors[name], other.tensors[name])}


def test_fractions_of_bits_are_levels(network):
    """42 levels at 5.4 bits, as the paper counts."""
    few = quantised(network, {"enc-lstm0": 5.4})
    values = np.unique(np.concatenate([few.tensors[name].ravel() for name in LAYERS["enc-lstm0"]]))
    assert len(values) == levels(5.4) == 42
    steps = np.diff(values)
    assert steps == pytest.approx(np.full(41, steps[0]), rel=1e-4)
    for name in LAYERS["enc-lstm0"]:
        assert np.abs(few.tensors[name] - network.tensors[name]).max() <= steps[0] / 2 * 1.001


@pytest.mark.parametrize("layer", LAYERS)
def test_other_layers_stay(network, layer):
    few = quantised(network, {layer: 3})
    assert changed(network, few) == set(LAYERS[layer])
    joint, before = few.tensors["joint_net.0.weight"], network.tensors["joint_net.0.weight"]
    assert np.array_equal(joint[:, 16:], before[:, 16:]) is (layer != "dec-fc")
    assert np.array_equal(joint[:, :16], before[:, :16]) is (layer != "enc-fc")


def test_patterns_and_what_fits_none(network):
    few = quantised(network, {"*": 4, "Dec-*": 24})
    assert changed(network, few) >= set(LAYERS["joint-fc"]) | set(LAYERS["enc-lstm4"])
    assert np.abs(few.tensors["prediction.embed.weight"] - network.tensors["prediction.embed.weight"]).max() < 1e-6
    for wrong in ({"lstm9": 4}, {"*": 0.5}):
        with pytest.raises(NetworkError, match="layers are enc-lstm0, enc-lstm1"):
            quantised(network, wrong)
    none = RnntNetwork({n: np.zeros_like(a) for n, a in network.tensors.items()}, network.labels, network.front_end)
    assert not changed(none, quantised(none, {"*": 3}))
