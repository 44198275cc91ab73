"""Landing pads: every code on every lane, whatever the program does; and that one pad undoes the other."""

from dataclasses import dataclass, replace

from amaranth.hdl import Array, Cat, Mux, Signal, Value

from rtl.bus import Region
from rtl.input_landing_pad import InputLandingPad
from rtl.isa import CountBank, PulseBank
from rtl.output_landing_pad import OutputLandingPad
from rtl.sequencer import view_as
from tests.formal.harness import Bench, Inside, proof
from tests.formal.tiny import TINY

LANES, CODE_BITS = TINY.lanes, TINY.code_bits


def codes_in(row: Value) -> list[Value]:
    """Code of each lane of a vector, from its bit planes."""
    return [Cat(row[plane * LANES + lane] for plane in range(CODE_BITS)) for lane in range(LANES)]


@dataclass
class Sent:
    """Books on an ILP.

    Parameters
    ----------
    fire : Value
        A vector is sent: the cycle of issue, t.
    codes : list of Value
        Of that vector.
    active : Signal
        Some vector was sent at all.
    age : Signal
        1 in cycle t + 2, and so on; stays at 256.
    sending : list of Signal
        Codes of the vector on its way since t + 2.
    """

    fire: Value
    codes: list[Value]
    active: Signal
    age: Signal
    sending: list[Signal]


def watch_ilp(bench: Bench, dut: InputLandingPad, inside: Inside) -> Sent:
    """Keep books on an ILP and claim what they say."""
    m = bench.m
    issue = inside.signal("sequencer.issue")
    bank = view_as(PulseBank, inside.signal("sequencer.payload"))
    pointer, used = Signal(2, name="book_pointer"), Signal(2)
    fire = issue & bank.fire
    m.d.comb += used.eq(Mux(bank.load_pointer, bank.pointer, pointer))
    with m.If(issue):
        m.d.sync += pointer.eq(Mux(bank.fire, used + bank.advance, used))

    row = inside.row("vectors", used)
    fetched = Signal(len(row))
    sending = [Signal(CODE_BITS, name=f"sending_{lane}") for lane in range(LANES)]
    active, age = Signal(name="book_active"), Signal(range(257), name="book_age")
    with m.If(fire):
        m.d.sync += fetched.eq(row)
    with m.If(bench.past(fire)):
        m.d.sync += [active.eq(1), age.eq(1), *(s.eq(code) for s, code in zip(sending, codes_in(fetched), strict=True))]
    with m.Elif(age < 256):
        m.d.sync += age.eq(age + 1)

    high = [active & (age <= code) for code in sending]
    window = "lane with code d is high in cycles t + 2 ... t + 1 + d, and not at all for d = 0."
    rises = dut.data & ~bench.past(dut.data)
    bench.claim("pulse_width", window, dut.data == Cat(high))
    bench.claim("rise_together", "All lanes rise together.", ~rises.any() | (active & (age == 1)))
    bench.claim(
        "new_pulse_ends_the_old",
        "A `fire` during a pulse ends it and begins the new one.",
        ~bench.past(fire, 2) | (dut.data == Cat(code != 0 for code in sending)),
    )
    bench.claim(
        "drives_while_it_sends",
        "from the cycle its first pulse may rise until its last has fallen, and for one cycle if all codes are 0.",
        dut.enable == (active & ((age == 1) | Cat(high).any())),
    )
    bench.claim(
        "asks_for_a_check",
        "in the first cycle in which an input landing pad sends",
        dut.mesh_changed == bench.past(fire),
    )
    bench.claim("pointer_wraps", "The pointer wraps.", inside.signal("pointer") == pointer)

    bench.invariant("fetched", ~(active | bench.past(fire)) | (inside.output("vectors") == fetched))
    sent = Cat(sending) == Cat(codes_in(fetched))
    bench.invariant("fetched_is_sent", ~active | bench.past(fire) | sent)
    bench.invariant("elapsed", ~dut.enable | (inside.signal("elapsed") == age))
    bench.invariant("age", ~active | (age != 0))
    return Sent(fire, codes_in(row), active, age, sending)


@proof(prove=2, cover=12, quick=True)
def ilp(bench: Bench) -> None:
    """Eight lanes with any codes, four vectors."""
    dut = InputLandingPad(TINY)
    inside = bench.put(dut)
    books = watch_ilp(bench, dut, inside)
    pointer = inside.signal("pointer")
    bench.cover("wraps_forward", (pointer == 0) & bench.past((pointer == 3) & books.fire))
    bench.cover("wraps_backward", (pointer == 3) & bench.past((pointer == 0) & books.fire))
    bench.cover("cut_short", bench.past(dut.data[0] & (books.age == 3)) & (books.age == 1) & ~dut.data[0])
    bench.cover("falls", bench.past(dut.data == 0xFF) & (dut.data == 0x0F) & (books.age == 5))


