# amaranth: UnusedElaboratable=no
"""The sequencer against the timing rules of docs/fabric.md, "Sequencers"."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.bus import Region
from rtl.isa import Instruction, Mode
from rtl.sequencer import Sequencer
from tests.rtl.simulation import HALT, NOP, BusDriver, jump, loop, simulate, word

DEPTH = 16
BANKS = (0, 1, 2, 3, 4)


@dataclass
class Trace:
    """What left the sequencer. Cycle 0 is the one after `start`."""

    issues: list[tuple[int, int, int]] = field(default_factory=list)  #: (cycle, bank, payload)
    running: list[int] = field(default_factory=list)  #: cycles
    illegal: list[int] = field(default_factory=list)  #: cycles


def run(
    words: list[int], cycles: int, *, start: tuple[int, ...] = (), stop: tuple[int, ...] = (), levels: int = 4
) -> Trace:
    """Load `words`, start, and watch for `cycles` cycles, with more starts and stops in the cycles given."""
    dut = Sequencer(BANKS, DEPTH, levels)
    trace = Trace()

    async def bench(ctx):
        await BusDriver(ctx, dut.bus).write_program(words)
        ctx.set(dut.start, 1)
        await ctx.tick()
        for cycle in range(cycles):
            ctx.set(dut.start, cycle in start)
            ctx.set(dut.stop, cycle in stop)
            if ctx.get(dut.issue):
                trace.issues.append((cycle, ctx.get(dut.bank), ctx.get(dut.payload)))
            if ctx.get(dut.running):
                trace.running.append(cycle)
            if ctx.get(dut.illegal):
                trace.illegal.append(cycle)
            await ctx.tick()

    simulate(dut, bench)
    return trace


def cycles_of(trace: Trace) -> list[int]:
    return [cycle for cycle, _, _ in trace.issues]


def test_encoding_by_hand():
    """Words typed as hexadecimal digits: mode, wait, payload."""
    trace = run(
        [
            0x1_003_0000000000000000000000000155,  # bank 1, 4 cycles
            0xD_000_0000000000000000000200020000,  # LOOP to 0, 2 times, level 2
            0x8_005_0000000000000000000000000000,  # NOP, 6 cycles
            0xC_000_0000000000000000000000000005,  # JUMP to 5
            0x0_000_FFFFFFFFFFFFFFFFFFFFFFFFFFFF,  # never reached
            0x4_000_8000000000000000000000000001,  # bank 4
            0xF_001_0000000000000000000000000000,  # HALT, 2 cycles
        ],
        cycles=30,
    )
    assert trace.issues == [(0, 1, 0x155), (5, 1, 0x155), (17, 4, 0x8000000000000000000000000001)]
    assert trace.running == list(range(20))
    assert not trace.illegal


def test_layout_agrees_with_the_hexadecimal_words():
    packed = Instruction.const({"mode": Mode.LOOP, "wait": 0x123, "payload": 0x456})
    assert packed.as_bits() == 0xD_123_0000000000000000000000000456


def test_one_word_a_cycle():
    trace = run([*(word(i % 5, i) for i in range(12)), HALT], cycles=20)
    assert trace.issues == [(i, i % 5, i) for i in range(12)]
    assert trace.running == list(range(13))


@pytest.mark.parametrize("wait", [0, 1, 2, 7, 4095])
def test_wait(wait):
    trace = run([word(0, 1, wait), word(1, 2), HALT], cycles=wait + 5)
    assert trace.issues == [(0, 0, 1), (wait + 1, 1, 2)]
    assert trace.running[-1] == wait + 2


@pytest.mark.parametrize("mode", [Mode.NOP, Mode.JUMP, Mode.LOOP, Mode.HALT])
@pytest.mark.parametrize("wait", [0, 1, 5])
def test_every_mode_takes_its_wait(mode, wait):
    """Word 1 is the mode's; JUMP goes to word 2, LOOP falls through to it."""
    trace = run([word(0), word(mode.value, 2 if mode is Mode.JUMP else 0, wait), word(0), HALT], cycles=12)
    if mode is Mode.HALT:
        assert cycles_of(trace) == [0]
        assert trace.running == list(range(wait + 2))
    else:
        assert cycles_of(trace) == [0, wait + 2]
        assert trace.running == list(range(wait + 4))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_loop_count(count):
    trace = run([word(2), NOP, loop(0, count, level=0), HALT], cycles=20)
    assert cycles_of(trace) == [3 * i for i in range(max(count, 1))]


