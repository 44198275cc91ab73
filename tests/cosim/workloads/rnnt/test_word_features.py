"""The front end of connected words."""

import numpy as np
import pytest

from cosim.graph.errors import NetworkError
from cosim.workloads.kws.features import log_mel
from cosim.workloads.rnnt.features import WordFrontEnd
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape


def test_steps_are_six_frames_every_fourth():
    front_end = WordFrontEnd()
    assert (front_end.features, front_end.step_s) == (240, 0.08)
    frames = np.arange(10 * 40, dtype=np.float32).reshape(10, 40)
    steps = front_end.stack(frames)
    assert steps.shape == (3, 240)
    assert np.array_equal(steps[1], frames[4:10].ravel())
    assert np.array_equal(steps[2], np.concatenate([frames[8:10].ravel(), np.zeros(160)]))


@pytest.mark.parametrize("samples", [480, 799, 800, 16_000, 16_001, 40_321])
def test_number_of_steps_of_a_recording(samples):
    front_end = WordFrontEnd()
    sound = np.random.default_rng(0).standard_normal(samples) * 0.1
    assert front_end(sound).shape == (front_end.steps(samples), 240)


def test_bands_are_normalised_over_a_recording():
    sound = np.random.default_rng(0).standard_normal(32_000) * np.linspace(0.01, 0.3, 32_000)
    front_end = WordFrontEnd()
    assert front_end.log_mel(sound) == pytest.approx(log_mel(sound), abs=1e-4)  # nothing is clipped in loud noise
    normal = front_end.normalised(front_end.log_mel(sound))
    assert normal.mean(axis=0) == pytest.approx(np.zeros(40), abs=1e-5)
    assert normal.std(axis=0, ddof=1) == pytest.approx(np.ones(40), abs=1e-4)
    assert front_end.normalised(front_end.log_mel(0.5 * sound)) == pytest.approx(normal, abs=1e-2)


def test_recordings_of_a_batch_are_normalised_each_for_itself():
    rng = np.random.default_rng(0)
    batch, frames = rng.standard_normal((2, 12, 40)).astype(np.float32), np.array([12, 7])
    front_end = WordFrontEnd()
    normal = front_end.normalised(batch, frames)
    assert normal[0] == pytest.approx(front_end.normalised(batch[0]), abs=1e-6)
    assert normal[1, :7] == pytest.approx(front_end.normalised(batch[1, :7]), abs=1e-6)
    assert not normal[1, 7:].any()


@pytest.mark.parametrize("hop", [0, 7])
def test_frames_are_neither_lost_nor_taken_for_ever(hop):
    with pytest.raises(NetworkError, match="1 <= hop <= stacked"):
        WordFrontEnd(stacked=6, hop=hop)


def test_front_end_is_part_of_a_networks_file(tmp_path):
    network = RnntNetwork.random(RnntShape(encoder=8, prediction=4, joint=6))
    made = RnntNetwork(network.tensors, front_end=WordFrontEnd())
    made.save(tmp_path / "words.npz")
    assert RnntNetwork.load(tmp_path / "words.npz").front_end == WordFrontEnd()
    network.save(tmp_path / "reference.npz")
    assert RnntNetwork.load(tmp_path / "reference.npz").front_end == network.front_end
