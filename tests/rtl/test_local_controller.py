"""The local controller alone: when a bank is in force, what it leaves alone, what outlives the program, bias rows."""

import pytest
from amaranth.hdl import Module, ResetInserter, Signal

from rtl.local_controller import LocalController
from tests.rtl.simulation import HALT, NOP, BusDriver, simulate, word

MESH, ARRAY, READOUT, BIAS, WRITE = range(5)
#: Widths of the banks that the controller holds, from docs/instruction-set.md.
WIDTHS = {ARRAY: 11, READOUT: 18, WRITE: 22}
NAMES = {ARRAY: "array", READOUT: "readout", WRITE: "write"}
MESH_WIDTH = 42
ALL_ONES = (1 << 112) - 1
PRECHARGE, INTEGRATE = 1, 2


class Bench:
    """A local controller and a program to run on it."""

    def __init__(self, bias_rows=8):
        self.lc = LocalController(program_depth=64, loop_levels=4, bias_rows=bias_rows)

    async def start(self, ctx, *words):
        """Load and start; returns in cycle 0, the issue cycle of word 0."""
        await BusDriver(ctx, self.lc.bus).write_program([*words, HALT])
        await self.pulse(ctx, self.lc.start)

    @staticmethod
    async def pulse(ctx, signal):
        ctx.set(signal, 1)
        await ctx.tick()
        ctx.set(signal, 0)

    def banks(self, ctx):
        return {bank: ctx.get(getattr(self.lc, name).as_value()) for bank, name in NAMES.items()}

    def trace(self, *words, cycles, show):
        """`show(ctx)` in each of the first cycles of a program."""
        found = []

        async def body(ctx):
            await self.start(ctx, *words)
            for _ in range(cycles):
                found.append(show(ctx))
                await ctx.tick()

        simulate(self.lc, body)
        return found


IDLE = dict.fromkeys(WIDTHS, 0)


# ---- banks


def test_after_reset_every_bank_is_zero():
    bench = Bench()
    lc = bench.lc

    async def body(ctx):
        for _ in range(3):
            assert bench.banks(ctx) == IDLE
            assert [ctx.get(s) for s in (lc.bias_rows, lc.switches_write, lc.running, lc.illegal)] == [0] * 4
            await ctx.tick()

    simulate(lc, body)


def test_reset_clears_every_bank():
    """Also the codes of the bias rows: an integration after the reset pulses none."""
    bench, rst, top = Bench(), Signal(), Module()
    top.submodules.lc = ResetInserter(rst)(bench.lc)

    async def body(ctx):
        await bench.start(ctx, word(BIAS, ALL_ONES), *(word(bank, ALL_ONES) for bank in WIDTHS))
        await ctx.tick().repeat(10)
        assert bench.banks(ctx) == {bank: (1 << width) - 1 for bank, width in WIDTHS.items()}
        assert ctx.get(bench.lc.bias_rows) == 0xFF
        await bench.pulse(ctx, rst)
        assert bench.banks(ctx) == IDLE
        assert ctx.get(bench.lc.bias_rows) == 0
        await bench.start(ctx, word(ARRAY, INTEGRATE))
        for _ in range(5):
            assert ctx.get(bench.lc.bias_rows) == 0
            await ctx.tick()

    simulate(top, body)


@pytest.mark.parametrize("bank", WIDTHS)
def test_a_bank_is_in_force_two_cycles_after_its_issue_and_alone(bank):
    """All ones into one bank, zeros five cycles later: it shows them for exactly its cycles, the others stay zero."""
    high = IDLE | {bank: (1 << WIDTHS[bank]) - 1}
    words = word(bank, ALL_ONES, wait=4), word(bank, 0)
    bench = Bench()
    assert bench.trace(*words, cycles=10, show=bench.banks) == [IDLE] * 2 + [high] * 5 + [IDLE] * 3


def test_a_write_leaves_the_other_banks_as_they_are():
    words = (word(bank, bank) for bank in (WRITE, ARRAY, BIAS, READOUT, MESH))
    bench = Bench()
    assert [[*banks.values()] for banks in bench.trace(*words, cycles=9, show=bench.banks)] == [
        [0, 0, 0],
        [0, 0, 0],
        [0, 0, WRITE],
        [ARRAY, 0, WRITE],
        [ARRAY, 0, WRITE],  # BIAS is written
        *[[ARRAY, READOUT, WRITE]] * 4,
    ]


def test_back_to_back_writes():
    """One bank write in each cycle; each is in force for one cycle."""
    words = (word(READOUT, value) for value in (1, 2, 3, 0x15555, 0))
    bench = Bench()
    shown = bench.trace(*words, cycles=8, show=lambda ctx: bench.banks(ctx)[READOUT])
    assert shown == [0, 0, 1, 2, 3, 0x15555, 0, 0]