def test_loops_nest_four_deep_and_start_anew_each_round():
    counts = (2, 3, 1, 4)
    trace = run(
        [*(word(4, level) for level in range(4)), *(loop(3 - i, counts[3 - i], level=3 - i) for i in range(4)), HALT],
        cycles=200,
    )
    expected = []
    for _ in range(2):
        expected.append(0)
        for _ in range(3):
            expected.append(1)
            for _ in range(1):
                expected.append(2)
                expected += [3] * 4
    assert [payload for _, _, payload in trace.issues] == expected
    loops = 2 * 3 * 1 * 4 + 2 * 3 * 1 + 2 * 3 + 2
    assert trace.running == list(range(len(expected) + loops + 1))


def test_loop_onto_itself():
    """A body of one word, the LOOP: it issues `count` times."""
    trace = run([loop(0, 6, level=1, wait=1), word(0), HALT], cycles=20)
    assert cycles_of(trace) == [12]


def test_restart():
    """A start in cycle 4, inside the second of four rounds, begins at word 0 in cycle 5, with four rounds again."""
    words = [word(0, 1), word(1, 2, wait=1), loop(0, 4, level=0), HALT]
    trace = run(words, cycles=30, start=(4,))
    assert cycles_of(trace) == [0, 1, 4, *(5 + 4 * i + j for i in range(4) for j in (0, 1))]
    assert trace.running == list(range(5 + 16 + 1))


def test_start_again_after_halt():
    trace = run([word(0, 7), HALT], cycles=12, start=(6,))
    assert cycles_of(trace) == [0, 7]
    assert trace.running == [0, 1, 7, 8]


def test_stop():
    words = [word(0, 1), jump(0)]
    assert run(words, cycles=12, stop=(4,)).running == [0, 1, 2, 3, 4]
    assert cycles_of(run(words, cycles=12, stop=(4,))) == [0, 2, 4]
    assert run(words, cycles=12, stop=(4,), start=(4,)).running == [0, 1, 2, 3, 4], "stop wins"
    assert run(words, cycles=9, stop=(4,), start=(6,)).running == [0, 1, 2, 3, 4, 7, 8]


@pytest.mark.parametrize(
    "bad",
    [word(5), word(6), word(7), word(9), word(10), word(11), word(14), loop(0, 2, level=4), loop(0, 2, level=7)],
    ids=lambda w: f"{w:032x}",
)
def test_undefined_word_halts_in_the_next_cycle(bad):
    trace = run([word(0), bad | 3 << 112, word(1), HALT], cycles=10)
    assert cycles_of(trace) == [0]
    assert trace.running == [0, 1]
    assert trace.illegal == list(range(2, 10))


def test_running_past_the_last_word():
    trace = run([word(0, 1)] * (DEPTH - 1) + [word(0, 1, wait=2)], cycles=30)
    assert cycles_of(trace) == list(range(DEPTH))
    assert trace.running == list(range(DEPTH + 2))
    assert trace.illegal == list(range(DEPTH + 2, 30))


@pytest.mark.parametrize("leap", [jump(DEPTH, wait=1), loop(DEPTH, 2, level=0, wait=1), jump(0xFFFF, wait=1)])
def test_jump_past_the_last_word(leap):
    trace = run([leap], cycles=6)
    assert trace.running == [0, 1]
    assert trace.illegal == [2, 3, 4, 5]


def test_halt_in_the_last_word_is_legal():
    assert not run([NOP] * (DEPTH - 1) + [HALT], cycles=20).illegal


def test_clear_and_reset():
    dut = Sequencer(BANKS, DEPTH, 4)

    async def bench(ctx):
        await BusDriver(ctx, dut.bus).write_program([word(7)])
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        await ctx.tick()
        assert ctx.get(dut.illegal)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        assert not ctx.get(dut.illegal)
        assert not ctx.get(dut.running)

    simulate(dut, bench)


