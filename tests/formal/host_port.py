"""The host port: any beats on either side, any back-pressure, any resets; no write or answer is lost or displaced."""

from amaranth.hdl import Cat, Mux, Signal, Value
from amaranth.lib import data

from rtl.host_port import ANSWER_BEATS, HostPort
from rtl.memory_map import Address, Header
from tests.formal.harness import Bench, proof
from tests.formal.tiny import TINY

UNITS = (1, 0), (1, 1), (2, 0), (3, 0)  # (kind, index): two tiles, an ILP, an OLP
# Typed from the table of docs/fabric.md: (kind, region) -> (beats, readable, writable).
REGIONS = {
    (0, 0): (1, False, True),  # CONTROL
    (0, 1): (1, True, False),  # STATUS
    **{(kind, 0): (8, True, True) for kind in (1, 2, 3)},  # PROGRAM: four words
    **{(kind, 1): (1, True, False) for kind in (1, 2, 3)},  # STATUS
    (1, 2): (4, False, True),  # MASKS
    (2, 2): (4, False, True),  # VECTORS of an ILP: four, of one beat
    (3, 2): (4, True, False),  # VECTORS of an OLP
}


IN_A_RESET = "In a cycle with `rst` high `host_rx_tready` and `host_tx_tvalid` are 0"
#: What the next beat of a request is.
HEADER, DATA, ANSWERING, EXCESS = range(4)


