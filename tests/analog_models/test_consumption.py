"""What an energy model needs of a tile: events, pulses, charge."""

import numpy as np
import pytest

from analog_models import AnalogChip, AnalogConfig, EventKind, TileControls, TileEvent


@pytest.fixture
def chip() -> AnalogChip:
    """Tile 0 with known conductances, tile 1 with none."""
    made = AnalogChip(AnalogConfig.ideal(), tiles=[0, 1], rows=3, bias_rows=1, columns=2)
    g_us = np.arange(4 * 4 * 2).reshape(4, 4, 2) / 2
    made.tile(0).set_conductances(g_us)
    return made


PULSES = np.array([[100, 0, 7, 0], [0, 30, 0, 2]], np.uint16)
FRAMES = np.arange(2)


def mac(tile: int) -> list[TileEvent]:
    return [
        TileEvent(tile, EventKind.PRECHARGE, 0),
        TileEvent(tile, EventKind.INTEGRATE, 300, TileControls(wp1=True), PULSES),
        TileEvent(
            tile, EventKind.INTEGRATE, 600, TileControls(wp1=True, wp2=True, discharge=True), PULSES[::-1].copy()
        ),
        TileEvent(tile, EventKind.RAMP, 610, TileControls()),
    ]


def test_events_pulses_and_charge_are_counted(chip: AnalogChip) -> None:
    with chip.counting() as found:
        chip.serve(FRAMES, mac(0) + mac(1))
    one, bare = found[0], found[1]
    assert (one.precharges, one.integrations, one.ramps, one.writes) == (2, 4, 2, 0)
    assert (one.row_pulses, one.row_ns) == (8, 2 * 139)
    rows_us = chip.tile(0).cells.read_us().sum(axis=2)
    lengths = PULSES.sum(axis=0)
    by_device = 0.3 * (rows_us @ lengths)
    expected = [by_device[:2], by_device[:2] + by_device[2:]]
    np.testing.assert_allclose(one.charge_fc, expected)
    assert (bare.precharges, bare.integrations, bare.ramps, bare.row_ns) == (2, 4, 2, 2 * 139)
    assert not bare.charge_fc.any()


def test_nothing_is_counted_before_or_after(chip: AnalogChip) -> None:
    chip.serve(FRAMES, mac(0))
    with chip.counting() as found:
        pass
    chip.serve(FRAMES, mac(0))
    assert found[0].precharges == found[0].integrations == found[0].ramps == 0


def test_counting_changes_no_code_and_sees_what_is_written(chip: AnalogChip) -> None:
    quiet = chip.serve(FRAMES, mac(0))[0]
    pulse = TileEvent(
        0,
        EventKind.WRITE,
        20,
        write_row=1,
        device=0,
        return_line=125,
        column_time=np.array([[200, 0]], np.uint16),
    )
    with chip.counting() as found:
        assert np.array_equal(chip.serve(FRAMES, mac(0))[0], quiet)
        before = found[0].charge_fc.copy()
        chip.serve(FRAMES[:1], [TileEvent(0, EventKind.PRECHARGE, 0), pulse])
        chip.serve(FRAMES, mac(0))
    assert found[0].writes == 1
    grown = found[0].charge_fc[0, 0] - 2 * before[0, 0]
    assert grown > 0  # row 1 conducts more, through G+ alone
    assert found[0].charge_fc[0, 1] == pytest.approx(2 * before[0, 1])
