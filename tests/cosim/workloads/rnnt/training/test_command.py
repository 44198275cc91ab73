"""`duramesh rnnt train`: from features to a network's file, and messages where something is missing."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from cosim.cli import main
from cosim.workloads.kws.dataset import LABELS, TrainingSet
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape
from cosim.workloads.rnnt.training.recipes import RECIPES


@pytest.fixture(scope="session")
def features(data: TrainingSet, tmp_path_factory):
    """The data as a file of prepared features."""
    path = tmp_path_factory.mktemp("features") / "train.npz"
    noise = data.noise[0]
    np.savez(
        path,
        x=data.codes,
        y=data.labels,
        split=data.validation.astype(np.int8),
        labels=np.array(LABELS),
        noise_logmel_i8=np.rint(noise / 0.1).astype(np.int8),
        noise_len=np.array([len(noise)]),
        noise_scale=np.float32(0.1),
        noise_offset=np.float32(0),
        resid_std=data.feature_error,
        name=data.names,
    )
    return path


def train(*arguments) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["rnnt", "train", *map(str, arguments)])
    return result.exit_code, result.output


def test_trains_widens_and_writes_bytes(features, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="training needs the extra [train]").set_num_threads(1)
    pytest.importorskip("jiwer", reason="counting word errors needs the extra [speech]")
    from cosim.workloads.rnnt.training import trainer

    monkeypatch.setattr(trainer, "VALIDATION", 2)
    small = replace(RECIPES["narrow"], shape=RnntShape(encoder=8, prediction=4, joint=4), batch=4, speech=0)
    wider = replace(small, shape=RnntShape(encoder=12, prediction=4, joint=6))
    monkeypatch.setitem(RECIPES, "narrow", small)
    monkeypatch.setitem(RECIPES, "shipped", wider)
    narrow, wide = tmp_path / "narrow.npz", tmp_path / "wide.npz"
    common = ["--data", features, "--device", "cpu", "--steps", 2]
    status, said = train(*common, "--checkpoint", tmp_path / "run", "--out", narrow)
    assert status == 0, said
    assert f"wrote {narrow}" in said
    assert (tmp_path / "run" / "checkpoint.pt").is_file()
    status, said = train(*common, "--recipe", "shipped", "--widen", narrow, "--eight-bits", "--out", wide)
    assert status == 0, said
    network = RnntNetwork.load(wide)
    assert network.shape == wider.shape
    assert network.card["steps"] == 2
    assert json.dumps(dict(network.card))


def test_widens_alone(tmp_path, monkeypatch):
    wider = RnntShape(encoder=12, prediction=4, joint=6)
    monkeypatch.setitem(RECIPES, "full", replace(RECIPES["full"], shape=wider))
    RnntNetwork.random(RnntShape(encoder=8, prediction=4, joint=4)).save(tmp_path / "narrow.npz")
    out = tmp_path / "wide.npz"
    result = CliRunner().invoke(main, ["rnnt", "widen", str(tmp_path / "narrow.npz"), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert f"{wider.mapped_weights:,} weights" in result.output
    assert RnntNetwork.load(out).shape == wider


def test_without_torch(features, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "cosim.workloads.rnnt.training.trainer", raising=False)
    status, said = train("--data", features)
    assert status == 1
    assert "training needs PyTorch" in said


def test_features_without_names(features, tmp_path):
    pytest.importorskip("torch", reason="training needs the extra [train]")
    with np.load(features) as arrays:
        np.savez(tmp_path / "nameless.npz", **{key: array for key, array in arrays.items() if key != "name"})
    status, said = train("--data", tmp_path / "nameless.npz", "--device", "cpu")
    assert status == 1
    assert "no array 'name'" in said


def test_a_name_without_a_format_is_refused_before_the_work(features, tmp_path):
    for options, expected, message in (
        (("--out", tmp_path / "x.txt"), 2, "x.txt: no network format '.txt'; end the name in .npz or .safetensors"),
        (("--out", tmp_path / "x.safetensors", "--eight-bits"), 1, "x.safetensors: give a name that ends in .npz\n"),
    ):
        status, said = train("--data", features, *options)
        assert status == expected
        assert message in said