@proof(prove=2, cover=16, quick=True, reach=ANSWER_BEATS + 6)
def requests(bench: Bench) -> None:
    """From the stream of requests to strobes, controls and the error flag."""
    m, reset = bench.m, bench.resets()
    dut = HostPort(TINY)
    inside = bench.put(dut)
    beat = dut.rx.payload
    accepted = dut.rx.valid & dut.rx.ready
    header = data.View(Header, beat.data)

    # The books: what the next beat is, where it goes, how many are still to come.
    phase, address, left, more = Signal(2), Signal(32), Signal(16), Signal()
    asks = inside.signal("promised") != ANSWER_BEATS  # while the host does not take its answers, no more are asked for
    good = header.length != 0
    header_comes, data_comes = accepted & (phase == HEADER), accepted & (phase == DATA)
    opcode = Value.cast(header.opcode)
    is_write, is_read = (opcode == 1) & good, (opcode == 2) & good
    moves = data_comes | ((phase == ANSWERING) & asks)
    wrong = Signal()
    with m.If(header_comes):
        m.d.comb += wrong.eq(Mux(is_write, beat.last, Mux(is_read, ~beat.last, 1)))
        m.d.sync += [address.eq(header.address), left.eq(header.length), more.eq(~beat.last)]
        with m.If(is_read):
            m.d.sync += phase.eq(ANSWERING)
        with m.Elif(~beat.last):
            m.d.sync += phase.eq(Mux(is_write, DATA, EXCESS))
    with m.If(data_comes):
        m.d.comb += wrong.eq(beat.last != (left == 1))
        with m.If(beat.last):
            m.d.sync += phase.eq(HEADER)
        with m.Elif(left == 1):
            m.d.sync += phase.eq(EXCESS)
    with m.If((phase == ANSWERING) & asks & (left == 1)):
        m.d.sync += phase.eq(Mux(more, EXCESS, HEADER))
    with m.If(accepted & (phase == EXCESS) & beat.last):
        m.d.sync += phase.eq(HEADER)
    with m.If(moves):
        m.d.sync += [address.eq(address + 1), left.eq(left - 1)]

    # Which unit, and may it be done?
    at = data.View(Address, address)
    kind = Value.cast(at.kind)
    allowed = Signal()
    for (of_kind, region), (beats, readable, writable) in REGIONS.items():
        may = Mux(data_comes, int(writable), int(readable))
        indices = sum(unit_kind == of_kind for unit_kind, _ in UNITS) if of_kind else 1
        with m.If((kind == of_kind) & (at.region == region)):
            m.d.comb += allowed.eq(may & (at.index < indices) & (at.offset < beats))
    unit = Cat((kind == of_kind) & (at.index == index) for of_kind, index in UNITS)
    writes, reads = data_comes & allowed, moves & ~data_comes & allowed

    order = "`length` beats follow, to consecutive addresses"
    bench.claim("no_write_lost_or_doubled", order, dut.write == bench.past(Mux(writes, unit, 0)))
    bench.claim("reads_in_order", "Reads and writes are in order", dut.read == bench.past(Mux(reads, unit, 0)))
    strobed = (dut.write | dut.read).any()
    bench.claim(
        "where",
        "[31:28] kind of unit, [27:20] index, [19:16] region, [15:0] offset.",
        ~strobed | (Cat(dut.offset, dut.region) == bench.past(address[:20])),
    )
    bench.claim("what", order, ~dut.write.any() | (dut.write_data == bench.past(beat.data)))
    control = writes & (kind == 0)
    for bit, name in enumerate(("start", "stop", "clear")):
        acts = bench.past(control & beat.data[bit])
        bench.claim(name, "bit 0 start, bit 1 stop, bit 2 clear sticky flags of all units", getattr(dut, name) == acts)
    error = Signal()
    m.d.sync += error.eq((error & ~dut.clear) | wrong | (moves & ~allowed))
    bench.claim("host_error", "so sets the sticky `host_error` flag", dut.host_error == error)
    bench.claim(
        "a_beat_a_cycle",
        "a burst moves one beat a cycle while the other side is ready.",
        dut.rx.ready == (phase != ANSWERING) & ~reset,
    )
    bench.claim("no_beat_in_a_reset", IN_A_RESET, ~reset | ~dut.rx.ready)
    one = Cat(sum(dut.write | dut.read) <= 1)
    bench.claim("one_unit", "Reads and writes are in order", one)

    bench.invariant("phase", inside.signal("parser_state") == phase)
    idle = (phase == HEADER) | (phase == EXCESS)
    bench.invariant("address", idle | (Value.cast(inside.signal("address")) == address))
    bench.invariant("left", idle | (inside.signal("left") == left))
    bench.invariant("excess", idle | (inside.signal("excess") == more))

    bench.cover("two_writes_to_the_same_beat", bench.past(writes & (left == 1)) & dut.write[1] & header_comes)
    bench.cover("burst_leaves_the_region", error & bench.past(writes, 2) & bench.past(data_comes & ~allowed))
    bench.cover("starts", dut.start & ~dut.stop)
    bench.cover("write_behind_a_read", dut.write[3] & (inside.signal("promised") == 3) & ~error)
    bench.cover("beat_waits_for_the_end_of_a_reset", reset & dut.rx.valid & (phase == DATA))
    bench.cover("excess_is_dropped", bench.past(phase == EXCESS, 2) & header_comes & error)


