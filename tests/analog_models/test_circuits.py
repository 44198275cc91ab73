"""What a node of capacitors is told of a tile: constants from its draws, on any number of capacitors."""

import numpy as np
import pytest

from analog_models.circuits import Circuits
from analog_models.config import AnalogConfig
from analog_models.crossbar import VARIANCE_UNITS
from analog_models.noise import KeyedNoise
from analog_models.periphery import Columns
from analog_models.pulses import PULSE_UNITS

NOMINAL = AnalogConfig()


def circuits() -> Circuits:
    return Circuits.drawn(NOMINAL, KeyedNoise(7, 0, 3), 16)


def test_circuits_are_the_draws_of_their_tile() -> None:
    one, drawn = circuits(), Columns.drawn(NOMINAL.periphery, KeyedNoise(7, 0, 3), 16)
    for name in ("gain", "path", "polarity", "offset_fc", "comparator_mv", "compression", "leak", "capacitors"):
        np.testing.assert_array_equal(getattr(one.columns, name), getattr(drawn, name))
    assert one != circuits(), "equal draws are not the same tile"


@pytest.mark.parametrize("capacitors", [1, 5, 8])
def test_scales_follow_from_charge_and_capacitance(capacitors: int) -> None:
    one = circuits()
    scales = one.scales((), (capacitors,), 10)
    capacitance_ff = NOMINAL.periphery.capacitor_ff * one.columns.capacitors[:capacitors, :10].sum(axis=0)
    # A cell at g_max read for 1 ns: 25 uS x 0.3 V x 1 ns, mirrored; fC / fF is V.
    whole_fc = NOMINAL.pcm.g_max_us * NOMINAL.periphery.read_voltage_v * NOMINAL.periphery.mirror_ratio
    full_mv = one.columns.gain[:10] * whole_fc / capacitance_ff * 1e3
    assert scales.signal_mv[0] * PULSE_UNITS * 2**NOMINAL.resolution_bits == pytest.approx(full_mv)
    assert scales.offset_mv[0] == pytest.approx(one.columns.offset_fc[:10] / capacitance_ff * 1e3)
    assert scales.variance_mv2[0] * VARIANCE_UNITS == pytest.approx(full_mv**2)
    assert scales.leak == pytest.approx(one.columns.leak[:10])
    assert one.scales((), (capacitors,), 10) is scales, "computed once"


def test_two_tiles_share_their_capacitors() -> None:
    north, south = circuits(), Circuits.drawn(NOMINAL, KeyedNoise(7, 0, 4), 16)
    scales = north.scales((south,), (3, 5), 16)
    banks = north.bank_ff(0, 3), south.bank_ff(0, 5)
    for tile, offset in zip((north, south), scales.offset_mv, strict=True):
        assert offset == pytest.approx(tile.columns.offset_fc / sum(banks) * 1e3)
    assert scales.leak * sum(banks) == pytest.approx(banks[0] * north.columns.leak + banks[1] * south.columns.leak)


def test_capacitors_differ_and_are_connected_one_after_the_other() -> None:
    one = circuits()
    assert one.bank_ff(0, 3) + one.bank_ff(3, 8) == pytest.approx(one.bank_ff(0, 8))
    assert 0.003 < one.columns.capacitors.std() < 0.007
    assert not one.bank_ff(0, 0).any()


def test_without_capacitors_nothing_moves_but_the_leak() -> None:
    scales = circuits().scales((), (0,), 16)
    assert not any(values[0].any() for values in (scales.signal_mv, scales.offset_mv, scales.variance_mv2))
    assert (scales.leak > 0).all()
