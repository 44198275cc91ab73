"""One tile: local controller, mesh and the analog macro under them."""

from collections.abc import Callable

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.analog_tile import AnalogEvent, AnalogMacro
from rtl.bus import StatusRegister, UnitBus, fan_out
from rtl.config import ChipConfig, Edge
from rtl.local_controller import LocalController
from rtl.mesh import EdgePort, MaskRegisters, Mesh
from rtl.parameters import chip_config

__all__ = ["Tile"]


class Tile(wiring.Component):
    """A square of the chip's grid.

    Parameters
    ----------
    config : ChipConfig
    analog : callable (lanes, bias_rows) -> Component with the members of `AnalogPort`
        What stands for the analog part; the hard macro `analog_tile` unless a test bench has a model of its own.

    Members
    -------
    start, stop, clear : In(1)
        From the chip, to every unit in the same cycle. `clear` clears all sticky flags.
    bus : In(UnitBus())
        Regions PROGRAM, STATUS and MASKS.
    north, east, south, west : Out(EdgePort(lanes))
        The wires behind the edges; 0 where there is neither neighbour nor landing pad.
    share_north, share_south : Out(1)
        In force here, for the neighbours.
    neighbour_north_shares, neighbour_south_shares : In(1)
        The northern tile's `share_south`, the southern tile's `share_north`; 0 where there is no such neighbour.
    mesh_changed : Out(1)
        Switches changed: in this cycle the new enables are in force for the first time.
    mesh_check : In(1)
        The OR of `mesh_changed` over the chip, landing pads included, one cycle later.
    event : Out(AnalogEvent)
    running, contention, illegal, fault : Out(1)
        `running` as in `Sequencer`; the others are sticky, and STATUS says which contention.

    Timing
    ------
    The mesh is combinational from every edge to every other edge: a ring of tiles is a loop, which the program must not
    close. `columns_out` passes the output gate combinationally.

    Source
    ------
    Nature 620, 768 (2023), Fig. 1 and Methods.
    """

    def __init__(self, config: ChipConfig, analog: Callable[[int, int], wiring.Component] = AnalogMacro) -> None:
        self._config = chip_config(config)
        self._analog = analog
        super().__init__(
            {
                "start": In(1),
                "stop": In(1),
                "clear": In(1),
                "bus": In(UnitBus()),
                "share_north": Out(1),
                "share_south": Out(1),
                "neighbour_north_shares": In(1),
                "neighbour_south_shares": In(1),
                "mesh_changed": Out(1),
                "mesh_check": In(1),
                "event": Out(AnalogEvent),
                "running": Out(1),
                "contention": Out(1),
                "illegal": Out(1),
                "fault": Out(1),
            }
            | {edge.value: Out(EdgePort(config.lanes)) for edge in Edge}
        )

    @property
    def config(self) -> ChipConfig:
        return self._config

    @property
    def analog(self) -> Callable[[int, int], wiring.Component]:
        return self._analog

    def elaborate(self, platform: object) -> Module:
        config = self._config
        m = Module()
        m.submodules.controller = controller = LocalController(
            config.program_depth, config.loop_levels, config.bias_rows
        )
        m.submodules.masks = masks = MaskRegisters(config.lanes)
        m.submodules.status_register = status = StatusRegister()
        m.submodules.mesh = mesh = Mesh(config.lanes)
        m.submodules.crossbar = analog = self._analog(config.lanes, config.bias_rows)

        fan_out(m, self.bus, controller.bus, masks.bus, status.bus)
        m.d.comb += [
            controller.start.eq(self.start),
            controller.stop.eq(self.stop),
            *(unit.clear.eq(self.clear) for unit in (controller, mesh, analog)),
            self.running.eq(controller.running),
            self.illegal.eq(controller.illegal),
            self.contention.eq(mesh.contention.any()),
            self.fault.eq(analog.fault),
            status.status.running.eq(controller.running),
            status.status.illegal.eq(controller.illegal),
            status.status.fault.eq(analog.fault),
            status.status.contention.eq(mesh.contention),
        ]

        for edge in Edge:
            connect(m, getattr(mesh, edge), flipped(getattr(self, edge)))
            m.d.comb += getattr(mesh, f"{edge}_mask").eq(getattr(masks, edge))
        m.d.comb += [
            mesh.bank.eq(controller.switches),
            mesh.write.eq(controller.switches_write),
            mesh.masks_written.eq(masks.written),
            mesh.columns.eq(Mux(controller.readout.output_enable, analog.columns_out, 0)),
            mesh.check.eq(self.mesh_check),
            self.mesh_changed.eq(mesh.changed),
        ]

        m.d.comb += [
            analog.rows.eq(Cat(mesh.rows, controller.bias_rows)),
            analog.columns_in.eq(mesh.columns_in),
            analog.array.eq(controller.array),
            analog.readout.eq(controller.readout),
            analog.write.eq(controller.write),
            analog.neighbour_north_shares.eq(self.neighbour_north_shares),
            analog.neighbour_south_shares.eq(self.neighbour_south_shares),
            self.share_north.eq(controller.array.share_north),
            self.share_south.eq(controller.array.share_south),
            self.event.eq(analog.event),
        ]
        return m
