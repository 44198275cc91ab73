"""The network in float against PyTorch's layers, and greedy decoding's rules."""

import numpy as np
import pytest

from cosim.graph import OperationCount
from cosim.system.products import NodeProducts
from cosim.system.scheduler import results_of
from cosim.workloads.rnnt.model import EMBEDDINGS, SYMBOLS, RnntModel
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape
from tests.cosim.workloads.rnnt.reference import Reference

SMALL = RnntShape(features=12, encoder=16, prediction=8, joint=10)


def louder(network: RnntNetwork, by: float = 8.0, blank: float = 0.0) -> RnntNetwork:
    """Weights that make decisions differ, and a blank that is more or less likely."""
    tensors = {name: array * np.float32(by) for name, array in network.tensors.items()}
    tensors["joint_net.3.bias"] = tensors["joint_net.3.bias"] + np.float32(blank) * (
        np.arange(network.shape.labels) == network.shape.labels - 1
    ).astype(np.float32)
    return RnntNetwork(tensors, network.labels, network.front_end)


def in_float(model, walk):
    return results_of([walk], NodeProducts.of_floats(model.network))[0]


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("steps", "stack"), [(9, 2), (1, 2), (6, 3)])
def test_float_is_pytorch_s(centred, steps, stack):
    pytest.importorskip("torch")
    shape = RnntShape(features=12, encoder=16, stack=stack, prediction=8, joint=10)
    network = louder(RnntNetwork.random(shape, seed=steps), blank=6.0)
    model, reference = RnntModel(network, centred), Reference(network)
    features = np.random.default_rng(7).standard_normal((steps, 12)).astype(np.float32)
    seen = []

    def choose(logits):
        seen.append(logits)
        return int(logits.argmax())

    labels, logits = reference.greedy(features)
    assert in_float(model, model.decoded(in_float(model, model.encoded(features)), choose)) == labels
    assert np.abs(np.array(seen) - np.array(logits)).max() < 1e-5 * np.abs(logits).max()
    assert in_float(model, model.transcribed(features)) == labels
    if steps > 1:
        assert len({int(one.argmax()) for one in logits}) > 1  # it is decided, not the same all over


def test_at_most_thirty_symbols_a_step():
    model = RnntModel(louder(RnntNetwork.random(SMALL), blank=-1000.0))
    features = np.random.default_rng(0).standard_normal((4, 12)).astype(np.float32)
    assert len(in_float(model, model.transcribed(features))) == 2 * SYMBOLS


def test_surprise_is_that_of_the_choices():
    model = RnntModel(louder(RnntNetwork.random(SMALL, seed=9), blank=6.0))
    features = np.random.default_rng(7).standard_normal((9, 12)).astype(np.float32)
    choices = in_float(model, model.choices(features))
    assert [one for one in choices if one != model.blank] == in_float(model, model.transcribed(features))
    assert choices.count(model.blank) == 4  # of five steps one goes on to the limit of symbols
    certain = in_float(model, model.surprise(features, choices))
    unlikely = [model.blank] * 5
    assert 0 < certain < in_float(model, model.surprise(features, unlikely))
    tensors = {name: np.zeros_like(array) for name, array in model.weights.tensors.items()}
    even = RnntModel(RnntNetwork(tensors, model.weights.labels, model.weights.front_end))
    assert in_float(even, even.surprise(features, [28] * 5)) == pytest.approx(np.log(29))


def test_each_graph_is_one_wave():
    """All matrices of the chips that work at once are due at once, as in the paper's frames."""
    network = RnntModel(RnntNetwork.random(SMALL)).network
    assert network.waves == (
        ("pre/lstm0/input", "pre/lstm0/recurrent", "pre/lstm1/input", "pre/lstm1/recurrent"),
        ("post/lstm2/input", "post/lstm2/recurrent", "post/lstm3", "post/lstm4", "post/fc"),
        ("prediction/lstm0", "prediction/lstm1", "prediction/fc"),
        ("joint/fc",),
    )
    assert network.matrices["prediction/lstm0"].inputs == EMBEDDINGS * 28 + 8


def test_text():
    model = RnntModel(RnntNetwork.random(SMALL))
    assert model.text([8, 20, 0, 9, 27, 13]) == "ht i'm"


def test_host_s_operations_are_counted():
    model = RnntModel(RnntNetwork.random(SMALL))
    count = OperationCount()
    graph = model.network.graphs["post"]
    graph.run({"x": np.zeros(32, np.float32)}, observe=count)
    joined = count.host["lstm3/cell"]
    assert count.host["lstm2/cell"] - joined == 4 * 16  # sums that a chip has done
