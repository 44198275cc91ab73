"""The report of a keyword-spotting run."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from analog_models.config import AnalogConfig
from cosim.workloads.kws.report import KwsReport, correlation


@pytest.fixture
def report() -> KwsReport:
    rng = np.random.default_rng(1)
    outputs = np.zeros((4, 3), np.uint8)
    outputs[np.arange(4), [0, 1, 2, 1]] = 200
    outputs[3, 0] = 190
    layer = rng.uniform(0, 1, (4, 5))
    return KwsReport(
        engine="rtl",
        data="test data",
        seed=3,
        analog=replace(AnalogConfig.nominal("hermes"), age_s=7.0),
        words=("yes", "no", "up"),
        clips=("a", "b", "c", "d"),
        labels=np.array([0, 1, 2, 0]),
        predictions=outputs.argmax(axis=1),
        software=np.array([0, 1, 2, 0]),
        outputs=outputs,
        layers={"layer0": (layer, layer * 2 + 1, rng.uniform(0, 1, (4, 5)))},
        frame_ns=2400,
        cycles=10_000,
        wall_s=2.0,
        parts_s={"simulator": 1.5, "analog": 0.5},
    )


def test_figures(report):
    assert report.chip_accuracy == 0.75
    assert report.software_accuracy == 1.0
    assert report.margins.tolist() == [200, 200, 200, 10]


def test_correlation_is_pearsons():
    x = np.arange(10.0)
    assert correlation(x, 3 * x - 7) == pytest.approx(1)
    assert correlation(x, -x) == pytest.approx(-1)
    assert np.isnan(correlation(x, np.ones(10)))


def test_json_keys(report, tmp_path):
    report.write_json(tmp_path / "sub" / "out.json", {"waves": "x.fst"})
    data = json.loads((tmp_path / "sub" / "out.json").read_text())
    assert data["iso_ratio"] == 0.75
    assert data["correlation"]["layer0"] == pytest.approx(1)
    assert data["cycles_per_s"] == 5000
    assert data["frames_per_s"] == 2
    assert data["devices"] == "hermes"
    assert data["analog"] == {"preset": "nominal", "changed": {"age_s": 7.0}}
    assert data["predictions"] == [0, 1, 2, 1]
    assert data["files"] == {"waves": "x.fst"}


@pytest.mark.parametrize(("rows", "shown", "hidden"), [(10, "a ", None), (2, "d ", "a ")])
def test_table_shows_all_or_what_went_wrong(report, rows, shown, hidden):
    console = Console(file=io.StringIO(), width=140)
    report.print(console, rows=rows)
    lines = console.file.getvalue().splitlines()
    assert any(line.startswith(shown) for line in lines)
    assert hidden is None or not any(line.startswith(hidden) for line in lines)
    assert any("75.00% of 4 clips" in line for line in lines)
    assert any("nominal, age_s=7.0" in line for line in lines)


def test_pictures(report, tmp_path):
    for file, write in report.pictures(tmp_path).values():
        write(file)
        assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
