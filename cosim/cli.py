"""The command `duramesh`."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["main"]

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_INPUT = click.Path(exists=True, path_type=Path)
_OUTPUT = click.Path(path_type=Path)


class _Group(click.Group):
    """Turns the project's own errors into one clear line and exit status 1; anything else is a bug and shows itself."""

    def invoke(self, ctx: click.Context) -> object:
        from analog_models.chip import AnalogFileError
        from cosim.assembler import AssemblyError
        from cosim.compiler import MappingError
        from cosim.kws.dataset import DatasetError
        from cosim.kws.features import AudioError
        from cosim.kws.synthesiser import SynthesiserError
        from cosim.network import NetworkError
        from cosim.program import ProgramError
        from cosim.rtl_engine.agents import ChipError
        from cosim.rtl_engine.build import BuildError
        from cosim.rtl_engine.simulator import SimulationError
        from cosim.vectors import VectorError

        known = (
            AnalogFileError,
            AssemblyError,
            AudioError,
            BuildError,
            ChipError,
            DatasetError,
            MappingError,
            NetworkError,
            ProgramError,
            SimulationError,
            SynthesiserError,
            VectorError,
        )
        try:
            return super().invoke(ctx)
        except known as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
@click.version_option(package_name="duramesh")
def main() -> None:
    """An analog-AI inference chip: 34 PCM tiles, a mesh of durations, controller programs, RTL."""


@main.group(invoke_without_command=True)
@click.option(
    "--engine", type=click.Choice(["rtl", "twin"]), default="rtl", show_default=True, help="What runs the chip."
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
@click.option("--model", type=_INPUT, help="Checkpoint. Default: the shipped one.")
@click.option("--json", "json_file", type=_OUTPUT, help="Write the results there.")
@click.option("--report", type=_OUTPUT, help="Folder for the pictures.")
@click.option("--waves", type=_OUTPUT, help="Write a waveform trace and a viewer's save file. [env: WAVES=1]")
@click.pass_context
def kws(
    ctx: click.Context,
    engine: str,
    audio: Path | None,
    features: Path | None,
    clips: int | None,
    seed: int,
    ideal: bool,
    model: Path | None,
    json_file: Path | None,
    report: Path | None,
    waves: Path | None,
) -> None:
    """Classify spoken words on the simulated chip."""
    if ctx.invoked_subcommand is not None:
        return
    from analog_models.config import AnalogConfig
    from cosim.kws.model import CHECKPOINT, KwsModel
    from cosim.kws.workload import calibration_clips, classify, load_clips, prepare_chip
    from cosim.rtl_engine.engine import RtlEngine
    from cosim.twin import TwinEngine

    if waves is None and os.environ.get("WAVES", "0") not in ("", "0"):
        waves = (report or Path()) / "waves"
    console = _console()
    network = KwsModel.load(model or CHECKPOINT)
    with _progress() as bar:
        say = _Task(bar)
        say("reading the clips" if audio else "speaking the clips")
        chosen = load_clips(audio, clips, seed)
        say("reading the calibration clips" if audio or features else "speaking the calibration clips")
        calibration = calibration_clips(audio, features)
        analog = AnalogConfig.ideal() if ideal else AnalogConfig()
        chip = prepare_chip(network, calibration, analog=analog, seed=seed, say=say, advance=say.advance)
    runner = TwinEngine() if engine == "twin" else RtlEngine(waves=waves)  # the first time, it builds the simulator
    with _progress() as bar:
        say = _Task(bar)
        say(f"classifying {len(chosen)} clips")
        outcome = classify(network, chosen, chip, runner, seed=seed, progress=say.advance)
    console.print(f"programmed: {chip.programming}")
    console.print(f"calibrated: with {len(calibration)} clips, {calibration.source}\n")
    outcome.print(console)
    files = outcome.write(report) if report else {}
    if isinstance(runner, RtlEngine) and runner.waves:
        files["waves"] = str(runner.waves)
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
@click.option("--out", type=_OUTPUT, default=Path("kws-model.npz"), show_default=True)
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


class _Task:
    """What is being done, and how much of it: a bar on a terminal, lines elsewhere."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def __call__(self, text: str) -> None:
        self._bar.update(self._task, description=text, completed=0, total=None)
        if not self._bar.console.is_terminal:
            self._bar.console.print(f"{text} ...")

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
