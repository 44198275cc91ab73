"""Transport errors: within the paper's bounds for every seed, the same in any batch, nothing when off."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analog_models import AnalogChip, AnalogConfig, EventKind, TileControls, TileEvent, TransportConfig
from analog_models.noise import Draw, KeyedNoise
from analog_models.reception import NO_SLIP, SLIPS, PadReceiver, Receiver

NOMINAL = TransportConfig()
MODELLED = replace(AnalogConfig.ideal(), transport=NOMINAL)
WP1 = TileControls(wp1=True)


def pad(seed: int = 0, olp: int = 0, config: TransportConfig = NOMINAL) -> PadReceiver:
    return PadReceiver.of(config, seed=seed, chip=0, olp=olp, wires=64)


@given(seed=st.integers(0, 2**64 - 1), olp=st.integers(0, 5), cycle=st.integers(0, 5000), frame=st.integers(0, 10**6))
def test_nominal_errors_stay_within_the_papers_bounds(seed: int, olp: int, cycle: int, frame: int) -> None:
    """3 ns for 0-50 ns, 5 ns for 0-250: moves and the slips that fit into a pulse, wherever it begins."""
    reception = pad(seed, olp).reception(np.array([frame]), cycle)
    samples = reception.slips[0]
    for longest, bound in ((50, 3), (250, 5)):
        slips = max(int(((samples >= first) & (samples < first + longest)).sum()) for first in range(512))
        assert np.abs(reception.moves).max() + slips <= bound
    assert (np.diff(samples[samples != NO_SLIP]) >= 100).all()


def test_the_bounds_are_reached() -> None:
    """Otherwise the preset would be tamer than the paper's chip."""
    seen = [pad(seed).reception(np.arange(20), 12) for seed in range(40)]
    assert {int(move) for reception in seen for move in np.unique(reception.moves)} == {-2, -1, 0, 1, 2}
    assert max((reception.slips < 250).sum(axis=1).max() for reception in seen) == SLIPS
    assert {reception.missed for reception in seen} == {False, True}


def test_slips_come_at_the_mismatch_of_the_clocks_from_a_random_phase() -> None:
    for seed in range(20):
        receiver = pad(seed)
        slips = receiver.reception(np.arange(300), 12).slips
        if abs(receiver.rate) < 1 / 511:
            assert (slips == NO_SLIP).all()
            continue
        period = np.ceil(1 / abs(receiver.rate))
        later = slips[:, 1:][slips[:, 1:] != NO_SLIP]
        assert (np.diff(slips)[slips[:, 1:] != NO_SLIP] == period).all()
        assert slips[:, 0].min() < 0.05 * period
        assert 0.95 * period < slips[:, 0].max() < period
        assert not later.size or later.max() <= 511


def test_a_frame_gets_the_same_errors_in_any_batch() -> None:
    frames = np.array([4, 5, 9, 2])
    together = pad().reception(frames, 7)
    for row, frame in enumerate(frames):
        alone = pad().reception(frames[row : row + 1], 7)
        assert np.array_equal(alone.moves[0], together.moves[row]), frame
        assert np.array_equal(alone.slips[0], together.slips[row]), frame


def test_errors_are_those_of_chip_pad_frame_and_window() -> None:
    """Change any of the four, and they are others."""

    def errors(chip: int = 3, olp: int = 1, frame: int = 7, cycle: int = 12) -> bytes:
        receiver = PadReceiver.of(NOMINAL, seed=5, chip=chip, olp=olp, wires=64)
        reception = receiver.reception(np.array([frame]), cycle)
        return reception.moves.tobytes() + reception.slips.tobytes()

    assert errors() == errors()
    others = [errors(chip=4), errors(olp=2), errors(frame=8), errors(cycle=13)]
    assert len({errors(), *others}) == 5


def test_skew_is_fixed_and_jitter_is_not() -> None:
    only_skew = Receiver(replace(NOMINAL, jitter_ns=0.0), KeyedNoise(3), Draw.ROW_SKEW, Draw.ROWS, 64)
    moves = only_skew.moves(np.arange(50), 9)
    assert (moves == moves[0]).all()
    assert np.ptp(moves) == 2
    only_jitter = Receiver(replace(NOMINAL, skew_ns=0.0), KeyedNoise(3), Draw.ROW_SKEW, Draw.ROWS, 64)
    moves = only_jitter.moves(np.arange(400), 9)
    assert np.allclose(moves.mean(axis=0), 0, atol=0.2)


