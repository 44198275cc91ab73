"""An RNN-T written down from its equations, in float64 numpy."""

import numpy as np
from numpy.typing import NDArray

from cosim.workloads.rnnt.network import RnntNetwork


def lstm(network: RnntNetwork, name: str, layer: int, x: NDArray) -> NDArray:
    """Outputs of one LSTM: (steps, inputs) -> (steps, width)."""
    weights = [network.tensors[f"{name}.lstm.{kind}_l{layer}"].astype(float) for kind in ("weight_ih", "weight_hh")]
    bias = sum(network.tensors[f"{name}.lstm.{kind}_l{layer}"] for kind in ("bias_ih", "bias_hh"))
    state = memory = np.zeros(weights[1].shape[1])
    outputs = []
    for row in x @ weights[0].T + bias:
        i, f, g, o = np.split(row + weights[1] @ state, 4)
        memory = memory / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        state = np.tanh(memory) / (1 + np.exp(-o))
        outputs.append(state)
    return np.array(outputs)


def encoded(network: RnntNetwork, x: NDArray) -> NDArray:
    """(steps, features) -> (steps / 2, encoder)."""
    for layer in range(2):
        x = lstm(network, "encoder.pre_rnn", layer, x)
    x = np.pad(x, ((0, len(x) % 2), (0, 0))).reshape(-1, 2 * x.shape[1])
    for layer in range(3):
        x = lstm(network, "encoder.post_rnn", layer, x)
    return x


def predicted(network: RnntNetwork, symbols: list[int]) -> NDArray:
    """After each number of symbols, none first: (U + 1, prediction)."""
    embedding = network.tensors["prediction.embed.weight"]
    said = np.concatenate([np.zeros((1, embedding.shape[1])), embedding[symbols]])
    for layer in range(2):
        said = lstm(network, "prediction.dec_rnn", layer, said)
    return said


def logits(network: RnntNetwork, heard: NDArray, said: NDArray) -> NDArray:
    """(T, encoder), (U + 1, prediction) -> (T, U + 1, labels)."""
    both = np.concatenate([np.repeat(heard[:, None], len(said), 1), np.repeat(said[None], len(heard), 0)], axis=2)
    first, first_bias, last, last_bias = (
        network.tensors[f"joint_net.{layer}.{kind}"] for layer in (0, 3) for kind in ("weight", "bias")
    )
    return np.maximum(both @ first.T + first_bias, 0) @ last.T + last_bias


def greedy(network: RnntNetwork, x: NDArray) -> str:
    """The likeliest letters, at most 30 a step."""
    symbols: list[int] = []
    said = predicted(network, symbols)
    for step in encoded(network, x):
        for _ in range(30):
            best = int(logits(network, step[None], said[-1:])[0, 0].argmax())
            if best == len(network.labels):
                break
            symbols.append(best)
            said = predicted(network, symbols)
    return "".join(network.labels[symbol] for symbol in symbols)
