"""A widened network does what the narrow one does, and its copies part when it is trained."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape
from cosim.workloads.rnnt.training.widening import widened

NARROW = RnntShape(features=6, encoder=8, stack=2, prediction=5, joint=7, labels=5)
WIDE = replace(NARROW, encoder=21, prediction=11, joint=9)


def narrow() -> RnntNetwork:
    made = RnntNetwork.random(NARROW, 1, labels="abcd")
    return RnntNetwork({name: 3 * array for name, array in made.tensors.items()}, made.labels, made.front_end)


def lstm(network: RnntNetwork, name: str, layer: int, x: NDArray) -> NDArray:
    """Outputs of one LSTM, written down from its equations: (steps, inputs) -> (steps, width)."""
    weights = [network.tensors[f"{name}.lstm.{kind}_l{layer}"].astype(float) for kind in ("weight_ih", "weight_hh")]
    bias = sum(network.tensors[f"{name}.lstm.{kind}_l{layer}"] for kind in ("bias_ih", "bias_hh"))
    state = memory = np.zeros(weights[1].shape[1])
    outputs = []
    for row in x:
        i, f, g, o = np.split(weights[0] @ row + weights[1] @ state + bias, 4)
        memory = memory / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        state = np.tanh(memory) / (1 + np.exp(-o))
        outputs.append(state)
    return np.array(outputs)


def logits(network: RnntNetwork, x: NDArray, symbols: list[int]) -> NDArray:
    """(T, U + 1, labels)."""
    for layer in range(2):
        x = lstm(network, "encoder.pre_rnn", layer, x)
    x = x.reshape(len(x) // 2, -1)
    for layer in range(3):
        x = lstm(network, "encoder.post_rnn", layer, x)
    embedding = network.tensors["prediction.embed.weight"]
    said = np.concatenate([np.zeros((1, embedding.shape[1])), embedding[symbols]])
    for layer in range(2):
        said = lstm(network, "prediction.dec_rnn", layer, said)
    both = np.concatenate([np.repeat(x[:, None], len(said), 1), np.repeat(said[None], len(x), 0)], axis=2)
    first, first_bias, last, last_bias = (
        network.tensors[f"joint_net.{layer}.{kind}"] for layer in (0, 3) for kind in ("weight", "bias")
    )
    return np.maximum(both @ first.T + first_bias, 0) @ last.T + last_bias


def test_outputs_stay():
    x = np.random.default_rng(0).standard_normal((10, 6))
    wide = widened(narrow(), WIDE, seed=2)
    assert wide.shape == WIDE
    expected = logits(narrow(), x, [3, 0, 2])
    assert np.ptp(expected) > 0.3
    assert logits(wide, x, [3, 0, 2]) == pytest.approx(expected, abs=1e-5)


def test_copies_are_connected_differently():
    wide = widened(narrow(), WIDE, seed=2)
    recurrent = wide.tensors["encoder.pre_rnn.lstm.weight_hh_l0"]
    one, copy = recurrent[0], recurrent[NARROW.encoder]
    assert not np.allclose(one, copy)
    sums = [row.reshape(-1)[:16].reshape(2, 8).sum(axis=0) + np.pad(row[16:], (0, 3)) for row in (one, copy)]
    assert sums[0] == pytest.approx(sums[1], abs=1e-6), "but hear the same in all"
    assert not np.allclose(recurrent, widened(narrow(), WIDE, seed=3).tensors["encoder.pre_rnn.lstm.weight_hh_l0"])


def test_full_size_of_the_shipped_widths_is_the_papers():
    assert widened(
        RnntNetwork.random(RnntShape(encoder=16, prediction=8, joint=8)), RnntShape()
    ).shape.mapped_weights == (
        45_261_568  # Nature 620, 768, Methods
    )


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
