"""Capacitors between looks: neither batch nor looks change a bit, and voltages are those of the circuit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_models import AnalogChip, AnalogConfig, EventKind, Periphery, TileControls, TileEvent
from analog_models.crossbar import CellArray

NOMINAL = AnalogConfig()
#: Without noise, and with rows that do not load one another: for them there is tests/analog_models/test_loading.py.
QUIET = replace(
    NOMINAL,
    pcm=replace(NOMINAL.pcm, read_noise_scale=0.0),
    periphery=replace(
        NOMINAL.periphery,
        temperature_k=0.0,
        comparator_noise_v=0.0,
        shot_noise=0.0,
        wire_ohm=0.0,
        compression_per_ua=0.0,
    ),
    resolution_bits=20,
)
TILES, ROWS, BIAS, COLUMNS, FRAMES = (0, 1), 20, 4, 11, 7


def make_chip(config: AnalogConfig, seed: int) -> AnalogChip:
    """A pair of tiles with weights on WP1 and, with a small error, their negatives on WP2.

    Columns lean to one side, the outer ones so much that their capacitors reach a rail.
    """
    chip = AnalogChip(config, tiles=TILES, pairs={0: 1}, rows=ROWS, bias_rows=BIAS, columns=COLUMNS, seed=seed)
    rng = np.random.default_rng(seed)
    for tile in TILES:
        w = np.clip(rng.normal(0, 0.3, (ROWS + BIAS, COLUMNS)) + np.linspace(-0.6, 0.6, COLUMNS), -1, 1)
        plus, minus = np.maximum(w, 0), np.maximum(-w, 0)
        g = np.stack([plus, minus, minus, plus]) * 25
        chip.tile(tile).set_conductances(np.clip(g + rng.normal(0, 0.3, g.shape), 0, 30), 0.06)
    return chip


@dataclass(frozen=True)
class Step:
    """One cycle of a random program: tiles with their controls and pulses, or a ramp."""

    tiles: tuple[tuple[int, TileControls, int], ...]
    ramps: tuple[int, ...] = ()


def controls(draw: st.DrawFn, capacitors: int) -> TileControls:
    wp1, wp2 = draw(st.sampled_from([(True, False), (False, True), (True, True), (False, False)]))
    return TileControls(wp1=wp1, wp2=wp2, discharge=draw(st.booleans()), capacitors=capacitors)


@st.composite
def programs(draw: st.DrawFn) -> list[Step]:
    """Integrations of one tile or both, shared or not, with pulses out of a pool of three, and ramps in between."""
    share, capacitors = draw(st.booleans()), [draw(st.integers(1, 8)) for _ in TILES]
    steps = []
    for _ in range(draw(st.integers(1, 8))):
        if not draw(st.integers(0, 5)):  # now and then something changes
            share = not share
            capacitors[draw(st.sampled_from(TILES))] = draw(st.integers(0, 8))
        who = draw(st.sampled_from([(0,), (1,), TILES, TILES, TILES]))
        moves = []
        for tile in who:
            bank = controls(draw, capacitors[tile])
            bank = replace(bank, share_south=share and tile == 0, share_north=share and tile == 1)
            moves.append((tile, bank, draw(st.integers(0, 2))))
        ramps = who if not draw(st.integers(0, 5)) else ()
        steps.append(Step(tuple(moves), ramps))
    return steps


def pulses(seed: int, loud: int) -> np.ndarray:
    """Three vectors for each frame; the bias rows of all frames are alike."""
    rng = np.random.default_rng([seed, 1])
    times = rng.integers(0, loud + 1, (3, FRAMES, ROWS + BIAS)).astype(np.uint16)
    times[:, :, ROWS:] = times[:, :1, ROWS:] // 4
    times[0, :, ROWS:] = 0
    times[1, 2] = times[0, 2]  # a frame with equal pulses in phases that are not the same in others
    times[2, 4:6, :ROWS] = times[0, 4:6, :ROWS]
    return times


def events(steps: Sequence[Step], times: Sequence[np.ndarray] | np.ndarray) -> list[list[TileEvent]]:
    """Events of each cycle."""
    served = [[TileEvent(tile, EventKind.PRECHARGE, 5) for tile in TILES]]
    for number, step in enumerate(steps, 1):
        cycle = 5 + 300 * number
        served.append(
            [TileEvent(tile, EventKind.INTEGRATE, cycle, bank, times[which]) for tile, bank, which in step.tiles]
        )
        served.append([TileEvent(tile, EventKind.RAMP, cycle + 3, TileControls()) for tile in step.ramps])
    end = 5 + 300 * (len(steps) + 1)
    served += [[TileEvent(tile, EventKind.RAMP, end + 10 * n, TileControls()) for tile in TILES] for n in (0, 1)]
    return [group for group in served if group]


def run(chip: AnalogChip, frames: np.ndarray, served: Sequence[Sequence[TileEvent]], *, look: bool = False) -> list:
    """Crossing times of every ramp; `look` peeps at every capacitor after every cycle."""
    codes = []
    for group in served:
        codes += [times for _, times in sorted(chip.serve(frames, group).items())]
        for tile in TILES if look else ():
            assert np.isfinite(chip.tile(tile).v_mv).all()
    return codes


@settings(max_examples=30)
@given(steps=programs(), seed=st.integers(0, 10**6), loud=st.sampled_from([10, 60, 255, 511]))
def test_neither_batch_nor_looks_change_a_bit(steps: list[Step], seed: int, loud: int) -> None:
    times, frames = pulses(seed, loud), np.array([3, 4, 5, 6, 90, 91, 2])
    at_once = run(make_chip(NOMINAL, seed), frames, events(steps, times))
    same_arrays = run(make_chip(NOMINAL, seed), frames, events(steps, list(times)))
    looked_at = run(make_chip(NOMINAL, seed), frames, events(steps, times), look=True)
    backwards = run(make_chip(NOMINAL, seed), frames[::-1], events(steps, times[:, ::-1]))
    single = [run(make_chip(NOMINAL, seed), frames[i : i + 1], events(steps, times[:, i : i + 1])) for i in range(5)]
    with patch("analog_models.capacitors._TOGETHER", 3):
        in_parts = run(make_chip(NOMINAL, seed), frames, events(steps, times))
    for number, codes in enumerate(at_once):
        np.testing.assert_array_equal(same_arrays[number], codes)
        np.testing.assert_array_equal(looked_at[number], codes)
        np.testing.assert_array_equal(in_parts[number], codes)
        np.testing.assert_array_equal(backwards[number][::-1], codes)
        np.testing.assert_array_equal(np.concatenate([part[number] for part in single]), codes[:5])


@settings(max_examples=30)
@given(steps=programs(), seed=st.integers(0, 10**6), loud=st.sampled_from([10, 60, 255, 511]))
def test_voltages_are_those_of_the_circuit(steps: list[Step], seed: int, loud: int) -> None:
    """Against the formulas of docs/physics.md, phase by phase in plain floating point, without noise."""
    times = pulses(seed, loud)
    chip = make_chip(QUIET, seed)
    circuit = Circuit(chip)
    for number, step in enumerate(steps, 1):
        circuit.integrate(5 + 300 * number, step, times)
    end = 5 + 300 * len(steps)
    served = events(steps, times)
    # Every phase on its own; that alike ones have even shares is tested below.
    with patch("analog_models.crossbar._ALIKE", 0.0):
        run(chip, np.arange(FRAMES), [group for group in served if group[0].cycle <= end + 3])
        seen = [chip.tile(tile).voltage_mv(end) for tile in TILES]
    for tile in TILES:
        np.testing.assert_allclose(seen[tile], circuit.v_mv(tile), atol=0.05)


class Circuit:
    """Two tiles' capacitors as a circuit: one level each, changed by every phase."""

    def __init__(self, chip: AnalogChip) -> None:
        self.chip, self.cycle, self.periphery = chip, 5, chip.config.periphery
        self.level = [np.zeros((FRAMES, COLUMNS)) for _ in TILES]
        self.idle = [np.zeros((FRAMES, COLUMNS)) for _ in TILES]
        self.connected: list[int | None] = [None, None]
        self.shares = [False, False]

    def v_mv(self, tile: int) -> np.ndarray:
        """A capacitance of 1 + a V: the voltage that solves V + a V^2 / 2 = level."""
        a = self.periphery.capacitor_per_v * 1e-3
        return (np.sqrt(1 + 2 * a * self.level[tile]) - 1) / a

    def bank(self, tile: int, first: int, last: int) -> np.ndarray:
        return 50 * self.chip.tile(tile).columns.capacitors[first:last].sum(axis=0)

    def integrate(self, cycle: int, step: Step, times: np.ndarray) -> None:
        droop = 40e-6 * (cycle - self.cycle)
        self.cycle = cycle
        joint = all(self.shares) and None not in self.connected
        banks = [self.bank(tile, 0, self.connected[tile] or 0) for tile in TILES]
        leaks = [self.chip.tile(tile).columns.leak for tile in TILES]
        for tile in TILES:
            leak = leaks[tile]
            if joint:
                leak = leaks[0] if not sum(banks).any() else sum(map(np.multiply, banks, leaks)) / sum(banks)
            self.level[tile] = self.level[tile] - droop * leak
            self.idle[tile] = self.idle[tile] - droop * leaks[tile]
        charge = {}
        for tile, bank, which in step.tiles:
            self.connect(tile, bank.capacitors)
            self.shares[tile] = bank.share_north or bank.share_south
            charge[tile] = self.charge_fc(tile, bank, times[which])
        if all(self.shares):
            self.connect(0, self.connected[0]), self.connect(1, self.connected[1])
            self.settle(TILES, charge)
        else:
            for tile in charge:
                self.settle((tile,), charge)

    def connect(self, tile: int, capacitors: int | None) -> None:
        before = self.connected[tile]
        if before is not None and capacitors is not None and capacitors != before:
            level, idle = self.level[tile], self.idle[tile]
            moved = self.bank(tile, min(before, capacitors), max(before, capacitors))
            stays = self.bank(tile, 0, before) if capacitors > before else self.bank(tile, before, 8)
            mixed = (stays * (level if capacitors > before else idle)) + moved * (
                idle if capacitors > before else level
            )
            (self.level if capacitors > before else self.idle)[tile] = mixed / (stays + moved)
        self.connected[tile] = capacitors

    def charge_fc(self, tile: int, bank: TileControls, times: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """What a phase moves, and what both branches together do."""
        if not (bank.wp1 or bank.wp2):
            return None
        columns, g = self.chip.tile(tile).columns, self.chip.tile(tile).cells.read_us()
        path = columns.path / 4096
        steered = columns.polarity / 4096 * (-1 if bank.discharge else 1)
        devices = (0,) * bank.wp1 + (2,) * bank.wp2
        net = sum(g[i] * (1 + path + steered) - g[i + 1] * (1 - path - steered) for i in devices)
        both = sum(g[i] + g[i + 1] for i in devices)
        # What both branches draw is taken from the means of eight blocks of rows.
        block = np.append(np.arange(ROWS) * 8 // ROWS, 8 + np.arange(BIAS))
        means = np.stack([both[block == number].mean(axis=0) for number in block])
        sign, ratio = -1 if bank.discharge else 1, 0.3 / 320 * columns.gain
        return sign * (times.astype(float) @ net) * ratio + columns.offset_fc, times.astype(float) @ means * ratio

    def settle(self, tiles: tuple[int, ...], charges: dict) -> None:
        moved = [charges[tile] for tile in tiles if charges.get(tile) is not None]
        banks = [self.bank(tile, 0, self.connected[tile] or 0) for tile in tiles]
        total = sum(banks)
        low, high = (self.periphery.level_mv(rail) for rail in (-550.0, 550.0))
        if any(self.connected[tile] for tile in tiles):
            level = sum(bank * self.level[tile] for bank, tile in zip(banks, tiles, strict=True)) / total
            if moved:
                # dV/dt = I - lambda (I+ + I-) V, by the trapezoidal rule.
                half = self.periphery.output_per_v / 2 * sum(both for _, both in moved) / total
                level = (level * (1 - half) + sum(net for net, _ in moved) / total * 1e3) / (1 + half)
                level = np.clip(level, low, high)
        else:
            level = self.level[tiles[0]]
            if moved:
                level = np.where(sum(net for net, _ in moved) > 0, high, low)
        for tile in tiles:
            self.level[tile] = level


# Phases that are alike --------------------------------------------------------------------------------------------


def balanced(seed: int, loud: int, capacitors: int = 5) -> tuple[AnalogChip, list[list[TileEvent]]]:
    """Events of an asymmetry-balanced MAC of tile 0, and a look."""
    times = pulses(seed, loud)
    reads = [(True, False, 0), (True, True, 1), (False, True, 0), (False, False, 1)]
    steps = [Step(((0, TileControls(wp1=a, wp2=not a, discharge=d, capacitors=capacitors), w),)) for a, d, w in reads]
    return make_chip(NOMINAL, seed), events(steps, times)[:-1]


def test_an_ordinary_mac_takes_one_product_for_each_of_its_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = []
    charge = CellArray.charge
    monkeypatch.setattr(CellArray, "charge", lambda cells, *args: groups.append(args[:2]) or charge(cells, *args))
    chip, served = balanced(1, 20)
    single = [
        [replace(event, row_time=None if event.row_time is None else event.row_time[:1]) for event in group]
        for group in served
    ]
    run(chip, np.arange(1), single)
    mesh = [reads for pulses, reads in groups if pulses.rows == (0, ROWS)]
    assert len(mesh) == 2
    assert {(read.wp1, read.discharge) for reads in mesh for read in reads} == {
        (True, True), (False, False), (True, False), (False, True),
    }  # fmt: skip


def test_even_shares_of_phases_that_are_alike_are_close_to_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only rails and output resistance can tell; the pulses here bring a few columns to a rail."""
    seen = []
    for alike in (0.5, 0.0):
        monkeypatch.setattr("analog_models.crossbar._ALIKE", alike)
        chip = make_chip(QUIET, 1)
        _, served = balanced(1, 511, capacitors=1)
        run(chip, np.arange(FRAMES), served[:-1])
        seen.append(chip.tile(0).voltage_mv(served[-1][0].cycle))
    rails = np.abs(seen[0]) > 549
    assert 0 < rails.sum() < rails.size / 2
    off = np.abs(seen[0] - seen[1])
    assert 0 < np.median(off) < 0.3
    assert off.max() < 50


def test_columns_that_nobody_reads_change_nothing_in_the_others() -> None:
    chip, served = balanced(3, 200)
    everything = run(chip, np.arange(FRAMES), served)
    chip, served = balanced(3, 200)
    some = [chip.serve(np.arange(FRAMES), group, {0: 5}) for group in served]
    codes = [times for answer in some for _, times in sorted(answer.items())]
    for all_columns, few in zip(everything[::2], codes[::2], strict=True):
        np.testing.assert_array_equal(few[:, :5], all_columns[:, :5])
        assert not few[:, 5:].any()


def test_a_second_ramp_sees_the_same_voltage() -> None:
    config = replace(NOMINAL, periphery=replace(NOMINAL.periphery, comparator_noise_v=0.0, droop_v_per_s=0.0))
    chip = make_chip(config, 1)
    tile, frames = chip.tile(0), np.arange(FRAMES)
    tile.precharge(frames, 0)
    tile.integrate(frames, 300, TileControls(), pulses(1, 200)[0])
    first = tile.ramp(frames, 310, TileControls())
    seen = tile.v_mv
    assert np.array_equal(tile.ramp(frames, 700, TileControls()), first)
    assert np.array_equal(tile.v_mv, seen)
    # The next charge comes on top, with noise of its own.
    tile.integrate(frames, 1000, TileControls(), np.zeros((FRAMES, ROWS + BIAS), np.uint16))
    offset = tile.columns.offset_fc / tile.circuits.bank_ff(0, 5) * 1e3
    assert tile.v_mv == pytest.approx(seen + offset, abs=0.02)  # on capacitors that depend on the voltage


def test_what_is_written_does_not_reach_back() -> None:
    pulse = TileEvent(
        0, EventKind.WRITE, 310, column_time=np.full((1, COLUMNS), 200, np.uint16), write_row=3, return_line=125
    )
    x = pulses(2, 100)[0][:1]
    codes = []
    for writes in ([], [pulse]):
        chip = make_chip(NOMINAL, 2)
        tile, frame = chip.tile(0), np.array([0])
        tile.precharge(frame, 0)
        tile.integrate(frame, 300, TileControls(), x)
        chip.serve(frame, writes)
        codes.append(tile.ramp(frame, 320, TileControls()))
    assert np.array_equal(*codes)
    assert not np.array_equal(make_chip(NOMINAL, 2).tile(0).weights(), tile.weights())


def test_noise_that_led_to_a_rail_is_forgotten_there() -> None:
    config = replace(NOMINAL, periphery=replace(NOMINAL.periphery, droop_v_per_s=0.0))
    chip = make_chip(config, 5)
    tile, frames = chip.tile(0), np.arange(200)
    loud, none = np.full((200, ROWS + BIAS), 511, np.uint16), np.zeros((200, ROWS + BIAS), np.uint16)
    tile.precharge(frames, 0)
    tile.integrate(frames, 300, TileControls(capacitors=1), loud)
    v_mv = tile.v_mv
    at_rail = np.abs(np.abs(v_mv) - 550) < 1e-9
    assert 0 < at_rail[0].sum() < COLUMNS
    assert np.array_equal(at_rail, np.broadcast_to(at_rail[0], at_rail.shape))
    assert (v_mv[:, ~at_rail[0]].std(axis=0) > 1).all()
    # Only the switches' charge: who stays at the rail or leaves it does so without noise.
    tile.integrate(frames, 600, TileControls(capacitors=1), none)
    assert tile.v_mv[:, at_rail[0]].std(axis=0) == pytest.approx(0, abs=1e-9)
    tile.integrate(frames, 900, TileControls(capacitors=1, discharge=True), loud // 4)
    inside = (np.abs(tile.v_mv) < 500).all(axis=0) & at_rail[0]
    assert inside.any()
    assert (tile.v_mv[:, inside].std(axis=0) > 0.1).all()


def test_many_phases_without_a_look_wait_in_parts() -> None:
    chip = make_chip(QUIET, 1)
    tile, frames = chip.tile(0), np.arange(1)
    tile.precharge(frames, 0)
    x = np.full((1, ROWS + BIAS), 1, np.uint16)
    for number in range(100):
        tile.integrate(frames, 10 * number + 10, TileControls(discharge=bool(number % 2), capacitors=8), x)
        assert len(tile.node._waiting) < 16
    drift = 100 * tile.columns.offset_fc / tile.circuits.bank_ff(0, 8) * 1e3 - tile.node.now * 40e-6 * tile.columns.leak
    assert np.abs(tile.v_mv[0] - np.clip(drift, -550, 550)).max() < 6  # what charging and discharging differ by


def test_a_precharge_of_one_tile_leaves_its_partner_what_both_had(monkeypatch: pytest.MonkeyPatch) -> None:
    north, south = TileControls(share_south=True), TileControls(share_north=True)
    x = pulses(4, 100)[0]
    both = [TileEvent(0, EventKind.INTEGRATE, 300, north, x), TileEvent(1, EventKind.INTEGRATE, 300, south, x)]
    before = [TileEvent(tile, EventKind.PRECHARGE, 5) for tile in TILES]
    read = [TileEvent(1, EventKind.RAMP, 320, TileControls())]
    codes = []
    for between in ([], [TileEvent(0, EventKind.PRECHARGE, 310)]):
        chip = make_chip(NOMINAL, 4)
        codes.append([chip.serve(np.arange(FRAMES), group) for group in (before, both, between, read)][-1][1])
    assert np.array_equal(*codes)


def test_voltages_beyond_the_law_of_the_capacitors_are_finite_and_in_order() -> None:
    """Noise may put a level where no voltage has it: it reads as the lowest code."""
    volts = Periphery().voltage_mv(np.array([-1e9, -25_100.0, -25_000.0, -24_900.0, 0.0, 1e9]))
    assert np.isfinite(volts).all()
    assert (np.diff(volts) > 0).all()
    assert Periphery().crossing_cycles(volts, 60, 128)[0] == 0
