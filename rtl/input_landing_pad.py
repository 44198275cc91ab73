"""Input landing pad: turns vectors of codes into pulses on the mesh."""

from functools import reduce
from operator import and_, or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.bus import Region, StatusRegister, UnitBus, fan_out
from rtl.config import ChipConfig
from rtl.isa import UNIT_BANKS, PulseBank, UnitKind
from rtl.memory_map import BEAT_BITS
from rtl.parameters import chip_config
from rtl.sequencer import Sequencer, view_as

__all__ = ["InputLandingPad"]


class InputLandingPad(wiring.Component):
    """SRAM of vectors, a pointer, and one counter that ends the pulses of all lanes.

    Parameters
    ----------
    config : ChipConfig

    Members
    -------
    start, stop, clear : In(1)
        To the sequencer: run from word 0, halt, clear the sticky flags.
    bus : In(UnitBus())
        Regions PROGRAM, STATUS and VECTORS (written only).
    data : Out(lanes)
        The pulses. Straight from flip-flops: a pulse has no glitches.
    enable : Out(1)
        The pad drives the mesh: high from the cycle in which the first pulse may rise until the last has fallen.
    mesh_changed : Out(1)
        One cycle before `enable` stands for a new vector: asks the tiles to look for contention in its first cycle.
    running, illegal : Out(1)
        Of the sequencer.

    Timing
    ------
    `PULSE fire` issued in cycle t: the SRAM is read in t, its word stands in t + 1, and the lane with code d is high in
    cycles t + 2 ... t + 1 + d. The SRAM's output register keeps the codes until the next fire, so host writes to any
    vector, the one being sent included, do not disturb a pulse. Stop and halt let a pulse run out.

    Source
    ------
    32 vectors of 512 codes of 8 bits, clock-driven counter, wrapping pointer: Nature 620, 768 (2023), Methods.
    One counter that all lanes are compared with, and the timing: our assumption.
    """

    def __init__(self, config: ChipConfig) -> None:
        self._config = chip_config(config)
        super().__init__(
            {
                "start": In(1),
                "stop": In(1),
                "clear": In(1),
                "bus": In(UnitBus()),
                "data": Out(config.lanes),
                "enable": Out(1),
                "mesh_changed": Out(1),
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
        banks = [mode.value for mode, _ in UNIT_BANKS[UnitKind.ILP].values()]
        m.submodules.sequencer = sequencer = Sequencer(banks, config.pad_program_depth, config.loop_levels)
        m.submodules.status_register = status = StatusRegister()
        m.submodules.vectors = vectors = Memory(
            shape=data.ArrayLayout(BEAT_BITS, config.vector_beats), depth=config.ilp_vectors, init=[]
        )
        writer = vectors.write_port(granularity=1)
        reader = vectors.read_port()
        fan_out(m, bus, sequencer.bus, status.bus)
        m.d.comb += [
            sequencer.start.eq(self.start),
            sequencer.stop.eq(self.stop),
            sequencer.clear.eq(self.clear),
            self.running.eq(sequencer.running),
            self.illegal.eq(sequencer.illegal),
        ]

        # Host side: one beat of one vector a cycle.
        beat_bits = (config.vector_beats - 1).bit_length()
        m.d.comb += [
            writer.addr.eq(bus.offset >> beat_bits),
            writer.data.eq(Cat(bus.write_data for _ in range(config.vector_beats))),
        ]
        with m.If(bus.write & (bus.region == Region.VECTORS)):
            m.d.comb += writer.en.eq(Const(1) << bus.offset[:beat_bits] if beat_bits else 1)

        # Mesh side: choose the vector in the cycle of the issue.
        bank = view_as(PulseBank, sequencer.payload)
        pointer = Signal(range(config.ilp_vectors))
        used = Signal.like(pointer)
        m.d.comb += [
            used.eq(Mux(bank.load_pointer, bank.pointer, pointer)),
            reader.addr.eq(used),
            reader.en.eq(sequencer.issue & bank.fire),
            status.status.running.eq(self.running),
            status.status.illegal.eq(self.illegal),
            status.status.pointer.eq(pointer),
        ]
        with m.If(sequencer.issue):
            m.d.sync += pointer.eq(used + Mux(bank.fire, bank.advance, 0))  # wraps: the depth is a power of two

        # Bit planes: plane p has bit p of every lane's code.
        word = Value.cast(reader.data)
        planes = [word[p * config.lanes : (p + 1) * config.lanes] for p in range(config.code_bits)]
        elapsed = Signal(config.code_bits)  # length of the pulses, this cycle included
        goes_on = ~reduce(and_, (~(plane ^ elapsed[p].replicate(config.lanes)) for p, plane in enumerate(planes)))
        remaining = Signal(config.lanes)
        m.d.comb += remaining.eq(self.data & goes_on)

        m.d.sync += self.mesh_changed.eq(sequencer.issue & bank.fire)
        with m.If(self.mesh_changed):  # the SRAM shows the codes
            m.d.sync += [self.data.eq(reduce(or_, planes)), self.enable.eq(1), elapsed.eq(1)]
        with m.Elif(self.enable):
            m.d.sync += [self.data.eq(remaining), self.enable.eq(remaining.any()), elapsed.eq(elapsed + 1)]
        return m
