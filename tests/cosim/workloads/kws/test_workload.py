"""What determines a chip and a run: everything that does, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.compiler import MappingOptions
from cosim.workloads.kws.dataset import DatasetError
from cosim.workloads.kws.model import KwsModel
from cosim.workloads.kws.workload import calibration_clips, describe_chip, describe_run


@pytest.fixture
def chip(files):
    """A function that describes the chip, with some parts changed."""
    parts = {
        "model": KwsModel.load(files["model"]),
        "calibration": calibration_clips(features=files["features"]),
        "analog": AnalogConfig.nominal(),
        "options": MappingOptions(),
        "seed": 0,
    }

    def describe(**changes) -> dict[str, str]:
        return describe_chip(**{**parts, **{name: change(parts[name]) for name, change in changes.items()}})

    return describe


def other_weights(model: KwsModel) -> KwsModel:
    *hidden, last = model.network.layers
    weights = last.weights.copy()
    weights[0, 0] = -weights[0, 0] or 1 / 127
    return replace(model, network=replace(model.network, layers=(*hidden, replace(last, weights=weights))))


@pytest.mark.parametrize(
    ("part", "change", "named"),
    [
        ("model", other_weights, "model"),
        ("model", lambda model: replace(model, limit=2.9), "model"),
        ("model", lambda model: replace(model, mean=model.mean + 1e-6), "model"),
        ("calibration", lambda clips: replace(clips, features=clips.features + 1e-6), "calibration"),
        ("calibration", lambda clips: replace(clips, features=clips.features[::-1]), "calibration"),
        ("analog", lambda config: replace(config, age_s=config.age_s + 1), "analog part"),
        ("analog", lambda _: AnalogConfig.ideal(), "analog part"),
        ("analog", lambda _: AnalogConfig.nominal("hermes"), "analog part"),
        ("options", lambda options: replace(options, overlapped=True), "frame"),
        ("options", lambda options: replace(options, duration=200), "mapping"),
        ("seed", lambda seed: seed + 1, "seed"),
    ],
)
def test_whatever_changes_a_chip_changes_its_description(chip, part, change, named):
    before, after = chip(), chip(**{part: change})
    assert [name for name in before if before[name] != after[name]] == [named]


def test_names_and_sources_do_not(chip):
    renamed = chip(calibration=lambda clips: replace(clips, source="elsewhere", names=clips.names[::-1]))
    assert renamed == chip()


def test_a_run_is_its_clips_as_well():
    inputs = np.zeros((2, 3))
    runs = [
        describe_run("twin", {"seed": "0"}, ["a", "b"], inputs),
        describe_run("rtl", {"seed": "0"}, ["a", "b"], inputs),
        describe_run("twin", {"seed": "0"}, ["a", "c"], inputs),
        describe_run("twin", {"seed": "0"}, ["a", "b"], inputs + 1),
        describe_run("twin", {"seed": "0"}, ["a", "b"], inputs.reshape(3, 2)),
    ]
    assert len({tuple(run.items()) for run in runs}) == len(runs)


def test_no_validation_clips(files, tmp_path):
    with np.load(files["features"]) as arrays:
        np.savez(tmp_path / "train.npz", **{**arrays, "split": np.zeros_like(arrays["split"])})
    with pytest.raises(DatasetError, match="no clip of the validation split"):
        calibration_clips(features=tmp_path)
