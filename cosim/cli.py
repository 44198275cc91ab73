"""The command `duramesh`."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from cosim.checked import Engine as ProgramEngine
    from cosim.experiment import Experiment, Record
    from cosim.program import Unit
    from rtl.config import ChipConfig

__all__ = ["main"]

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_INPUT = click.Path(exists=True, path_type=Path)
#: Mismatches that an error message lists.
_SHOWN = 10


class _Output(click.Path):
    """A path that will be written, checked before the work and not after it: there is a place for it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        place = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if place != path and not (place.is_dir() and os.access(place, os.W_OK)):
            self.fail(f"{path}: {place} is no folder that can be written to", param, ctx)
        return path


_OUTPUT = _Output(path_type=Path)
_OUTPUT_FILE = _Output(dir_okay=False, writable=True, path_type=Path)
_OUTPUT_FOLDER = _Output(file_okay=False, writable=True, path_type=Path)


class Engine(Protocol):
    """What runs experiments: `RtlEngine`, `GoldenEngine` or `TwinEngine`."""

    def perform(self, experiments: "Sequence[Experiment]") -> "list[Record]": ...


class _Group(click.Group):
    """Turns the project's own errors into one clear line and exit status 1; anything else is a bug and shows itself."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if isinstance(error, _own_errors()):
                raise click.ClickException(str(error)) from error
            raise


def _own_errors() -> tuple[type[Exception], ...]:
    """Errors of the project, whose messages are for the user. They are imported when one may be at hand, not before."""
    from analog_models.chip import AnalogFileError
    from cosim.assembler import AssemblyError
    from cosim.checked import EngineDifference
    from cosim.checkpoint import CheckpointError
    from cosim.compiler import MappingError
    from cosim.experiment import ExperimentError, RecordError
    from cosim.experiment.toml_source import TomlError
    from cosim.figures.evidence import EvidenceError
    from cosim.figures.registry import UnknownStudyError
    from cosim.kws.dataset import DatasetError
    from cosim.kws.features import AudioError
    from cosim.kws.synthesiser import SynthesiserError
    from cosim.network import NetworkError
    from cosim.program import ProgramError
    from cosim.rtl_engine.agents import ChipError
    from cosim.rtl_engine.build import BuildError
    from cosim.rtl_engine.simulator import SimulationError
    from cosim.schedule import ScheduleError
    from cosim.vectors import VectorError
    from cosim.verification.command import StateError

    return (
        AnalogFileError,
        AssemblyError,
        AudioError,
        BuildError,
        CheckpointError,
        ChipError,
        DatasetError,
        EngineDifference,
        EvidenceError,
        ExperimentError,
        MappingError,
        NetworkError,
        ProgramError,
        RecordError,
        ScheduleError,
        SimulationError,
        StateError,
        SynthesiserError,
        TomlError,
        UnknownStudyError,
        VectorError,
    )


@click.group(cls=_Group)
@click.version_option(package_name="duramesh")
def main() -> None:
    """An analog-AI inference chip: 34 PCM tiles, a mesh of durations, controller programs, RTL."""


@main.group(invoke_without_command=True)
@click.option(
    "--engine",
    type=click.Choice(["rtl", "twin", "both"]),
    default="rtl",
    show_default=True,
    help="What runs the chip; both: the RTL, every code compared with the twin's.",
)
@click.option("--audio", type=_FOLDER, help="Speech Commands or its test archive. Default: synthesised speech.")
@click.option(
    "--features",
    type=_INPUT,
    envvar="DURAMESH_FEATURES",
    help="Prepared features whose validation split calibrates the chip. [env: DURAMESH_FEATURES]",
)
@click.option("--clips", type=click.IntRange(min=1), help="Classify N clips. Default: all, or 60 synthesised ones.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which chip, and which clips.")
@click.option("--ideal", is_flag=True, help="Analog part without noise or mismatch.")
@click.option(
    "--overlapped",
    is_flag=True,
    help="Read the output in the next frame's first step, which leaves time for asymmetry balance on every layer.",
)
@click.option("--model", type=_INPUT, help="Checkpoint. Default: the shipped one.")
@click.option("--json", "json_file", type=_OUTPUT_FILE, help="Write the results there.")
@click.option("--report", type=_OUTPUT_FOLDER, help="Folder for the pictures.")
@click.option("--waves", type=_OUTPUT, help="Write a waveform trace and a viewer's save file. [env: WAVES=1]")
@click.option(
    "--checkpoint", type=_OUTPUT_FOLDER, help="Keep results in this folder as they come, and go on from there."
)
@click.option("--chunk", type=click.IntRange(min=1), default=256, show_default=True, help="Clips kept at once.")
@click.pass_context
def kws(
    ctx: click.Context,
    engine: str,
    audio: Path | None,
    features: Path | None,
    clips: int | None,
    seed: int,
    ideal: bool,
    overlapped: bool,
    model: Path | None,
    json_file: Path | None,
    report: Path | None,
    waves: Path | None,
    checkpoint: Path | None,
    chunk: int,
) -> None:
    """Classify spoken words on the simulated chip.

    With --checkpoint, a run that was interrupted or killed goes on when the same command is given again.
    """
    if ctx.invoked_subcommand is not None:
        return
    from contextlib import ExitStack

    from analog_models.config import AnalogConfig
    from cosim.calibration import CalibratedChip
    from cosim.checked import CheckedEngine
    from cosim.checkpoint import Checkpoint, ResumableEngine
    from cosim.compiler import MappingOptions
    from cosim.kws.model import CHECKPOINT, KwsModel
    from cosim.kws.workload import calibration_clips, classify, describe_run, load_clips, prepare_chip
    from cosim.rtl_engine.engine import RtlEngine
    from cosim.twin import TwinEngine

    if waves and engine == "twin":
        raise click.UsageError("only the RTL has waves, the engine is twin; add --engine rtl")
    if waves is None and engine != "twin" and os.environ.get("WAVES", "0") not in ("", "0"):
        waves = (report or Path()) / "waves"
    if waves and checkpoint:
        raise click.UsageError("a run with --checkpoint is simulated in parts, of which only the last had waves")
    console = _console()
    notes: list[str] = []
    traces: list[str] = []
    network = KwsModel.load(model or CHECKPOINT)
    analog = AnalogConfig.ideal() if ideal else AnalogConfig()
    mapping = MappingOptions(overlapped=overlapped)
    with ExitStack() as stack:
        with _progress() as bar:
            say = _Task(bar)

            def make() -> CalibratedChip:
                say("reading the calibration clips" if audio or features else "speaking the calibration clips")
                inputs = calibration_clips(audio, features)
                notes.append(f"calibrated: with {len(inputs)} clips, {inputs.source}")
                return prepare_chip(
                    network, inputs, analog=analog, options=mapping, seed=seed, say=say, advance=say.advance
                )

            say("reading the clips" if audio else "speaking the clips")
            chosen = load_clips(audio, clips, seed)
            if checkpoint:
                run = describe_run(
                    network,
                    chosen,
                    engine=engine,
                    analog=analog,
                    options=mapping,
                    seed=seed,
                    audio=audio,
                    features=features,
                )
                kept = stack.enter_context(Checkpoint(checkpoint, run))
                chip = kept.chip(make)
            else:
                chip = make()

        def start() -> "ProgramEngine":
            if engine == "twin":
                return TwinEngine()
            rtl = RtlEngine(waves=waves)  # the first time, it builds the simulator
            if rtl.waves:
                traces.append(str(rtl.waves))
            return CheckedEngine(rtl, TwinEngine(), chosen.names) if engine == "both" else rtl

        def start_later() -> "ProgramEngine":
            bar.stop()  # a build has a display of its own
            made = start()
            bar.start()
            return made

        runner = ResumableEngine(start_later, kept, chunk=chunk) if checkpoint else start()
        with _progress() as bar:
            say = _Task(bar)
            say(f"classifying {len(chosen)} clips")
            try:
                outcome = classify(network, chosen, chip, runner, seed=seed, progress=say.advance)
            except KeyboardInterrupt:
                bar.stop()
                kept_in = f"; what is done is kept in {checkpoint}, the same command goes on" if checkpoint else ""
                click.echo(f"interrupted{kept_in}", err=True)
                ctx.exit(130)
    notes.insert(0, f"programmed: {chip.programming}")
    if isinstance(runner, ResumableEngine) and runner.found:
        notes.append(f"resumed:    {runner.found} of {len(chosen)} clips were done in {checkpoint}")
    if engine == "both":
        notes.append(f"compared:   {outcome.compared_codes:,} codes of both engines, all identical")
    console.print("\n".join(notes) + "\n", soft_wrap=True)
    outcome.print(console)
    files = outcome.write(report) if report else {}
    if traces:
        files["waves"] = traces[0]
    if json_file:
        outcome.write_json(json_file, files)
        files["json"] = str(json_file)
    for what, path in files.items():
        console.print(f"[bold]{what.replace('_', ' ')}[/]: {path}", soft_wrap=True)


@kws.command()
@click.option("--data", type=_INPUT, required=True, help="Speech Commands, or an npz file of prepared features.")
@click.option("--recipe", type=click.Choice(["paper", "best"]), default="best", show_default=True)
@click.option("--seeds", default="1,2,3", show_default=True, help="One network for each; validation chooses.")
@click.option("--epochs", type=click.IntRange(min=1), help="Shorten or lengthen the recipe.")
@click.option("--device", help="E.g. cpu, cuda. Default: an accelerator if there is one.")
@click.option("--out", type=_OUTPUT_FILE, default=Path("kws-model.npz"), show_default=True)
def train(data: Path, recipe: str, seeds: str, epochs: int | None, device: str | None, out: Path) -> None:
    """Train the network, hardware-aware (needs the extra: pip install 'duramesh[train]')."""
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise click.BadParameter(f"{seeds!r} is not a list of numbers like 1,2,3", param_hint="--seeds") from None
    try:
        from cosim.kws.train import RECIPES
        from cosim.kws.train import train as run
    except ImportError as error:
        raise click.ClickException(f"{error}; training needs the extra: pip install 'duramesh[train]'") from error
    from cosim.kws.dataset import load_training_set

    settings = replace(RECIPES[recipe], epochs=epochs) if epochs else RECIPES[recipe]
    model, _ = run(load_training_set(data), settings, numbers, device=device, say=click.echo)
    model.save(out)
    click.echo(f"wrote {out}")


@main.command()
@click.argument("experiment", type=_FILE)
@click.option("--engine", type=click.Choice(["rtl", "golden", "twin"]), help="Default: the first that the file names.")
@click.option("--against", type=click.Choice(["rtl", "golden", "twin"]), help="Run this engine as well, and compare.")
@click.option("--out", "outputs", type=_OUTPUT, multiple=True, help="Write the record: .npz, .json, .csv. Repeatable.")
@click.option(
    "--timeline", type=click.Path(path_type=Path, allow_dash=True), help="Write what happened when; - prints it."
)
@click.option("--routes", type=_OUTPUT, help="Draw what moves where, step by step, on the floorplan (SVG).")
@click.option("--waves", type=_OUTPUT, help="Write a waveform trace and a viewer's save file (RTL). [env: WAVES=1]")
@click.option("--seed", type=click.IntRange(min=0), help="Mismatch and noise, in place of the file's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option("--save", type=_OUTPUT, help="Write the experiment itself as one .npz file, to run it elsewhere.")
def run(
    experiment: Path,
    engine: str | None,
    against: str | None,
    outputs: tuple[Path, ...],
    timeline: Path | None,
    routes: Path | None,
    waves: Path | None,
    seed: int | None,
    as_json: bool,
    save: Path | None,
) -> None:
    """Run a hand-written experiment: docs/experiments.md.

    Exits with status 1 if the chip reports an error, results are not as expected, or two engines differ; the record is
    written all the same.
    """
    import json

    from cosim.archive import write_text
    from cosim.experiment.file import load_experiment
    from cosim.experiment.report import SUFFIXES, Report
    from cosim.experiment.timeline import timeline as as_text
    from cosim.floorplan import draw_routes

    wanted = (*outputs, *(path for path in (timeline, save, routes, waves) if path and str(path) != "-"))
    for path in wanted:
        if not path.resolve().parent.is_dir():
            raise click.ClickException(f"{path}: there is no folder {path.parent}")
    for path in outputs:
        if path.suffix not in SUFFIXES:
            raise click.ClickException(f"{path}: no output format {path.suffix!r}; expected {', '.join(SUFFIXES)}")
    if routes and routes.suffix != ".svg":
        raise click.ClickException(f"{routes}: pictures of routes are SVG files, end the name in .svg")
    file = load_experiment(experiment, seed=seed)
    chosen = engine or file.engines[0]
    if waves and chosen != "rtl":
        raise click.UsageError(f"only the RTL has waves, the engine is {chosen}; add --engine rtl")
    runner = _engine(chosen, file.experiment.config, waves)
    (record,) = runner.perform([file.experiment])
    report = Report(file.experiment, record, file.asked)
    for path in outputs:
        report.write(path)
    if save:
        file.experiment.save(save)
    if routes:
        draw_routes(file.experiment, routes)
    if timeline and str(timeline) != "-":
        write_text(timeline, as_text(file.experiment, record))
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=1))
    else:
        if timeline and str(timeline) == "-":
            click.echo(as_text(file.experiment, record))
        report.print(_console())
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
        from cosim.rtl_engine.engine import RtlEngine

        return RtlEngine(config, waves=waves)
    if name == "golden":
        from cosim.golden import GoldenEngine

        return GoldenEngine(config)
    from cosim.twin import TwinEngine

    return TwinEngine()


_UNIT = click.option("--unit", default="TILE", show_default=True, help="Unit of a file without headings, e.g. OLP 1.")
_PRESET = click.option(
    "--preset", type=click.Choice(["chip", "small"]), default="chip", show_default=True, help="The chip's sizes."
)
_OUT = click.option("--out", type=_OUTPUT, help="Write there instead of printing.")


@main.command()
@click.argument("listing", type=_FILE)
@_UNIT
@_PRESET
@_OUT
def asm(listing: Path, unit: str, preset: str, out: Path | None) -> None:
    """Turn assembly into instruction words.

    LISTING holds the program of one unit, or of several under lines like == ILP 0 ==.
    """
    from cosim.word_file import assemble_units, format_words
    from rtl.config import preset as config

    units = assemble_units(_text(listing), config(preset), str(listing), _unit(unit))
    _print_or_write(format_words(units), out)


@main.command()
@click.argument("words", type=_FILE)
@_UNIT
@_PRESET
@_OUT
def disasm(words: Path, unit: str, preset: str, out: Path | None) -> None:
    """Turn instruction words into assembly.

    WORDS is what `duramesh asm` prints, or an .npz file with a program or an experiment.
    """
    from cosim.word_file import disassemble_units, read_words
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
    from cosim.archive import write_text

    if path is None:
        click.echo(text, nl=False)
    else:
        write_text(path, text)


@main.command()
@click.argument("saved", nargs=-1, type=_FILE)
@click.option("--experiments", type=click.IntRange(min=0), default=100, show_default=True, help="How many (more).")
@click.option(
    "--packets", type=click.IntRange(min=0), default=500, show_default=True, help="On the host port; not with --resume."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which ones.")
@click.option("--preset", type=click.Choice(["chip", "small"]), default="chip", show_default=True)
@click.option("--block", type=click.IntRange(min=1), default=20, show_default=True, help="Experiments of one session.")
@click.option(
    "--weights", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="Share that programs weights."
)
@click.option("--json", "json_file", type=_OUTPUT_FILE, help="Write the results there, after each block.")
@click.option("--resume", is_flag=True, help="Go on where the file that --json names left off.")
@click.option("--save", "folder", type=_OUTPUT_FOLDER, help="Folder for failing experiments, made small.")
@click.option("--detail", is_flag=True, help="Print the hits of every bin.")
@click.option("--complete", is_flag=True, help="Fail if a bin of the coverage has no hit.")
@click.pass_context
def verify(
    ctx: click.Context,
    saved: tuple[Path, ...],
    experiments: int,
    packets: int,
    seed: int,
    preset: str,
    block: int,
    weights: float,
    json_file: Path | None,
    resume: bool,
    folder: Path | None,
    detail: bool,
    complete: bool,
) -> None:
    """Compare the RTL with the golden model on random experiments, or on SAVED ones.

    Exits with status 1 if they differ.
    """
    from cosim.verification.command import replay, run

    if saved:
        ctx.exit(0 if replay(saved, _console()) else 1)
    with _progress() as bar:
        say = _Task(bar)

        def advance(text: str, done: int, total: int) -> None:
            say.describe(text)
            say.advance(done, total)

        state = run(
            preset,
            experiments=experiments,
            packets=packets,
            seed=seed,
            block=block,
            weights=weights,
            json_file=json_file,
            resume=resume,
            folder=folder,
            detail=detail,
            console=_console(),
            advance=advance,
        )
    if state.interrupted:
        ctx.exit(130)
    ctx.exit(0 if state.passed and not (complete and state.coverage.holes) else 1)


@main.command()
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds; medians are shown.")
@click.option("--quick", is_flag=True, help="Two rounds on small chips: whether it works, not how fast it is.")
@click.option("--rebuild", is_flag=True, help="Build the simulator anew, to see how long that takes.")
@click.option("--json", "json_file", type=_OUTPUT_FILE, help="Write the results there.")
@click.option("--plot", "picture", type=_OUTPUT_FILE, help="Draw how speed scales: .png, .svg, .pdf.")
@click.option("--report", type=_OUTPUT_FOLDER, help="Folder for both: benchmark.json, benchmark.png.")
def bench(
    repeats: int,
    quick: bool,
    rebuild: bool,
    json_file: Path | None,
    picture: Path | None,
    report: Path | None,
) -> None:
    """Measure RTL, bare model, twin and numpy on the same work: docs/benchmarks.md."""
    from cosim.benchmark.report import plot, print_benchmark, write_json
    from cosim.benchmark.suite import Plan, measure

    if picture and picture.suffix not in (".png", ".svg", ".pdf"):
        raise click.ClickException(f"{picture}: no picture format {picture.suffix!r}; expected .png, .svg or .pdf")
    plan = Plan.quick() if quick else Plan.full(repeats)
    with _progress() as bar:
        say = _Task(bar)

        def advance(text: str, done: int, total: int) -> None:
            say.describe(text)
            say.advance(done, total)

        result = measure(plan, advance, rebuild=rebuild)
    print_benchmark(result, _console())
    if report:
        json_file = json_file or report / "benchmark.json"
        picture = picture or report / "benchmark.png"
    if json_file:
        write_json(result, json_file)
        click.echo(f"json: {json_file}")
    if picture:
        click.echo(f"plot: {plot(result, picture)}")


@main.command()
@click.option("--vectors", type=click.IntRange(min=1), default=2048, show_default=True, help="Vectors of each range.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which vectors, and which chip.")
@click.option(
    "--engine", type=click.Choice(["rtl", "twin"]), default="rtl", show_default=True, help="What runs the chip."
)
@click.option("--json", "json_file", type=_OUTPUT_FILE, help="Write the results there.")
@click.option(
    "--report",
    type=_OUTPUT_FOLDER,
    default=Path("reports/transport"),
    show_default=True,
    help="Folder for the picture.",
)
def transport(vectors: int, seed: int, engine: str, json_file: Path | None, report: Path) -> None:
    """Send durations from one landing pad to all others: errors of ideal and of modelled (not measured) wires."""
    from cosim.rtl_engine.engine import RtlEngine
    from cosim.transport import measure_transport
    from cosim.twin import TwinEngine

    console = _console()
    runner = TwinEngine() if engine == "twin" else RtlEngine()  # the first time, it builds the simulator
    with _progress() as bar:
        say = _Task(bar)
        say("sending vectors")
        outcome = measure_transport(runner, vectors=vectors, seed=seed, progress=say.advance)
    outcome.print(console)
    files = outcome.write(report)
    if json_file:
        outcome.write_json(json_file, files)
        files["json"] = str(json_file)
    for what, path in files.items():
        console.print(f"[bold]{what.replace('_', ' ')}[/]: {path}", soft_wrap=True)


@main.command()
@click.argument("studies", nargs=-1, metavar="[NAME]...")
@click.option("--quick", is_flag=True, help="Less of everything, in three minutes: whether it works.")
@click.option(
    "--out", type=_OUTPUT_FOLDER, default=Path("reports/figures"), show_default=True, help="Folder of the report."
)
@click.option("--audio", type=_FOLDER, help="Speech Commands or its test archive. Default: synthesised speech.")
@click.option(
    "--features",
    type=_INPUT,
    envvar="DURAMESH_FEATURES",
    help="Prepared features for calibration and training. [env: DURAMESH_FEATURES]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the first chip.")
@click.option("--chips", type=click.IntRange(min=1), help="Chips where a study takes many. Default: 20, quick 2.")
@click.option("--stale", is_flag=True, help="Take what earlier code has measured as well.")
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of tables.")
@click.option("--list", "listed", is_flag=True, help="List the studies, and measure nothing.")
@click.pass_context
def figures(
    ctx: click.Context,
    studies: tuple[str, ...],
    quick: bool,
    out: Path,
    audio: Path | None,
    features: Path | None,
    seed: int,
    chips: int | None,
    stale: bool,
    as_json: bool,
    listed: bool,
) -> None:
    """Characterise the chip: pictures beside the papers' numbers, on one page.

    NAME is a study, all by default. What is measured is kept in the folder: an interrupted or killed campaign goes on
    when the same command is given again.
    """
    import json

    from cosim.figures import Campaign
    from cosim.figures.registry import select
    from cosim.figures.report import make_report, print_findings

    chosen = select(studies)
    if listed:
        for study in chosen:
            click.echo(f"{study.name:<14}{study.title}")
        return
    with _progress() as bar:
        say = _Task(bar)
        campaign = Campaign(
            out,
            quick=quick,
            seed=seed,
            chips=chips,
            audio=audio,
            features=features,
            stale=stale,
            say=say,
            advance=say.advance,
        )
        try:
            results = make_report(campaign, chosen, select(()), say=bar.console.print)
        except KeyboardInterrupt:
            bar.stop()
            click.echo(f"interrupted; what is measured is kept in {out}, the same command goes on", err=True)
            ctx.exit(130)
    if as_json:
        click.echo(json.dumps(results, indent=1))
        return
    print_findings(results, _console())
    click.echo(f"report: {out / 'index.html'}\njson: {out / 'results.json'}")


@main.command()
@click.argument("program", type=_FILE, required=False)
@click.option("--out", type=_OUTPUT_FILE, help="The page, .html. Default: reports/view/NAME.html.")
@click.option(
    "--open/--no-open", "show", default=None, help="Open it in the browser. Default: if the output is a terminal."
)
def view(program: Path | None, out: Path | None, show: bool | None) -> None:
    """Show a program on the chip's floorplan, step by step, in the browser: docs/view.md.

    PROGRAM is a compiled program (.npz), or an experiment (.toml or .npz); by default the keyword spotting that comes
    with the package.
    """
    import webbrowser

    from cosim.archive import write_text
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


class _Task:
    """What is being done, and how much of it: a bar on a terminal, lines elsewhere."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def __call__(self, text: str) -> None:
        self._bar.update(self._task, description=text, completed=0, total=None)
        if not self._bar.console.is_terminal:
            self._bar.console.print(f"{text} ...")

    def describe(self, text: str) -> None:
        """Change the words, not the bar."""
        self._bar.update(self._task, description=text)

    def advance(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)


def _console() -> Console:
    """Results on stdout; wide enough for the table where there is no terminal to fit."""
    return Console(width=None if sys.stdout.isatty() else 140, highlight=False)


def _progress() -> Progress:
    """Progress on stderr, so that stdout holds results only."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


if __name__ == "__main__":
    main()
