"""The sequencer: any program, any start, stop and clear, for all time."""

from amaranth.hdl import Cat, Const, Mux, Signal, Value
from amaranth.lib import data

from rtl.bus import Region
from rtl.isa import Instruction, Mode
from rtl.sequencer import Sequencer
from tests.formal.harness import Bench, proof

BANKS = (0, 1, 2)
DEPTH = 4
LEVELS = 2


@proof(prove=2, cover=14, quick=True)
def timing(bench: Bench) -> None:
    """The sequencer against books that are kept cycle by cycle as the specification says.

    The program is whatever the SRAM holds: words of full width, four of them, so that jumps can also leave it.
    """
    m = bench.m
    dut = Sequencer(BANKS, DEPTH, LEVELS)
    inside = bench.put(dut)
    writes = dut.bus.write & (dut.bus.region == Region.PROGRAM)
    # "The host must not write a unit's PROGRAM while it runs"; start and write are beats of one bus.
    bench.assume(~(writes & (dut.running | dut.start)))

    # The books: is a program running, at which word, for how many cycles, how many rounds has each level to go?
    running = Signal(name="book_running")
    counter = Signal(range(DEPTH), name="book_counter")
    since = Signal(12, name="book_since")
    rounds = Signal(data.ArrayLayout(16, LEVELS), name="book_rounds")
    illegal = Signal(name="book_illegal")
    word = data.View(Instruction, inside.row("program", counter))
    mode = Value.cast(word.mode)
    target, count, level = word.payload[:16], word.payload[16:32], word.payload[32:35]

    issues = running & (since == 0)
    ends = running & (since == word.wait)
    loops = mode == Mode.LOOP
    is_bank = Cat(mode == bank for bank in BANKS).any()
    known = is_bank | Cat(mode == m for m in (Mode.NOP, Mode.JUMP, Mode.HALT)).any() | (loops & (level < LEVELS))
    left = Mux(rounds[level] == 0, Mux(count == 0, 1, count), rounds[level]) - 1  # rounds after this one
    following = Signal(17)
    m.d.comb += following.eq(Mux((mode == Mode.JUMP) | (loops & (left != 0)), target, counter + 1))
    leaves = ends & (mode != Mode.HALT) & (following >= DEPTH)

    with m.If(dut.clear):
        m.d.sync += illegal.eq(0)
    with m.If(running):
        m.d.sync += since.eq(since + 1)
        with m.If(~known | leaves):
            m.d.sync += [running.eq(0), illegal.eq(1)]
        with m.Elif(ends & (mode == Mode.HALT)):
            m.d.sync += running.eq(0)
        with m.If(known & ends):
            m.d.sync += [counter.eq(following), since.eq(0)]
            with m.If(loops):
                m.d.sync += rounds[level].eq(left)
    with m.If(dut.start):
        m.d.sync += [running.eq(1), counter.eq(0), since.eq(0), rounds.eq(0)]
    with m.If(dut.stop):
        m.d.sync += running.eq(0)

    bench.claim("running", "`running` is high from cycle 0 until the unit halts.", dut.running == running)
    bench.claim(
        "issue_in_its_cycle",
        "A word occupies `wait + 1` cycles: issued in cycle t, the next word issues in cycle t + `wait` + 1.",
        dut.issue == (issues & is_bank),
    )
    bench.claim(
        "issue_of_its_word",
        "This holds for every mode, JUMP and LOOP included; there are no bubbles.",
        ~dut.issue | ((dut.bank == mode) & (dut.payload == word.payload)),
    )
    bench.claim("illegal", "Both set the sticky `illegal` flag", dut.illegal == illegal)
    bench.claim(
        "no_start_is_lost",
        "if it is high in cycle s, word 0 issues in cycle s + 1.",
        ~bench.past(dut.start & ~dut.stop) | (dut.running & (counter == 0) & issues),
    )
    bench.claim("stop_wins", "wins over a `start` of the same cycle.", ~bench.past(dut.stop) | ~dut.running)

    bench.invariant("address", ~running | (inside.signal("address") == counter))
    bench.invariant("word_shown", ~running | (inside.output("program") == word.as_value()))
    bench.invariant("first", ~running | (inside.signal("first") == (since == 0)))
    bench.invariant("since", ~running | (since <= word.wait))
    bench.invariant("left", ~running | (since == 0) | (inside.signal("left") == (word.wait - since + 1)[:12]))
    bench.invariant("rounds", inside.signal("rounds") == rounds.as_value())
    bench.invariant("idle", inside.signal("idle") == Cat(count == 0 for count in rounds))
    bench.invariant("final", inside.signal("final") == Cat(count == 1 for count in rounds))

    bench.cover("inner_loop_in_outer_loop", (rounds[0] > 1) & (rounds[1] > 1))
    bench.cover("loop_done", ends & loops & (rounds[1] == 1) & (count == 3))
    bench.cover("jump_back", ends & (mode == Mode.JUMP) & (target < counter) & (word.wait == 3))
    bench.cover("runs_off_the_end", leaves & (mode != Mode.JUMP))
    bench.cover("jumps_off_the_end", leaves & (mode == Mode.JUMP))
    bench.cover("unknown_word", issues & ~known)
    bench.cover("halts_with_a_wait", ends & (mode == Mode.HALT) & (since == 2))
    bench.cover("start_while_running", dut.start & running & (counter == 2) & (rounds[0] != 0))
    bench.cover("stop_and_start", dut.start & dut.stop & running)


