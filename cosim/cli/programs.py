"""Commands for those who write programs: `duramesh run`, `asm`, `disasm`, `view`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from cosim.cli.shared import DEVICES, FILE, OUTPUT, OUTPUT_FILE, new_console

if TYPE_CHECKING:
    from cosim.experiment import Experiment, Record
    from cosim.experiment.report import Report
    from cosim.program import Unit
    from rtl.config import ChipConfig

__all__ = ["asm", "disasm", "run", "view"]

#: Mismatches that an error message lists.
_SHOWN = 10


class Engine(Protocol):
    """What runs experiments: `RtlEngine`, `GoldenEngine` or `TwinEngine`."""

    def perform(self, experiments: "Sequence[Experiment]") -> "list[Record]": ...


@dataclass(frozen=True)
class _Files:
    """What `duramesh run` writes, each where it was asked to."""

    outputs: tuple[Path, ...]
    timeline: Path | None
    routes: Path | None
    save: Path | None

    @property
    def timeline_printed(self) -> bool:
        return str(self.timeline) == "-"

    def check(self, *more: Path | None) -> None:
        """See before the work that all of them, and `more`, can be written."""
        from cosim.experiment.report import SUFFIXES

        for path in (*self.outputs, self.timeline, self.save, self.routes, *more):
            if path and str(path) != "-" and not path.resolve().parent.is_dir():
                raise click.ClickException(f"{path}: there is no folder {path.parent}")
        for path in self.outputs:
            if path.suffix not in SUFFIXES:
                raise click.ClickException(f"{path}: no output format {path.suffix!r}; expected {', '.join(SUFFIXES)}")
        if self.routes and self.routes.suffix != ".svg":
            raise click.ClickException(f"{self.routes}: pictures of routes are SVG files, end the name in .svg")

    def write(self, report: "Report") -> None:
        from cosim.experiment.transcript import timeline
        from cosim.files.archive import write_text
        from cosim.view.pictures import draw_routes

        for path in self.outputs:
            report.write(path)
        if self.save:
            report.experiment.save(self.save)
        if self.routes:
            draw_routes(report.experiment, self.routes)
        if self.timeline and not self.timeline_printed:
            write_text(self.timeline, timeline(report.experiment, report.record))


@click.command()
@click.argument("experiment", type=FILE)
@click.option("--engine", type=click.Choice(["rtl", "golden", "twin"]), help="Default: the first that the file names.")
@click.option("--against", type=click.Choice(["rtl", "golden", "twin"]), help="Run this engine as well, and compare.")
@click.option("--out", "outputs", type=OUTPUT, multiple=True, help="Write the record: .npz, .json, .csv. Repeatable.")
@click.option(
    "--timeline", type=click.Path(path_type=Path, allow_dash=True), help="Write what happened when; - prints it."
)
@click.option("--routes", type=OUTPUT, help="Draw what moves where, step by step, on the floorplan (SVG).")
@click.option("--waves", type=OUTPUT, help="Write a waveform trace and a viewer's save file (RTL). [env: WAVES=1]")
@click.option("--seed", type=click.IntRange(min=0), help="Mismatch and noise, in place of the file's.")
@click.option("--devices", type=DEVICES, help="Model of the PCM devices, in place of the file's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option("--save", type=OUTPUT, help="Write the experiment itself as one .npz file, to run it elsewhere.")
def run(
    experiment: Path,
    engine: str | None,
    against: str | None,
    waves: Path | None,
    seed: int | None,
    devices: str | None,
    as_json: bool,
    **files: Any,
) -> None:
    """Run a hand-written experiment: docs/experiments.md.

    Exits with status 1 if the chip reports an error, results are not as expected, or two engines differ; the record is
    written all the same.
    """
    import json

    from cosim.experiment.file import load_experiment
    from cosim.experiment.report import Report
    from cosim.experiment.transcript import timeline

    written = _Files(**files)
    written.check(waves)
    file = load_experiment(experiment, seed=seed, devices=devices)
    chosen = engine or file.engines[0]
    if waves and chosen != "rtl":
        raise click.UsageError(f"only the RTL has waves, the engine is {chosen}; add --engine rtl")
    runner = _engine(chosen, file.experiment.config, waves)
    (record,) = runner.perform([file.experiment])
    report = Report(file.experiment, record, file.asked)
    written.write(report)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=1))
    else:
        if written.timeline_printed:
            click.echo(timeline(file.experiment, record))
        report.print(new_console())
        if traced := getattr(runner, "waves", None):
            click.echo(f"waves          {traced}")
    if against:
        (other,) = _engine(against, file.experiment.config, None).perform([file.experiment])
        if difference := record.difference(other):
            raise click.ClickException(f"{chosen} and {against} differ: {difference}")
        if not as_json:
            click.echo(f"{against:<14} agrees: the same events, codes, flags and cycles")
    if record.flagged:
        raise click.ClickException(record.error_report(file.experiment.config))
    if mismatches := list(report.mismatches()):
        more = f"\n  ... {len(mismatches) - _SHOWN} more" if len(mismatches) > _SHOWN else ""
        raise click.ClickException("results are not as expected:\n  " + "\n  ".join(mismatches[:_SHOWN]) + more)


def _engine(name: str, config: "ChipConfig", waves: Path | None) -> "Engine":
    """The engine called `name`."""
    if name == "rtl":
        from cosim.engines.rtl.engine import RtlEngine

        return RtlEngine(config, waves=waves)
    if name == "golden":
        from cosim.engines.golden import GoldenEngine

        return GoldenEngine(config)
    from cosim.engines.twin.engine import TwinEngine

    return TwinEngine()


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
@click.option("--out", type=OUTPUT_FILE, help="The page, .html. Default: reports/view/NAME.html.")
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

    if out and out.suffix != ".html":
        raise click.ClickException(f"{out}: the page is HTML, end the name in .html")
    shown = load_view(program) if program else shipped_view()
    out = out or Path("reports/view") / f"{program.stem if program else 'kws'}.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, page(shown))
    click.echo(f"page: {out}")
    if show is None:
        show = sys.stdout.isatty()
    if show and not webbrowser.open(out.resolve().as_uri()):
        click.echo("there is no browser here; copy the page to where there is one, it is a single file", err=True)