def test_received_times_are_clipped_and_silence_stays() -> None:
    receiver = Receiver(TransportConfig(skew_ns=3.4, jitter_ns=0.0), KeyedNoise(1), Draw.ROW_SKEW, Draw.ROWS, 64)
    moves = receiver.moves(np.zeros(1, np.int64), 0)[0].astype(int)
    assert moves.min() == -3
    assert moves.max() == 3
    for time in (0, 1, 100, 511):
        heard = receiver.received(np.zeros(1, np.int64), 0, np.full((1, 70), time, np.uint16), 511)
        assert heard.dtype == np.uint16
        assert np.array_equal(heard[0, :64], np.clip(time + moves, 0, 511) if time else np.zeros(64))
        assert (heard[0, 64:] == time).all()  # bias rows


@pytest.mark.parametrize("preset", [AnalogConfig(), AnalogConfig.ideal()])
def test_off_until_asked_for(preset: AnalogConfig) -> None:
    assert not preset.transport.active
    reception = pad(config=preset.transport).reception(np.arange(3), 0)
    assert not reception.moves.any()
    assert (reception.slips == NO_SLIP).all()


def integrated(config: AnalogConfig, small: Any, place: Any, times: np.ndarray) -> np.ndarray:
    """Charge of one integration, in units of weight x ns, of a tile whose column *i* holds row *i* only."""
    chip = small(config, rows=12, bias_rows=8, columns=20)
    place(chip, 0, np.eye(20))
    frames = np.arange(len(times))
    chip.serve(frames, [TileEvent(0, EventKind.PRECHARGE, 1), TileEvent(0, EventKind.INTEGRATE, 300, WP1, times)])
    return chip.tile(0).v_mv * 1e-3 / config.volts_per_weight_ns(WP1.capacitors, drifted=False)


def test_rows_of_a_tile_hear_the_moved_times(small: Any, place: Any) -> None:
    times = np.tile(np.arange(1, 201, 10, dtype=np.uint16), (5, 1))
    times[0] = 0
    heard = integrated(MODELLED, small, place, times) - integrated(AnalogConfig.ideal(), small, place, times)
    receiver = Receiver(NOMINAL, KeyedNoise(0, 0, 0), Draw.ROW_SKEW, Draw.ROWS, 12)
    expected = np.where(times[:, :12] > 0, np.maximum(receiver.moves(np.arange(5), 300), -times[:, :12].astype(int)), 0)
    assert np.allclose(heard[:, :12], expected)
    assert np.allclose(heard[:, 12:], 0)  # bias rows are local
    assert np.ptp(expected) >= 3


def test_columns_of_a_tile_hear_the_moved_times(small: Any) -> None:
    """Partial SET pulses of equal width leave conductances that follow what each column heard."""

    def written(config: AnalogConfig) -> np.ndarray:
        chip = small(config)
        event = TileEvent(0, EventKind.WRITE, 9, None, column_time=np.full((1, 12), 40, np.uint16), return_line=120)
        chip.serve(np.zeros(1, np.int64), [event])
        return chip.tile(0).cells.read_us()[0, 0]

    exact, moved = written(AnalogConfig.ideal()), written(MODELLED)
    moves = Receiver(NOMINAL, KeyedNoise(0, 0, 0), Draw.COLUMN_SKEW, Draw.COLUMNS, 12).moves(np.zeros(1, int), 9)[0]
    assert np.ptp(moves) >= 2
    assert np.array_equal(np.sign(moved - exact), np.sign(moves))


def test_a_chip_keeps_its_wires_in_json_and_npz(small: Any, tmp_path: Path) -> None:
    config = replace(AnalogConfig(), transport=TransportConfig(skew_ns=1.0, jitter_ns=0.5, rate_mismatch=0.004))
    assert AnalogConfig.from_json(config.to_json()) == config
    chip = small(config, seed=6)
    chip.save(tmp_path / "chip.npz")
    again = AnalogChip.load(tmp_path / "chip.npz")
    assert again.config == config
    mine, theirs = (c.pad_receiver(1).reception(np.arange(4), 5) for c in (chip, again))
    assert np.array_equal(mine.moves, theirs.moves)
    assert np.array_equal(mine.slips, theirs.slips)


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"skew_ns": -1.0}, r"skew_ns must be a number, 0 to 3\.5 ns, got -1"),
        ({"jitter_ns": float("nan")}, "jitter_ns must be a number, .* got nan"),
        ({"skew_ns": 2.0, "jitter_ns": 1.5}, r"skew_ns \+ jitter_ns must be below 3.5.*got 2.0 \+ 1.5"),
        ({"rate_mismatch": 0.02}, "rate_mismatch must be a number, 0 to 0.01, got 0.02"),
    ],
)
def test_impossible_constants_are_refused(constants: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransportConfig(**constants)