@proof(prove=2, cover=15)
def loop_counts(bench: Bench) -> None:
    """Two nested loops of any two counts, with any waits: bank write; LOOP; LOOP; HALT. No second start, no stop."""
    m = bench.m
    started = Signal()
    start = bench.free(1, "start")
    m.d.sync += started.eq(started | start)
    bench.assume(~(started & start))
    dut = Sequencer(BANKS, DEPTH, LEVELS)
    inside = bench.put(dut, start=start, stop=0, bus__write=0)
    words = [data.View(Instruction, inside.row("program", at)) for at in range(DEPTH)]
    for word, mode in zip(words, (Mode.BANK0, Mode.LOOP, Mode.LOOP, Mode.HALT), strict=True):
        bench.assume(word.mode == mode)
    counts = [bench.fixed(16, f"count_{level}") for level in range(LEVELS)]
    for level, (word, count) in enumerate(zip(words[1:3], counts, strict=True)):
        bench.assume(word.payload[:35] == Cat(Const(0, 16), count, Const(level, 3)))

    address, first = inside.signal("address"), inside.signal("first")
    # How often the body ran since the inner loop was last entered, and how often the outer LOOP was reached.
    runs = [Signal(17, name=f"runs_{level}") for level in range(LEVELS)]
    entered = Signal()
    with m.If(dut.issue):
        m.d.sync += [runs[0].eq(Mux(entered, 1, runs[0] + 1)), entered.eq(0)]
    with m.If(dut.running & first & (address == 2)):
        m.d.sync += [runs[1].eq(runs[1] + 1), entered.eq(1)]
    with m.If(start):
        m.d.sync += entered.eq(1)

    sentence = "the body from `target` to the LOOP runs `count` times in all"
    times = [Mux(count == 0, 1, count) for count in counts]
    halted = bench.past(dut.running) & ~dut.running
    bench.claim("inner", sentence, ~(dut.running & first & (address == 2)) | (runs[0] == times[0]))
    bench.claim("outer", sentence, ~halted | (runs[1] == times[1]))
    bench.claim("lawful", "Both set the sticky `illegal` flag", ~dut.illegal)

    rounds = data.View(data.ArrayLayout(16, LEVELS), inside.signal("rounds"))
    done = [Mux(rounds[level] == 0, 0, times[level] - rounds[level]) for level in range(LEVELS)]
    before_body, in_body = (address == 0) & first, ((address == 0) & ~first) | (address == 1)
    bench.invariant("started", started | (~dut.running & (runs[1] == 0)))
    bench.invariant("shown", ~dut.running | (inside.output("program") == inside.row("program", address)))
    for level in range(LEVELS):
        bench.invariant(f"rounds_{level}", rounds[level] < times[level])
        bench.invariant(f"idle_{level}", inside.signal("idle")[level] == (rounds[level] == 0))
        bench.invariant(f"final_{level}", inside.signal("final")[level] == (rounds[level] == 1))
    bench.invariant(
        "entered",
        ~dut.running | (entered == ((before_body & (rounds[0] == 0)) | (address >= 2) & ~((address == 2) & first))),
    )
    bench.invariant("before_body", ~dut.running | ~before_body | entered | (runs[0] == done[0]))
    bench.invariant("in_body", ~dut.running | ~in_body | (runs[0] == done[0] + 1))
    bench.invariant("left_inner", ~dut.running | (address < 2) | ((rounds[0] == 0) & (runs[0] == times[0])))
    bench.invariant("outer_before", ~dut.running | (address > 2) | ((address == 2) & ~first) | (runs[1] == done[1]))
    bench.invariant("outer_after", ~dut.running | (address != 2) | first | (runs[1] == done[1] + 1))
    bench.invariant("left_outer", ~dut.running | (address < 3) | ((rounds[1] == 0) & (runs[1] == times[1])))
    bench.invariant("halted", dut.running | ~started | (runs[1] == times[1]))

    bench.cover("two_times_two", halted & (times[0] == 2) & (times[1] == 2))
    bench.cover("zero_is_once", halted & (counts[0] == 0) & (counts[1] == 0))