@proof(prove=2, cover=6, quick=True)
def vectors_of_the_ilp(bench: Bench) -> None:
    """Any one bit of any vector, in vectors of two beats: the beats that the host writes are bit planes."""
    config = replace(TINY, lanes=16)
    dut = InputLandingPad(config)
    inside = bench.put(dut)
    bus = dut.bus
    vector = bench.fixed(range(config.ilp_vectors), "vector")
    lane = bench.fixed(range(config.lanes), "lane")
    plane = bench.fixed(range(CODE_BITS), "plane")
    place = Cat(lane, plane)  # in the vector: plane by plane, 16 lanes each
    assert len(place) == 7
    # The host port strobes existing beats only.
    beats = config.ilp_vectors * config.vector_beats
    bench.assume(bus.offset < beats)

    known, bit = Signal(), Signal()
    writes = bus.write & (bus.region == Region.VECTORS) & (bus.offset == Cat(place[6:], vector))
    with bench.m.If(writes):
        bench.m.d.sync += [known.eq(1), bit.eq(bus.write_data.bit_select(place[:6], 1))]
    held = inside.row("vectors", vector).bit_select(place, 1)
    bench.claim("bit_planes", "A vector is stored as bit planes", ~known | (held == bit))
    bench.claim(
        "nothing_else_writes",
        "A write that is accepted in one cycle is in place before any read or start that is accepted later.",
        ~bench.begun | bench.past(writes) | (held == bench.past(held)),
    )
    bench.cover("both_beats", known & bit & (plane == 7) & (lane == 5) & bench.past(bus.offset == 0))


@dataclass
class Counted:
    """Books on an OLP.

    Parameters
    ----------
    first : Value
        First cycle of a window, t + 2.
    counting : Signal
        The window is open in this cycle; in its first cycle, `first` says so instead.
    counts, ended : list of Signal
        Of each lane, the cycles of the window before this one: high ones up to the first fall, and whether it fell.
    store : Value
        The cycle behind the window, u + 2: `codes` go to the result SRAM.
    codes : list of Value
    """

    first: Value
    counting: Signal
    counts: list[Signal]
    ended: list[Signal]
    store: Value
    codes: list[Value]


def watch_olp(bench: Bench, dut: OutputLandingPad, inside: Inside) -> Counted:
    """Keep books on an OLP and claim what they say."""
    m = bench.m
    # All commands one cycle after their issue, so that they act on the next cycle: CONTROL_LATENCY.
    command = bench.past(inside.signal("sequencer.issue"))
    bank = view_as(CountBank, bench.past(inside.signal("sequencer.payload")))
    opened, pointer, illegal = Signal(name="book_open"), Signal(2, name="book_pointer"), Signal(name="book_illegal")
    slot, stores = Signal(2), command & bank.store & opened
    m.d.comb += slot.eq(Mux(bank.load_pointer, bank.pointer, pointer))
    with m.If(dut.clear):
        m.d.sync += illegal.eq(0)
    with m.If(command):
        m.d.sync += [pointer.eq(Mux(stores, slot + 1, slot)), opened.eq(bank.open | (opened & ~bank.store))]
        with m.If(bank.store & ~opened):
            m.d.sync += illegal.eq(1)

    first, store = bench.past(command & bank.open), bench.past(stores)
    halved, where = bench.past(bank.seven_bits), bench.past(slot)
    counts, ended, fell = [], [], bench.past(dut.data) & ~dut.data
    for lane in range(LANES):
        count, end, high = Signal(CODE_BITS, name=f"count_{lane}"), Signal(name=f"ended_{lane}"), dut.data[lane]
        with m.If(first):
            m.d.sync += [count.eq(high), end.eq(0)]
        with m.Elif(opened):
            m.d.sync += [end.eq(end | fell[lane]), count.eq(Mux(high & ~end & (count < 255), count + 1, count))]
        counts.append(count)
        ended.append(end)
    codes = [Mux(halved, count >> 1, count)[:CODE_BITS] for count in counts]

    vector = bench.fixed(range(TINY.olp_vectors), "vector")
    row = inside.row("results", vector)
    written = bench.past(store & (where == vector))
    bench.claim(
        "count_equals_high_time",
        "each lane counts the cycles in which its wire is high, up to its first falling edge, and stops at 255.",
        ~written | (Cat(codes_in(row)) == bench.past(Cat(codes))),
    )
    bench.claim(
        "stored_once",
        "`store` writes the codes under the pointer of the result SRAM (in cycle u + 2) and moves the pointer on, "
        "modulo the depth.",
        ~bench.begun | written | (row == bench.past(row)),
    )
    bench.claim("pointer", "moves the pointer on, modulo the depth.", inside.signal("pointer") == pointer)
    bench.claim(
        "unopened",
        "A `store` without an open window sets the sticky `illegal` flag (from cycle u + 2) and writes nothing",
        dut.illegal == (illegal | inside.signal("sequencer.illegal")),
    )

    planes = [inside.signal(f"plane{plane}") for plane in range(CODE_BITS)]
    live = opened & ~first  # the counters show this window's books
    shown = Cat(Cat(plane[lane] for plane in planes) for lane in range(LANES))
    bench.invariant("command", inside.signal("issued") == command)
    bench.invariant("bank", ~command | (inside.signal("bank") == bank.as_value()))
    bench.invariant("fresh", inside.signal("fresh") == first)
    bench.invariant("store", inside.signal("store") == store)
    bench.invariant(
        "stored", ~store | (Cat(inside.signal("stored"), inside.signal("seven_bits")) == Cat(where, halved))
    )
    bench.invariant("counting", inside.signal("counting") == opened)
    bench.invariant("counts", ~(live | store) | (shown == Cat(counts)))
    bench.invariant("fallen", ~live | (inside.signal("fallen") == Cat(ended)))
    bench.invariant("before", ~live | (inside.signal("before") == bench.past(dut.data)))
    return Counted(first, opened, counts, ended, store, codes)


