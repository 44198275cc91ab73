"""The chip: tiles and landing pads at their sites, joined by the mesh, behind one host port."""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Elaboratable, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.analog_tile import AnalogEvent
from rtl.config import ChipConfig, Edge
from rtl.host_port import HostPort
from rtl.input_landing_pad import InputLandingPad
from rtl.isa import UnitKind
from rtl.memory_map import BEAT_BITS, MemoryMap
from rtl.output_landing_pad import OutputLandingPad
from rtl.parameters import ParametricSignature, chip_config
from rtl.tile import Tile
from rtl.wire_receiver import WireReceiver

__all__ = ["EVENT_BITS", "MODULES", "PORT_MEANINGS", "Chip", "ChipPorts", "HardMacro", "unit_name", "units_of"]

#: Kinds of analog events, one bit each for every tile.
EVENT_BITS = AnalogEvent.as_shape().size
#: Kind of unit -> name of its Verilog module.
MODULES = {UnitKind.TILE: "tile", UnitKind.ILP: "ilp", UnitKind.OLP: "olp"}

#: Port of the chip -> what it is.
PORT_MEANINGS = {
    "clk": "clock, 1 GHz: a cycle is 1 ns",
    "rst": "synchronous reset, active high",
    "host_rx_tdata": "requests, AXI4-Stream",
    "host_rx_tvalid": "a beat of a request is there",
    "host_rx_tready": "the chip takes it; 0 in a reset",
    "host_rx_tlast": "closes a request packet",
    "host_tx_tdata": "answers, AXI4-Stream",
    "host_tx_tvalid": "a beat of an answer is there; 0 in a reset",
    "host_tx_tready": "the host takes it",
    "host_tx_tlast": "closes an answer packet",
    "busy": "some unit runs its program",
    "error": "some sticky flag is set: contention, illegal, fault or host_error",
    "service": "simulation only: OR of analog_event",
    "analog_event": "simulation only: precharge, integrate, ramp, write of tile 0, then of tile 1, ...",
}


def unit_name(config: ChipConfig, kind: UnitKind, index: int) -> str:
    """Instance name of a unit: tiles by square, landing pads by domain.

    >>> from rtl.config import preset
    >>> unit_name(preset(), UnitKind.TILE, 0), unit_name(preset(), UnitKind.OLP, 5)
    ('tile_0_0', 'olp_SE')
    """
    if kind is UnitKind.TILE:
        row, column = config.floorplan.tiles[index]
        return f"tile_{row}_{column}"
    return f"{MODULES[kind]}_{config.floorplan.domains[index]}"


def units_of(config: ChipConfig) -> dict[UnitKind, wiring.Component]:
    """One unit of each kind, to be emitted as the module of that kind (`MODULES`)."""
    return {
        UnitKind.TILE: Tile(config),
        UnitKind.ILP: InputLandingPad(config),
        UnitKind.OLP: OutputLandingPad(config),
    }


class HardMacro(Elaboratable):
    """An instance of a module that is emitted elsewhere, once for all its instances.

    Parameters
    ----------
    name : str
        Of the instance; its wires are named after it.
    module : str
        Name of the Verilog module.
    signature : wiring.Signature
        Its ports beside clk and rst, in attributes of the same names.

    Members
    -------
    rst : In(1)
        Reset of the module, beside the ports of `signature`.
    """

    def __init__(self, name: str, module: str, signature: wiring.Signature) -> None:
        self._module = module
        self.signature = signature
        self.__dict__ |= signature.members.create(path=(name,))
        self.rst = Signal(name=f"{name}__rst")

    def elaborate(self, platform: object) -> Instance:
        ports = {"i_clk": ClockSignal(), "i_rst": self.rst}
        for path, member, value in self.signature.flatten(self):
            direction = "i" if member.flow is In else "o"
            ports[f"{direction}_{'__'.join(map(str, path))}"] = Value.cast(value)  # as Amaranth's back end names ports
        return Instance(self._module, **ports)


