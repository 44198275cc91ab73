"""The command that counts time and energy: `duramesh energy`."""

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cosim.cli.analog import AnalogChoice, analog_options
from cosim.cli.numbers import RealRange
from cosim.cli.shared import FILE, FOLDER, OUTPUT_FILE, PLOT, NamedFile, Task, new_progress, write_then_print

__all__ = ["energy"]

#: Names of `cosim.workloads.predictions.commands.WORKLOADS`, which would load numpy for --help; a test compares.
WORKLOADS = ("rnnt", "albert", "kws")
#: Options that do something only for some targets; for others they are refused.
_ONLY_OF = {
    "manifest": ("rnnt",),
    "limit": ("rnnt",),
    "decoder_frames": ("rnnt",),
    "overlapped": ("rnnt",),
    "inputs": ("an image",),
    "steps": ("an image",),
    "data": ("albert",),
    "model": ("albert",),
    "pipelined": ("albert",),
    "pads": WORKLOADS,
    "lanes": WORKLOADS,
    "duration": (*WORKLOADS, "a layout"),
    "layer_ns": ("rnnt", "albert", "an image"),
    "port_gbps": ("rnnt", "albert", "an image", "a layout"),
}


class _Steps(click.ParamType):
    """A graph and how many steps it does: ``decoder=30``, or a number alone for a network of one graph."""

    name = "steps"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What --help shows."""
        return "[GRAPH=]N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        graph, _, number = str(value).rpartition("=")
        steps: int = click.IntRange(1, 100_000)(number, param, ctx)
        return graph, steps


@click.command()
@click.argument("target", type=NamedFile(WORKLOADS))
@click.option(
    "--manifest",
    type=FILE,
    envvar="DURAMESH_MANIFEST",
    help="Utterances of the RNN-T, lines of JSON: samples, transcript. [env: DURAMESH_MANIFEST]",
)
@click.option("--inputs", type=FILE, help="Samples of an image, .npy or .npz: the first is timed.")
@click.option(
    "--steps",
    type=_Steps(),
    multiple=True,
    help="Steps that a graph of an image does for a sample, one after the other, e.g. decoder=30. Repeatable.",
)
@click.option("--data", type=FOLDER, help="GLUE's folder: ALBERT's throughput by task, of sequences as long as there.")
@click.option("--model", type=FOLDER, help="Folder with the tokenizer that --data is read with.")
@click.option("--limit", type=click.IntRange(min=1), help="Take the first N utterances.")
@click.option(
    "--duration",
    type=click.IntRange(1, 255),
    default=255,
    show_default=True,
    help="Longest pulse, ns: 127 halves integration and charge, and is 7 bits, 63 is 6.",
)
@click.option(
    "--conductance",
    type=RealRange(0.01, 100),
    default=1.0,
    show_default=True,
    help="Devices that conduct so many times as much.",
)
@click.option("--pads", type=click.IntRange(1, 18), help="Landing pads of each kind. Default: the chip's 6.")
@click.option("--lanes", type=click.IntRange(8, 4096), help="Rows and columns of a tile, a power of two.")
@click.option("--pipelined", is_flag=True, help="ALBERT with its layer-blocks as a pipeline, and digital cores for it.")
@click.option(
    "--decoder-frames",
    type=click.IntRange(1, 3),
    default=1,
    show_default=True,
    help="Frames of the RNN-T's decoder for a symbol: 1, as the paper counts; 3, layer after layer.",
)
@click.option("--overlapped", is_flag=True, help="The RNN-T begins an utterance before the one ahead of it is done.")
@click.option("--layer-ns", type=RealRange(0, 1e6), help="Time of the digital work behind a frame, not counted.")
@click.option("--port-gbps", type=RealRange(0, 1e4), help="Vectors go over pins: 38.4 for the paper's chip.")
@click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the figures there: docs/energy.md has the keys.")
@click.option("--plot", type=PLOT, help="Draw who works when, and what the energy goes to: .png, .svg, .pdf.")
@analog_options
@click.pass_context
def energy(
    ctx: click.Context,
    target: str,
    manifest: Path | None,
    inputs: Path | None,
    steps: tuple[tuple[str, int], ...],
    data: Path | None,
    model: Path | None,
    limit: int | None,
    layer_ns: float | None,
    port_gbps: float | None,
    json_file: Path | None,
    plot: Path | None,
    analog: AnalogChoice,
    **choices: Any,
) -> None:
    """Time and energy of a workload on its chips, counted from its programs.

    TARGET is rnnt, albert or kws, the papers' networks; what `duramesh compile` wrote; or a saved layout.
    """
    from cosim.files.archive import write_text
    from cosim.files.json_text import to_json
    from cosim.workloads.predictions.commands import WhatIf, counted, host_of, kind_of

    _refuse_options_of_another_target(ctx, kind_of(target))
    if steps and inputs is None:
        raise click.UsageError("--steps is of a sample; give --inputs as well")
    if (data is None) != (model is None):
        raise click.UsageError("--data and --model go together: sentences, and what a token of them is")
    host = host_of(target, layer_ns, port_gbps)
    with new_progress() as bar:
        found = counted(
            target,
            WhatIf(host=host, constants=analog.config(), **choices),
            manifest=manifest,
            inputs=inputs,
            steps=dict(steps),
            limit=limit,
            data=data,
            model=model,
            say=Task(bar),
        )

    def write_json(path: Path) -> None:
        write_text(path, to_json(found.report.to_json(), indent=1) + "\n")

    def draw(path: Path) -> None:
        from cosim.files.plotting import write_picture
        from cosim.performance.pictures import draw_performance

        write_picture(draw_performance(found.entries, found.timing, Path(target).stem), path)

    write_then_print({"json": (json_file, write_json), "picture": (plot, draw)}, found.report.print)


def _refuse_options_of_another_target(ctx: click.Context, kind: str) -> None:
    """Options that would change nothing, unless they come from the environment, which is there for all commands."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and kind not in _ONLY_OF.get(name, (kind,)):
            raise click.UsageError(
                f"{parameter.opts[0]} is for {', '.join(_ONLY_OF[name])}, not for {kind}; leave it out"
            )
