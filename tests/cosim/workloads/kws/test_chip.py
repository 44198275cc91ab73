"""Keyword spotting on the full-size chip: the RTL engine against the batched model that calibrates it."""

import re
from pathlib import Path

import numpy as np
import pytest

from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.workloads.kws.model import KwsModel, quantise
from cosim.workloads.kws.workload import calibration_clips, classify, load_clips, prepare_chip

pytestmark = [pytest.mark.cosimulation, pytest.mark.chip, pytest.mark.xdist_group("chip")]

#: Fewer than a real calibration takes: enough to move every setting away from its nominal value.
CALIBRATION_CLIPS = 120
FRAMES = 20


@pytest.fixture(scope="module")
def model() -> KwsModel:
    return KwsModel.load()


@pytest.fixture(scope="module")
def clips():
    return calibration_clips(count=CALIBRATION_CLIPS)


@pytest.fixture(scope="module")
def chip(model, clips):
    return prepare_chip(model, clips, seed=1)


def test_frame_is_eight_steps_on_four_tiles(chip):
    assert chip.program.frame_cycles == 8 * 300
    assert len(chip.program.tiles) == 4
    assert [len(layer.tiles) for layer in chip.program.layers] == [2, 1, 1]


def test_rtl_gives_the_codes_that_calibration_saw(model, clips, chip):
    """Every layer, every column, bit for bit, with all noise on."""
    inputs = quantise(model.prepare(clips.features[:FRAMES]))
    rtl = RtlEngine().run(chip.program, chip.analog, inputs, first_frame=5)
    twin = TwinEngine().run(chip.program, chip.analog, inputs, first_frame=5)
    assert set(rtl.codes) == {"layer0", "layer1", "layer2"}
    for name, codes in rtl.codes.items():
        assert np.ptp(codes) > 100  # not a row of zeros
        np.testing.assert_array_equal(codes, twin.codes[name], err_msg=name)


def test_example_of_the_page(chip, tmp_path, monkeypatch, capsys):
    """A year of drift on the twin, one frame of it on the RTL: as docs/kws.md has it."""
    page = Path(__file__).parents[4] / "docs/kws.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
    chip.save(tmp_path / "run" / "chip")
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    said = re.findall(r"after (\d+) days: ([\d.]+)%", capsys.readouterr().out)
    assert [days for days, _ in said] == ["1", "30", "365"]
    assert all(float(accuracy) > 50 for _, accuracy in said)  # a chip that guesses reaches 8.3


def test_words_are_recognised(model, chip):
    report = classify(model, load_clips(count=36, seed=7), chip, RtlEngine())
    assert report.engine == "rtl"
    assert report.chip_accuracy > 0.7  # a chip that guesses reaches 1/12
    assert report.cycles > 36 * chip.program.frame_cycles
    for name in report.layers:
        assert report.to_json({})["correlation"][name] > 0.95
