"""Commands of the transcription network: `duramesh rnnt map`, `run`, `figures`, `train`, `widen`."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosim.cli.analog import AnalogChoice, analog_options
from cosim.cli.comparisons import Choices, comparing
from cosim.cli.networks import Setting
from cosim.cli.numbers import RealRange
from cosim.cli.options import CLIPS
from cosim.cli.shared import (
    FILE,
    INPUT,
    OUTPUT_FILE,
    OUTPUT_FOLDER,
    SEED,
    FormattedFile,
    Task,
    WrittenFile,
    new_console,
    new_progress,
    print_files,
    resumable,
    write_then_print,
)
from cosim.cli.workers import worker_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from cosim.sweep import Workers

__all__ = ["FIRST_LAYER", "SPEECH_OR_WORDS", "WEIGHTS", "rnnt"]

_NETWORK = FormattedFile("network", ".npz", ".safetensors")
#: Values of `cosim.workloads.rnnt.mapping.FirstLayer`, which would load numpy for --help; a test compares.
FIRST_LAYERS = ("once", "averaged", "expanded")
FIRST_LAYER = click.option(
    "--first-layer",
    type=click.Choice(FIRST_LAYERS),
    default="averaged",
    show_default=True,
    help="Enc-LSTM0's input matrix: 240 rows once, four averaged copies (960 rows), or expanded to 1,024 rows.",
)
SPEECH_OR_WORDS = click.option(
    "--audio",
    type=INPUT,
    help="A split of LibriSpeech, such as dev-clean, or Speech Commands, whose clips become sentences. Default: "
    "synthesised sentences.",
)
WEIGHTS = click.option(
    "--network",
    type=FILE,
    envvar="RNNT_CHECKPOINT",
    help="Weights: MLPerf's checkpoint (.pt), or .safetensors or .npz of its names. Default: the network that comes "
    "along. [env: RNNT_CHECKPOINT]",
)


@click.group()
def rnnt() -> None:
    """Transcribe speech with a recurrent transducer, RNN-T, on the five chips of Nature 620, 768 (2023)."""


@rnnt.command("map")
@FIRST_LAYER
@click.option("--pictures", type=OUTPUT_FOLDER, help="Draw each chip there: which matrix sits where, and all ways.")
@click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the figures there.")
def map_(first_layer: str, pictures: Path | None, json_file: Path | None) -> None:
    """Show what the five chips hold, and their frames, beside the paper's figures. No weights are needed."""
    from cosim.files.archive import write_text
    from cosim.files.json_text import to_json
    from cosim.view.layouts import draw_layout
    from cosim.workloads.rnnt.mapping import FirstLayer, paper_layout
    from cosim.workloads.rnnt.placed import MappingReport

    first = FirstLayer(first_layer)
    report = MappingReport(paper_layout(first, check=True), first)
    files: dict[str, WrittenFile] = {}
    if pictures:
        for chip in range(len(report.chips)):
            draw = partial(draw_layout, report.layout, chip=chip)
            files[f"chip {chip + 1}"] = pictures / f"chip{chip + 1}.svg", draw
    files["json"] = json_file, lambda path: write_text(path, to_json(report.to_json(), indent=2) + "\n")
    write_then_print(files, report.print)


@rnnt.command("run")
@SPEECH_OR_WORDS
@WEIGHTS
@CLIPS
@FIRST_LAYER
@click.option(
    "--bits",
    type=Setting(RealRange(1, 24), "bits"),
    multiple=True,
    help="Fewer levels for the weights of layers before anything else, e.g. 'enc-lstm0=3.5', '*=5.4'. Repeatable.",
)
@comparing
def run_(
    audio: Path | None,
    network: Path | None,
    clips: int | None,
    first_layer: str,
    bits: tuple[tuple[str, float], ...],
    **choices: Any,
) -> None:
    """Transcribe utterances in software and on chips, and count words that are wrong."""
    from cosim.workloads.rnnt.mapping import FirstLayer
    from cosim.workloads.rnnt.model import RnntModel
    from cosim.workloads.rnnt.network import SHIPPED, RnntNetwork
    from cosim.workloads.rnnt.quantised import quantised
    from cosim.workloads.rnnt.report import report
    from cosim.workloads.rnnt.workload import Transcription

    chosen, first = Choices(**choices), FirstLayer(first_layer)
    model = RnntModel(quantised(RnntNetwork.load(network or SHIPPED), dict(bits)), centred=first.centred)
    task = Transcription.of(model, audio, clips, chosen.seed)
    chosen.run(
        lambda settings: task.workload(settings.analog, first, chosen.chips),
        lambda comparison: report(task, comparison, chosen.seed),
    )


