"""The local controller (LC) of a tile: a sequencer, the tile's banks of control signals, and the bias rows."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.bus import UnitBus
from rtl.isa import UNIT_BANKS, ArrayBank, BiasBank, MeshBank, ReadoutBank, UnitKind, WriteBank
from rtl.parameters import whole
from rtl.sequencer import Sequencer, view_as

__all__ = ["BiasPulses", "LocalController"]


class BiasPulses(wiring.Component):
    """One pulse on every bias row at the start of each integration.

    Parameters
    ----------
    rows : int
        Bias rows, 1 to 8.

    Members
    -------
    integrate : In(1)
        The level in force. A pulse begins in the first cycle in which it is high.
    codes : In(BiasBank)
        Durations in ns, taken in that cycle; 0 is no pulse.
    pulses : Out(rows)

    Source
    ------
    Eight bias rows, driven by the LC: Nature 620, 768 (2023), Methods. That a pulse does not end with `integrate` (the
    rows move no charge then): our assumption.
    """

    def __init__(self, rows: int) -> None:
        self._rows = whole("rows", rows, 1, 8)
        super().__init__({"integrate": In(1), "codes": In(BiasBank), "pulses": Out(rows)})

    @property
    def rows(self) -> int:
        return self._rows

    def elaborate(self, platform: object) -> Module:
        m = Module()
        before = Signal()
        begin = self.integrate & ~before
        m.d.sync += before.eq(self.integrate)
        for row, pulse in enumerate(self.pulses):
            left = Signal(8, name=f"left_{row}")  # ns that the pulse still lasts
            with m.If(begin):
                m.d.comb += pulse.eq(self.codes.durations[row] != 0)
                m.d.sync += left.eq(self.codes.durations[row] - pulse)
            with m.Else():
                m.d.comb += pulse.eq(left != 0)
                m.d.sync += left.eq(left - pulse)
        return m


class LocalController(wiring.Component):
    """Runs the tile's program and holds its control signals.

    Parameters
    ----------
    program_depth, loop_levels, bias_rows : int
        As in `ChipConfig`.

    Members
    -------
    start, stop, clear, bus, running, illegal
        As in `Sequencer`.
    switches : Out(MeshBank), switches_write : Out(1)
        A write of the MESH bank in its cycle of issue: the mesh keeps this bank itself, lane by lane.
    array : Out(ArrayBank)
    readout : Out(ReadoutBank)
    write : Out(WriteBank)
        In force.
    bias_rows : Out(bias_rows)
        Pulses that begin with the integration.

    Timing
    ------
    A write issued in cycle t is in force from cycle t + `CONTROL_LATENCY` (2). Halting changes nothing; reset clears
    every bank.

    Source
    ------
    Nature 620, 768 (2023), Methods, "local controller". Latency is our assumption.
    """

    def __init__(self, program_depth: int, loop_levels: int, bias_rows: int) -> None:
        self._program_depth = whole("program_depth", program_depth, 2, 1 << 15)
        self._loop_levels = whole("loop_levels", loop_levels, 1, 8)
        self._bias_rows = whole("bias_rows", bias_rows, 1, 8)
        super().__init__(
            {
                "start": In(1),
                "stop": In(1),
                "clear": In(1),
                "bus": In(UnitBus()),
                "running": Out(1),
                "illegal": Out(1),
                "switches": Out(MeshBank),
                "switches_write": Out(1),
                "array": Out(ArrayBank),
                "readout": Out(ReadoutBank),
                "write": Out(WriteBank),
                "bias_rows": Out(bias_rows),
            }
        )

    @property
    def program_depth(self) -> int:
        return self._program_depth

    @property
    def loop_levels(self) -> int:
        return self._loop_levels

    @property
    def bias_row_count(self) -> int:  # `bias_rows` is a member: their pulses
        return self._bias_rows

    def elaborate(self, platform: object) -> Module:
        m = Module()
        banks = {name: (mode.value, layout) for name, (mode, layout) in UNIT_BANKS[UnitKind.TILE].items()}
        m.submodules.sequencer = sequencer = Sequencer(
            [bank for bank, _ in banks.values()], self._program_depth, self._loop_levels
        )
        m.submodules.bias_pulses = bias_pulses = BiasPulses(self._bias_rows)
        connect(m, flipped(self.bus), sequencer.bus)
        m.d.comb += [
            sequencer.start.eq(self.start),
            sequencer.stop.eq(self.stop),
            sequencer.clear.eq(self.clear),
            self.running.eq(sequencer.running),
            self.illegal.eq(sequencer.illegal),
        ]

        def issued(name: str) -> data.View:
            """The bank's register, loaded in the cycle of issue."""
            bank, layout = banks[name]
            register = Signal(layout, name=f"{name.lower()}_issued")
            with m.If(sequencer.issue & (sequencer.bank == bank)):
                m.d.sync += register.eq(view_as(layout, sequencer.payload))
            return register

        m.d.comb += [
            self.switches.eq(view_as(MeshBank, sequencer.payload)),
            self.switches_write.eq(sequencer.issue & (sequencer.bank == banks["MESH"][0])),
        ]
        for name, in_force in (
            ("ARRAY", self.array),
            ("READOUT", self.readout),
            ("BIAS", bias_pulses.codes),
            ("WRITE", self.write),
        ):
            m.d.sync += in_force.eq(issued(name))
        m.d.comb += [bias_pulses.integrate.eq(self.array.integrate), self.bias_rows.eq(bias_pulses.pulses)]
        return m
