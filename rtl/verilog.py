"""Writes the chip as Verilog, with what other tools need beside it.

| file | content |
| --- | --- |
| tile.v, ilp.v, olp.v | one module of each kind of unit, with its submodules |
| chip.v | the top: instances of these, and the host port |
| analog_tile_stub.sv | ports of the analog macro, a black box; for lint and synthesis, not for simulation |
| wire_receiver.sv | what stands before a landing pad's counters: wires; a simulation may bring a shell of that name |
| chip.vlt | Verilator control file: one C++ class for each kind of unit, and every lint waiver with its reason |
| ports.json | ports, units, addresses, sizes and latencies |
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from amaranth.hdl import Fragment, Instance, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from rtl.analog_tile import AnalogEvent, AnalogMacro
from rtl.bus import BUS_READ_LATENCY
from rtl.chip import MODULES, PORT_MEANINGS, Chip, ChipPorts, unit_name, units_of
from rtl.config import PRESETS, ChipConfig, preset
from rtl.emit import to_verilog
from rtl.host_port import HOST_READ_LATENCY
from rtl.isa import CONTROL_LATENCY, RAMP_LATENCY, UnitKind
from rtl.memory_map import BEAT_BITS, MemoryMap, address
from rtl.wire_receiver import WireReceiver

__all__ = ["ANALOG_STUB", "RECEIVER", "SOURCES", "analog_stub", "control_file", "describe", "receiver", "write_verilog"]

#: Synthesizable files, top last.
SOURCES = (*(f"{module}.v" for module in MODULES.values()), "chip.v")
#: Not `.v`: a simulation that takes all of the folder's Verilog brings an `analog_tile` of its own.
ANALOG_STUB = "analog_tile_stub.sv"
#: Not `.v` for the same reason.
RECEIVER = "wire_receiver.sv"

#: Rule -> (files, why it is waived).
_WAIVERS = {
    "UNOPTFLAT": (
        ("chip.v", "tile.v"),
        "The mesh: every tile can be crossed in every direction, so the grid has structural loops. A legal program "
        "never closes one, and reset opens every switch.",
    ),
    "UNUSEDSIGNAL": (
        (*SOURCES, ANALOG_STUB, RECEIVER),
        "Amaranth writes a wire for every field of a struct, every port of an instance and every intermediate value, "
        "and reads only one of several names for the same net.",
    ),
    "PROCASSINIT": (SOURCES, "Registers are declared with their reset value, for simulation and FPGAs."),
    "CASEOVERLAP": (SOURCES, "Yosys writes a choice between exclusive conditions as `casez`, first match first."),
    "WIDTHEXPAND": (
        SOURCES,
        "Yosys writes constants without leading zeros; Amaranth has extended the operands.",
    ),
    "WIDTHTRUNC": (SOURCES, "Yosys leaves truncation to the assignment; Amaranth has sized the target."),
    "DECLFILENAME": ((*SOURCES, ANALOG_STUB), "A unit and its submodules share a file."),
    "UNDRIVEN": ((ANALOG_STUB,), "A black box drives nothing."),
    "UNUSEDPARAM": ((ANALOG_STUB, RECEIVER), "Their ports have the widths of this chip, as numbers."),
}


def write_verilog(config: ChipConfig, out_dir: Path) -> dict[str, Any]:
    """Write all files for `config` to `out_dir`, which is made if it is not there.

    The same configuration and tool versions give the same bytes, on any machine and in any folder.

    Returns
    -------
    dict
        The content of ports.json.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    units = units_of(config)
    chip = Chip(config, {kind: unit.signature for kind, unit in units.items()})
    files = {f"{MODULES[kind]}.v": to_verilog(unit, MODULES[kind]) for kind, unit in units.items()}
    description = describe(config)
    files |= {
        "chip.v": to_verilog(chip, "chip"),
        ANALOG_STUB: analog_stub(config),
        RECEIVER: receiver(config),
        "chip.vlt": control_file(),
        "ports.json": json.dumps(description, indent=2) + "\n",
    }
    for name, text in files.items():
        (out_dir / name).write_text(text, encoding="utf-8")
    return description


def analog_stub(config: ChipConfig) -> str:
    """Declaration of the macro `analog_tile`, as the tiles instance it."""
    return (
        "// Ports of the analog macro of a tile, with nothing inside: for lint and synthesis.\n"
        f"(* blackbox *)\n{_declared(AnalogMacro(config.lanes, config.bias_rows))}endmodule\n"
    )


