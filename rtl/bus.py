"""The bus from the host port to one unit, and the status register that every unit has on it."""

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.enumeration import enum
from rtl.parameters import ParametricSignature

__all__ = ["BUS_READ_LATENCY", "Region", "StatusRegister", "UnitBus", "UnitStatus", "fan_out"]

#: Cycles from `read` to `read_data`, the same in every region of every unit: one for an SRAM, one to select and drive.
BUS_READ_LATENCY = 2


class Region(enum.Enum, shape=unsigned(4)):
    """Regions of a unit's address space. Region 2 is the unit's own: masks of a tile, vectors of a landing pad."""

    PROGRAM = 0
    STATUS = 1
    MASKS = 2
    VECTORS = 2


class UnitStatus(data.Struct):
    """What STATUS reads; bits that a unit does not have stay 0.

    ::

        31       16 15  14        8  7      3     2       1         0
        [ pointer ] [0] [contention] [  0   ] [fault] [illegal] [running]
    """

    running: 1
    illegal: 1  #: sticky
    fault: 1  #: sticky; tiles
    _reserved: 5
    contention: 7  #: sticky, one bit for each place, lowest first: net, rows, columns, north, east, south, west; tiles
    _reserved_too: 1
    pointer: 16  #: landing pads


class UnitBus(ParametricSignature):
    """One beat of 64 bits a cycle, read or written, without wait states.

    Members (as the initiator sees them)
    ------------------------------------
    region : Out(4)
        One of `Region`.
    offset : Out(16)
        Beat within the region.
    write, read : Out(1)
        Strobes, already qualified with the unit's select; never both.
    write_data : Out(64)
        Valid with `write`.
    read_data : In(64)
        Valid `BUS_READ_LATENCY` cycles after `read`, and 0 in every other cycle: the chip ORs all units.

    Timing
    ------
    A write in one cycle is in place for a read or a start in the next.

    Source
    ------
    Our assumption.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "region": Out(4),
                "offset": Out(16),
                "write": Out(1),
                "read": Out(1),
                "write_data": Out(64),
                "read_data": In(64),
            }
        )


def fan_out(m: Module, bus: wiring.PureInterface, *targets: wiring.PureInterface) -> None:
    """Connect the register blocks of a unit (`targets`) to its `bus`: each hears every beat, the answers are OR-ed.

    All are seen from inside the unit: `bus` is its own port, `targets` are ports of its submodules.
    """
    for target in targets:
        for name in ("region", "offset", "write", "read", "write_data"):
            m.d.comb += getattr(target, name).eq(getattr(bus, name))
    m.d.comb += bus.read_data.eq(reduce(or_, (target.read_data for target in targets)))


class StatusRegister(wiring.Component):
    """Bus target of the region STATUS.

    Members
    -------
    bus : In(UnitBus())
    status : In(UnitStatus)
        Sampled in the cycle of `read`.

    Source
    ------
    Our assumption.
    """

    bus: In(UnitBus())
    status: In(UnitStatus)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sample = Signal(UnitStatus)
        m.d.sync += [sample.eq(0), self.bus.read_data.eq(sample)]
        with m.If(self.bus.read & (self.bus.region == Region.STATUS)):
            m.d.sync += sample.eq(self.status)
        return m