class ChipPorts(ParametricSignature):
    """Ports of the chip beside clk and rst; `PORT_MEANINGS` says what they are."""

    PARAMETERS = ("config",)

    def __init__(self, config: ChipConfig) -> None:
        self._config = chip_config(config)
        super().__init__(
            {
                "host_rx_tdata": In(BEAT_BITS),
                "host_rx_tvalid": In(1),
                "host_rx_tready": Out(1),
                "host_rx_tlast": In(1),
                "host_tx_tdata": Out(BEAT_BITS),
                "host_tx_tvalid": Out(1),
                "host_tx_tready": In(1),
                "host_tx_tlast": Out(1),
                "busy": Out(1),
                "error": Out(1),
                "service": Out(1),
                "analog_event": Out(EVENT_BITS * config.tile_count),
            }
        )

    @property
    def config(self) -> ChipConfig:
        return self._config


class Chip(wiring.Component):
    """Wiring between the units; all behaviour is theirs.

    Parameters
    ----------
    config : ChipConfig
    signatures : mapping UnitKind -> wiring.Signature
        Ports of one unit of each kind, as `units_of` makes them.
    place : callable (name, module, signature) -> object with the ports of `signature`
        What stands in a unit's place. By default an instance of its module, so that a tile is emitted once and the ring
        of combinational paths over neighbours stays between modules; Amaranth's own simulator needs the unit itself.
    receiver : callable (lanes) -> component with the ports of `ReceiverPort`
        What stands between the mesh's edge and a landing pad's counters.

    Members
    -------
    Those of `PORT_MEANINGS`; clk and rst are the clock domain's. `analog_event` has four bits for each tile, in the
    order of the tiles' indices, and tells an analog model in which cycle which tile needs it (`AnalogEvent`).

    Timing
    ------
    The units come out of reset one cycle after the host port, which is before the first beat can reach them.
    `start`, `stop` and `clear` come from one register each and reach every unit in the same cycle. Switches that change
    in cycle c are checked for contention in c + 1, on the whole chip.

    Source
    ------
    Tiles, pads and domains: Nature 620, 768 (2023), Fig. 1. Wiring of the controls: our assumption.
    """

    def __init__(
        self,
        config: ChipConfig,
        signatures: Mapping[UnitKind, wiring.Signature],
        place: Callable[[str, str, wiring.Signature], Any] = HardMacro,
        receiver: Callable[[int], wiring.Component] = WireReceiver,
    ) -> None:
        self._config = chip_config(config)
        self._signatures, self._place, self._receiver = MappingProxyType(dict(signatures)), place, receiver
        self._receivers = [receiver(config.lanes) for _ in config.floorplan.olp_sites]
        self._units = {
            kind: [
                place(unit_name(config, kind, index), module, signatures[kind])
                for index in range(MemoryMap(config).unit_count(kind))
            ]
            for kind, module in MODULES.items()
        }
        super().__init__(ChipPorts(config))

    @property
    def config(self) -> ChipConfig:
        return self._config

    @property
    def signatures(self) -> Mapping[UnitKind, wiring.Signature]:
        return self._signatures

    @property
    def place(self) -> Callable[[str, str, wiring.Signature], Any]:
        return self._place

    @property
    def receiver(self) -> Callable[[int], wiring.Component]:
        return self._receiver

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.host_port = host = HostPort(self._config)
        for kind, units in self._units.items():
            for index, unit in enumerate(units):
                m.submodules[unit_name(self._config, kind, index)] = unit
        self._connect_reset(m)
        self._connect_host(m, host)
        self._connect_mesh(m)
        self._connect_flags(m, host)
        return m

    def _connect_reset(self, m: Module) -> None:
        """One register between the pin and the units, so that nothing wide hangs on an input of the chip.

        On silicon it cuts the long way over the chip. In simulation it saves a third of the time: Verilator evaluates
        what combinationally depends on a top-level input anew at every call.
        """
        reset = Signal(init=1)
        m.d.sync += reset.eq(0)
        for units in self._units.values():
            m.d.comb += [unit.rst.eq(reset) for unit in units if isinstance(unit, HardMacro)]

    def _connect_host(self, m: Module, host: HostPort) -> None:
        m.d.comb += [
            host.rx.payload.data.eq(self.host_rx_tdata),
            host.rx.payload.last.eq(self.host_rx_tlast),
            host.rx.valid.eq(self.host_rx_tvalid),
            self.host_rx_tready.eq(host.rx.ready),
            self.host_tx_tdata.eq(host.tx.payload.data),
            self.host_tx_tlast.eq(host.tx.payload.last),
            self.host_tx_tvalid.eq(host.tx.valid),
            host.tx.ready.eq(self.host_tx_tready),
        ]
        units = [self._units[kind][index] for kind, index in MemoryMap(self._config).units]
        for unit, write, read in zip(units, host.write, host.read, strict=True):
            for name in ("region", "offset", "write_data"):
                m.d.comb += getattr(unit.bus, name).eq(getattr(host, name))
            m.d.comb += [unit.bus.write.eq(write), unit.bus.read.eq(read)]
            m.d.comb += [getattr(unit, name).eq(getattr(host, name)) for name in ("start", "stop", "clear")]
        m.d.comb += host.read_data.eq(reduce(or_, (unit.bus.read_data for unit in units)))

    def _connect_mesh(self, m: Module) -> None:
        """Edges to edges, pads to their sites. Free edges stay at 0, as inputs that nobody drives do."""
        plan, tiles = self._config.floorplan, self._units[UnitKind.TILE]
        for square, index in plan.tile_index.items():
            for edge in Edge:
                beyond = plan.neighbour(square, edge)
                if beyond is not None:
                    here = getattr(tiles[index], edge).theirs
                    there = getattr(tiles[plan.tile_index[beyond]], edge.opposite).ours
                    m.d.comb += [getattr(here, name).eq(getattr(there, name)) for name in here.signature.members]
        for site, pad in zip(plan.ilp_sites, self._units[UnitKind.ILP], strict=True):
            wires = getattr(tiles[plan.tile_index[site.square]], site.edge).theirs
            m.d.comb += [wires.data.eq(pad.data), wires.enable.eq(pad.enable.replicate(self._config.lanes))]
        pads = zip(plan.domains, plan.olp_sites, self._units[UnitKind.OLP], self._receivers, strict=True)
        for domain, site, pad, receiver in pads:
            m.submodules[f"receiver_{domain}"] = receiver
            m.d.comb += [
                receiver.wires.eq(getattr(tiles[plan.tile_index[site.square]], site.edge).ours.data),
                receiver.opens.eq(pad.opens),
                pad.data.eq(receiver.data),
            ]
        for north, south in plan.capacitor_pairs():
            m.d.comb += [
                tiles[south].neighbour_north_shares.eq(tiles[north].share_south),
                tiles[north].neighbour_south_shares.eq(tiles[south].share_north),
            ]

    def _connect_flags(self, m: Module, host: HostPort) -> None:
        tiles, ilps = self._units[UnitKind.TILE], self._units[UnitKind.ILP]
        units = [unit for same_kind in self._units.values() for unit in same_kind]
        changed = Cat(unit.mesh_changed for unit in (*tiles, *ilps)).any()
        check = Signal()
        m.d.sync += check.eq(changed)
        m.d.comb += [tile.mesh_check.eq(check) for tile in tiles]
        m.d.comb += [
            host.busy.eq(Cat(unit.running for unit in units).any()),
            host.illegal.eq(Cat(unit.illegal for unit in units).any()),
            host.contention.eq(Cat(tile.contention for tile in tiles).any()),
            host.fault.eq(Cat(tile.fault for tile in tiles).any()),
            self.busy.eq(host.busy),
            self.error.eq(host.illegal | host.contention | host.fault | host.host_error),
            self.analog_event.eq(Cat(Value.cast(tile.event) for tile in tiles)),
            self.service.eq(self.analog_event.any()),
        ]
