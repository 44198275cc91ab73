"""Commands of ALBERT: `duramesh albert map`, `train`, `run`, `figures`."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosim.cli.analog import AnalogChoice, analog_options
from cosim.cli.comparisons import Choices, comparing
from cosim.cli.numbers import Numbers, RealRange
from cosim.cli.options import ALBERT_MODEL, CALIBRATION, GLUE_FOLDER, GLUE_TASK, TRIALS, chained
from cosim.cli.shared import (
    DRAWING,
    FILE,
    FOLDER,
    OUTPUT_FILE,
    OUTPUT_FOLDER,
    SEED,
    Task,
    WrittenFile,
    new_console,
    new_progress,
    print_files,
    resumable,
    write_then_print,
)
from cosim.files.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

    from cosim.workloads.albert.mapping import Mapped
    from cosim.workloads.albert.workload import Classification

__all__ = ["albert"]

_BITS = click.option(
    "--readout-bits", type=click.IntRange(7, 8), default=7, show_default=True, help="Of the chip's codes."
)


#: Options of every command that judges examples.
_judging = chained(
    GLUE_FOLDER,
    GLUE_TASK,
    ALBERT_MODEL,
    click.option("--labels", help="Names of the network's outputs in their order, with commas, where it has none."),
    click.option(
        "--clips", "--examples", "clips", type=click.IntRange(1, 1_000_000), help="Judge N examples. Default: all."
    ),
    CALIBRATION,
)
#: Their names.
_JUDGED = ("data", "task_name", "model", "labels", "clips", "calibration")


def _task(
    seed: int,
    *,
    data: Path,
    task_name: str,
    model: Path,
    labels: str | None,
    clips: int | None,
    calibration: int,
) -> "Classification":
    from cosim.workloads.albert.model import TextClassifier
    from cosim.workloads.albert.workload import Classification
    from cosim.workloads.glue import TASKS

    task = TASKS[task_name]
    classifier = TextClassifier.load(model, task, labels.split(",") if labels else ())
    return Classification.of(classifier, task, data, clips, seed, calibration)


@click.group()
def albert() -> None:
    """ALBERT on one chip: twelve passes through a layer of 7,077,888 weights."""


@albert.command("map")
@_BITS
@click.option("--picture", type=DRAWING, help="Draw tiles, and the ways of all phases, as SVG.")
@click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the figures there.")
def map_(readout_bits: int, picture: Path | None, json_file: Path | None) -> None:
    """Show how the shared layer sits on a chip, and what its four phases take."""
    from cosim.files.archive import write_text
    from cosim.files.json_text import to_json
    from cosim.view.layouts import draw_layout
    from cosim.workloads.albert.mapping import layer_layout, mapped

    layout = layer_layout(readout_bits=readout_bits)
    found = mapped(layout)
    files: dict[str, WrittenFile] = {
        "picture": (picture, partial(draw_layout, layout)),
        "json": (json_file, lambda path: write_text(path, to_json(asdict(found), indent=2) + "\n")),
    }
    write_then_print(files, partial(_print, found))


def _print(found: "Mapped", console: "Console") -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer-block")
    for name in ("weights", "pieces", "vectors in", "readouts", "slots", "ns for a token"):
        table.add_column(name, justify="right")
    for phase in found.phases:
        numbers = phase.weights, phase.pieces, phase.vectors_in, phase.readouts, phase.slots, phase.ns
        table.add_row(phase.block, *(f"{number:,}" for number in numbers))
    console.print(table)
    console.print(
        f"\n{found.weights:,} weights of four devices, {found.devices:,}, {found.share:.1%} of the chip; "
        f"{counted(found.pieces, 'piece')} on {counted(found.tiles, 'tile')}, {counted(found.joined, 'pair')} of "
        f"them joined, {counted(found.shared, 'tile')} with "
        f"pieces of several layer-blocks; {found.ns:,} ns for a token and layer"
    )


@albert.command("run")
@_judging
@_BITS
@comparing
def albert_run(readout_bits: int, **choices: Any) -> None:
    """Judge sentences in software and on chips."""
    from cosim.workloads.albert.report import report

    judged = {name: choices.pop(name) for name in _JUDGED}
    chosen = Choices(**choices)
    if chosen.chips not in (None, 1):
        raise click.UsageError("the shared layer of ALBERT is on one chip; leave out --chips")
    task = _task(chosen.seed, **judged)
    chosen.run(
        lambda settings: task.workload(settings.analog, readout_bits),
        lambda comparison: report(task, comparison, chosen.seed),
    )


@albert.command("figures")
@_judging
@click.option("--seed", type=SEED, default=0, show_default=True, help="Which examples.")
@click.option("--seeds", type=Numbers(), default="0-2", show_default=True, help="Noisy chips.")
@TRIALS
@click.option(
    "--out", type=OUTPUT_FOLDER, default=Path("reports/albert"), show_default=True, help="Folder of the results."
)
@analog_options
def albert_figures(
    seed: int, seeds: tuple[int, ...], trials: int, out: Path, analog: AnalogChoice, **judged: Any
) -> None:
    """Characterise the chip as the paper does, and tell its trends: exits, errors, reads, drift, bits.

    A run that was interrupted goes on when the same command is given again.
    """
    from cosim.figures.albert import write
    from cosim.figures.albert_measurement import measure
    from cosim.figures.albert_trends import trends
    from cosim.workloads.comparison import Settings

    task = _task(seed, **judged)
    settings = Settings("twin", analog.config(), seeds, checkpoint=out / "parts")
    workload = task.workload(settings.analog)
    workload = replace(workload, options=replace(workload.options, trials=trials))
    with new_progress() as bar, resumable(settings.checkpoint, bar):
        found = measure(task, settings, Task(bar), workload)
    files = write(found, out)
    console = new_console()
    for trend in trends(found):
        console.print(f"{'yes' if trend.holds else 'no':4}{trend.paper}", soft_wrap=True)
        console.print(f"    {trend.here}", style="dim", soft_wrap=True)
    print_files(console, {name: str(path) for name, path in files.items()})


@albert.command("import")
@click.argument("model", type=FILE)
@click.argument("folder", type=OUTPUT_FOLDER)
def import_(model: Path, folder: Path) -> None:
    """Write a DistilBERT that PyTorch exported to ONNX as a Hugging Face folder.

    `albert train` can start from it, `sentences run` judge with it. A tokenizer.json beside MODEL is taken along.
    """
    from cosim.graph.hugging_face.exported import write_distilbert

    write_distilbert(model, folder)
    click.echo(f"wrote {folder}")


@albert.command()
@GLUE_FOLDER
@GLUE_TASK
@click.option(
    "--start",
    type=FOLDER,
    required=True,
    help="Hugging Face folder of a DistilBERT, whose layers become a shared one, or of an ALBERT, to tune it further.",
)
@click.option("--out", type=OUTPUT_FOLDER, required=True, help="Folder of the network, and of checkpoints.")
@click.option("--recipe", type=click.Choice(["short", "long", "tune"]), default="short", show_default=True)
@click.option("--clips", "--examples", "clips", type=click.IntRange(1, 1_000_000), help="Train on N examples.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the head, the order of texts, and noise.")
@click.option(
    "--noise",
    "noise_scale",
    type=RealRange(0, 10),
    default=0.0,
    show_default=True,
    help="Weights in tuning are off by what the chip's devices would be, times this.",
)
@analog_options
def train(
    data: Path,
    task_name: str,
    start: Path,
    out: Path,
    recipe: str,
    clips: int | None,
    seed: int,
    noise_scale: float,
    analog: AnalogChoice,
) -> None:
    """Train a network on a task (needs PyTorch and transformers: the extra `train`).

    A run that was interrupted goes on when the same command is given again.
    """
    from cosim.files.extras import needed
    from cosim.workloads.albert.training.recipes import RECIPES

    for package in ("torch", "transformers"):
        needed(package, "train", "training")
    from cosim.workloads.albert.training.train import train as run

    with resumable(out):
        run(
            start,
            data,
            task_name,
            out,
            RECIPES[recipe],
            examples=clips,
            seed=seed,
            noise_scale=noise_scale,
            analog=analog.config(),
            say=click.echo,
        )
    click.echo(f"wrote {out}")
