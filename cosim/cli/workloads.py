"""Commands that run a network: `duramesh kws`, `duramesh kws train`."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from cosim.cli.analog import AnalogChoice, analog_options
from cosim.cli.numbers import Numbers
from cosim.cli.shared import (
    FILE,
    FOLDER,
    INPUT,
    OUTPUT,
    OUTPUT_FILE,
    OUTPUT_FOLDER,
    SEED,
    FormattedFile,
    Task,
    WrittenFile,
    new_progress,
    resumable,
    write_then_print,
)

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["kws"]


@click.group(invoke_without_command=True)
@click.option(
    "--engine",
    type=click.Choice(["rtl", "twin", "both"]),
    default="rtl",
    show_default=True,
    help="What runs the chip; both: the RTL, every code compared with the twin's.",
)
@click.option("--audio", type=FOLDER, help="Speech Commands or its test archive. Default: synthesised speech.")
@click.option(
    "--features",
    type=INPUT,
    envvar="DURAMESH_FEATURES",
    help="Prepared features whose validation split calibrates the chip. [env: DURAMESH_FEATURES]",
)
@click.option(
    "--recording", type=FILE, help="Find words in a recording of any length; --audio, if given, only calibrates."
)
@click.option(
    "--clips", type=click.IntRange(1, 1_000_000), help="Classify N clips. Default: all, or 60 synthesised ones."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Which chip, and which clips.")
@analog_options
@click.option(
    "--overlapped",
    is_flag=True,
    help="Read the output in the next frame's first step, which leaves time for asymmetry balance on every layer.",
)
@click.option("--model", type=INPUT, help="Checkpoint. Default: the shipped one.")
@click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the results there.")
@click.option("--report", type=OUTPUT_FOLDER, help="Folder for the pictures.")
@click.option("--waves", type=OUTPUT, help="Write a waveform trace and a viewer's save file. [env: WAVES=1]")
@click.option("--waves-frames", type=Numbers(), help="Trace only these frames, which are clips. Default: all.")
@click.option(
    "--checkpoint", type=OUTPUT_FOLDER, help="Keep results in this folder as they come, and go on from there."
)
@click.option("--chunk", type=click.IntRange(min=1), default=256, show_default=True, help="Clips kept at once.")
@click.pass_context
def kws(ctx: click.Context, json_file: Path | None, report: Path | None, analog: AnalogChoice, **choices: Any) -> None:
    """Classify spoken words on the simulated chip.

    With --checkpoint, a run that was interrupted or killed goes on when the same command is given again.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options_of_another_command(ctx)
        return
    from cosim.workloads.kws.run import Settings, prepared

    settings = Settings(analog=analog.config(), **choices)
    if settings.recording and settings.clips:
        raise click.UsageError("--clips chooses among the clips of a data set; a recording is classified as a whole")
    if settings.waves and settings.engine == "twin":
        raise click.UsageError("only the RTL has waves, the engine is twin; add --engine rtl")
    if settings.waves is None and settings.engine != "twin" and os.environ.get("WAVES", "0") not in ("", "0"):
        settings = replace(settings, waves=(report or Path()) / "waves")
    if settings.waves_frames is not None and not settings.waves:
        raise click.UsageError("--waves-frames chooses what --waves shows; add --waves")
    if settings.waves and settings.checkpoint:
        raise click.UsageError("a run with --checkpoint is simulated in parts, of which only the last had waves")
    with new_progress() as bar, prepared(settings, Task(bar)) as run, resumable(settings.checkpoint, bar):
        outcome = run.classify()
    files: dict[str, WrittenFile] = {**outcome.pictures(report)} if report else {}
    files["waves"] = run.waves, lambda _: None  # the simulator has written them
    names = {what: str(path) for what, (path, _) in files.items() if path}
    files["json"] = json_file, partial(outcome.write_json, files=names)

    def show(console: "Console") -> None:
        console.print("\n".join(run.notes) + "\n", soft_wrap=True)
        outcome.print(console)

    write_then_print(files, show)


def _refuse_options_of_another_command(ctx: click.Context) -> None:
    """Options of `duramesh kws` that stand before a subcommand would do nothing."""
    given = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        option = next(parameter.opts[0] for parameter in ctx.command.params if parameter.name == given[0])
        raise click.UsageError(
            f"{option} is an option of `duramesh kws`, not of `duramesh kws {ctx.invoked_subcommand}`"
        )


@kws.command()
@click.option("--data", type=INPUT, required=True, help="Speech Commands, or an npz file of prepared features.")
@click.option("--recipe", type=click.Choice(["paper", "best"]), default="best", show_default=True)
@click.option(
    "--seeds", type=Numbers(), default="1-3", show_default=True, help="One network for each; validation chooses."
)
@click.option("--epochs", type=click.IntRange(min=1), help="Shorten or lengthen the recipe.")
@click.option("--device", help="E.g. cpu, cuda. Default: an accelerator if there is one.")
@click.option("--out", type=FormattedFile("network", ".npz"), default=Path("kws-model.npz"), show_default=True)
def train(data: Path, recipe: str, seeds: tuple[int, ...], epochs: int | None, device: str | None, out: Path) -> None:
    """Train the network, hardware-aware (needs PyTorch: the extra `train`)."""
    from cosim.workloads.kws.training.recipes import RECIPES, training_advice

    try:
        from cosim.workloads.kws.training.trainer import train as run
    except ImportError as error:
        raise click.ClickException(f"{error}; {training_advice()}") from error
    from cosim.workloads.kws.dataset import load_training_set

    settings = replace(RECIPES[recipe], epochs=epochs) if epochs else RECIPES[recipe]
    model, _ = run(load_training_set(data), settings, seeds, device=device, say=click.echo)
    model.save(out)
    click.echo(f"wrote {out}")
