"""Output landing pad: turns pulses on the mesh back into codes."""

from functools import reduce
from operator import and_

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.bus import Region, StatusRegister, UnitBus, fan_out
from rtl.config import ChipConfig
from rtl.isa import UNIT_BANKS, CountBank, UnitKind
from rtl.memory_map import BEAT_BITS
from rtl.parameters import chip_config
from rtl.sequencer import Sequencer, view_as

__all__ = ["OutputLandingPad"]


class OutputLandingPad(wiring.Component):
    """A counter for each lane, held as bit planes, and the SRAM of results.

    Parameters
    ----------
    config : ChipConfig

    Members
    -------
    start, stop, clear : In(1)
        To the sequencer: run from word 0, halt, clear the sticky flags.
    bus : In(UnitBus())
        Regions PROGRAM, STATUS and VECTORS (read only).
    data : In(lanes)
        The wires of the mesh's edge, behind the receiver.
    opens : Out(1)
        A window opens in the next cycle; for the receiver.
    running : Out(1)
        Of the sequencer.
    illegal : Out(1)
        Sticky: the sequencer's, or a `store` without an open window.

    Timing
    ------
    `COUNT open` issued in cycle t, `COUNT store` (or the next `open`) issued in cycle u: the window is t + 2 ... u + 1.
    `store` writes the SRAM in cycle u + 2; the host may read the vector from a beat strobed in u + 3 on. A window that
    opens with the same word starts in u + 2, without a gap. The window of a halted pad stays open.

    Source
    ------
    512 8-bit counters, falling-edge detection, result SRAM: Nature 620, 768 (2023), Methods. 7 bits: Nature
    Communications 2025 (ALBERT), Methods. High time rather than time to fall, saturation, timing: our assumption.
    """

    def __init__(self, config: ChipConfig) -> None:
        self._config = chip_config(config)
        super().__init__(
            {
                "start": In(1),
                "stop": In(1),
                "clear": In(1),
                "bus": In(UnitBus()),
                "data": In(config.lanes),
                "opens": Out(1),
                "running": Out(1),
                "illegal": Out(1),
            }
        )

    @property
    def config(self) -> ChipConfig:
        return self._config

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, bus = self._config, self.bus
        banks = [mode.value for mode, _ in UNIT_BANKS[UnitKind.OLP].values()]
        m.submodules.sequencer = sequencer = Sequencer(banks, config.pad_program_depth, config.loop_levels)
        m.submodules.status_register = status = StatusRegister()
        m.submodules.results = results = Memory(
            shape=data.ArrayLayout(BEAT_BITS, config.vector_beats), depth=config.olp_vectors, init=[]
        )
        writer = results.write_port()
        reader = results.read_port()
        results_bus = UnitBus().create()
        fan_out(m, bus, sequencer.bus, status.bus, results_bus)
        m.d.comb += [
            sequencer.start.eq(self.start),
            sequencer.stop.eq(self.stop),
            sequencer.clear.eq(self.clear),
            self.running.eq(sequencer.running),
        ]

        # Host side: read the whole word, keep one beat of it.
        beat_bits = (config.vector_beats - 1).bit_length()
        answering = Signal()
        beat = Signal(max(1, beat_bits))
        m.d.comb += [
            reader.en.eq(bus.read & (bus.region == Region.VECTORS)),
            reader.addr.eq(bus.offset >> beat_bits),
        ]
        m.d.sync += [answering.eq(reader.en), results_bus.read_data.eq(0)]
        with m.If(reader.en):
            m.d.sync += beat.eq(bus.offset[:beat_bits])
        with m.If(answering), m.Switch(beat):
            for index in range(config.vector_beats):
                with m.Case(index):
                    m.d.sync += results_bus.read_data.eq(reader.data[index])

        # The bank of the cycle after the issue: from here the commands act on the next cycle, CONTROL_LATENCY in all.
        issued = Signal()
        bank = Signal(CountBank)
        m.d.sync += issued.eq(sequencer.issue)
        with m.If(sequencer.issue):
            m.d.sync += bank.eq(view_as(CountBank, sequencer.payload))

        pointer = Signal(range(config.olp_vectors))
        used = Signal.like(pointer)
        counting = Signal()  # the window is open
        fresh = Signal()  # its first cycle: the counters still hold the window before
        store = Signal()  # the cycle behind a window
        unopened = Signal()
        m.d.comb += used.eq(Mux(bank.load_pointer, bank.pointer, pointer))
        m.d.sync += [store.eq(0), fresh.eq(0)]
        with m.If(self.clear):
            m.d.sync += unopened.eq(0)
        with m.If(issued):
            m.d.sync += [
                pointer.eq(used + (bank.store & counting)),
                store.eq(bank.store & counting),
                fresh.eq(bank.open),
            ]
            with m.If(bank.open):
                m.d.sync += counting.eq(1)
            with m.Elif(bank.store):
                m.d.sync += counting.eq(0)
            with m.If(bank.store & ~counting):
                m.d.sync += unopened.eq(1)
        m.d.comb += [
            self.opens.eq(issued & bank.open),
            self.illegal.eq(sequencer.illegal | unopened),
            status.status.running.eq(self.running),
            status.status.illegal.eq(self.illegal),
            status.status.pointer.eq(pointer),
        ]

        # Bit planes: plane p has bit p of every lane's count. The carry ripples from plane to plane.
        planes = [Signal(config.lanes, name=f"plane{p}") for p in range(config.code_bits)]
        before = Signal(config.lanes)  # the wires in the cycle before, within the window
        fallen = Signal(config.lanes)
        carry = self.data & ~fallen & ~reduce(and_, planes)
        with m.If(fresh):
            m.d.sync += [before.eq(self.data), fallen.eq(0), planes[0].eq(self.data)]
            m.d.sync += [plane.eq(0) for plane in planes[1:]]
        with m.Elif(counting):
            m.d.sync += [before.eq(self.data), fallen.eq(fallen | (before & ~self.data))]
            for plane in planes:
                m.d.sync += plane.eq(plane ^ carry)
                carry &= plane

        stored = Signal.like(pointer)
        seven_bits = Signal()
        with m.If(issued & bank.store):
            m.d.sync += [stored.eq(used), seven_bits.eq(bank.seven_bits)]
        m.d.comb += [writer.en.eq(store), writer.addr.eq(stored)]
        with m.If(store):
            with m.If(seven_bits):
                m.d.comb += Value.cast(writer.data).eq(Cat(planes[1:]))
            with m.Else():
                m.d.comb += Value.cast(writer.data).eq(Cat(planes))
        return m
