"""The model file, its pre- and post-processing, and the shipped weights on synthesised speech."""

from pathlib import Path

import numpy as np
import pytest

from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer, NetworkError
from cosim.workloads.kws.dataset import LABELS
from cosim.workloads.kws.features import mfcc
from cosim.workloads.kws.model import CHECKPOINT, KwsModel, quantise
from cosim.workloads.kws.synthesiser import synthesise


def small(**changes) -> KwsModel:
    rng = np.random.default_rng(0)
    weights = [np.round(rng.uniform(-1, 1, shape) * 127) / 127 for shape in ((20, 16), (16, 12))]
    layers = (Layer(weights[0], Activation.RELU, 2.5), Layer(weights[1], Activation.LINEAR, 1.75))
    parts = {
        "network": FeedForwardNetwork(layers),
        "rows": np.arange(0, 1960, 98),
        "mean": rng.normal(size=20),
        "spread": rng.uniform(1, 2, 20),
        "limit": 3.0,
        "card": {"recipe": "none", "seed": 1},
    }
    return KwsModel(**(parts | changes))


def test_prepare_normalises_prunes_and_clips():
    model = small()
    features = np.random.default_rng(1).uniform(-30, 30, (5, 49, 40))
    inputs = model.prepare(features)
    assert inputs.shape == (5, 20)
    frame, coefficient = divmod(98 * 3, 40)
    expected = np.clip((features[2, frame, coefficient] - model.mean[3]) / model.spread[3] / 3, -1, 1)
    assert inputs[2, 3] == pytest.approx(expected)
    assert np.abs(inputs).max() == 1, "large features are clipped"


def test_forward_takes_codes_of_eight_bits():
    model = small()
    features = np.random.default_rng(1).normal(size=(5, 49, 40))
    codes = quantise(model.prepare(features)) * 255
    assert codes == pytest.approx(codes.round())
    hidden, outputs = model.forward(features)
    x = codes / 255
    for layer, result in zip(model.network.layers, (hidden, outputs), strict=True):
        low = 0 if layer.activation is Activation.RELU else -1
        x = np.clip(x @ layer.weights / layer.full_scale, low, 1)
        assert result == pytest.approx(x)
    assert np.array_equal(model.predict(features), outputs.argmax(axis=1))


def test_file_round_trip(tmp_path):
    model = small()
    model.save(tmp_path / "model.npz")
    again = KwsModel.load(tmp_path / "model.npz")
    features = np.random.default_rng(1).normal(size=(5, 49, 40))
    assert np.array_equal(again.forward(features)[-1], model.forward(features)[-1])
    assert again.labels == LABELS
    assert again.card == model.card


def test_refuses_what_does_not_fit(tmp_path):
    with pytest.raises(NetworkError, match=r"mean has shape \(19,\), but the network takes 20 inputs"):
        small(mean=np.zeros(19))
    with pytest.raises(NetworkError, match=r"rows must be in 0 \.\.\. 1959"):
        small(rows=np.full(20, 1960))
    with pytest.raises(NetworkError, match="must be positive"):
        small(spread=np.zeros(20))
    with pytest.raises(NetworkError, match=r"features of shape \(49, 40\)"):
        small().prepare(np.zeros((49, 40)))
    odd = FeedForwardNetwork((Layer(np.full((20, 12), 0.5), Activation.LINEAR, 1.0),))
    with pytest.raises(NetworkError, match="layer 0 are not multiples of 1/127"):
        small(network=odd).save(tmp_path / "odd.npz")
    with pytest.raises(NetworkError, match="no such file"):
        KwsModel.load(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("weights")
    with pytest.raises(NetworkError, match="holds no model, or only part of one"):
        KwsModel.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(NetworkError, match="no array 'full_scale'"):
        KwsModel.load(tmp_path / "other.npz")


def rewritten(path: Path, **changes: np.ndarray) -> Path:
    """The small model's file with some arrays changed."""
    small().save(path)
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, **changes})
    return path


def test_outputs_in_another_order_are_mapped_by_name(tmp_path):
    small().save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as arrays:
        last = arrays["weights1"]
    order = np.random.default_rng(3).permutation(12)
    path = rewritten(tmp_path / "other.npz", labels=np.array(LABELS)[order], weights1=last[:, order])
    features = np.random.default_rng(1).normal(size=(5, 49, 40))
    assert np.array_equal(KwsModel.load(path).forward(features)[-1], small().forward(features)[-1])


@pytest.mark.parametrize("labels", [LABELS[:11], (*LABELS[:11], "maybe"), (*LABELS[:11], "yes"), (*LABELS, "yes")])
def test_other_classes_are_refused(tmp_path, labels):
    with pytest.raises(NetworkError, match=r"model\.npz: .*labels"):
        KwsModel.load(rewritten(tmp_path / "model.npz", labels=np.array(labels)))


@pytest.mark.parametrize(("outputs", "words"), [(1, "1 output"), (3, "3 outputs")])
def test_a_network_of_other_classes_is_refused(outputs, words):
    network = FeedForwardNetwork((Layer(np.full((20, outputs), 1.0), Activation.LINEAR, 1.0),))
    with pytest.raises(NetworkError, match=f"the network has {words}, expected 12, one for each of yes, no"):
        small(network=network)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("mean", np.full(20, np.nan), r"mean must be in -30 \.\.\. 30"),
        ("mean", np.full(20, 1e6), r"mean must be in -30 \.\.\. 30"),
        ("spread", np.full(20, np.inf), "must be positive numbers"),
        ("spread", np.full(20, 1e-320), "must be positive numbers"),
        ("limit", float("inf"), "must be positive numbers"),
        ("limit", float("nan"), "must be positive numbers"),
    ],
)
def test_numbers_that_would_hide_every_feature_are_refused(part, value, message):
    with pytest.raises(NetworkError, match=message):
        small(**{part: value})


@pytest.fixture(scope="module")
def shipped() -> KwsModel:
    return KwsModel.load()


def test_shipped_checkpoint_is_the_papers_network(shipped):
    assert CHECKPOINT.stat().st_size < 1.2e6
    assert shipped.network.shape == (1024, 512, 512, 12)
    activations = [layer.activation for layer in shipped.network.layers]
    assert activations == [Activation.RELU, Activation.RELU, Activation.LINEAR]
    for layer in shipped.network.layers:
        assert np.abs(layer.weights).max() == 1, "the conductance range is used"
        assert layer.weights.std() > 0.2, "and not by a few outliers only"
    assert shipped.labels == LABELS


def test_shipped_checkpoint_on_voices_it_never_heard(shipped):
    audio, labels, _ = synthesise(120, "test")
    features = mfcc(audio)
    assert (shipped.predict(features) == labels).mean() > 0.8
    for outputs in shipped.forward(features):
        assert (np.abs(outputs) >= 1).mean() < 0.05, "full scale, set for people, is rarely exceeded"
        assert np.abs(outputs).max() > 0.5, "but used"
