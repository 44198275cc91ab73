"""The mesh over one tile: four edges, the net, and the row and column blocks, switched lane by lane."""

from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from operator import or_

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.bus import Region, UnitBus
from rtl.config import Edge
from rtl.isa import MeshBank, Pattern
from rtl.parameters import ParametricSignature, whole

__all__ = ["DRIVERS", "MASK_EDGE", "PLACES", "EdgePort", "MaskRegisters", "Mesh", "Wires", "lanes_of"]


def _mask_edge(switch: str) -> Edge:
    for end in switch.split("_to_"):
        if end in tuple(Edge):
            return Edge(end)
    return Edge.WEST if "rows" in switch else Edge.SOUTH


_SWITCHES = tuple(name for name, _ in data.Layout.cast(MeshBank))

#: Where drivers can meet, in the order of the contention bits.
PLACES = ("net", "rows", "columns", "north", "east", "south", "west")
#: Switch -> edge whose mask register its CUSTOM pattern takes.
MASK_EDGE = {switch: _mask_edge(switch) for switch in _SWITCHES}
#: Place -> the tile's own switches that drive it.
DRIVERS = {place: tuple(s for s in _SWITCHES if s.endswith(f"_to_{place}")) for place in PLACES}


def lanes_of(pattern: Pattern, lanes: int) -> int:
    """Bit vector of the lanes that a fixed `pattern` (every one but CUSTOM) picks.

    >>> f"{lanes_of(Pattern.ODD, 8):08b}"
    '10101010'
    """
    everywhere = (1 << lanes) - 1
    even = everywhere // 3  # 0b...010101
    low = (1 << lanes // 2) - 1
    return {
        Pattern.NONE: 0,
        Pattern.ALL: everywhere,
        Pattern.EVEN: even,
        Pattern.ODD: everywhere ^ even,
        Pattern.LOW: low,
        Pattern.HIGH: everywhere ^ low,
    }[pattern]


class Wires(ParametricSignature):
    """What one side drives onto the wires of an edge, as the driver sees it.

    Members
    -------
    data : Out(lanes)
        Pulses; 0 on the lanes that are not enabled, so that drivers can be OR-ed.
    enable : Out(lanes)
        Lanes that this side drives, whether or not a pulse is there.
    clash : Out(1)
        Two drivers on this side drive the same lane; valid from the cycle after the enables changed.

    Source
    ------
    Pairs of data and enable instead of tri-states: our assumption.
    """

    PARAMETERS = ("lanes",)

    def __init__(self, lanes: int) -> None:
        self._lanes = whole("lanes", lanes, 1)
        super().__init__({"data": Out(lanes), "enable": Out(lanes), "clash": Out(1)})

    @property
    def lanes(self) -> int:
        return self._lanes


class EdgePort(ParametricSignature):
    """One edge of a tile: what the tile drives there (`ours`) and what the neighbour or landing pad does (`theirs`)."""

    PARAMETERS = ("lanes",)

    def __init__(self, lanes: int) -> None:
        self._lanes = whole("lanes", lanes, 1)
        super().__init__({"ours": Out(Wires(lanes)), "theirs": In(Wires(lanes))})

    @property
    def lanes(self) -> int:
        return self._lanes


class MaskRegisters(wiring.Component):
    """The four custom masks, as the bus target of the region MASKS.

    Parameters
    ----------
    lanes : int
        Bits of a mask. A mask takes ``ceil(lanes / 64)`` beats, lane 0 in bit 0 of the first; the order is north, east,
        south, west.

    Members
    -------
    bus : In(UnitBus())
        Writes only; reads give 0.
    north, east, south, west : Out(lanes)
    written : Out(1)
        A mask was written in the cycle before.

    Source
    ------
    Masks of 512 bits in the borderguards: Nature 620, 768 (2023), Methods. Reset to 0: our assumption.
    """

    def __init__(self, lanes: int) -> None:
        self._lanes = whole("lanes", lanes, 1)
        super().__init__(
            {"bus": In(UnitBus()), "written": Out(1)} | {edge.value: Out(lanes) for edge in Edge},
        )

    @property
    def lanes(self) -> int:
        return self._lanes

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.written.eq(0)
        with m.If(self.bus.write & (self.bus.region == Region.MASKS)):
            m.d.sync += self.written.eq(1)
            beats = (getattr(self, edge)[low : low + 64] for edge in Edge for low in range(0, self._lanes, 64))
            with m.Switch(self.bus.offset):
                for offset, beat in enumerate(beats):
                    with m.Case(offset):
                        m.d.sync += beat.eq(self.bus.write_data)
        return m


class Mesh(wiring.Component):
    """Every switch of one tile, and the check that no two of them drive one wire.

    Parameters
    ----------
    lanes : int

    Members
    -------
    bank : In(MeshBank)
        Pattern of each switch; read with `write`.
    north_mask, east_mask, south_mask, west_mask : In(lanes)
        What CUSTOM stands for.
    write : In(1)
        `bank` is written in this cycle.
    masks_written : In(1)
        The masks were written in the cycle before.
    north, east, south, west : Out(EdgePort(lanes))
    columns : In(lanes)
        OUT-from-col: pulses of the tile's comparators.
    rows, columns_in : Out(lanes)
        IN-to-row and IN-to-col.
    changed : Out(1)
        Enables are new in this cycle.
    check : In(1)
        Some tile or landing pad changed its enables in the cycle before: look for contention now.
    clear : In(1)
        Clear `contention`.
    contention : Out(7)
        Sticky, one bit for each of `PLACES`.

    Timing
    ------
    Pulses pass combinationally. Enables and `changed` follow `write` by `CONTROL_LATENCY` (2) cycles, `masks_written`
    by one; `contention` follows `check` by one.

    Source
    ------
    Borderguards, row and column blocks, diagonal vias, patterns: Nature 620, 768 (2023), Methods, "2D mesh". Resolution
    without tri-states and the contention check are our assumption.
    """

    def __init__(self, lanes: int) -> None:
        self._lanes = whole("lanes", lanes, 1)
        super().__init__(
            {
                "bank": In(MeshBank),
                "write": In(1),
                "masks_written": In(1),
                "columns": In(lanes),
                "rows": Out(lanes),
                "columns_in": Out(lanes),
                "changed": Out(1),
                "check": In(1),
                "clear": In(1),
                "contention": Out(len(PLACES)),
            }
            | {edge.value: Out(EdgePort(lanes)) for edge in Edge}
            | {f"{edge}_mask": In(lanes) for edge in Edge}
        )

    @property
    def lanes(self) -> int:
        return self._lanes

    def elaborate(self, platform: object) -> Module:
        m = Module()
        enables = {switch: Signal(self._lanes, name=switch) for switch in _SWITCHES}
        self._load(m, enables)
        self._drive(m, enables)
        self._check(m, enables)
        return m

    def _load(self, m: Module, enables: dict[str, Signal]) -> None:
        """Bank to lane groups in one cycle, groups and masks to enables in the next; between changes nothing moves.

        Every fixed pattern is a union of four groups of lanes: even or odd, in the low or the high half.
        """
        load = Signal()
        m.d.sync += [load.eq(self.write), self.changed.eq(load | self.masks_written)]
        fixed = {p: lanes_of(p, self._lanes) for p in Pattern if p is not Pattern.CUSTOM}
        groups = [fixed[p] & fixed[half] for p in (Pattern.EVEN, Pattern.ODD) for half in (Pattern.LOW, Pattern.HIGH)]
        for switch, enable in enables.items():
            pattern = Value.cast(self.bank[switch])
            custom = Signal(name=f"{switch}_custom")
            picks = Signal(len(groups), name=f"{switch}_groups")
            with m.If(self.write):
                m.d.sync += custom.eq(pattern == Pattern.CUSTOM)
                for pick, group in zip(picks, groups, strict=True):
                    # A look into a table: decoders with terms in common would be evaluated in every cycle.
                    having = Const(sum(1 << p.value for p in fixed if fixed[p] & group), 1 << len(pattern))
                    m.d.sync += pick.eq(having.bit_select(pattern, 1))
            with m.If(load | self.masks_written):
                mask = getattr(self, f"{MASK_EDGE[switch]}_mask")
                lanes = reduce(or_, (Mux(pick, group, 0) for pick, group in zip(picks, groups, strict=True)))
                m.d.sync += enable.eq(Mux(custom, mask, lanes))

    def _drive(self, m: Module, enables: dict[str, Signal]) -> None:
        """The data path: for every place, the OR of what its enabled switches bring. Evaluated at every pulse edge."""
        net = Signal(self._lanes)
        sources = {"net": net, "columns": self.columns} | {edge.value: getattr(self, edge).theirs.data for edge in Edge}
        targets = {"net": net, "rows": self.rows, "columns": self.columns_in} | {
            edge.value: getattr(self, edge).ours.data for edge in Edge
        }
        for place, target in targets.items():
            m.d.comb += target.eq(reduce(or_, (sources[s.split("_to_")[0]] & enables[s] for s in DRIVERS[place])))
        for edge in Edge:
            m.d.comb += getattr(self, edge).ours.enable.eq(reduce(or_, (enables[s] for s in DRIVERS[edge])))

    def _check(self, m: Module, enables: dict[str, Signal]) -> None:
        """Contention. What the tile can see alone is judged when its own enables change, the edges at every `check`."""
        clash = {place: Signal(name=f"{place}_clash") for place in PLACES if len(DRIVERS[place]) > 1}
        with m.If(self.changed):
            for place, met in clash.items():
                m.d.sync += met.eq(_meet([enables[switch] for switch in DRIVERS[place]]))
        for edge in Edge:
            m.d.comb += getattr(self, edge).ours.clash.eq(clash.get(edge, 0))

        with m.If(self.clear):
            m.d.sync += self.contention.eq(0)
        with m.If(self.check):
            for bit, place in zip(self.contention, PLACES, strict=True):
                found = clash.get(place, Const(0))
                if place in tuple(Edge):
                    ours, theirs = getattr(self, place).ours, getattr(self, place).theirs
                    found = found | theirs.clash | (ours.enable & theirs.enable).any()
                with m.If(found):
                    m.d.sync += bit.eq(1)


def _meet(drivers: Sequence[Value]) -> Value:
    """Whether some lane is set in more than one of the vectors `drivers`. Pair by pair, so that nothing wide is shared
    with (and a simulator evaluates nothing of it outside) the cycle in which the answer is taken."""
    return reduce(or_, (a & b for a, b in combinations(drivers, 2))).any()