def test_switches_are_handed_on_in_their_cycle_of_issue():
    """The mesh keeps them itself; neither a wait nor another bank hands them on again."""
    bench = Bench()
    lc = bench.lc
    words = word(MESH, 5, wait=2), word(ARRAY, 6), word(MESH, ALL_ONES), NOP
    shown = bench.trace(
        *words, cycles=8, show=lambda ctx: ctx.get(lc.switches_write) and ctx.get(lc.switches.as_value())
    )
    assert shown == [5, 0, 0, 0, (1 << MESH_WIDTH) - 1, 0, 0, 0]


# ---- the end of a program


def test_banks_outlive_the_program_and_the_next_start():
    bench = Bench()
    high = IDLE | {ARRAY: 0x7F5, READOUT: 1}

    async def body(ctx):
        await bench.start(ctx, word(ARRAY, 0x7F5), word(READOUT, 1))
        assert ctx.get(bench.lc.running)
        await ctx.tick().repeat(20)
        assert not ctx.get(bench.lc.running)
        assert bench.banks(ctx) == high
        await bench.start(ctx, NOP, word(READOUT, 2))
        for cycle in range(6):
            assert bench.banks(ctx) == (high if cycle < 3 else high | {READOUT: 2})
            await ctx.tick()

    simulate(bench.lc, body)


@pytest.mark.parametrize("stop", range(5))
def test_what_issues_in_the_cycle_of_a_stop_takes_force(stop):
    """A new value in every cycle; after a stop in cycle c that of cycle c stays."""
    bench = Bench()
    lc, shown, running = bench.lc, [], []

    async def body(ctx):
        await bench.start(ctx, *(word(READOUT, 10 + cycle) for cycle in range(8)))
        for cycle in range(10):
            ctx.set(lc.stop, cycle == stop)
            shown.append(bench.banks(ctx)[READOUT])
            running.append(ctx.get(lc.running))
            await ctx.tick()

    simulate(lc, body)
    values = [0, 0, *range(10, 11 + stop)]
    assert shown == values + [10 + stop] * (10 - len(values))
    assert running == [1] * (stop + 1) + [0] * (9 - stop)


@pytest.mark.parametrize("mode", [5, 6, 7, 9, 14])
def test_a_bank_that_a_tile_does_not_have_halts_it_and_changes_nothing(mode):
    bench = Bench()
    lc = bench.lc
    shown = bench.trace(
        word(ARRAY, 1),
        word(mode, ALL_ONES),
        word(ARRAY, 0),
        cycles=7,
        show=lambda ctx: (ctx.get(lc.running), ctx.get(lc.illegal), bench.banks(ctx)[ARRAY], bench.banks(ctx)[WRITE]),
    )
    assert shown == [(1, 0, 0, 0)] * 2 + [(0, 1, 1, 0)] * 5


# ---- bias rows


def bias_pulses(codes, *words, cycles, bias_rows=8):
    """Row by row, the cycles in which each bias row is high; word 0 writes the codes."""
    bench = Bench(bias_rows)
    payload = sum(code << 8 * row for row, code in enumerate(codes))
    shown = bench.trace(word(BIAS, payload), *words, cycles=cycles, show=lambda ctx: ctx.get(bench.lc.bias_rows))
    return [[cycle for cycle, rows in enumerate(shown) if rows >> row & 1] for row in range(bias_rows)]


def test_bias_rows_pulse_for_their_code_from_the_first_cycle_of_the_integration():
    codes = [0, 1, 2, 3, 100, 254, 255, 7]
    high = bias_pulses(codes, word(ARRAY, INTEGRATE, wait=299), word(ARRAY, 0), cycles=320)
    assert high == [list(range(3, 3 + code)) for code in codes]


def test_bias_rows_begin_anew_with_each_integration_and_ignore_other_changes():
    """Two integrations of four and six cycles, with codes that change while the first one lasts."""
    high = bias_pulses(
        [5, 2, 9],
        word(ARRAY, INTEGRATE),  # in force in cycles 3-6
        word(BIAS, 0x01_00_03, wait=2),
        word(ARRAY, PRECHARGE, wait=1),
        word(ARRAY, INTEGRATE, wait=5),  # 9-14
        word(ARRAY, 0),
        cycles=30,
        bias_rows=3,
    )
    # The second integration ends row 2's first pulse, takes the new codes, and row 1's code 0 is no pulse.
    assert high == [[3, 4, 5, 6, 7, 9, 10, 11], [3, 4], [*range(3, 9), 9]]


def test_codes_in_force_in_the_first_cycle_of_the_integration_count():
    """Written one cycle before it they are in force one cycle before; written one cycle after, too late."""
    early = bias_pulses([9], word(BIAS, 2), word(ARRAY, INTEGRATE), cycles=20, bias_rows=1)
    late = bias_pulses([9], word(ARRAY, INTEGRATE), word(BIAS, 2), cycles=20, bias_rows=1)
    assert early == [[4, 5]]
    assert late == [[*range(3, 12)]]
