"""Commands that put any network on chips: `duramesh compile`, `infer`, `where`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosim.cli.analog import AnalogChoice, analog_options
from cosim.cli.numbers import Numbers, RealRange
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
    resumable,
    write_then_print,
)

if TYPE_CHECKING:
    from cosim.system import SystemImage

__all__ = ["Setting", "compile_", "infer", "where"]

#: Names of `cosim.system.sessions.ENGINES`, which would load numpy for --help; a test compares.
ENGINES = click.Choice(["float", "ideal", "twin", "rtl", "both"])
_MODES = ("balanced", "double", "stacked", "host")


class Setting(click.ParamType):
    """PATTERN=VALUE, for the matrices whose names fit the pattern."""

    def __init__(self, value: click.ParamType, shown: str) -> None:
        self.value, self.name = value, f"pattern={shown}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        pattern, equals, given = str(value).rpartition("=")
        if not equals or not pattern:
            self.fail(f"{value!r} is no {self.name}", param, ctx)
        return pattern, self.value.convert(given, param, ctx)


@contextmanager
def _said() -> Iterator[Callable[[str, int, int], None]]:
    """Progress for what says (words, done, all)."""
    with new_progress() as bar:
        task = Task(bar)
        said = [""]

        def say(words: str, done: int, total: int) -> None:
            if words != said[0]:
                said[0] = words
                task(words)
            if total:
                task.advance(done, total)

        yield say


@click.command("compile")
@click.argument("model", type=INPUT)
@click.option("--samples", type=FILE, required=True, help="Inputs, .npy or .npz: ranges are chosen with them.")
@click.option("--out", type=FormattedFile("image", ".npz"), required=True, help="The system image, .npz.")
@click.option("--chips", type=click.IntRange(1, 1024), help="How many. Default: as few as it takes.")
@click.option("--mode", type=click.Choice(_MODES[:3]), help="Of every matrix. Default: what fits, balanced first.")
@click.option(
    "--matrix",
    "modes",
    type=Setting(click.Choice(_MODES), "mode"),
    multiple=True,
    help="Mode of matrices by name, e.g. 'encoder/*/fc1=stacked'; host: on no chip. Repeatable.",
)
@click.option(
    "--copies",
    type=Setting(click.IntRange(1, 64), "number"),
    multiple=True,
    help="Put matrices on chips so many times, and average. Repeatable.",
)
@click.option(
    "--expand",
    type=Setting(RealRange(1, 64), "ratio"),
    multiple=True,
    help="Expand matrices by a random one to so many times their rows. Repeatable.",
)
@click.option(
    "--outliers",
    type=RealRange(0, 1),
    default=0.0,
    show_default=True,
    help="Leave at most such a share of each matrix's inputs to the host: those that cost most range.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=0),
    default=24,
    show_default=True,
    help="Evaluations of the whole network by which ranges are refined.",
)
@click.option("--pictures", type=OUTPUT_FOLDER, help="Draw each chip there: which matrix sits where, and all ways.")
@click.option(
    "--preset", "size", type=click.Choice(["chip", "small"]), default="chip", show_default=True, help="Chips' sizes."
)
@analog_options
def compile_(model: Path, out: Path, size: str, analog: AnalogChoice, pictures: Path | None, **choices: Any) -> None:
    """Put a network on chips: place its matrices, and find the ranges of all numbers from samples.

    MODEL is an ONNX model, or a graph in an .npz file. Devices' errors, which the ranges are chosen for, are those of
    --devices.
    """
    from cosim.system.commands import compiled, print_image
    from rtl.config import preset

    with _said() as say:
        image = compiled(model, config=preset(size), analog=analog.config(), say=say, **choices)
    files: dict[str, WrittenFile] = {"image": (out, image.save)}
    if pictures:
        files |= _drawings(image, pictures)
    write_then_print(files, partial(print_image, image))


def _drawings(image: "SystemImage", folder: Path) -> "dict[str, WrittenFile]":
    """Pictures of all chips, by name."""
    from cosim.view.layouts import draw_layout

    return {
        f"chip {chip}": (folder / f"chip{chip}.svg", partial(draw_layout, image.layout, chip=chip))
        for chip in range(len(image.layout.images))
    }


@click.command()
@click.argument("image", type=FILE)
@click.option("--inputs", "inputs_file", type=FILE, required=True, help="Samples along the first axis, .npy or .npz.")
@click.option("--out", type=FormattedFile("array", ".npy", ".npz"), help="Outputs: .npy of one, or .npz by name.")
@click.option("--engine", type=ENGINES, default="twin", show_default=True, help="What runs the chips.")
@click.option("--seeds", type=Numbers(), default="0", show_default=True, help="Chips of each seed in turn.")
@click.option("--limit", type=click.IntRange(min=1), help="Run the first N samples.")
@click.option("--age", "aged_s", type=RealRange(0, 1e10), help="Read the chips so many seconds after programming.")
@click.option("--recalibrate", is_flag=True, help="Calibrate them again at that age.")
@click.option("--checkpoint", type=OUTPUT_FOLDER, help="Keep results in this folder, and go on from there.")
@click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the figures there.")
@analog_options
def infer(
    image: Path,
    inputs_file: Path,
    out: Path | None,
    limit: int | None,
    json_file: Path | None,
    recalibrate: bool,
    analog: AnalogChoice,
    **choices: Any,
) -> None:
    """Run samples through a network on its chips, and show each layer's error against float.

    IMAGE is what `duramesh compile` wrote. With --checkpoint, a run that was interrupted goes on when the same command
    is given again.
    """
    from cosim.system.commands import inferred, write_outputs

    if recalibrate and choices["aged_s"] is None:
        raise click.UsageError("--recalibrate calibrates the chips again at an age; add --age")
    if choices["engine"] in ("float", "ideal") and len(choices["seeds"]) > 1:
        raise click.UsageError(f"--seeds are of noisy chips; on {choices['engine']} all give the same")
    with resumable(choices["checkpoint"]), _said() as say:
        found = inferred(
            image, inputs_file, limit=limit, analog=analog.config(), recalibrated=recalibrate, say=say, **choices
        )
    report = found.report
    write_then_print(
        {"outputs": (out, partial(write_outputs, found)), "json": (json_file, report.write_json)}, report.print
    )


@click.command()
@click.argument("image", type=FILE)
@click.argument("layer")
@click.argument("row", type=click.IntRange(min=0))
@click.argument("column", type=click.IntRange(min=0))
@click.option("--seed", type=SEED, help="Also show what the devices of chips of this seed became.")
@analog_options
def where(image: Path, layer: str, row: int, column: int, seed: int | None, analog: AnalogChoice) -> None:
    """Show which devices hold a weight.

    IMAGE is what `duramesh compile` wrote, LAYER a matrix of its network, ROW and COLUMN its input and output.
    """
    from cosim.system.commands import located, print_places

    with _said() as say:
        found = located(image, layer, row, column, analog=analog.config(), seed=seed, say=say)
    print_places(found, new_console())