def receiver(config: ChipConfig) -> str:
    """The module `wire_receiver`, as the chip instances it."""
    return (
        "// Before a landing pad's counters: wires. A shell of the same name adds transport errors in simulation.\n"
        f"{_declared(WireReceiver(config.lanes))}  assign data = wires;\nendmodule\n"
    )


def _declared(component: wiring.Component) -> str:
    """Parameters and ports of the instance that `component` is."""
    instance = Fragment.get(component, None)
    assert isinstance(instance, Instance)
    parameters = ", ".join(f"parameter {name} = {value}" for name, value in instance.parameters.items())
    ports = ",\n".join(
        f"    {'input' if direction == 'i' else 'output'} wire [{len(value) - 1}:0] {name}"
        for name, (value, direction) in instance.ports.items()
    ).replace("[0:0] ", "")
    return f"module {instance.type} #({parameters}) (\n{ports}\n);\n"


def control_file() -> str:
    """The Verilator control file."""
    lines = ["`verilator_config", "// Without this, Verilator would compile every instance of a unit in line."]
    lines += [f'no_inline -module "{module}"' for module in MODULES.values()]
    for rule, (files, reason) in _WAIVERS.items():
        lines += ["", f"// {reason}"]
        lines += [f'lint_off -rule {rule} -file "*{file}"' for file in files]
    return "\n".join(lines) + "\n"


def describe(config: ChipConfig) -> dict[str, Any]:
    """Everything that another tool needs to drive the chip, in plain types.

    Keys
    ----
    preset : str or None
        Name of the configuration, if it has one.
    config : dict
        Fields of `ChipConfig`.
    top, sources : str, list of str
    ports : list of dict
        name, direction, width, meaning of every port of the top.
    latencies : dict
        In cycles.
    analog_event_bits : list of str
        What each of a tile's bits in `analog_event` stands for, lowest first.
    beat_bits : int
        Bits that one host address covers.
    units : list of dict
        kind, index, name, path (hierarchy, from the top), site (square of a tile; square, edge and domain of a pad) and
        regions: name, access, address of beat 0, beats.
    """
    memory_map, plan = MemoryMap(config), config.floorplan
    ports: list[dict[str, Any]] = [
        {"name": name, "direction": "input", "width": 1, "meaning": PORT_MEANINGS[name]} for name in ("clk", "rst")
    ]
    for name, member in ChipPorts(config).members.items():
        direction = "input" if member.flow is In else "output"
        width = Shape.cast(member.shape).width
        ports.append({"name": name, "direction": direction, "width": width, "meaning": PORT_MEANINGS[name]})

    def site(kind: UnitKind, index: int) -> dict[str, Any]:
        if kind is UnitKind.TILE:
            return {"square": plan.tiles[index]}
        pad = (plan.ilp_sites if kind is UnitKind.ILP else plan.olp_sites)[index]
        return {"square": pad.square, "edge": pad.edge.value, "domain": plan.domains[index]}

    units = [{"kind": UnitKind.CHIP.name, "index": 0, "name": "host_port", "path": "chip.host_port", "site": {}}]
    for kind, index in memory_map.units:
        unit = {"kind": kind.name, "index": index, "name": unit_name(config, kind, index)}
        units.append(unit | {"path": f"chip.{unit['name']}", "site": site(kind, index)})
    for unit in units:
        unit["regions"] = [
            {
                "name": entry.name,
                "access": entry.access,
                "address": address(entry.kind, unit["index"], entry.region),
                "beats": entry.beats,
            }
            for entry in memory_map.entries
            if entry.kind.name == unit["kind"]
        ]
    named = next((name for name in PRESETS if preset(name) == config), None)
    return {
        "preset": named,
        "config": _plain(asdict(config)),
        "top": "chip",
        "sources": list(SOURCES),
        "ports": ports,
        "latencies": {
            "control": CONTROL_LATENCY,
            "ramp": RAMP_LATENCY,
            "bus_read": BUS_READ_LATENCY,
            "host_read": HOST_READ_LATENCY,
        },
        "beat_bits": BEAT_BITS,
        "analog_event_bits": list(AnalogEvent.as_shape().members),
        "units": units,
    }


def _plain(value: Any) -> Any:
    """`value` in the types of JSON; sets sorted, so that the file is the same every time."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


@click.command()
@click.option("--preset", "name", type=click.Choice(list(PRESETS)), default="chip", show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="build/verilog", show_default=True)
def main(name: str, out: Path) -> None:
    """Write the chip's Verilog, its port description and the Verilator control file."""
    write_verilog(preset(name), out)
    for file in sorted(out.iterdir()):
        click.echo(f"{file}  {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
