"""Landing pads against docs/fabric.md. Cycle 0 is the cycle in which word 0 of the program issues."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from amaranth.lib import data
from numpy.typing import NDArray

from rtl.bus import Region, UnitStatus
from rtl.config import ChipConfig, preset
from rtl.input_landing_pad import InputLandingPad
from rtl.isa import CountBank, PulseBank
from rtl.output_landing_pad import OutputLandingPad
from tests.rtl.simulation import HALT, BusDriver, simulate, word

SMALL = preset("small")
WIDE = replace(SMALL, lanes=256)  # every code has a lane of its own
Words = Sequence[int]


def pulse(wait: int = 0, **fields: int) -> int:
    return word(0, PulseBank.const(fields).as_value().value, wait)


def count(wait: int = 0, **fields: int) -> int:
    return word(0, CountBank.const(fields).as_value().value, wait)


def to_beats(codes: NDArray[np.uint8]) -> list[int]:
    """A vector as the host sends it: bit planes, lane 0 lowest, straight from the specification."""
    bits = "".join(str(code >> plane & 1) for plane in range(8) for code in codes)  # first character: beat 0, bit 0
    return [int(bits[at : at + 64][::-1], 2) for at in range(0, len(bits), 64)]


def from_beats(beats: Sequence[int], lanes: int) -> list[int]:
    bits = "".join(f"{beat:064b}"[::-1] for beat in beats)
    return [sum(int(bits[plane * lanes + lane]) << plane for plane in range(8)) for lane in range(lanes)]


class Bench(BusDriver):
    """A pad's bus and its controls."""

    def __init__(self, ctx: Any, dut: Any) -> None:
        super().__init__(ctx, dut.bus)
        self.ctx, self.dut = ctx, dut

    async def status(self) -> data.Const:
        return UnitStatus.from_bits((await self.read(Region.STATUS, 0))[0])

    async def start(self) -> None:
        self.ctx.set(self.dut.start, 1)
        await self.ctx.tick()
        self.ctx.set(self.dut.start, 0)


@dataclass
class Sent:
    """What an ILP did: `data` (cycles, lanes), `enable` and `mesh_changed` (cycles), pointer at the end."""

    data: NDArray[np.uint8]
    enable: list[int]
    mesh_changed: list[int]
    pointer: int


def send(config: ChipConfig, program: Words, vectors: NDArray[np.uint8], cycles: int, disturb: bool = False) -> Sent:
    """Run an ILP; `disturb` has the host overwrite all vectors from cycle 2 on."""
    dut = InputLandingPad(config)
    rows: list[list[int]] = []
    enable: list[int] = []
    changed: list[int] = []
    pointer = 0

    async def testbench(ctx) -> None:
        nonlocal pointer
        bench = Bench(ctx, dut)
        await bench.write(Region.VECTORS, 0, [beat for codes in vectors for beat in to_beats(codes)])
        await bench.write_program(program)
        await bench.start()
        for cycle in range(cycles):
            if disturb and cycle >= 2:
                ctx.set(dut.bus.region, Region.VECTORS.value)
                ctx.set(dut.bus.offset, cycle % (config.ilp_vectors * config.vector_beats))
                ctx.set(dut.bus.write_data, 0x0123456789ABCDEF)
                ctx.set(dut.bus.write, 1)
            _, _, lanes, drives, news = await ctx.tick().sample(dut.data, dut.enable, dut.mesh_changed)
            rows.append([lanes >> lane & 1 for lane in range(config.lanes)])
            enable.append(drives)
            changed.append(news)
        ctx.set(dut.bus.write, 0)
        pointer = (await bench.status()).pointer

    simulate(dut, testbench)
    return Sent(np.array(rows, dtype=np.uint8), enable, changed, pointer)


def expected_pulses(codes: NDArray[np.uint8], first: int, cycles: int) -> NDArray[np.uint8]:
    """Lane with code d is high in cycles first ... first + d - 1."""
    cycle = np.arange(cycles)[:, None]
    return ((cycle >= first) & (cycle < first + codes.astype(int))).astype(np.uint8)


ALL_CODES = np.random.default_rng(1).permutation(256).astype(np.uint8)


