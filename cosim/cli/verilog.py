"""The chip as Verilog: `duramesh verilog`."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from cosim.cli.shared import OUTPUT_FOLDER, new_console
from rtl.config import PRESETS

__all__ = ["verilog"]


@click.command()
@click.option("--preset", "name", type=click.Choice(list(PRESETS)), default="chip", show_default=True)
@click.option("--out", type=OUTPUT_FOLDER, default=Path("build/verilog"), show_default=True)
@click.option(
    "--prefix", default="duramesh_", show_default=True, help="What the names of all modules begin with; may be empty."
)
def verilog(name: str, out: Path, prefix: str) -> None:
    """Write the chip's Verilog, and what other tools need beside it (docs/verilog.md)."""
    from rich.table import Table

    from cosim.files.archive import write_text
    from rtl.config import preset
    from rtl.verilog import FILES, write_verilog

    with TemporaryDirectory() as folder:
        try:
            write_verilog(preset(name), Path(folder), prefix)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--prefix") from None
        for file in FILES:
            write_text(out / file, (Path(folder) / file).read_text(encoding="utf-8"))
    table = Table("file", "bytes", "what it is", box=None, pad_edge=False, header_style="bold")
    table.columns[1].justify = "right"
    for file, what in FILES.items():
        table.add_row(file, f"{(out / file).stat().st_size:,}", what)
    console = new_console()
    console.print(table)
    console.print(f"\nall in {out}; top module {prefix}chip")