def test_program_memory():
    """Half words are written alone, read back two cycles later, and other regions are left alone."""
    dut = Sequencer(BANKS, DEPTH, 4)

    async def bench(ctx):
        bus = BusDriver(ctx, dut.bus)
        beats = [0x1111_0000_0000_0000 + i for i in range(2 * DEPTH)]
        await bus.write(Region.PROGRAM, 0, beats)
        await bus.write(Region.MASKS, 0, [0xBAD] * 4)
        await bus.write(Region.PROGRAM, 5, [0xA5])
        beats[5] = 0xA5
        assert await bus.read(Region.PROGRAM, 0, 2 * DEPTH) == beats
        assert await bus.read(Region.STATUS, 0, 2) == [0, 0]

    simulate(dut, bench)


def test_reading_does_not_disturb_a_program():
    """A running program has the SRAM's read port: the host reads 0, also in the cycle of the start."""
    words = [word(0, i, wait=i % 3) for i in range(8)]
    words += [HALT]
    dut = Sequencer(BANKS, DEPTH, 4)
    issues = []

    async def bench(ctx):
        await BusDriver(ctx, dut.bus).write_program(words)
        ctx.set(dut.bus.read, 1)
        ctx.set(dut.bus.offset, 3)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        while ctx.get(dut.running):
            assert ctx.get(dut.bus.read_data) == 0
            if ctx.get(dut.issue):
                issues.append(ctx.get(dut.payload))
            await ctx.tick()
        assert issues == list(range(8))
        await ctx.tick().repeat(2)
        assert ctx.get(dut.bus.read_data) == words[1] >> 64

    simulate(dut, bench)


def test_start_right_after_the_last_write():
    """The write of word 0 in one cycle, the start in the next, its issue in the one after."""
    dut = Sequencer(BANKS, DEPTH, 4)

    async def bench(ctx):
        bus = BusDriver(ctx, dut.bus)
        await bus.write_program([word(3, 0x99)])
        await bus.write_program([HALT], first=1)
        await bus.write(Region.PROGRAM, 0, [0x77])
        ctx.set(dut.start, 1)
        await ctx.tick()
        assert (ctx.get(dut.issue), ctx.get(dut.bank), ctx.get(dut.payload)) == (1, 3, 0x77)

    simulate(dut, bench)


@pytest.mark.parametrize(
    ("banks", "depth", "levels"), [((), 16, 4), ((0, 8), 16, 4), ((0,), 12, 4), ((0,), 65536, 4), ((0,), 16, 9)]
)
def test_bad_parameters(banks, depth, levels):
    with pytest.raises(ValueError, match="must be"):
        Sequencer(banks, depth, levels)


def interpret(words: list[int], cycles: int) -> Trace:
    """The rules of docs/fabric.md once more, word by word instead of cycle by cycle."""
    trace = Trace()
    rounds = [0] * 4
    cycle = address = 0
    while cycle < cycles:
        if address >= DEPTH:
            trace.illegal = list(range(cycle, cycles))
            break
        w = words[address]
        mode, wait, payload = w >> 124, w >> 112 & 0xFFF, w & (1 << 112) - 1
        target, count, level = payload & 0xFFFF, payload >> 16 & 0xFFFF, payload >> 32 & 7
        address += 1
        if mode in BANKS:
            trace.issues.append((cycle, mode, payload))
        elif mode == Mode.JUMP.value:
            address = target
        elif mode == Mode.LOOP.value and level < 4:
            rounds[level] = (rounds[level] or max(count, 1)) - 1
            if rounds[level]:
                address = target
        elif mode not in (Mode.NOP.value, Mode.HALT.value):
            trace.illegal = list(range(cycle + 1, cycles))
            cycle += 1
            break
        cycle += wait + 1
        if mode == Mode.HALT.value:
            break
    trace.running = list(range(min(cycle, cycles)))
    return trace


waits = st.integers(0, 3)
targets = st.integers(0, DEPTH)
random_words = st.one_of(
    st.builds(word, st.sampled_from(BANKS), st.integers(0, (1 << 112) - 1), waits),
    st.builds(jump, targets, waits),
    st.builds(loop, targets, st.integers(0, 4), st.integers(0, 3), waits),
    st.builds(word, st.sampled_from([Mode.NOP.value, Mode.HALT.value, 5, 9]), st.just(0), waits),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(random_words, min_size=DEPTH, max_size=DEPTH))
def test_random_programs(words):
    assert run(words, cycles=100) == interpret(words, cycles=100)
