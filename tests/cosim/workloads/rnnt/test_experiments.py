"""Experiments: what is on chips in each of them, expansion in float, and MACs that are counted, against equations."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cosim.system.building import BuildOptions
from cosim.system.products import NodeProducts
from cosim.system.scheduler import results_of
from cosim.workloads.rnnt.experiments import (
    CHIP_4,
    LAYERS_ON_CHIP,
    MacErrors,
    added_up,
    expansion_in_float,
    layers_alone,
    on_first_rows,
)
from cosim.workloads.rnnt.mapping import FIRST
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.rnnt.network import RnntNetwork
from tests.cosim.workloads.rnnt.test_workload import SMALL

#: An error that every product gets.
OFF = 0.25


@pytest.fixture(scope="module")
def network() -> RnntNetwork:
    return RnntNetwork.random(replace(SMALL, features=12, encoder=16, prediction=8), seed=3, labels="ab")


def on_chips(model: RnntModel, options: BuildOptions) -> set[str]:
    return {name for name in model.network.matrices if not options.layout.of(name).host}


def test_layers_make_up_the_network(network):
    model = RnntModel(network)
    every = [model.network.matching(pattern) for pattern in LAYERS_ON_CHIP.values()]
    assert sum(map(len, every)) == len(frozenset.union(*every)) == len(model.network.matrices) - 1
    assert frozenset.union(*every) == set(model.network.matrices) - {"joint/fc"}
    together = [model.network.matching(patterns) for patterns in added_up().values()]
    assert all(a < b for a, b in pairwise(together))
    assert together[-1] == frozenset.union(*every)


def test_what_is_on_chips(network):
    model = RnntModel(network)
    few = layers_alone(BuildOptions(trials=3), CHIP_4, 127)
    assert on_chips(model, few) == {"post/lstm3", "post/lstm4", "post/fc"}
    assert (few.layout.duration, few.trials) == (127, 3)
    for expansion in (False, True):
        rows = on_first_rows(BuildOptions(), 4, expansion=expansion)
        assert on_chips(model, rows) == {FIRST, "pre/lstm0/recurrent"}
        assert (rows.layout.of(FIRST).copies, dict(rows.expansion)) == ((1, {FIRST: 4}) if expansion else (4, {}))


def test_expansion_of_many_bits_changes_nothing_and_of_few_it_helps(network):
    """Trained weights have a few large ones among many small ones, and an expansion spreads them."""
    name = "encoder.pre_rnn.lstm.weight_ih_l0"
    tensors = {**network.tensors, name: network.tensors[name] ** 5}
    model = RnntModel(replace(network, tensors=tensors), centred=False)
    x = np.random.default_rng(0).standard_normal((200, network.shape.features)).astype(np.float32)
    exact = model.network.product(FIRST, x)

    def error(bits: float, times: float) -> float:
        return float(np.abs(expansion_in_float(model, bits, times)._product(FIRST, x) - exact).mean())

    assert error(20, 4) < 1e-2 * np.abs(exact).mean() > error(20, 1)
    assert error(3.5, 8) < 0.6 * error(3.5, 1)


@pytest.mark.parametrize("centred", [True, False])
def test_macs_are_what_comes_before_a_cell(network, centred):
    model = RnntModel(network, centred)
    features = 3 * np.random.default_rng(1).standard_normal((5, network.shape.features)).astype(np.float32)
    errors = MacErrors(model, np.linspace(-12, 12, 25))
    products = NodeProducts(lambda node, x: model.network.product(node, x) + OFF)
    results_of([errors.beside(model.encoded(features), features)], products)
    assert set(errors.sums) == {"pre/lstm0", "pre/lstm1", "post/lstm2", "post/lstm3", "post/lstm4", "post/fc"}
    for layer, (count, total, squares, outside) in errors.sums.items():
        assert errors.counts[layer].sum() == count + outside
        mean, parts = total / count, 1 if layer in ("post/lstm3", "post/lstm4", "post/fc") else 2
        if layer == "pre/lstm0":
            # An error of a normalised product is as large as the input's peak.
            assert mean > 2 * OFF
        else:
            assert mean == pytest.approx(parts * OFF, rel=1e-4)
            assert squares / count == pytest.approx(mean**2, rel=1e-3)