@pytest.mark.parametrize("disturb", [False, True], ids=["quiet", "host writes meanwhile"])
def test_pulse_lasts_as_long_as_its_code(disturb: bool) -> None:
    sent = send(WIDE, [pulse(fire=1), HALT], ALL_CODES[None], 270, disturb)
    np.testing.assert_array_equal(sent.data, expected_pulses(ALL_CODES, 2, 270))
    assert sent.enable == [int(2 <= cycle <= 256) for cycle in range(270)]
    assert [cycle for cycle, changed in enumerate(sent.mesh_changed) if changed] == [1]


def test_pad_stops_driving_when_its_longest_pulse_falls() -> None:
    codes = np.array([3, 0, 7, 1] * 4, dtype=np.uint8)
    sent = send(SMALL, [pulse(fire=1), HALT], codes[None], 20)
    assert sent.enable == [int(2 <= cycle <= 8) for cycle in range(20)]


def test_empty_vector_sends_nothing() -> None:
    sent = send(SMALL, [pulse(fire=1), HALT], np.zeros((1, 16), np.uint8), 10)
    assert not sent.data.any()
    assert sent.enable == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]  # a pulse might have risen in cycle 2


def test_pointer_loads_advances_and_wraps() -> None:
    vectors = np.tile(np.arange(1, 9, dtype=np.uint8)[:, None], 16)  # vector n has the code n + 1
    program = [
        pulse(9, fire=1, load_pointer=1, pointer=6, advance=1),  # 7 cycles
        pulse(9, fire=1, advance=1),  # 8 cycles; the pointer wraps to 0
        pulse(9, fire=1, advance=256 - 2),  # 1 cycle; -2: on to 6
        pulse(9, advance=1),  # without a fire the pointer stands
        pulse(9, fire=1),  # 7 cycles again
        pulse(0, load_pointer=1, pointer=3),
        HALT,
    ]
    sent = send(SMALL, program, vectors, 60)
    highs = [int(sent.data[at + 2 : at + 12, 0].sum()) for at in range(0, 50, 10)]
    assert highs == [7, 8, 1, 0, 7]
    assert sent.pointer == 3


def test_fire_during_a_pulse_begins_the_new_one() -> None:
    vectors = np.array([[200] * 8 + [3] * 8, [4] * 8 + [100] * 8], dtype=np.uint8)
    sent = send(SMALL, [pulse(9, fire=1, advance=1), pulse(0, fire=1), HALT], vectors, 130)
    want = expected_pulses(vectors[0], 2, 130)
    want[12:] = expected_pulses(vectors[1], 12, 130)[12:]
    np.testing.assert_array_equal(sent.data, want)
    assert sent.enable == [int(2 <= cycle < 112) for cycle in range(130)]


def test_back_to_back_vectors_need_no_gap() -> None:
    vectors = np.array([[255] * 16, [255] * 16], dtype=np.uint8)
    sent = send(SMALL, [pulse(254, fire=1, advance=1), pulse(0, fire=1), HALT], vectors, 520)
    assert sent.data[:, 0].tolist() == [int(2 <= cycle < 512) for cycle in range(520)]


@dataclass
class Counted:
    """What an OLP stored: codes[vector][lane]; cycles with `opens`; flags and pointer at the end."""

    codes: list[list[int]]
    opened: list[int]
    illegal: int
    pointer: int


def measure(config: ChipConfig, program: Words, wires: NDArray[np.uint8]) -> Counted:
    """Run an OLP on `wires` (cycles, lanes)."""
    dut = OutputLandingPad(config)
    result = Counted([], [], 0, 0)

    async def testbench(ctx) -> None:
        bench = Bench(ctx, dut)
        await bench.write_program(program)
        await bench.start()
        for cycle, row in enumerate(wires):
            if ctx.get(dut.opens):
                result.opened.append(cycle)
            ctx.set(dut.data, sum(int(level) << lane for lane, level in enumerate(row)))
            await ctx.tick()
        status = await bench.status()
        result.illegal, result.pointer = status.illegal, status.pointer
        assert not status.running
        beats = await bench.read(Region.VECTORS, 0, config.olp_vectors * config.vector_beats)
        for first in range(0, len(beats), config.vector_beats):
            result.codes.append(from_beats(beats[first : first + config.vector_beats], config.lanes))

    simulate(dut, testbench)
    return result


def high_time(window: NDArray[np.uint8]) -> list[int]:
    """Per lane of (cycles, lanes): cycles high up to the first falling edge, at most 255."""
    codes = []
    for lane in window.T:
        levels = "".join(map(str, lane)).lstrip("0")
        codes.append(min(255, len(levels) - len(levels.lstrip("1"))))
    return codes


