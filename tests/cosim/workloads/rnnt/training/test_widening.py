"""A widened network does what the narrow one does, and its copies part when it is trained."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.graph.errors import NetworkError
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape
from cosim.workloads.rnnt.training.widening import widened
from tests.cosim.workloads.rnnt.equations import encoded, logits, predicted

NARROW = RnntShape(features=6, encoder=8, stack=2, prediction=5, joint=7, labels=5)
WIDE = replace(NARROW, encoder=21, prediction=11, joint=9)


def narrow() -> RnntNetwork:
    made = RnntNetwork.random(NARROW, 1, labels="abcd")
    return RnntNetwork({name: 3 * array for name, array in made.tensors.items()}, made.labels, made.front_end)


def test_outputs_stay():
    x = np.random.default_rng(0).standard_normal((10, 6))
    wide = widened(narrow(), WIDE, seed=2)
    assert wide.shape == WIDE
    assert wide.card == {"widened": {"seed": 2, "from": {}}}
    expected, found = (
        logits(network, encoded(network, x), predicted(network, [3, 0, 2])) for network in (narrow(), wide)
    )
    assert np.ptp(expected) > 0.3
    assert found == pytest.approx(expected, abs=1e-5)


def test_copies_are_connected_differently():
    wide = widened(narrow(), WIDE, seed=2)
    recurrent = wide.tensors["encoder.pre_rnn.lstm.weight_hh_l0"]
    one, copy = recurrent[0], recurrent[NARROW.encoder]
    assert not np.allclose(one, copy)
    sums = [row.reshape(-1)[:16].reshape(2, 8).sum(axis=0) + np.pad(row[16:], (0, 3)) for row in (one, copy)]
    assert sums[0] == pytest.approx(sums[1], abs=1e-6), "but hear the same in all"
    assert not np.allclose(recurrent, widened(narrow(), WIDE, seed=3).tensors["encoder.pre_rnn.lstm.weight_hh_l0"])


def test_a_network_of_the_same_shape_stays_as_it_is():
    network = narrow()
    assert widened(network, NARROW) is network


@pytest.mark.parametrize(
    ("change", "message"),
    [({"joint": 6}, "joint of width 7 cannot become 6"), ({"stack": 3}, "stack 2 cannot become 3")],
)
def test_what_cannot_be_reached(change, message):
    with pytest.raises(NetworkError, match=message):
        widened(narrow(), replace(WIDE, **change))
