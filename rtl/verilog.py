"""Writes the chip as Verilog, with what other tools need beside it (docs/verilog.md).

Every module's name begins with a prefix, so that two presets, or the chip and a user's own `tile`, stand in one design.
"""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from amaranth.hdl import Fragment, Instance, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from rtl.analog_tile import AnalogEvent, AnalogMacro
from rtl.bus import BUS_READ_LATENCY
from rtl.chip import MODULES, PORT_MEANINGS, Chip, ChipPorts, unit_name, units_of
from rtl.config import PRESETS, ChipConfig, preset
from rtl.emit import PREFIX, TIMESCALE, to_verilog
from rtl.host_port import HOST_READ_LATENCY
from rtl.isa import CONTROL_LATENCY, RAMP_LATENCY, UnitKind
from rtl.memory_map import BEAT_BITS, MemoryMap, address
from rtl.sram import sram
from rtl.wire_receiver import WireReceiver

__all__ = [
    "ANALOG_STUB",
    "FILES",
    "RECEIVER",
    "SOURCES",
    "SRAM",
    "STANDIN",
    "analog_standin",
    "analog_stub",
    "constraints",
    "control_files",
    "describe",
    "receiver",
    "write_verilog",
]

#: Every SRAM is an instance of the module in it.
SRAM = "sram.v"
#: Synthesizable files, top last.
SOURCES = (SRAM, *(f"{module}.v" for module in MODULES.values()), "chip.v")
#: Not `.v`: a simulation that takes all of the folder's Verilog brings an `analog_tile` of its own.
ANALOG_STUB = "analog_tile_stub.sv"
#: Not `.v` for the same reason.
RECEIVER = "wire_receiver.sv"
STANDIN = "analog_tile_standin.sv"
#: Every file that is written, and what it is.
FILES = {
    SRAM: "every SRAM is an instance of this module; for silicon, swap it for macros",
    **{f"{module}.v": f"module {module}, with its submodules" for module in MODULES.values()},
    "chip.v": "the top: instances of these, and the host port",
    "chip.f": "compile order of these for other tools",
    ANALOG_STUB: "analog macro of a tile: a black box for lint and synthesis",
    STANDIN: "the same with registers inside, where a whole chip is synthesised",
    RECEIVER: "before a landing pad's counters: wires; a simulation may bring a shell",
    "chip.vlt": "Verilator control file: one C++ class for each kind of unit, lint waivers",
    "chip_recent.vlt": "waivers of rules that Verilator 5.006 does not know",
    "chip.sdc": "the clock, and where the mesh's structural loops are cut",
    "ports.json": "ports, units, addresses, sizes and latencies",
}
#: Modules that the units and the chip instance and do not hold.
_INSTANCED = (*MODULES.values(), "analog_tile", "sram", "wire_receiver")

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
    "WIDTH": (
        SOURCES,
        "Yosys writes constants without leading zeros and leaves truncation to the assignment; Amaranth has extended "
        "the operands and sized the target. Newer Verilators have WIDTHEXPAND and WIDTHTRUNC, and WIDTH for both.",
    ),
    "DECLFILENAME": (
        (*SOURCES, ANALOG_STUB, RECEIVER),
        "A unit and its submodules share a file; files are called after modules without their prefix.",
    ),
    "UNDRIVEN": ((ANALOG_STUB,), "A black box drives nothing."),
    "UNUSEDPARAM": ((ANALOG_STUB, RECEIVER), "Their ports have the widths of this chip, as numbers."),
}
#: Rules that Verilator 5.006 does not know.
_RECENT = ("PROCASSINIT",)
#: Modules that are the same in every unit, and of which Verilator calls one copy of the code: it stays in the cache.
_SHARED = ("tile_masks",)


def write_verilog(config: ChipConfig, out_dir: Path, prefix: str = PREFIX) -> dict[str, Any]:
    """Write all files for `config` to `out_dir`, which is made if it is not there.

    The same configuration and tool versions give the same bytes, on any machine and in any folder.

    Parameters
    ----------
    config : ChipConfig
    out_dir : Path
    prefix : str
        What the name of every module begins with; may be empty.

    Returns
    -------
    dict
        The content of ports.json.

    Raises
    ------
    ValueError
        If no Verilog name can begin with the prefix.
    """
    if prefix and not re.fullmatch(r"[A-Za-z_]\w*", prefix, re.ASCII):
        raise ValueError(
            f"no Verilog module can be called {prefix}chip: a prefix is letters, digits and _, and begins with no digit"
        )
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    units = units_of(config)
    chip = Chip(config, {kind: unit.signature for kind, unit in units.items()})
    emitted = {MODULES[kind]: component for kind, component in units.items()} | {"chip": chip}
    files = {
        f"{name}.v": to_verilog(component, name, prefix=prefix, modules=_INSTANCED)
        for name, component in emitted.items()
    }
    description = describe(config, prefix)
    files |= {
        ANALOG_STUB: analog_stub(config, prefix),
        STANDIN: analog_standin(config, prefix),
        RECEIVER: receiver(config, prefix),
        SRAM: TIMESCALE + sram(prefix),
        **control_files(prefix),
        "chip.f": "".join(f"{name}\n" for name in (RECEIVER, *SOURCES)),
        "chip.sdc": constraints(config),
        "ports.json": json.dumps(description, indent=2) + "\n",
    }
    for name, text in files.items():
        (out_dir / name).write_text(text, encoding="utf-8")
    return description


