"""The network that the compiler takes: its checks and its file."""

from pathlib import Path

import numpy as np
import pytest

from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer, NetworkError


def layer(*shape: int, full_scale: float = 1.0) -> Layer:
    return Layer(np.random.default_rng(0).uniform(-1, 1, shape), Activation.RELU, full_scale)


def test_forward_clips_at_full_scale():
    weights = np.array([[1.0, -1.0], [1.0, 0.5]])
    x = np.array([[1.0, 1.0], [0.2, 0.0]])
    np.testing.assert_allclose(Layer(weights, Activation.RELU, 1.6).forward(x), [[1, 0], [0.125, 0]])
    np.testing.assert_allclose(Layer(weights, Activation.LINEAR, 1.6).forward(x), [[1, -0.3125], [0.125, -0.125]])


@pytest.mark.parametrize(
    ("weights", "full_scale", "message"),
    [
        (np.zeros(3), 1.0, "non-empty matrix"),
        (np.array([[0.0, np.nan]]), 1.0, "row 0, column 1 is nan"),
        (np.array([[0.0], [-1.5]]), 1.0, r"row 1, column 0 is -1.5, outside \[-1, 1\]"),
        (np.zeros((2, 2)), 0.0, "full_scale must be a number"),
    ],
)
def test_bad_layers(weights, full_scale, message):
    with pytest.raises(NetworkError, match=message):
        Layer(weights, Activation.RELU, full_scale)


def test_layers_must_fit():
    with pytest.raises(NetworkError, match="layer 0 has 3 outputs, but layer 1 takes 4 inputs"):
        FeedForwardNetwork((layer(2, 3), layer(4, 2)))
    with pytest.raises(NetworkError, match="at least one layer"):
        FeedForwardNetwork(())


def test_file_round_trip(tmp_path: Path):
    network = FeedForwardNetwork((layer(5, 3, full_scale=2.5), layer(3, 2)))
    network.save(tmp_path / "net.npz")
    again = FeedForwardNetwork.load(tmp_path / "net.npz")
    assert again.shape == (5, 3, 2)
    for ours, theirs in zip(network.layers, again.layers, strict=True):
        np.testing.assert_array_equal(ours.weights, theirs.weights)
        assert (ours.activation, ours.full_scale) == (theirs.activation, theirs.full_scale)


@pytest.mark.parametrize("length", [0, 10, 200])
def test_truncated_file(tmp_path: Path, length: int):
    network = FeedForwardNetwork((layer(5, 3),))
    network.save(tmp_path / "net.npz")
    cut = tmp_path / "cut.npz"
    cut.write_bytes((tmp_path / "net.npz").read_bytes()[:length])
    with pytest.raises(NetworkError, match="holds no network, or only part of one"):
        FeedForwardNetwork.load(cut)


def test_weights_stay_as_they_were_checked():
    given = np.full((2, 2), 0.5)
    made = Layer(given, "relu", np.float32(1.5))
    given[:] = 9.0
    assert (made.weights == 0.5).all()
    with pytest.raises(ValueError, match="read-only"):
        made.weights[0, 0] = 9.0
    assert (type(made.full_scale), made.activation) == (float, Activation.RELU)


@pytest.mark.parametrize(
    ("weights", "activation", "full_scale", "message"),
    [
        (np.ones((2, 2)) * 1j, "relu", 1.0, "weights must be real numbers, got complex128"),
        ([["a"]], "relu", 1.0, "weights must be real numbers"),
        ([[1.0], [1.0, 2.0]], "relu", 1.0, "weights must be real numbers|inhomogeneous"),
        ([[1.0]], "sigmoid", 1.0, "activation must be one of relu, linear, got 'sigmoid'"),
        ([[1.0]], "relu", 1e300, r"full_scale must be a number, 1e-06 to 1e\+06, got 1e\+300"),
        ([[1.0]], "relu", 1e-320, "full_scale must be a number"),
        ([[1.0]], "relu", float("nan"), "full_scale must be a number"),
        ([[1.0]], "relu", "1", "full_scale must be a number"),
        ([[1.0]], "relu", [1.0, 2.0], "full_scale must be a number"),
        ([[1.0]], "relu", 1j, "full_scale must be a number"),
    ],
)
def test_layers_of_something_else(weights, activation, full_scale, message):
    with pytest.raises(NetworkError, match=message):
        Layer(weights, activation, full_scale)


def test_the_same_network_as_a_graph():
    network = FeedForwardNetwork((layer(5, 3, full_scale=2.5), Layer(layer(3, 2).weights, Activation.LINEAR, 0.7)))
    x = np.random.default_rng(1).uniform(-1, 1, (20, 5))
    graph = network.graph()
    assert list(graph.linears) == ["linear0", "linear1"]
    np.testing.assert_allclose(graph.run({"x": x}).outputs["y"], network.forward(x)[-1], rtol=0, atol=1e-6)
