"""What a node of capacitors is told of a tile: constants from its draws, on any number of capacitors."""

import numpy as np
import pytest

from analog_models.circuits import Circuits
from analog_models.config import AnalogConfig
from analog_models.crossbar import SIGMA_UNITS, SIGNAL_UNITS
from analog_models.noise import KeyedNoise
from analog_models.periphery import Columns

NOMINAL = AnalogConfig()


def circuits() -> Circuits:
    return Circuits.drawn(NOMINAL, KeyedNoise(7, 0, 3), 16)


def test_circuits_are_the_draws_of_their_tile() -> None:
    one, drawn = circuits(), Columns.drawn(NOMINAL.periphery, KeyedNoise(7, 0, 3), 16)
    for name in ("gain", "path", "polarity", "offset_fc", "comparator_mv"):
        np.testing.assert_array_equal(getattr(one.columns, name), getattr(drawn, name))
    assert one != circuits(), "equal draws are not the same tile"


@pytest.mark.parametrize("capacitors", [1, 5, 16])
def test_constants_follow_from_charge_and_capacitance(capacitors: int) -> None:
    one = circuits()
    signal_mv, offset_mv, variance_mv2 = one.constants(capacitors, 10)
    capacitance_ff = capacitors * NOMINAL.periphery.capacitor_ff
    # A cell at g_max read for 1 ns is SIGNAL_UNITS: 25 uS x 0.3 V x 1 ns, mirrored; fC / fF is V.
    whole_fc = NOMINAL.pcm.g_max_us * NOMINAL.periphery.read_voltage_v * NOMINAL.periphery.mirror_ratio
    assert SIGNAL_UNITS * signal_mv == pytest.approx(one.columns.gain[:10] * whole_fc / capacitance_ff * 1e3)
    assert offset_mv == pytest.approx(one.columns.offset_fc[:10] / capacitance_ff * 1e3)
    assert variance_mv2 == pytest.approx((signal_mv * SIGMA_UNITS) ** 2)
    assert one.constants(capacitors, 10)[0] is signal_mv, "computed once"


def test_without_capacitors_nothing_moves() -> None:
    assert not any(values.any() for values in circuits().constants(0, 16))