def analog_stub(config: ChipConfig, prefix: str = PREFIX) -> str:
    """Declaration of the macro `analog_tile`, as the tiles instance it."""
    return (
        f"{TIMESCALE}// Ports of the analog macro of a tile, with nothing inside: for lint and synthesis.\n"
        f"(* blackbox *)\n{_declared(_instance(AnalogMacro(config.lanes, config.bias_rows)), prefix)}endmodule\n"
    )


def analog_standin(config: ChipConfig, prefix: str = PREFIX) -> str:
    """A module `analog_tile` of registers: every input ends in one and every output begins at one."""
    macro = _instance(AnalogMacro(config.lanes, config.bias_rows))
    ports = macro.ports
    inputs = [name for name, (_, direction) in ports.items() if direction == "i" and name not in ("clk", "rst")]
    outputs = [name for name, (_, direction) in ports.items() if direction == "o"]
    width = max(len(value) for value, _ in ports.values())
    lines = [
        "  // Not a model: it keeps the ports, so that lint, synthesis and timing see a whole chip.",
        f"  reg [{width - 1}:0] state;",
        "  always @(posedge clk)",
        f"    if (rst) state <= {width}'d0;",
        f"    else state <= {{state[{width - 2}:0], state[{width - 1}]}}",
        *(f"        ^ {name}{';' if name == inputs[-1] else ''}" for name in inputs),
        *(f"  assign {name} = state[{len(ports[name][0]) - 1}:0];" for name in outputs),
    ]
    return (
        f"{TIMESCALE}// Stands in for the analog macro of a tile where there is none.\n"
        + _declared(macro, prefix)
        + "\n".join(lines)
        + "\nendmodule\n"
    )


def receiver(config: ChipConfig, prefix: str = PREFIX) -> str:
    """The module `wire_receiver`, as the chip instances it."""
    return (
        f"{TIMESCALE}"
        "// Before a landing pad's counters: wires. A shell of the same name adds transport errors in simulation.\n"
        f"{_declared(_instance(WireReceiver(config.lanes)), prefix)}  assign data = wires;\nendmodule\n"
    )


def constraints(config: ChipConfig) -> str:
    """The clock, and where a timing tool cuts the mesh.

    The grid can be crossed in every direction, so it has structural loops, which a legal program never closes. Every
    loop goes west or south somewhere, into a tile that hears it from its eastern or northern edge; with both cut, no
    loop is left, and every way is timed in pieces that go east and north only.
    """
    lines = [
        "# 1 GHz: a cycle is 1 ns.",
        "create_clock -name clk -period 1.0 [get_ports clk]",
        "",
        "# The mesh: structural loops over neighbouring tiles, which no legal program closes (docs/fabric.md, Mesh).",
        "# Cut at what a tile hears from the east and from the north; docs/verilog.md says what remains to be timed.",
    ]
    for row, column in config.floorplan.tiles:
        for edge in ("east", "north"):
            lines.append(f"set_disable_timing [get_pins {{tile_{row}_{column}/{edge}__theirs__data*}}]")
    return "\n".join(lines) + "\n"


def _instance(component: wiring.Component) -> Instance:
    """The instance that `component` is."""
    instance = Fragment.get(component, None)
    assert isinstance(instance, Instance)
    return instance


def _declared(instance: Instance, prefix: str) -> str:
    """Head of a module with an instance's parameters and ports."""
    parameters = ", ".join(f"parameter {name} = {value}" for name, value in instance.parameters.items())
    ports = ",\n".join(
        f"    {'input' if direction == 'i' else 'output'} wire [{len(value) - 1}:0] {name}"
        for name, (value, direction) in instance.ports.items()
    ).replace("[0:0] ", "")
    return f"module {prefix}{instance.type} #({parameters}) (\n{ports}\n);\n"


def control_files(prefix: str = PREFIX) -> dict[str, str]:
    """The Verilator control files: one that every Verilator from 5.006 on reads, and what newer ones want besides."""
    units = ["// Without this, Verilator would compile every instance of a unit in line."]
    units += [f'no_inline -module "{prefix}{module}"' for module in (*MODULES.values(), *_SHARED)]
    lines = {"chip.vlt": ["`verilator_config", *units], "chip_recent.vlt": ["`verilator_config"]}
    for rule, (files, reason) in _WAIVERS.items():
        waivers = [f'lint_off -rule {rule} -file "*{file}"' for file in files]
        lines["chip_recent.vlt" if rule in _RECENT else "chip.vlt"] += ["", f"// {reason}", *waivers]
    return {name: "\n".join(text) + "\n" for name, text in lines.items()}


def describe(config: ChipConfig, prefix: str = PREFIX) -> dict[str, Any]:
    """Everything that another tool needs to drive the chip, in plain types.

    Keys
    ----
    preset : str or None
        Name of the configuration, if it has one.
    prefix : str
        What the names of all modules begin with.
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
        "prefix": prefix,
        "top": f"{prefix}chip",
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
