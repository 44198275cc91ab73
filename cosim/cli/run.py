"""The command `duramesh run`."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import click

from cosim.cli.analog import AnalogChoice, analog_options
from cosim.cli.numbers import Numbers
from cosim.cli.shared import (
    DRAWING,
    FILE,
    OUTPUT,
    OUTPUT_OR_PRINTED,
    SEED,
    FormattedFile,
    Task,
    new_console,
    new_progress,
)

if TYPE_CHECKING:
    from cosim.engines.engine import Progress
    from cosim.experiment import Experiment, Record
    from cosim.experiment.report import Report
    from rtl.config import ChipConfig

__all__ = ["run"]

#: Formats of `cosim.experiment.report.SUFFIXES`, which would load numpy for --help; a test compares.
SUFFIXES = (".npz", ".json", ".csv")
_RECORD, _EXPERIMENT = FormattedFile("record", *SUFFIXES), FormattedFile("experiment", ".npz")
#: Mismatches that an error message lists.
_SHOWN = 10
#: Seconds between two lines that say how far a run is, where there is no terminal.
_SAY_S = 10.0


class Engine(Protocol):
    """What runs experiments: `RtlEngine`, `GoldenEngine` or `TwinEngine`."""

    def perform(
        self, experiments: "Sequence[Experiment]", *, progress: "Progress | None", cycles: "Progress | None"
    ) -> "list[Record]": ...


@dataclass(frozen=True)
class _Files:
    """What `duramesh run` writes, each where it was asked to; of several seeds, each with its number in the name."""

    outputs: tuple[Path, ...]
    timeline: Path | None
    routes: Path | None
    save: Path | None
    waves: Path | None
    written: list[Path] = field(default_factory=list)

    @property
    def timeline_printed(self) -> bool:
        return str(self.timeline) == "-"

    def spare(self, read: "Sequence[Path]") -> None:
        """See before the work that none of them is one of the files that the experiment names."""
        for path in (*self.outputs, self.timeline, self.save, self.routes):
            if path and any(os.path.realpath(path) == os.path.realpath(other) for other in read):
                raise click.ClickException(f"{path} is read by the experiment; give the output another name")

    def write(self, reports: "Sequence[Report]") -> None:
        """Write what was asked for; the experiments differ in their seeds only."""
        from cosim.experiment.transcript import timeline
        from cosim.files.archive import write_text
        from cosim.view.pictures import draw_routes

        for report in reports:
            seed = report.experiment.seed if len(reports) > 1 else None
            for path in self.outputs:
                report.write(self._named(path, seed))
            if self.save:
                report.experiment.save(self._named(self.save, seed))
            if self.timeline and not self.timeline_printed:
                write_text(self._named(self.timeline, seed), timeline(report.experiment, report.record))
        if self.routes and reports:
            draw_routes(reports[0].experiment, self.routes)
            self.written.append(self.routes)

    def _named(self, path: Path, seed: int | None) -> Path:
        path = path if seed is None else path.with_name(f"{path.stem}-seed{seed}{path.suffix}")
        self.written.append(path)
        return path


@dataclass(frozen=True)
class _Outcome:
    """What came of a run, which may have ended early: then `ended` says why, and with which status."""

    done: "Sequence[tuple[Experiment, Record]]"
    ended: str = ""
    status: int = 0


@click.command()
@click.argument("experiment", type=FILE)
@click.option("--engine", type=click.Choice(["rtl", "golden", "twin"]), help="Default: the first that the file names.")
@click.option("--against", type=click.Choice(["rtl", "golden", "twin"]), help="Run this engine as well, and compare.")
@click.option("--out", "outputs", type=_RECORD, multiple=True, help="Write the record: .npz, .json, .csv. Repeatable.")
@click.option("--timeline", type=OUTPUT_OR_PRINTED, help="Write what happened when; - prints it.")
@click.option("--routes", type=DRAWING, help="Draw what moves where, step by step, on the floorplan (SVG).")
@click.option("--waves", type=OUTPUT, help="Write a waveform trace and a viewer's save file (RTL). [env: WAVES=1]")
@click.option("--seed", type=SEED, help="Mismatch and noise, in place of the file's.")
@click.option("--seeds", type=Numbers(), help="Run once with each of these seeds, and show how far results spread.")
@click.option(
    "--cycles", type=click.IntRange(min=1), help="When units that still run are stopped, instead of the file's."
)
@click.option(
    "--most-writes",
    type=click.IntRange(1, 10**12),
    help="Bank writes after which a run is ended, so that it fits into memory. Default: 100,000.",
)
@analog_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option(
    "--save",
    type=_EXPERIMENT,
    help="Write the experiment itself as one .npz file, to run it elsewhere.",
)
def run(
    experiment: Path,
    engine: str | None,
    against: str | None,
    seed: int | None,
    seeds: tuple[int, ...] | None,
    cycles: int | None,
    most_writes: int | None,
    analog: AnalogChoice,
    as_json: bool,
    **paths: Any,
) -> None:
    """Run a hand-written experiment: docs/experiments.md.

    Exits with status 1 if the chip reports an error, a program cannot be run to its end, results are not as expected,
    or two engines differ; 130 if it is interrupted. What happened until then is written and printed all the same.
    """
    from cosim.experiment.file import load_experiment
    from cosim.experiment.limits import MOST_WRITES, limited
    from cosim.experiment.report import Report

    files = _Files(**paths)
    if seed is not None and seeds is not None:
        raise click.UsageError("--seed and --seeds exclude each other; give one of them")
    file = load_experiment(experiment, seed=seed, devices=None if analog.preset else analog.devices)
    files.spare(file.files)
    chosen = engine or file.engines[0]
    if files.waves and chosen != "rtl":
        raise click.UsageError(f"only the RTL has waves, the engine is {chosen}; add --engine rtl")
    whole = replace(file.experiment, analog=analog.config(file.experiment.analog))
    if cycles is not None:
        whole = replace(whole, cycles=cycles)
    shortened = limited(whole, most_writes or MOST_WRITES)
    experiments = [shortened if seeds is None else replace(shortened, seed=number) for number in seeds or (0,)]
    runner = _engine(chosen, whole.config, files.waves)
    outcome = _perform(runner, experiments, f"{shortened.name} on {chosen}")
    reports = [Report(done, record, file.asked) for done, record in outcome.done]
    files.write(reports)
    if traced := getattr(runner, "waves", None):
        from cosim.engines.rtl.waves import save_file, words_folder

        made = (traced, save_file(traced), words_folder(traced))
        files.written.extend(path for path in made if path.exists())
    _print(reports, files, as_json)
    if outcome.ended:
        click.echo(outcome.ended, err=True)
        sys.exit(outcome.status)
    if against:
        _compare(reports, _engine(against, whole.config, None), chosen, against, as_json)
    _judge(reports)
    if shortened.cycles < whole.cycles:
        raise click.ClickException(
            f"ended in cycle {shortened.cycles:,} instead of {whole.cycles:,}: by then units have written "
            f"{most_writes or MOST_WRITES:,} banks; --most-writes allows more, as far as memory goes"
        )


def _perform(runner: Engine, experiments: "Sequence[Experiment]", what: str) -> _Outcome:
    """Run experiments, and keep what happened if something ends them."""
    from cosim.engines.engine import RunInterrupted
    from cosim.experiment import ExperimentError

    finished: list[Record] = []
    try:
        with _display(what, len(experiments), runner) as (progress, cycles):
            finished = runner.perform(experiments, progress=progress, cycles=cycles)
    except RunInterrupted as interrupted:
        finished, partial = interrupted.results, interrupted.partial  # type: ignore[assignment]
        when = f" in cycle {partial[0].cycles:,}" if partial else ""
        ended, status = f"interrupted{when}", 130
    except ExperimentError as error:
        if error.partial is None:
            raise
        partial, ended, status = error.partial, f"Error: {error}", 1
    else:
        return _Outcome(list(zip(experiments, finished, strict=True)))
    done = list(zip(experiments, finished, strict=False))
    return _Outcome([*done, partial] if partial else done, ended, status)


@contextmanager
def _display(what: str, runs: int, runner: Engine) -> "Iterator[tuple[Progress, Progress]]":
    """(runs done, cycles done of one): a bar on a terminal; elsewhere, after a while, lines."""
    done, said = 0, monotonic()
    bar = new_progress()
    task = Task(bar) if bar.console.is_terminal else None

    def run_done(count: int, total: int) -> None:
        nonlocal done
        done = count

    def cycles_done(count: int, total: int) -> None:
        nonlocal said
        text = f"{what}, run {done + 1} of {runs}" if runs > 1 else what
        if size := getattr(runner, "waves_bytes", 0):
            text += f", waves {size / 1e6:,.0f} MB"
        if task is not None:
            task.describe(f"{text}, cycles", count, total)
        elif monotonic() - said > _SAY_S:
            said = monotonic()
            click.echo(f"{text}: {count:,} of at most {total:,} cycles", err=True)

    with bar if task else nullcontext():
        if task is not None:
            task.describe(what, 0, 1)
        yield run_done, cycles_done


def _print(reports: "Sequence[Report]", files: _Files, as_json: bool) -> None:
    """Results, and what was written; after the files, because what is printed may have nowhere to go."""
    from cosim.experiment.report import print_spread
    from cosim.experiment.transcript import timeline
    from cosim.files.json_text import to_json

    if as_json:
        values = [report.as_json() for report in reports]
        click.echo(to_json(values[0] if len(values) == 1 else values, indent=1))
    else:
        console = new_console()
        for report in reports:
            if len(reports) > 1:
                console.print(f"seed           {report.experiment.seed}")
            if files.timeline_printed:
                click.echo(timeline(report.experiment, report.record))
            report.print(console)
        if len(reports) > 1:
            print_spread(reports, console)
    for path in files.written:
        size = f" ({path.stat().st_size / 1e6:,.1f} MB)" if path.suffix in (".fst", ".vcd") else ""
        click.echo(f"wrote          {path}{size}", err=as_json)


def _compare(reports: "Sequence[Report]", other: Engine, chosen: str, against: str, quiet: bool) -> None:
    """Run the same on another engine."""
    outcome = _perform(other, [report.experiment for report in reports], f"{reports[0].experiment.name} on {against}")
    if outcome.ended:
        click.echo(f"{outcome.ended}, before {against} could be compared", err=True)
        sys.exit(outcome.status)
    for report, (experiment, record) in zip(reports, outcome.done, strict=True):
        if difference := report.record.difference(record):
            where = f", seed {experiment.seed}" if len(reports) > 1 else ""
            raise click.ClickException(f"{chosen} and {against} differ{where}: {difference}")
    if not quiet:
        click.echo(f"{against:<14} agrees: the same events, codes, flags and cycles")


def _judge(reports: "Sequence[Report]") -> None:
    """Errors of the chip, and results that are not as expected, end the command."""
    for report in reports:
        where = f"seed {report.experiment.seed}: " if len(reports) > 1 else ""
        if report.record.flagged:
            raise click.ClickException(where + report.record.error_report(report.experiment.config))
        if mismatches := list(report.mismatches()):
            more = f"\n  ... {len(mismatches) - _SHOWN} more" if len(mismatches) > _SHOWN else ""
            listed = "\n  ".join(mismatches[:_SHOWN])
            raise click.ClickException(f"{where}results are not as expected:\n  {listed}{more}")


def _engine(name: str, config: "ChipConfig", waves: Path | None) -> Engine:
    """The engine called `name`."""
    if name == "rtl":
        from cosim.engines.rtl.engine import RtlEngine

        return RtlEngine(config, waves=waves)
    if name == "golden":
        from cosim.engines.golden import GoldenEngine

        return GoldenEngine(config)
    from cosim.engines.twin.engine import TwinEngine

    return TwinEngine()