@proof(prove=2, cover=8)
def program_memory(bench: Bench) -> None:
    """Any one half word of the SRAM: what was written last is what is read, unless the sequencer has the port."""
    m = bench.m
    dut = Sequencer(BANKS, DEPTH, LEVELS)
    inside = bench.put(dut)
    bus = dut.bus
    offset = bench.fixed(range(2 * DEPTH), "offset")
    here = (bus.region == Region.PROGRAM) & (bus.offset == offset)
    # The host port strobes existing beats only.
    bench.assume(bus.offset < 2 * DEPTH)

    known, value = Signal(), Signal(64)  # what was written last
    with m.If(bus.write & here):
        m.d.sync += [known.eq(1), value.eq(bus.write_data)]
    half = inside.row("program", offset >> 1).word_select(offset[0], 64)
    bench.claim("written", "A write that is accepted in one cycle is in place", ~known | (half == value))

    reads = bus.read & (bus.region == Region.PROGRAM)
    blocked = dut.running | dut.start
    answer = bench.past(Mux(bus.read & here & ~blocked, half, 0), 2)
    bench.claim("read", "two beats a word, low half first", ~bench.past(here, 2) | (bus.read_data == answer))
    bench.claim(
        "silent",
        "a read of it then gives 0, for the SRAM has one read port.",
        bench.past(reads & ~blocked, 2) | (bus.read_data == 0),
    )
    shown = inside.output("program").word_select(offset[0], 64)
    asked = bench.past(bus.read & here & ~blocked)
    answering = inside.signal("answering")
    bench.invariant("shown", ~asked | (shown == bench.past(half)))
    bench.invariant("asked", ~bench.past(here) | (answering == Mux(asked, Mux(offset[0], 0b10, 0b01), 0)))
    bench.invariant("idle", bench.past(reads & ~blocked) | (answering == 0))

    bench.cover("written_and_read", known & (value != 0) & bench.past(here & bus.read, 2) & (bus.read_data == value))
    bench.cover("read_while_running", bench.past(reads & dut.running, 2) & known)
