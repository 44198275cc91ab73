"""The machine that runs 128-bit words: one in every tile's local controller, one in every landing pad."""

from collections.abc import Collection

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.bus import Region, UnitBus
from rtl.isa import PAYLOAD_BITS, Instruction, JumpPayload, LoopPayload, Mode
from rtl.parameters import whole

__all__ = ["Sequencer", "view_as"]


def view_as(layout: type[data.Struct], bits: Value) -> data.View:
    """The lowest `bits` seen as `layout`: how a bank reads its payload."""
    return data.View(layout, bits[: data.Layout.cast(layout).size])


class Sequencer(wiring.Component):
    """Runs the program in its SRAM and issues one bank write after the other.

    Parameters
    ----------
    banks : collection of int
        Banks (modes 0-7) that the unit has; a write to another one is illegal.
    depth : int
        Words in the SRAM; a power of two, at least 2 and at most 32,768 (the bus counts half words in 16 bits).
    loop_levels : int
        Loop counters, 1 to 8.

    Members
    -------
    start : In(1)
        Begin at word 0. While running: begin anew.
    stop : In(1)
        Halt at once; wins over `start`. Writes issued up to this cycle still take force.
    clear : In(1)
        Clear `illegal`.
    bus : In(UnitBus())
        Region PROGRAM: word *n* at offsets 2 *n* (low half) and 2 *n* + 1. A sequencer that runs, or starts in the
        cycle of the read, answers 0: the SRAM has one read port, and the program has it.
    issue : Out(1)
        High in the cycle in which a bank write issues.
    bank : Out(3), payload : Out(112)
        The bank and its new value; valid with `issue`.
    running : Out(1)
        High from the issue of word 0 until the unit halts.
    illegal : Out(1)
        Sticky: the program ran or jumped past the last word, or issued a mode, bank or loop level that is not there.

    Timing
    ------
    `start` in cycle s issues word 0 in cycle s + 1; a word issued in cycle t with wait w is followed by the next in
    cycle t + w + 1, whatever its mode. An undefined word halts in the cycle after its issue, all else at the end of
    the word's own w + 1 cycles. In the last cycle of a word the address of the next one goes straight to the SRAM.

    Raises
    ------
    TypeError, ValueError
        On a bank, depth or number of levels that the instruction word cannot address.

    Source
    ------
    128-bit words, JUMP, LOOP, wait: Nature 620, 768 (2023), Methods, "local controller". Timing is our assumption.
    """

    def __init__(self, banks: Collection[int], depth: int, loop_levels: int) -> None:
        wrong = sorted(bank for bank in banks if bank not in range(8))
        if wrong or not banks:
            raise ValueError(f"banks must be some of 0 to 7 (the modes that write one), got {wrong or 'none'}")
        self._banks = tuple(sorted(banks))
        self._depth = whole("depth", depth, 2, 1 << 15)
        if depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, got {depth}")
        self._loop_levels = whole("loop_levels", loop_levels, 1, 8)
        super().__init__(
            {
                "start": In(1),
                "stop": In(1),
                "clear": In(1),
                "bus": In(UnitBus()),
                "issue": Out(1),
                "bank": Out(3),
                "payload": Out(PAYLOAD_BITS),
                "running": Out(1),
                "illegal": Out(1),
            }
        )

    @property
    def banks(self) -> tuple[int, ...]:
        return self._banks

    @property
    def depth(self) -> int:
        return self._depth

    @property
    def loop_levels(self) -> int:
        return self._loop_levels

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.program = program = Memory(shape=data.ArrayLayout(64, 2), depth=self._depth, init=[])
        writer = program.write_port(granularity=1)
        reader = program.read_port()
        halves = Value.cast(reader.data)
        word = data.View(Instruction, halves)

        # The word that the SRAM shows: first its issue cycle, then its wait.
        # The next address has one cycle, from the SRAM back to the SRAM: what the counters say of it is known before.
        first = Signal()
        left = Signal(word.wait.shape())  # cycles that remain, this one included; from the second cycle on
        last = Signal()
        address = Signal(range(self._depth))

        # Where the program goes on, and whether the word is one that the unit knows.
        jump = view_as(JumpPayload, word.payload)
        loop = view_as(LoopPayload, word.payload)
        rounds = Signal(data.ArrayLayout(16, self._loop_levels))  # that a level still has to run; 0 is idle
        idle = Signal(self._loop_levels, init=-1)  # rounds == 0, by level
        final = Signal(self._loop_levels)  # rounds == 1, by level
        again = Signal()
        following = Signal(17)
        legal = Signal()
        halting = Signal()
        m.d.comb += [
            following.eq(address + 1),
            again.eq(Mux(idle.bit_select(loop.level, 1), loop.count > 1, ~final.bit_select(loop.level, 1))),
        ]
        with m.Switch(Value.cast(word.mode)):
            with m.Case(*self._banks):
                m.d.comb += [legal.eq(1), self.issue.eq(self.running & first)]
            with m.Case(Mode.NOP):
                m.d.comb += legal.eq(1)
            with m.Case(Mode.HALT):
                m.d.comb += [legal.eq(1), halting.eq(1)]
            with m.Case(Mode.JUMP):
                m.d.comb += [legal.eq(1), following.eq(jump.target)]
            with m.Case(Mode.LOOP):
                m.d.comb += legal.eq(loop.level < self._loop_levels)
                with m.If(again):
                    m.d.comb += following.eq(loop.target)
        m.d.comb += [
            last.eq(self.running & Mux(first, word.wait == 0, left == 1)),
            self.bank.eq(Value.cast(word.mode)),
            self.payload.eq(word.payload),
        ]

        with m.If(self.clear):
            m.d.sync += self.illegal.eq(0)
        with m.If(self.running):
            m.d.sync += [first.eq(last), left.eq(Mux(first, word.wait, left - 1))]
            with m.If(~legal):
                m.d.sync += [self.running.eq(0), self.illegal.eq(1)]
            with m.Elif(last):
                m.d.sync += address.eq(following)
                with m.If(halting):
                    m.d.sync += self.running.eq(0)
                with m.Elif(following >= self._depth):
                    m.d.sync += [self.running.eq(0), self.illegal.eq(1)]
                for level, count in enumerate(rounds):
                    with m.If((Value.cast(word.mode) == Mode.LOOP) & (loop.level == level)):
                        present = Mux(idle[level], loop.count, count)
                        m.d.sync += [
                            count.eq(Mux(again, present - 1, 0)),
                            idle[level].eq(~again),
                            final[level].eq(present == 2),
                        ]
        with m.If(self.start):
            m.d.sync += [self.running.eq(1), first.eq(1), address.eq(0)]
            m.d.sync += [rounds.eq(0), idle.eq(-1), final.eq(0)]
        with m.If(self.stop):
            m.d.sync += self.running.eq(0)

        # One read port: a start has it first, then the program, then the host.
        bus = self.bus
        selected = bus.region == Region.PROGRAM
        host_reads = Signal()
        m.d.comb += [
            host_reads.eq(bus.read & selected & ~self.running & ~self.start),
            reader.en.eq(self.start | last | host_reads),
            reader.addr.eq(Mux(self.start, 0, Mux(self.running, following, bus.offset >> 1))),
            writer.addr.eq(bus.offset >> 1),
            writer.data.eq(Cat(bus.write_data, bus.write_data)),
            writer.en.eq(Mux(bus.write & selected, Mux(bus.offset[0], 0b10, 0b01), 0)),
        ]
        answering = Signal(2)  # which half of the word is wanted
        m.d.sync += [answering.eq(0), bus.read_data.eq(0)]
        with m.If(host_reads):
            m.d.sync += answering.eq(Mux(bus.offset[0], 0b10, 0b01))
        with m.If(answering.any()):
            m.d.sync += bus.read_data.eq(Mux(answering[1], halves[64:], halves[:64]))
        return m
