"""Lines through columns: slope and offset are found, saturated codes and columns that say nothing do not count."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.calibration import column_lines
from cosim.compiler import compile_network
from cosim.graph.feed_forward import Activation
from cosim.program import LayerPlan
from rtl.config import preset


@pytest.fixture(scope="module")
def plan(random_network) -> LayerPlan:
    """A signed readout whose codes 0 to 255 are -1 to 1."""
    signed = compile_network(random_network(32, 16), preset("small")).layers[0]
    assert signed.activation is Activation.LINEAR
    return replace(signed, code_zero=127.5, code_scale=127.5)


def codes_of(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(127.5 + 127.5 * values), 0, 255).astype(np.uint8)


def test_slope_and_offset_of_every_column(plan):
    expected = np.random.default_rng(0).uniform(-0.6, 0.6, (400, 3))
    slopes, offsets = column_lines(expected, codes_of(np.array([0.8, 1, 1.2]) * expected + [0, 0.1, -0.2]), plan, 255)
    assert slopes == pytest.approx([0.8, 1, 1.2], abs=0.01)
    assert offsets == pytest.approx([0, 0.1, -0.2], abs=0.01)


def test_saturated_codes_do_not_bend_the_line(plan):
    expected = np.random.default_rng(1).uniform(-1, 1, (400, 1))
    slopes, offsets = column_lines(expected, codes_of(1.5 * expected), plan, 255)
    assert slopes == pytest.approx([1.5], abs=0.02)
    assert offsets == pytest.approx([0], abs=0.02)


@pytest.mark.parametrize("reach", [0.0, 1e-4])
def test_a_column_that_hardly_moves_has_slope_one_and_its_mean(plan, reach):
    expected = reach * np.random.default_rng(2).uniform(-1, 1, (400, 1))
    slopes, offsets = column_lines(expected, codes_of(expected + 0.3), plan, 255)
    assert slopes == [1]
    assert offsets == pytest.approx([0.3], abs=0.005)