@proof(prove=2, cover=10, quick=True)
def olp(bench: Bench) -> None:
    """Eight wires that do what they like, four results."""
    dut = OutputLandingPad(TINY)
    inside = bench.put(dut)
    books = watch_olp(bench, dut, inside)
    bench.cover("late_rise", books.store & (books.counts[0] == 1) & (books.counts[1] == 3))
    bench.cover("second_pulse_ignored", books.store & (books.counts[2] == 1) & books.ended[2] & bench.past(dut.data[2]))
    bench.cover("store_and_open", books.store & books.first & (books.counts[0] == 2))
    bench.cover("unopened", dut.illegal & ~inside.signal("sequencer.illegal"))


@proof(prove=2, cover=14)
def olp_undoes_ilp(bench: Bench) -> None:
    """The pads wire to wire: a window that opens with a vector and is long enough holds the vector's codes."""
    m = bench.m
    ilp, olp = InputLandingPad(TINY), OutputLandingPad(TINY)
    there = bench.put(ilp, "ilp")
    here = bench.put(olp, "olp", data=ilp.data)
    sent, counted = watch_ilp(bench, ilp, there), watch_olp(bench, olp, here)

    # Cycle t + 2: the window opens as the pulses rise, and neither is begun anew until the codes are stored.
    together = Signal()
    rises = bench.past(sent.fire, 2)
    with m.If(counted.first & rises):
        m.d.sync += together.eq(1)
    with m.Elif(counted.first | rises):
        m.d.sync += together.eq(0)
    sentence = "each lane counts the cycles in which its wire is high"
    lasted = bench.past(sent.age)  # cycles of the window before this one
    live = together & ((counted.counting & ~counted.first) | counted.store)
    older = (
        sent.active
        & (sent.age == Mux(lasted < 256, lasted + 1, 256))
        & (Cat(sent.sending) == bench.past(Cat(sent.sending)))
    )
    bench.invariant("older", ~together | rises | older)
    lane = bench.fixed(range(LANES), "lane")  # any one
    code = bench.past(Array(sent.sending)[lane])
    count, ended = Array(counted.counts)[lane], Array(counted.ended)[lane]
    bench.claim("inverse", sentence, ~(counted.store & together & (lasted >= code)) | (count == code))
    bench.invariant("counted", ~live | (count == Mux(lasted < code, lasted, code)))
    has_ended = (ended == (lasted > code)) | (code == 0)
    bench.invariant("ended", ~live | ~counted.counting | counted.first | has_ended)
    bench.cover("short_codes_come_back", bench.past(counted.store & together & (sent.sending[0] == 3)) & sent.active)
