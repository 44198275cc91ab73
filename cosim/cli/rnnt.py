"""Commands of the transcription network: `duramesh rnnt train`."""

from dataclasses import replace
from pathlib import Path

import click

from cosim.cli.shared import FILE, INPUT, OUTPUT_FILE, OUTPUT_FOLDER, SEED

__all__ = ["rnnt"]


@click.group()
def rnnt() -> None:
    """Transcribe speech with a recurrent transducer, RNN-T."""


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
@click.option("--out", type=OUTPUT_FILE, default=Path("rnnt.npz"), show_default=True)
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

    try:
        from cosim.workloads.rnnt.training.trainer import train as run
    except ImportError as error:
        raise click.ClickException(f"{error}; {training_advice()}") from error
    from cosim.workloads.kws.dataset import load_training_set

    settings = replace(RECIPES[recipe], steps=steps) if steps else RECIPES[recipe]
    start = RnntNetwork.load(widen) if widen else None
    examples = load_training_set(data)
    network = run(examples, settings, seed, folder=checkpoint, start=start, device=device, say=click.echo)
    network.save(out, eight_bits=eight_bits)
    click.echo(f"wrote {out}")
