"""Commands for those who write programs: `duramesh asm`, `disasm`, `view`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cosim.cli.shared import FILE, OUTPUT, FormattedFile

if TYPE_CHECKING:
    from cosim.program import Unit

__all__ = ["asm", "disasm", "view"]

_UNIT = click.option("--unit", default="TILE", show_default=True, help="Unit of a file without headings, e.g. OLP 1.")
_PRESET = click.option(
    "--preset", type=click.Choice(["chip", "small"]), default="chip", show_default=True, help="The chip's sizes."
)
_OUT = click.option("--out", type=OUTPUT, help="Write there instead of printing.")


@click.command()
@click.argument("listing", type=FILE)
@_UNIT
@_PRESET
@_OUT
def asm(listing: Path, unit: str, preset: str, out: Path | None) -> None:
    """Turn assembly into instruction words.

    LISTING holds the program of one unit, or of several under lines like == ILP 0 ==.
    """
    from cosim.experiment.word_file import assemble_units, format_words
    from rtl.config import preset as config

    units = assemble_units(_text(listing), config(preset), str(listing), _unit(unit))
    _print_or_write(format_words(units), out)


@click.command()
@click.argument("words", type=FILE)
@_UNIT
@_PRESET
@_OUT
def disasm(words: Path, unit: str, preset: str, out: Path | None) -> None:
    """Turn instruction words into assembly.

    WORDS is what `duramesh asm` prints, or an .npz file with a program or an experiment.
    """
    from cosim.experiment.word_file import disassemble_units, read_words
    from rtl.config import preset as config

    _print_or_write(disassemble_units(read_words(words, config(preset), _unit(unit))), out)


def _unit(text: str) -> "Unit":
    """A unit from ``TILE 3``, or the first of a kind from ``TILE``."""
    from cosim.program import Unit

    return Unit.parse(text if " " in text.strip() else f"{text} 0")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise click.ClickException(f"{path} is no text in UTF-8") from None


def _print_or_write(text: str, path: Path | None) -> None:
    from cosim.files.archive import write_text

    if path is None:
        click.echo(text, nl=False)
    else:
        write_text(path, text)


@click.command()
@click.argument("program", type=FILE, required=False)
@click.option("--out", type=FormattedFile("page", ".html"), help="The page, .html. Default: reports/view/NAME.html.")
@click.option(
    "--open/--no-open", "show", default=None, help="Open it in the browser. Default: if the output is a terminal."
)
def view(program: Path | None, out: Path | None, show: bool | None) -> None:
    """Show a program on the chip's floorplan, step by step, in the browser: docs/view.md.

    PROGRAM is a compiled program (.npz), or an experiment (.toml or .npz); by default the keyword spotting that comes
    with the package.
    """
    import webbrowser

    from cosim.files.archive import write_text
    from cosim.view import load_view, page, shipped_view

    shown = load_view(program) if program else shipped_view()
    out = out or Path("reports/view") / f"{program.stem if program else 'kws'}.html"
    write_text(out, page(shown))
    click.echo(f"page: {out}")
    if show is None:
        show = sys.stdout.isatty()
    if show and not webbrowser.open(out.resolve().as_uri()):
        click.echo("there is no browser here; copy the page to where there is one, it is a single file", err=True)
