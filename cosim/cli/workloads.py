"""Commands that run a network: `duramesh kws`, `duramesh kws train`."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cosim.cli.shared import (
    FOLDER,
    INPUT,
    OUTPUT,
    OUTPUT_FILE,
    OUTPUT_FOLDER,
    Task,
    new_console,
    new_progress,
    print_files,
)

if TYPE_CHECKING:
    from cosim.engines.engine import Engine as ProgramEngine

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
@click.option("--clips", type=click.IntRange(min=1), help="Classify N clips. Default: all, or 60 synthesised ones.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which chip, and which clips.")
@click.option("--ideal", is_flag=True, help="Analog part without noise or mismatch.")
@click.option(
    "--overlapped",
    is_flag=True,
    help="Read the output in the next frame's first step, which leaves time for asymmetry balance on every layer.",
)
@click.option("--model", type=INPUT, help="Checkpoint. Default: the shipped one.")
@click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the results there.")
@click.option("--report", type=OUTPUT_FOLDER, help="Folder for the pictures.")
@click.option("--waves", type=OUTPUT, help="Write a waveform trace and a viewer's save file. [env: WAVES=1]")
@click.option(
    "--checkpoint", type=OUTPUT_FOLDER, help="Keep results in this folder as they come, and go on from there."
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
    from cosim.compiler import MappingOptions
    from cosim.engines.checked import CheckedEngine
    from cosim.engines.rtl.engine import RtlEngine
    from cosim.engines.twin.engine import TwinEngine
    from cosim.system.checkpoint import Checkpoint, ResumableEngine
    from cosim.workloads.kws.model import CHECKPOINT, KwsModel
    from cosim.workloads.kws.workload import calibration_clips, classify, describe_run, load_clips, prepare_chip

    if waves and engine == "twin":
        raise click.UsageError("only the RTL has waves, the engine is twin; add --engine rtl")
    if waves is None and engine != "twin" and os.environ.get("WAVES", "0") not in ("", "0"):
        waves = (report or Path()) / "waves"
    if waves and checkpoint:
        raise click.UsageError("a run with --checkpoint is simulated in parts, of which only the last had waves")
    console = new_console()
    notes: list[str] = []
    traces: list[str] = []
    network = KwsModel.load(model or CHECKPOINT)
    analog = AnalogConfig.ideal() if ideal else AnalogConfig()
    mapping = MappingOptions(overlapped=overlapped)
    with ExitStack() as stack:
        with new_progress() as bar:
            say = Task(bar)

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
        with new_progress() as bar:
            say = Task(bar)
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
    print_files(console, files)


@kws.command()
@click.option("--data", type=INPUT, required=True, help="Speech Commands, or an npz file of prepared features.")
@click.option("--recipe", type=click.Choice(["paper", "best"]), default="best", show_default=True)
@click.option("--seeds", default="1,2,3", show_default=True, help="One network for each; validation chooses.")
@click.option("--epochs", type=click.IntRange(min=1), help="Shorten or lengthen the recipe.")
@click.option("--device", help="E.g. cpu, cuda. Default: an accelerator if there is one.")
@click.option("--out", type=OUTPUT_FILE, default=Path("kws-model.npz"), show_default=True)
def train(data: Path, recipe: str, seeds: str, epochs: int | None, device: str | None, out: Path) -> None:
    """Train the network, hardware-aware (needs the extra: pip install 'duramesh[train]')."""
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise click.BadParameter(f"{seeds!r} is not a list of numbers like 1,2,3", param_hint="--seeds") from None
    try:
        from cosim.workloads.kws.training.trainer import train as run
    except ImportError as error:
        raise click.ClickException(f"{error}; training needs the extra: pip install 'duramesh[train]'") from error
    from cosim.workloads.kws.dataset import load_training_set
    from cosim.workloads.kws.training.recipes import RECIPES

    settings = replace(RECIPES[recipe], epochs=epochs) if epochs else RECIPES[recipe]
    model, _ = run(load_training_set(data), settings, numbers, device=device, say=click.echo)
    model.save(out)
    click.echo(f"wrote {out}")
