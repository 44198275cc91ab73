"""What is kept of the inputs of matrices, to choose ranges with."""

import numpy as np
import pytest

from cosim.graph import Linear, NetworkError, chain
from cosim.system.network import Network
from cosim.system.samples import FARTHEST, FRAMES, Recorder

WIDTH = 5


def recorded(*samples: np.ndarray) -> np.ndarray:
    network = Network.of(chain([Linear(np.ones((WIDTH, 2)))]))
    recorder = Recorder(network)
    recorder.run(lambda: (network.walk({"x": x}) for x in samples))
    return recorder.samples()["linear0"]


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, WIDTH)).astype(np.float32)


def test_few_frames_are_all_kept() -> None:
    samples = noise(3), noise(40, seed=1)
    assert np.array_equal(recorded(*samples), np.concatenate(samples))


def test_the_frame_that_reaches_farthest_is_kept_of_many() -> None:
    x = noise(1000)
    x[:, 3] *= 1e-3
    x[777, 3] = 0.9  # less than other inputs are, and far more than this one is otherwise
    kept = recorded(x, noise(1000, seed=1))
    assert (kept == x[777]).all(axis=1).any()
    assert len(kept) < 300


def test_no_more_than_so_many() -> None:
    assert len(recorded(*(noise(200, seed=seed) for seed in range(30)))) == FRAMES + FARTHEST


def test_what_is_no_number_is_refused() -> None:
    x = noise(4)
    x[2, 1] = np.nan
    with pytest.raises(NetworkError, match="linear0 are NaN or infinite"):
        recorded(x)
