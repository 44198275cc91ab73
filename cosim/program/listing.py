"""A program as text: assembly of every unit below a summary, and back."""

from collections.abc import Iterator

from cosim.files.wording import counted
from cosim.isa import assembler
from cosim.isa.words import ILP, OLP, TILE
from cosim.program.program import Program
from cosim.program.slots import ProgramError, Unit
from rtl.config import ChipConfig

__all__ = ["describe", "listing", "parse_listing", "slots_of", "summary"]


def listing(program: Program) -> str:
    """Assembly of every unit, each under a line ``== UNIT ==``, below a summary; `parse_listing` reads it back."""
    slots = (line for unit in program.units for line in slots_of(program, unit))
    parts = ["".join(f"# {line}\n" for line in (*summary(program), *slots))]
    for unit in sorted(program.units, key=lambda unit: (unit.kind.value, unit.index)):
        code = assembler.disassemble(program.units[unit], unit.kind)
        parts.append(f"== {unit} ==  # {describe(program, unit)}\n{code}")
    return "\n".join(parts)


def summary(program: Program) -> list[str]:
    """The frame, then each layer, in a line of words."""
    squares = program.config.floorplan.tiles
    lines = [
        f"{counted(program.frames_per_run, 'frame')} of {counted(program.frame_cycles, 'cycle')}; f is the frame of "
        "the run"
    ]
    for layer in program.layers:
        where = " and ".join(str(squares[tile]) for tile in layer.tiles)
        lines.append(
            f"{layer.name}: {layer.inputs} -> {layer.outputs} {layer.activation}, {layer.mode} on {where}, "
            f"{layer.capacitors} capacitor{'s' * (layer.capacitors != 1)}, "
            f"ramp from {layer.ramp_start} with slope {layer.ramp_slope}, "
            f"window after {layer.enable_offset}"
        )
    return lines


def slots_of(program: Program, unit: Unit) -> Iterator[str]:
    """What a landing pad's vectors or results are in frame f, a line for each slot."""
    for slot in program.inputs:
        if unit == Unit(ILP, slot.ilp):
            last, sign = slot.first + slot.count - 1, "positive" if slot.sign > 0 else "negative"
            what = f"{sign} part of inputs {slot.first} to {last}" if slot.count else "nothing"
            yield f"{unit}, vector {slot.slot} + {slot.stride} f: {what}"
    for out in program.outputs:
        if unit == Unit(OLP, out.olp):
            yield f"{unit}, result {out.slot} + {out.stride} f: {out.name}, outputs 0 to {out.width - 1}"


def describe(program: Program, unit: Unit) -> str:
    """Where a unit is, and what it is there for."""
    plan = program.config.floorplan
    if unit.kind is not TILE:
        site = (plan.ilp_sites if unit.kind is ILP else plan.olp_sites)[unit.index]
        return f"{plan.domains[unit.index]}, at the {site.edge} edge of tile {site.square}"
    roles = [layer.name for layer in program.layers if unit.index in layer.tiles]
    return f"{plan.tiles[unit.index]}" + (f", {', '.join(roles)}" if roles else ", passes vectors on")


def parse_listing(text: str, config: ChipConfig, name: str = "listing") -> dict[Unit, tuple[int, ...]]:
    """The words of every unit of a listing.

    Raises
    ------
    ProgramError
        On a heading that is no unit, a unit twice, or instructions before the first heading.
    AssemblyError
        On an instruction that is none, with its place in `text`.
    """
    units: dict[Unit, list[str]] = {}
    body: list[str] | None = None
    for number, line in enumerate(text.splitlines()):
        code = line.split("#", 1)[0].strip()
        if code.startswith("==") and code.endswith("=="):
            unit = Unit.parse(code.strip("="))
            if unit in units:
                raise ProgramError(f"{name}:{number + 1}: {unit} has two programs")
            body = units[unit] = [""] * (number + 1)  # keeps line numbers right in messages
        elif body is not None:
            body.append(line)
        elif code:
            raise ProgramError(f"{name}:{number + 1}: expected a heading like '== TILE 7 ==' before instructions")
    return {unit: assembler.assemble("\n".join(body), unit.kind, config, name) for unit, body in units.items()}
