"""`duramesh kws` on a data-set run that is killed, interrupted and given again; and on both engines."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cosim.cli import main
from cosim.engines.results import Results
from cosim.engines.twin.engine import TwinEngine

CLIPS = 120
ROOT = Path(__file__).parents[4]
PATIENCE_S = 240


@pytest.fixture
def options(files) -> Callable[..., list[str]]:
    """Arguments of the command, without those that a test is about."""

    def make(*more: Any) -> list[str]:
        fixed = ["kws", "--model", files["model"], "--features", files["features"], "--seed", "2"]
        return [str(argument) for argument in (*fixed, *more)]

    return make


def invoke(arguments: list[str]) -> Result:
    return CliRunner().invoke(main, arguments)


def until_chunks(folder: Path, count: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + PATIENCE_S
    while len(list(folder.glob("results/*/*.npz"))) < count:
        assert process.poll() is None, "the command ended too early"
        assert time.monotonic() < end, "the command took too long"
        time.sleep(0.002)


def test_killed_interrupted_and_finished(options, tmp_path):
    folder = tmp_path / "run"
    arguments = options("--engine", "twin", "--clips", CLIPS, "--checkpoint", folder, "--chunk", 1)
    command = [sys.executable, "-m", "cosim.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = []
    for kind, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        before = len(list(folder.glob("results/*/*.npz")))
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        until_chunks(folder, before + 5, process)
        process.send_signal(kind)
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == status, said
        found.append(len(list(folder.glob("results/*/*.npz"))))
    assert 0 < found[0] < found[1] < CLIPS, "stopped in the middle, twice"
    assert f"interrupted; what is done is kept in {folder}" in said.replace("\n", "")

    chip = {path.name: path.stat().st_mtime_ns for path in folder.glob("chip/*")}
    written = {path: path.stat().st_mtime_ns for path in folder.glob("results/*/*.npz")}
    resumed = invoke([*arguments, "--json", str(tmp_path / "resumed.json")])
    assert resumed.exit_code == 0, resumed.output
    assert f"{found[1]} of {CLIPS} clips were done in {folder}" in resumed.output
    assert chip == {path.name: path.stat().st_mtime_ns for path in folder.glob("chip/*")}, "calibrated once"
    assert all(path.stat().st_mtime_ns == changed for path, changed in written.items()), "no clip ran twice"
    assert len(list(folder.glob("results/*/*.npz"))) == CLIPS, "no clip is lost"

    plain = invoke(options("--engine", "twin", "--clips", CLIPS, "--json", tmp_path / "plain.json"))
    assert plain.exit_code == 0, plain.output
    reports = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("plain", "resumed")]
    for key in ("predictions", "labels", "accuracy", "correlation", "clips"):
        assert reports[0][key] == reports[1][key], key
    assert len(set(reports[0]["predictions"])) > 3, "a test of something"

    other = invoke(options("--engine", "twin", "--clips", CLIPS + 1, "--checkpoint", folder))
    assert other.exit_code == 1
    said = rf"belongs to another run: clips is {CLIPS} \(\w+\) there and {CLIPS + 1} \(\w+\) here"
    assert re.search(said, other.output.replace("\n", " "))


def test_features_of_the_same_name_are_another_run(options, files, tmp_path):
    """The run is its data, not the name of its data."""
    folder = tmp_path / "run"
    arguments = options("--engine", "twin", "--clips", 12, "--checkpoint", folder)
    assert invoke(arguments).exit_code == 0
    copy = tmp_path / "copy.npz"
    copy.write_bytes(files["features"].read_bytes())
    same = invoke([*arguments, "--features", str(copy)])
    assert same.exit_code == 0, same.output
    assert "12 of 12 clips were done" in same.output
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / files["features"].name
    with np.load(files["features"]) as arrays:
        np.savez(other, **{**arrays, "x": arrays["x"][::-1]})
    refused = invoke([*arguments, "--features", str(other)])
    assert refused.exit_code == 1
    assert re.search(
        r"calibration is 50 clips \(\w+\) there and 50 clips \(\w+\) here", " ".join(refused.output.split())
    )


def test_overlapped_frame_is_another_run(options, tmp_path):
    """Two layers take seven steps; read in the next frame, one less."""
    folder, out = tmp_path / "run", tmp_path / "out.json"
    arguments = options("--engine", "twin", "--clips", 12, "--checkpoint", folder)
    result = invoke([*arguments, "--overlapped", "--json", str(out)])
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text())["frame_ns"] == 6 * 300
    other = invoke(arguments)
    assert other.exit_code == 1
    assert "frame is overlapped there and strict here" in " ".join(other.output.split())


def test_waves_and_checkpoint_exclude_each_other(options, tmp_path):
    result = invoke(options("--checkpoint", tmp_path / "run", "--waves", tmp_path / "waves"))
    assert result.exit_code == 2
    assert "--checkpoint" in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.chip
@pytest.mark.cosimulation
@pytest.mark.xdist_group("chip")
def test_both_engines(options, tmp_path, monkeypatch):
    """All codes identical; with one of the twin's wrong, an error that says where, and nothing kept as compared."""
    folder = tmp_path / "run"
    arguments = options("--engine", "both", "--clips", 5, "--json", tmp_path / "out.json")
    result = invoke([*arguments, "--checkpoint", str(folder)])
    assert result.exit_code == 0, result.output
    codes = 5 * (30 + 12)
    assert f"{codes} codes of both engines, all identical" in result.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["engine"] == "rtl"
    assert report["compared_codes"] == codes

    (tmp_path / "out.json").unlink()
    shutil.copytree(folder, tmp_path / "other", ignore=shutil.ignore_patterns("results"))  # the same chip
    right = TwinEngine.run

    def wrong(self: TwinEngine, program: Any, chip: Any, inputs: Any, **rest: Any) -> Results:
        results = right(self, program, chip, inputs, **rest)
        if rest.get("first_frame", 0) == 0 and results.frames == 5:  # the run, not the calibration
            results.codes["layer0"][3, 4] ^= 8
        return results

    monkeypatch.setattr(TwinEngine, "run", wrong)
    result = invoke([*arguments, "--checkpoint", str(tmp_path / "other")])
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert re.search(
        r"Error: rtl and twin differ: clip '[^']+', frame 3, layer0 \(tile \d+\), column 4: "
        r"\d+ \(rtl\), \d+ \(twin\); 1 of 210 codes differ",
        said,
    )
    assert not (tmp_path / "out.json").exists()
    assert not list((tmp_path / "other").glob("results/*/*.npz"))
