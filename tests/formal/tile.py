"""A whole tile: from the words of its program to its wires, and to the flags that the host reads."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring

from rtl.analog_tile import AnalogPort
from rtl.bus import Region
from rtl.isa import ArrayBank, MeshBank, Mode, ReadoutBank, WriteBank
from rtl.sequencer import view_as
from rtl.tile import Tile
from tests.formal.harness import Bench, proof
from tests.formal.mesh import DRIVERS, EDGES, driven, switches_in_force
from tests.formal.tiny import TINY

NAMES = {Mode.BANK1: "array", Mode.BANK2: "readout", Mode.BANK4: "write"}


class FreeMacro(wiring.Component):
    """An analog macro that does what the bench says."""

    def __init__(self, bench: Bench, lanes: int, bias_rows: int) -> None:
        super().__init__(AnalogPort(lanes, bias_rows))
        self.pulses, self.failing = bench.free(lanes, "pulses"), bench.free(1, "failing")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [self.columns_out.eq(self.pulses), self.fault.eq(self.failing)]
        return m


@proof(prove=2, cover=10)
def whole(bench: Bench) -> None:
    """Sequencer, banks, masks, mesh, gate and status together, under any program."""
    analog = FreeMacro(bench, TINY.lanes, TINY.bias_rows)
    dut = Tile(TINY, analog=lambda lanes, bias_rows: analog)
    inside = bench.put(dut)
    issue, bank, payload = (inside.signal(f"controller.sequencer.{name}") for name in ("issue", "bank", "payload"))

    def latest(mode: Mode, layout: type[data.Struct]) -> data.View:
        """The bank in force: the last that was issued two cycles ago or before."""
        book = Signal(layout, name=f"book_{mode.name}")
        with bench.m.If(issue & (bank == mode.value)):
            bench.m.d.sync += book.eq(view_as(layout, payload))
        bench.invariant(f"{mode.name}_issued", inside.signal(f"controller.{NAMES[mode]}_issued") == book.as_value())
        return data.View(layout, bench.past(book.as_value()))

    # What leaves the tile, by the words that it issued.
    masks = {edge: inside.signal(f"masks.{edge}") for edge in EDGES}
    enables = switches_in_force(
        bench,
        issue & (bank == Mode.BANK0.value),
        view_as(MeshBank, payload),
        lambda name: inside.signal(f"mesh.{name}"),
        masks,
    )
    readout = latest(Mode.BANK2, ReadoutBank)
    gated = Mux(readout.output_enable, analog.pulses, 0)
    heard = {edge: getattr(dut, edge).theirs.data for edge in EDGES} | {"columns": gated}
    net = reduce(or_, (heard[s.split("_to_")[0]] & enables[s] for s in DRIVERS["net"]))
    heard["net"] = net
    for edge in EDGES:
        wires = getattr(dut, edge).ours
        brought = reduce(or_, (heard[s.split("_to_")[0]] & enables[s] for s in DRIVERS[edge]))
        bench.claim(f"{edge}_data", "a route stays, a level stays", wires.data == brought)
        bench.claim(f"{edge}_silent", "drivers are OR-ed.", ~(wires.data & ~wires.enable).any())
        bench.claim(f"{edge}_enable", "drivers are OR-ed.", wires.enable == driven(enables, edge))
    rows = reduce(or_, (heard[s.split("_to_")[0]] & enables[s] for s in DRIVERS["rows"]))
    columns = reduce(or_, (heard[s.split("_to_")[0]] & enables[s] for s in DRIVERS["columns"]))
    bench.claim("rows", "`rows` (512 mesh rows, then 8 bias rows)", analog.rows[: TINY.lanes] == rows)
    bench.claim("columns", "`columns_in` (512)", analog.columns_in == columns)
    bench.claim(
        "gate",
        "The AND gate with `output_enable` sits behind `columns_out`, in the tile.",
        dut.south.ours.data == ((gated & enables["columns_to_south"]) | (net & enables["net_to_south"])),
    )
    for mode, layout, shown in (
        (Mode.BANK1, ArrayBank, analog.array),
        (Mode.BANK4, WriteBank, analog.write),
    ):
        in_force = latest(mode, layout)
        sentence = "(`CONTROL_LATENCY`) and leaves other banks unchanged."
        bench.claim(f"{mode.name}_in_force", sentence, shown.as_value() == in_force.as_value())
    bench.claim("BANK2_in_force", "in force from cycle t + 2", analog.readout.as_value() == readout.as_value())

    # What the host reads.
    bus = dut.bus
    status = Cat(dut.running, dut.illegal, dut.fault, Const(0, 5), inside.signal("mesh.contention"))
    asked = bench.past(bus.read & (bus.region == Region.STATUS))
    bench.claim(
        "status",
        "bit 0 running, bit 1 illegal, bit 2 fault (tile), [14:8] contention places (tile), [31:16] pointer (pads)",
        ~bench.past(asked) | (bus.read_data == bench.past(status, 2)),
    )
    bench.claim("fault", "sets the sticky `fault` flag of the tile.", dut.fault == analog.failing)
    bench.claim(
        "contention", "it sets the sticky flag of the tile", dut.contention == inside.signal("mesh.contention").any()
    )
    bench.claim(
        "silent",
        "Reads and writes are in order",
        bench.past(bus.read, 2) | (bus.read_data == 0),
    )
    answering = inside.signal("controller.sequencer.answering")
    bench.invariant("not_answering", bench.past(bus.read & (bus.region == Region.PROGRAM)) | (answering == 0))
    sample = inside.signal("status_register.sample")
    bench.invariant("sample", Value.cast(sample) == Mux(asked, bench.past(status), 0))

    bench.cover("route_outlives_the_program", ~dut.running & dut.north.ours.data.any() & net.any())
    bench.cover("gate_opens", readout.output_enable & (dut.south.ours.data == 0x5A) & ~net.any())
    bench.cover("status_of_a_clash", bench.past(asked) & (bus.read_data[8:15] == 0b11) & ~bus.read_data[1])
