"""The command line: help, clear errors, and a whole keyword-spotting run on the twin."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from analog_models import DEVICE_MODELS
from cosim.cli import main
from cosim.cli.analog import DEVICES


@pytest.fixture
def invoke():
    runner = CliRunner()

    def run(*arguments: str):
        return runner.invoke(main, [str(argument) for argument in arguments])

    return run


def test_help_lists_the_commands(invoke):
    result = invoke("--help")
    assert result.exit_code == 0
    assert "kws" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kws", "--engine", "spice"), "'spice' is not one of"),
        (("kws", "--clips", "0"), "0 is not in the range"),
        (("kws", "--frobnicate"), "No such option"),
        (("kws", "--audio", "/nowhere/at/all"), "does not exist"),
        (("kws", "train", "--data", ".", "--seeds", "one"), "is no number and no range"),
    ],
)
def test_bad_options_say_what_is_wrong(invoke, arguments, message):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("kws", "--json", "FILE/out.json"),
        ("kws", "--report", "FILE"),
        ("kws", "--report", "FILE/deeper/still"),
        ("kws", "--checkpoint", "FILE"),
        ("kws", "train", "--data", ".", "--out", "."),
        ("bench", "--json", "FILE/out.json"),
        ("bench", "--plot", "FILE/out.png"),
        ("transport", "--report", "FILE"),
    ],
)
def test_results_that_have_no_place_are_refused_before_the_work(invoke, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert f"'{arguments[-2]}'" in result.output


def test_folder_that_is_no_data_set(invoke, tmp_path):
    result = invoke("kws", "--audio", tmp_path, "--json", tmp_path / "out.json")
    assert result.exit_code == 1
    assert "Error:" in result.output
    assert "testing_list.txt" in result.output  # what was expected
    assert not (tmp_path / "out.json").exists()


def test_truncated_model(invoke, tmp_path):
    from cosim.workloads.kws.model import CHECKPOINT

    broken = tmp_path / "model.npz"
    broken.write_bytes(CHECKPOINT.read_bytes()[:20_000])
    result = invoke("kws", "--model", broken)
    assert result.exit_code == 1
    assert str(broken) in result.output


def test_every_device_model_can_be_asked_for():
    assert tuple(DEVICES.choices) == tuple(DEVICE_MODELS)


def test_kws_on_the_twin(invoke, tmp_path):
    """The whole chain from speech to report, on a chip unlike the RTL engine's in workloads/kws/test_chip.py."""
    result = invoke(
        *("kws", "--engine", "twin", "--clips", "24", "--devices", "hermes", "--set", "age_s=60"),
        *("--json", tmp_path / "out.json", "--report", tmp_path / "pictures"),
    )
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["engine"] == "twin"
    assert report["devices"] == "hermes"
    assert report["analog"] == {"preset": "nominal", "changed": {"age_s": 60}}
    assert "devices of model hermes" in result.output
    assert "nominal, age_s=60.0" in result.output
    assert report["clips"] == len(report["predictions"]) == len(report["labels"]) == 24
    assert report["frame_ns"] == 2400
    hits = np.equal(report["predictions"], report["labels"])
    assert report["accuracy"]["chip"] == pytest.approx(hits.mean())
    assert report["accuracy"]["chip"] > 0.6  # a chip that guesses reaches 1/12
    assert set(report["correlation"]) == {"layer0", "layer1", "layer2"}
    assert min(report["correlation"].values()) > 0.93
    for file in ("confusion_matrix", "correlation"):
        assert (tmp_path / "pictures").joinpath(report["files"][file]).is_file()