def test_olp_inverts_ilp_for_every_code() -> None:
    wires = expected_pulses(ALL_CODES, 2, 265)
    counted = measure(WIDE, [count(255, open=1), count(0, store=1), HALT], wires)
    assert counted.codes[0] == ALL_CODES.tolist()
    assert (counted.illegal, counted.pointer) == (0, 1)


def test_saturation_late_rise_and_first_falling_edge() -> None:
    wires = np.zeros((420, 16), dtype=np.uint8)
    wires[:, 0] = 1  # high throughout: 255
    wires[2:258, 1] = 1  # 256 cycles: 255
    wires[2:256, 2] = 1  # 254
    wires[200:230, 3] = 1  # late
    wires[[5, 6, 9, 10, 11], 4] = 1  # two pulses: only the first counts
    wires[:5, 5] = 1  # up before the window opens: cycles 2, 3, 4
    wires[301:, 6] = 1  # last cycle of the window is 301
    wires[302:, 7] = 1  # one cycle too late
    wires[:2, 8] = 1  # down in the first cycle
    counted = measure(SMALL, [count(299, open=1), count(100, store=1), HALT], wires)
    assert counted.codes[0] == [255, 255, 254, 30, 2, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]


def test_windows_join_without_a_gap_and_results_wrap() -> None:
    """Random waves and window lengths against the definition; the ninth result overwrites the first."""
    rng = np.random.default_rng(7)
    config = replace(SMALL, lanes=64)
    lengths = [1, 2, 40, 300, 17, 1, 90, 256, 33]
    program = [count(lengths[0] - 1, open=1)]
    program += [count(length - 1, open=1, store=1) for length in lengths[1:]]
    program += [count(0, store=1), HALT]
    flips = rng.random((sum(lengths) + 6, config.lanes)) < rng.choice([0.002, 0.02, 0.2], config.lanes)
    wires = (np.cumsum(flips, axis=0) % 2).astype(np.uint8)
    counted = measure(config, program, wires)
    starts = 2 + np.cumsum([0, *lengths])
    want = [high_time(wires[a:b]) for a, b in pairwise(starts)]
    assert counted.codes == [want[8], *want[1:8]]
    assert counted.opened == (starts[:-1] - 1).tolist()  # the cycle before each window
    assert (counted.illegal, counted.pointer) == (0, 1)


def test_open_discards_an_open_window() -> None:
    wires = np.ones((40, 16), dtype=np.uint8)
    counted = measure(SMALL, [count(9, open=1), count(6, open=1), count(0, store=1), HALT], wires)
    assert counted.codes[0] == [7] * 16
    assert counted.pointer == 1


def test_seven_bits_drop_the_lowest() -> None:
    wires = expected_pulses(ALL_CODES, 2, 265)
    counted = measure(WIDE, [count(255, open=1), count(0, store=1, seven_bits=1), HALT], wires)
    assert counted.codes[0] == (ALL_CODES >> 1).tolist()


def test_store_goes_where_the_pointer_says() -> None:
    wires = np.ones((40, 16), dtype=np.uint8)
    program = [
        count(4, open=1),
        count(2, store=1, open=1, load_pointer=1, pointer=5),
        count(0, load_pointer=1, pointer=2),
        count(0, store=1),
        HALT,
    ]
    counted = measure(SMALL, program, wires)
    assert counted.codes[5] == [5] * 16
    assert counted.codes[2] == [4] * 16
    assert counted.pointer == 3


def test_store_without_window_is_illegal_and_writes_nothing() -> None:
    wires = np.ones((30, 16), dtype=np.uint8)
    program = [count(4, open=1), count(4, store=1), count(4, store=1), HALT]
    counted = measure(SMALL, program, wires)
    assert counted.codes[:2] == [[5] * 16, [0] * 16]
    assert (counted.illegal, counted.pointer) == (1, 1)


def test_flags_clear_and_stop_halts() -> None:
    dut = OutputLandingPad(SMALL)

    async def testbench(ctx) -> None:
        bench = Bench(ctx, dut)
        await bench.write_program([count(0, store=1), word(8, wait=4000)])
        await bench.start()
        await ctx.tick().repeat(5)
        status = await bench.status()
        assert (status.running, status.illegal) == (1, 1)
        ctx.set(dut.clear, 1)
        ctx.set(dut.stop, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        ctx.set(dut.stop, 0)
        status = await bench.status()
        assert (status.running, status.illegal) == (0, 0)

    simulate(dut, testbench)
