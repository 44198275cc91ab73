"""Files of RNN-T networks: MLPerf's names and shapes, ours and theirs."""

import numpy as np
import pytest

from cosim.graph.errors import NetworkError
from cosim.workloads.rnnt.features import FrontEnd
from cosim.workloads.rnnt.network import LABELS, RnntNetwork, RnntShape

#: Every width another one.
SMALL = RnntShape(features=12, encoder=16, stack=2, prediction=8, joint=10, labels=29)


@pytest.fixture(scope="module")
def network() -> RnntNetwork:
    return RnntNetwork.random(SMALL, seed=3)


def same(one: RnntNetwork, other: RnntNetwork) -> bool:
    return list(one.tensors) == list(other.tensors) and all(
        np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors
    )


def test_full_size_is_the_papers():
    shape = RnntShape()
    assert shape.mapped_weights == 45_261_568  # Nature 620, 768, Methods
    # MLPerf's checkpoint has so many parameters (mlcommons/inference, README of RNN-T).
    assert sum(np.prod(size) for size in shape.tensors.values()) == 45_323_037
    assert shape.tensors["encoder.post_rnn.lstm.weight_ih_l0"] == (4096, 2048)
    assert shape.tensors["prediction.dec_rnn.lstm.weight_hh_l1"] == (1280, 320)
    assert shape.tensors["joint_net.0.weight"] == (512, 1344)


def test_shape_follows_from_the_tensors(network):
    assert network.shape == SMALL
    assert network.front_end == FrontEnd(12, 1)
    assert len(LABELS) == 28
    assert LABELS[0] == " "
    assert LABELS[-1] == "'"


@pytest.mark.parametrize("name", ["network.npz", "network.safetensors"])
def test_files(network, tmp_path, name):
    path = tmp_path / name
    made = RnntNetwork(network.tensors, network.labels, network.front_end, {"trained": {"hours": 12}})
    made.save(path)
    read = RnntNetwork.load(path)
    assert same(read, network)
    assert (read.labels, read.front_end, read.card) == (network.labels, network.front_end, {"trained": {"hours": 12}})


def test_bytes_are_rounded_by_rows(tmp_path):
    network = RnntNetwork.random(RnntShape(encoder=64))
    network.save(tmp_path / "small.npz", eight_bits=True)
    read = RnntNetwork.load(tmp_path / "small.npz")
    for name, array in network.tensors.items():
        step = np.abs(array).max(axis=-1, keepdims=True) / 127 if array.ndim == 2 else 0
        assert np.all(np.abs(read.tensors[name] - array) <= 0.501 * step)
    assert same(RnntNetwork.load(tmp_path / "small.npz"), read)
    assert (tmp_path / "small.npz").stat().st_size < sum(a.nbytes for a in network.tensors.values()) / 3
    with pytest.raises(NetworkError, match=r"ends in \.npz$"):
        network.save(tmp_path / "small.safetensors", eight_bits=True)


def test_safetensors_of_others_are_mlperfs(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    tensors = RnntNetwork.random(RnntShape(encoder=8, prediction=4, joint=6)).tensors
    numpy.save_file(dict(tensors), tmp_path / "theirs.safetensors")
    read = RnntNetwork.load(tmp_path / "theirs.safetensors")
    assert read.labels == LABELS
    assert read.front_end == FrontEnd(80, 3)


@pytest.mark.parametrize("joint", ["joint_net", "joint.net"])
def test_checkpoint_of_mlperf(tmp_path, joint):
    torch = pytest.importorskip("torch")
    network = RnntNetwork.random(RnntShape(encoder=8, prediction=4, joint=6), seed=5)
    state = {
        name.replace("joint_net", joint): torch.from_numpy(array.copy()) for name, array in network.tensors.items()
    }
    state["audio_preprocessor.featurizer.fb"] = torch.zeros(1, 80, 257)
    state["audio_preprocessor.featurizer.window"] = torch.zeros(320)
    torch.save({"epoch": 100, "state_dict": state}, tmp_path / "rnnt.pt")
    assert same(RnntNetwork.load(tmp_path / "rnnt.pt"), network)


def test_checkpoint_runs_no_code(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"state_dict": {}, "model": RnntShape()}, tmp_path / "code.pt")
    with pytest.raises(NetworkError, match=r"code\.pt: no checkpoint of weights alone"):
        RnntNetwork.load(tmp_path / "code.pt")
    torch.save({"weights": {}}, tmp_path / "other.pt")
    with pytest.raises(NetworkError, match="no 'state_dict'"):
        RnntNetwork.load(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("joint_net.3.bias"), "'joint_net.3.bias' is missing"),
        (lambda t: t.update(extra=np.zeros(3)), "'extra' is unknown"),
        (lambda t: t.update({"joint_net.0.bias": np.zeros(11)}), r"'joint_net.0.bias' is \(11,\).* must be \(10,\)"),
        (lambda t: t.update({"joint_net.0.bias": np.zeros((10, 1))}), "has 1 axes"),
        (lambda t: t.update({"joint_net.0.bias": np.full(10, np.nan)}), "finite"),
        (lambda t: t.update({"joint_net.0.bias": np.zeros(10, int)}), "finite real numbers, got int64"),
    ],
)
def test_what_does_not_fit_is_named(network, change, message):
    tensors = dict(network.tensors)
    change(tensors)
    with pytest.raises(NetworkError, match=message):
        RnntNetwork(tensors, network.labels, network.front_end)


def test_labels_and_front_end_must_fit(network):
    with pytest.raises(NetworkError, match="27 labels for a network of 29 outputs"):
        RnntNetwork(network.tensors, network.labels[:-1], network.front_end)
    with pytest.raises(NetworkError, match="240 numbers a step, the network takes 12"):
        RnntNetwork(network.tensors)
    with pytest.raises(NetworkError, match="bands of the front end"):
        FrontEnd(bands=0)


@pytest.mark.parametrize("name", ["none.safetensors", "none.pt", "none.npz"])
def test_missing_files(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        RnntNetwork.load(tmp_path / name)
    (tmp_path / name).write_bytes(b"nothing")
    if name.endswith(".pt"):
        pytest.importorskip("torch")
    with pytest.raises(NetworkError, match=name):
        RnntNetwork.load(tmp_path / name)


def test_other_names_are_refused(tmp_path, network):
    for action in (RnntNetwork.load, network.save):
        with pytest.raises(NetworkError, match="npz"):
            action(tmp_path / "network.onnx")
