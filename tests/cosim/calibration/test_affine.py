"""Lines of columns: from codes to products."""

import numpy as np
import pytest

from cosim.calibration.affine import Affine, Line, fit


def test_a_line_is_found() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (50, 3)).astype(np.uint8)
    gain, offset = np.array([0.5, -2.0, 0.01]), np.array([3.0, 0.0, -7.0])
    line = fit(codes, codes * gain + offset, np.ones(3))
    np.testing.assert_allclose(line.gain, gain, rtol=1e-5)
    np.testing.assert_allclose(line.offset, offset, rtol=1e-5, atol=1e-5)
    assert line.gain.dtype == line.offset.dtype == np.float32


def test_a_column_that_does_not_move_has_the_nominal_gain_and_its_mean() -> None:
    codes = np.full((4, 1), 100, np.uint8)
    line = fit(codes, np.array([[1.0], [2.0], [3.0], [6.0]]), np.array([0.25]))
    assert (line.gain, line.offset) == (np.float32(0.25), np.float32(3 - 25))


def test_nothing_is_no_line() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        fit(np.zeros((0, 2), np.uint8), np.zeros((0, 2)), np.ones(2))


def test_parts_are_read_as_they_were_written() -> None:
    lines = {("b", "n"): Line(np.ones(2, np.float32), np.zeros(2, np.float32))}
    meta, arrays = Affine(lines).to_parts()
    again = Affine.from_parts(tuple(map(tuple, meta["lines"])), arrays)
    assert again.lines.keys() == lines.keys()
    with pytest.raises(ValueError, match="offset 0"):
        Affine.from_parts((("b", "n"),), {"gain 0": arrays["gain 0"]})