@proof(prove=5, cover=16)
def answers(bench: Bench) -> None:
    """From requests to the stream of answers: any one answer, chosen by the solver, comes in its turn and unchanged."""
    m, reset = bench.m, bench.resets()
    dut = HostPort(TINY)
    inside = bench.put(dut)
    # A unit answers `BUS_READ_LATENCY` cycles after its strobe, and gives 0 in every other cycle.
    bench.assume(bench.past(dut.read.any(), 2) | (dut.read_data == 0))
    taken = dut.tx.valid & dut.tx.ready
    reading, promised = inside.signal("reading"), inside.signal("promised")
    flying = inside.signal("flying")
    flight = len(flying)

    # The books on one request: how far it is, and how many answers are before it.
    chosen, arrived, gone = Signal(), Signal(), Signal()
    choose = bench.free(1, "choose") & reading & ~chosen
    stage = Signal(range(flight + 1))  # 1: strobed in this cycle
    ahead = Signal(range(ANSWER_BEATS + 1))
    with m.If(choose):
        m.d.sync += [chosen.eq(1), stage.eq(1), ahead.eq(promised - taken)]
    with m.Elif(chosen):
        m.d.sync += ahead.eq(ahead - (taken & (ahead != 0)))
        with m.If(stage != flight):
            m.d.sync += stage.eq(stage + 1)
        with m.Else():
            m.d.sync += arrived.eq(1)
        with m.If(taken & (ahead == 0)):
            m.d.sync += gone.eq(1)
    last, flags, value = Signal(), Signal(5), Signal(64)
    with m.If(choose):
        m.d.sync += last.eq(inside.signal("left") == 1)
    with m.If(chosen & (stage == 1)):
        m.d.sync += flags.eq(
            Mux(inside.signal("status_read"), Cat(dut.busy, dut.contention, dut.illegal, dut.fault, dut.host_error), 0)
        )
    with m.If(chosen & (stage == 3)):
        m.d.sync += value.eq(dut.read_data | flags)

    due = arrived & ~gone & (ahead == 0) & dut.tx.valid
    whole = Cat(value, last)
    bench.claim("in_its_turn", "Reads and writes are in order", ~due | (dut.tx.payload.as_value() == whole))
    bench.claim(
        "answers_as_many_as_asked_for",
        "one packet of `length` beats",
        ~(chosen & ~gone & ~arrived & (ahead == 0)) | ~dut.tx.valid,
    )
    held = bench.past(dut.tx.valid & ~dut.tx.ready)
    bench.claim(
        "waits_for_the_host",
        "Two AXI4-Stream channels of 64 bits (`tdata`, `tvalid`, `tready`, `tlast`)",
        ~held | reset | (dut.tx.valid & (dut.tx.payload.as_value() == bench.past(dut.tx.payload.as_value()))),
    )

    bench.claim("no_answer_in_a_reset", IN_A_RESET, ~reset | ~dut.tx.valid)

    # The FIFO: a ring of one beat less, and an output register.
    ring, depth = "answers.storage", ANSWER_BEATS - 1
    produce, consume = inside.signal("answers.produce"), inside.signal("answers.consume")
    inner, shown = inside.signal("answers.inner_level"), inside.signal("answers.r_rdy")
    behind = Signal(range(2 * ANSWER_BEATS))
    m.d.comb += behind.eq(consume + inner)
    bench.invariant("ring", (produce < depth) & (consume < depth) & (inner <= depth))
    bench.invariant("level", produce == Mux(behind >= depth, behind - depth, behind))
    bench.invariant("output_first", shown | (inner <= 1))
    bench.invariant("promised", promised == sum(flying) + inner + shown)
    bench.invariant("never_full", (promised <= ANSWER_BEATS) & (~flying[-1] | inside.signal("answers.w_rdy")))
    slot, place = Signal(range(2 * ANSWER_BEATS)), Signal(range(depth))
    m.d.comb += [slot.eq(consume + ahead - shown), place.eq(Mux(slot >= depth, slot - depth, slot))]
    in_ring = arrived & ~gone & ~((ahead == 0) & shown)
    bench.invariant("in_ring", ~in_ring | ((ahead - shown < inner) & (inside.row(ring, place) == whole)))
    bench.invariant("at_output", ~(arrived & ~gone & (ahead == 0) & shown) | (inside.output(ring) == whole))
    on_the_way = chosen & ~arrived
    bench.invariant("not_yet", (chosen | ~arrived) & (arrived | ~gone))
    for at in range(1, flight + 1):
        here = on_the_way & (stage == at)
        bench.invariant(f"flies_{at}", ~here | (flying[at - 1] & (ahead == sum(flying[at:]) + inner + shown)))
        bench.invariant(f"last_{at}", ~here | (inside.signal("last_flying")[at - 1] == last))
    bench.invariant("stage", Mux(arrived, stage == flight, ~chosen | ((stage >= 1) & (stage <= flight))))
    bench.invariant("collected", ~(on_the_way & (stage == 4)) | (inside.signal("collected") == value))

    bench.cover("answer_lost_in_a_reset", reset & shown & (promised == 5))
    bench.cover("held_back", arrived & ~gone & (ahead == 2) & (promised == 5))
    bench.cover("status_comes_back", due & dut.tx.payload.last & (value == 0b10001))
    bench.cover("taken_out_of_the_ring", bench.past(in_ring, 2) & gone & (value == 0xA5))