@rnnt.command("figures")
@SPEECH_OR_WORDS
@WEIGHTS
@click.option(
    "--clips", type=click.IntRange(2, 1_000_000), default=60, show_default=True, help="Judge by N utterances."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Which utterances, and the first chips.")
@click.option("--chips", type=click.IntRange(1, 3), default=3, show_default=True, help="Sets of chips.")
@click.option("--quick", is_flag=True, help="Fewer bits, and ranges that are not refined: whether it works.")
@click.option(
    "--out", type=OUTPUT_FOLDER, default=Path("reports/rnnt"), show_default=True, help="Folder of the results."
)
@click.option("--stale", is_flag=True, help="Take what earlier code has measured as well.")
@analog_options
@worker_options
def figures_(
    audio: Path | None,
    network: Path | None,
    clips: int,
    seed: int,
    out: Path,
    analog: AnalogChoice,
    workers: "Callable[[float, Path], Workers]",
    **choices: Any,
) -> None:
    """Characterise the chips as the paper does: layers alone and together, bits, expansion, drift, MACs, weights.

    A run that was interrupted goes on when the same command is given again.
    """
    from cosim.figures import Campaign
    from cosim.figures.campaign import MEMORY
    from cosim.figures.report import make_report, print_findings
    from cosim.figures.rnnt import STUDY, measure
    from cosim.figures.rnnt_measurement import Sentences

    sentences = Sentences(network and network.absolute(), audio and audio.absolute(), clips, seed)
    study = replace(STUDY, measure=partial(measure, sentences=sentences))
    with new_progress() as bar:
        say = Task(bar)
        say("reading sentences")
        campaign = Campaign(
            out,
            analog=analog.config(),
            seed=seed,
            given={"sentences": sentences.content},
            workers=workers(MEMORY, out),
            **choices,
            say=say,
            advance=say.advance,
        )
        with resumable(out, bar):
            results = make_report(campaign, [study], [study], say=bar.console.print)
    console = new_console()
    print_findings(results, console)
    print_files(console, {"report": str(out / "index.html"), "json": str(out / "results.json")})


@rnnt.command()
@click.option("--data", type=INPUT, required=True, help="Speech Commands, or an npz file of prepared features.")
@click.option(
    "--recipe",
    type=click.Choice(["narrow", "shipped", "full"]),
    default="narrow",
    show_default=True,
    help="narrow: quick; shipped: the shipped network's widths, for --widen; full: MLPerf's.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Mini-batches in all. Default: the recipe's.")
@click.option("--seed", type=SEED, default=1, show_default=True)
@click.option("--widen", type=FILE, help="Start from this network, its units copied to the recipe's widths.")
@click.option(
    "--checkpoint", type=OUTPUT_FOLDER, help="Keep the training in this folder as it goes, and go on from there."
)
@click.option("--device", help="E.g. cpu, cuda. Default: an accelerator if there is one.")
@click.option("--eight-bits", is_flag=True, help="Write matrices as bytes, a scale for each row.")
@click.option("--out", type=_NETWORK, default=Path("rnnt.npz"), show_default=True)
def train(
    data: Path,
    recipe: str,
    steps: int | None,
    seed: int,
    widen: Path | None,
    checkpoint: Path | None,
    device: str | None,
    eight_bits: bool,
    out: Path,
) -> None:
    """Train a network on connected words of Speech Commands (needs PyTorch: the extra `train`).

    With --checkpoint, a training that was interrupted or killed goes on when the same command is given again.
    """
    from cosim.workloads.kws.training.recipes import training_advice
    from cosim.workloads.rnnt.network import RnntNetwork
    from cosim.workloads.rnnt.training.recipes import RECIPES

    RnntNetwork.check_name(out, eight_bits=eight_bits)
    try:
        from cosim.workloads.rnnt.training.trainer import train as run
    except ImportError as error:
        raise click.ClickException(f"{error}; {training_advice()}") from error
    from cosim.workloads.kws.dataset import load_training_set

    settings = replace(RECIPES[recipe], steps=steps) if steps else RECIPES[recipe]
    start = RnntNetwork.load(widen) if widen else None
    examples = load_training_set(data)
    with resumable(checkpoint):
        network = run(examples, settings, seed, folder=checkpoint, start=start, device=device, say=click.echo)
    network.save(out, eight_bits=eight_bits)
    click.echo(f"wrote {out}")


@rnnt.command()
@click.argument("network", type=FILE)
@click.option(
    "--recipe", type=click.Choice(["shipped", "full"]), default="full", show_default=True, help="Whose widths."
)
@click.option("--seed", type=SEED, default=1, show_default=True, help="Of the shares of copied units.")
@click.option("--out", type=_NETWORK, default=Path("rnnt-wide.npz"), show_default=True)
def widen(network: Path, recipe: str, seed: int, out: Path) -> None:
    """Copy a network's units until it has a recipe's widths; it says the same as before."""
    from cosim.workloads.rnnt.network import RnntNetwork
    from cosim.workloads.rnnt.training.recipes import RECIPES
    from cosim.workloads.rnnt.training.widening import widened

    wide = widened(RnntNetwork.load(network), RECIPES[recipe].shape, seed)
    wide.save(out)
    click.echo(f"wrote {out}, {wide.shape.mapped_weights:,} weights for chips")
