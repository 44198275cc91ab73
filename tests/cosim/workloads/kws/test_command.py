"""`duramesh kws`: files before the output, advice that works, options of another command."""

import json
import os
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cosim.cli import main
from cosim.workloads.kws import report
from cosim.workloads.kws.dataset import LABELS
from cosim.workloads.kws.training.recipes import TRAINING_REQUIREMENT
from tests.cosim.workloads.test_audio import write_wav

ROOT = Path(__file__).parents[4]


def kws(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["kws", *map(str, arguments)])


def test_results_are_kept_whatever_happens_to_the_output(files, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report.KwsReport, "print", full)
    out = tmp_path / "out.json"
    options = ("--engine", "twin", "--clips", 12, "--model", files["model"], "--features", files["features"])
    result = kws(*options, "--json", out, "--report", tmp_path / "report")
    assert result.exit_code == 1, result.output
    assert json.loads(out.read_text())["clips"] == 12
    assert len(list((tmp_path / "report").glob("*.png"))) == 2


def test_names_of_folders_are_text_and_nothing_else(files, tmp_path):
    """Neither markup of the terminal's library nor bytes that are no text."""
    audio = tmp_path / "[red]speech"
    for label in LABELS:
        (audio / label).mkdir(parents=True)
        name = os.fsdecode(b"[bold]\xff.wav")
        write_wav(audio / label / name, np.random.default_rng(0).uniform(-0.1, 0.1, 20_000))
    result = kws("--engine", "twin", "--audio", audio, "--model", files["model"], "--features", files["features"])
    assert result.exit_code == 0, result.output
    assert f"Speech Commands test clips from {audio.name}, 12 of 12" in result.output
    assert r"yes/[bold]\udcff.wav" in result.output
    assert "note: longer than a second, only the loudest is taken: 12 (yes/[bold]" in result.output


def test_options_before_a_subcommand_are_refused(files):
    result = kws("--engine", "twin", "train", "--data", files["features"])
    assert result.exit_code == 2
    assert "--engine is an option of `duramesh kws`, not of `duramesh kws train`" in result.output


def test_the_advice_to_install_works(files, monkeypatch):
    """The package is on no index, so that its extra cannot be named there; what the extra brings can."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert TRAINING_REQUIREMENT in project["optional-dependencies"]["train"]
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "cosim.workloads.kws.training.trainer", raising=False)
    result = kws("train", "--data", files["features"])
    assert result.exit_code == 1
    assert re.search(r"training needs PyTorch: \S+ -m pip install 'torch>=[\d.]+'$", result.output.strip())


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        *((text, "is no number and no range") for text in ("", "a", "1,,2", "1.5", "-1", "9" * 5_000)),
        (str(1 << 63), "or one beyond 9,223,372,036,854,775,807"),
    ],
)
def test_seeds_of_a_training(files, seeds, message):
    result = kws("train", "--data", files["features"], "--seeds", seeds)
    assert result.exit_code == 2, result.output
    assert message in result.output
