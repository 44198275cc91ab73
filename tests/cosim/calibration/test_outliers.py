"""Inputs that the host keeps: those, and only those, whose range costs the others much."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.calibration.coding import Coding, expanded
from cosim.calibration.expected import DeviceErrors
from cosim.calibration.outliers import outliers
from cosim.calibration.ranges import MatrixRanges, choose
from cosim.calibration.readouts import Scale
from cosim.compiler.matrices import Block
from cosim.graph import Linear
from cosim.program import Mode

INPUTS, COLUMNS = 32, 12
SCALE = Scale(Block("m", "m", (0, INPUTS), (0, COLUMNS), Mode.BALANCED), 1, 255, AnalogConfig())


def matrix(larger: dict[int, float], seed: int = 0) -> MatrixRanges:
    random = np.random.default_rng(seed)
    x: NDArray[np.float32] = np.random.default_rng(1).normal(0, 1, (200, INPUTS)).astype(np.float32)
    for row, times in larger.items():
        x[:, row] *= times
    linear = Linear(random.normal(0, 0.2, (INPUTS, COLUMNS)))
    return MatrixRanges(linear, (SCALE,), {"m": x}, DeviceErrors(0.035, 0.08))


@pytest.mark.parametrize("larger", [{}, {3: 50.0}, {3: 50.0, 17: -80.0}], ids=["none", "one", "two"])
def test_the_host_keeps_what_costs_range_and_nothing_else(larger: dict[int, float]) -> None:
    assert outliers([matrix(larger)], 0.25) == tuple(larger)


def test_no_more_than_their_share() -> None:
    four = dict.fromkeys(range(4), 60.0)
    assert outliers([matrix(four)], 4 / INPUTS) == (0, 1, 2, 3)
    assert len(outliers([matrix(four)], 3 / INPUTS)) == 2
    assert outliers([matrix(four)], 0) == ()


def test_matrices_with_the_same_inputs_keep_the_same_ones() -> None:
    assert outliers([matrix({5: 70.0}, seed) for seed in (0, 1, 2)], 0.25) == (5,)


def test_less_is_lost_without_them() -> None:
    whole = matrix({3: 50.0})
    split = replace(whole, outliers=(3,))
    assert split.loss(choose({"m": split})["m"]) < 0.2 * whole.loss(choose({"m": whole})["m"])


@given(st.integers(1, 12), st.integers(1, 9), st.data())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_host_and_chip_together_give_the_product(inputs: int, columns: int, data: st.DataObject) -> None:
    kept = data.draw(st.sets(st.integers(0, inputs - 1)))
    expand = data.draw(st.booleans())
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    weights, x = (random.normal(size=shape).astype(np.float32) for shape in ((inputs, columns), (7, inputs)))
    expansion = random.normal(size=(inputs, 2 * inputs)).astype(np.float32) if expand else None
    rows = np.ones(2 * inputs if expand else inputs)
    coding = Coding(rows, {"m": 1.0}, {"m": 0 * rows}, {}, {}, expansion, tuple(sorted(kept)))
    on_chip = coding.spread(x) @ expanded(weights, coding.expansion, coding.outliers)
    np.testing.assert_allclose(on_chip + coding.hosted(x, weights), x @ weights, atol=1e-3)
    if not expand:
        assert not coding.spread(x)[:, sorted(kept)].any()
