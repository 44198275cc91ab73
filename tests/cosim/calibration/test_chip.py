"""A calibrated chip in a folder: it comes back whole, and damage is named."""

from pathlib import Path

import numpy as np
import pytest

from cosim.calibration import CalibratedChip, calibrate
from cosim.files.archive import ArchiveError, read_archive, write_archive
from rtl.config import preset


@pytest.fixture(scope="module")
def saved(random_network, random_inputs, tmp_path_factory) -> tuple[CalibratedChip, Path]:
    chip = calibrate(random_network(32, 16, 6), preset("small"), random_inputs(60, 32), seed=3)
    folder = tmp_path_factory.mktemp("chip")
    chip.save(folder)
    return chip, folder


def test_everything_comes_back(saved):
    chip, folder = saved
    loaded = CalibratedChip.load(folder)
    assert loaded.options == chip.options
    assert loaded.program.units == chip.program.units
    assert loaded.programming.iterations == chip.programming.iterations
    assert loaded.programming.unfinished == chip.programming.unfinished
    for name in ("errors", "targets"):
        mine, theirs = getattr(chip.programming, name), getattr(loaded.programming, name)
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[key], theirs[key]) for key in mine)
    for mine, theirs in zip(chip.layers, loaded.layers, strict=True):
        assert mine.enable_offset == theirs.enable_offset
        assert np.array_equal(mine.residual_slopes, theirs.residual_slopes)


def test_a_file_that_lacks_something_is_named(saved, tmp_path):
    chip, _ = saved
    chip.save(tmp_path)
    path = tmp_path / "calibration.npz"
    meta, arrays = read_archive(path, "duramesh calibration", 3)
    del arrays["slopes 1"]
    write_archive(path, "duramesh calibration", 3, meta, arrays)
    with pytest.raises(ArchiveError, match=r"calibration\.npz is damaged: no array 'slopes 1'"):
        CalibratedChip.load(tmp_path)
    chip.save(tmp_path)
    (tmp_path / "program.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"program\.npz is missing"):
        CalibratedChip.load(tmp_path)
