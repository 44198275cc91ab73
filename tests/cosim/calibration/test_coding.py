"""Scales of a matrix: codes, weights and products belong together."""

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.calibration.coding import Coding, CodingHeader, expanded, rows_of
from cosim.calibration.readouts import Scale
from cosim.compiler.matrices import Block
from cosim.files.typed import typed
from cosim.program import Mode

BLOCK = Block("m 0:6 1:4", "m", (0, 6), (1, 4), Mode.BALANCED)


def coding(**changes: object) -> Coding:
    given = {
        "rows": np.linspace(0.5, 2, 6),
        "inputs": {"m": 3.0, "again": 0.25},
        "centres": {"m": np.linspace(-1, 4, 6), "again": np.zeros(6)},
        "columns": {BLOCK.name: np.array([0.5, 1.0, 2.0])},
        "full_scale": {BLOCK.name: 4.0},
    }
    return Coding(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("node", "top"), [("m", 3.0), ("again", 0.25)])
@pytest.mark.parametrize("duration", [255, 127])
def test_a_rows_range_is_the_longest_duration(node: str, top: float, duration: int) -> None:
    made = coding(duration=duration)
    x = (made.rows * top).astype(np.float32)
    assert made.codes(node, made.centres[node] + np.stack([x, -x, 2 * x, 0 * x])).tolist() == [
        [duration] * 6,
        [-duration] * 6,
        [duration] * 6,
        [0] * 6,
    ]


def test_codes_and_weights_multiply_to_the_product() -> None:
    made, random = coding(), np.random.default_rng(0)
    weights = random.uniform(-0.2, 0.2, (6, 5))
    x = made.centres["m"] + random.uniform(-1, 1, (20, 6)).astype(np.float32)
    sent = made.codes("m", x) / 255
    product = sent @ made.weights(BLOCK, weights) * made.worth("m", BLOCK.name) + made.centres["m"] @ weights[:, 1:4]
    half_codes = 3.0 / 510 * (made.rows[:, None] * np.abs(weights[:, 1:4])).sum(axis=0)
    assert np.all(np.abs(product - x @ weights[:, 1:4]) <= half_codes + 1e-6)


def test_products_are_told_to_half_a_code_and_cut_off_at_the_full_scale() -> None:
    made = coding()
    exact = np.linspace(-4, 4, 1001)
    assert np.abs(made.told(exact, BLOCK.name) - exact).max() <= 4 / 255 + 1e-9
    assert made.told(np.array([-9.0, 9.0]), BLOCK.name).tolist() == [-4, 4]


def test_an_expanded_matrix_gives_the_same_products() -> None:
    random = np.random.default_rng(0)
    weights, expansion = random.normal(size=(5, 4)), random.normal(size=(5, 12)).astype(np.float32)
    x = random.normal(size=(7, 5)).astype(np.float32)
    spread = coding(expansion=expansion).spread(x)
    assert spread.shape == (7, 12)
    np.testing.assert_allclose(spread @ expanded(weights.astype(np.float32), expansion), x @ weights, atol=1e-4)


@pytest.mark.parametrize(("rows", "wanted"), [((0, 4), [0, 1, 2, 3]), ((7, 9), [2, 3]), ((3, 7), [3, 4, 0, 1])])
def test_rows_count_on_from_copy_to_copy(rows: tuple[int, int], wanted: list[int]) -> None:
    assert np.arange(5)[rows_of(rows, 5)].tolist() == wanted


def test_parts_are_read_as_they_were_written() -> None:
    made = coding(expansion=np.ones((4, 6), np.float32), outliers=(1, 3))
    meta, arrays = made.to_parts()
    again = Coding.from_parts(typed(CodingHeader, meta), arrays)
    assert again.to_parts()[0] == meta
    assert all(np.array_equal(array, again.to_parts()[1][name]) for name, array in arrays.items())
    with pytest.raises(ValueError, match="rows"):
        Coding.from_parts(typed(CodingHeader, meta), {name: a for name, a in arrays.items() if name != "rows"})


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("tiles", [1, 2])
@pytest.mark.parametrize("duration", [255, 127])
def test_a_readout_has_the_full_scale_that_is_wanted_or_a_little_more(mode: Mode, tiles: int, duration: int) -> None:
    scale = Scale(Block("m", "m", (0, 4), (0, 4), mode), tiles, duration, AnalogConfig())
    for wanted in np.geomspace(scale.smallest, scale.largest, 40):
        readout = scale.readout(float(wanted))
        got = scale.full_scale(readout)
        assert wanted * (1 - 1e-6) <= got <= wanted * (1 + 1 / (readout.ramp_slope - 1 or 1))
        zero = readout.zero(AnalogConfig())
        step_ns = AnalogConfig().periphery.ramp_lsb_v / AnalogConfig().volts_per_cycle(readout.ramp_slope)
        assert abs(zero - duration / 2) <= step_ns / 2 + 1e-6
