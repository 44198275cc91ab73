"""What the commands `duramesh compile`, `infer` and `where` do, between their options and what they print."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions, MatrixOptions
from cosim.files.archive import replacing, write_arrays
from cosim.program import Mode
from cosim.system.building import BuildOptions, build
from cosim.system.image import SystemImage
from cosim.system.inference import Inference, infer
from cosim.system.inputs import InputError, read_inputs, samples_of
from cosim.system.models import Model
from cosim.system.network import Network
from cosim.system.system import Run, System
from cosim.system.table import uses
from cosim.system.where import Place, places
from rtl.config import ChipConfig

__all__ = ["compiled", "inferred", "located", "print_image", "print_places", "write_outputs"]

Say = Callable[[str, int, int], None]


def compiled(
    model: Path,
    samples: Path,
    *,
    config: ChipConfig,
    analog: AnalogConfig,
    chips: int | None = None,
    mode: str | None = None,
    modes: Sequence[tuple[str, str]] = (),
    copies: Sequence[tuple[str, int]] = (),
    expand: Sequence[tuple[str, float]] = (),
    outliers: float = 0.0,
    trials: int = 24,
    say: Say,
) -> SystemImage:
    """A system image of a model's file, and samples of another one.

    Raises
    ------
    NetworkError, InputError, MappingError
    """
    loaded = Model.load(model)
    network = Network.of(loaded.graph)
    given = samples_of(loaded.graph, read_inputs(samples), loaded.axes)
    layout = LayoutOptions(chips=chips, matrices=_by_matrix(network, mode, modes, dict(copies)))
    options = BuildOptions(layout, dict(expand), outliers, analog, trials)
    image = build(network, lambda: map(network.walk, given), options, config=config, say=say)
    return replace(image, axes=loaded.axes)


def _by_matrix(
    network: Network, mode: str | None, modes: Sequence[tuple[str, str]], copies: Mapping[str, int]
) -> dict[str, MatrixOptions]:
    """Options of every matrix, from what patterns say; the last that fits counts.

    Raises
    ------
    InputError
        If a pattern fits no matrix.
    """
    found = {name: MatrixOptions(mode=None if mode is None else Mode(mode)) for name in network.matrices}
    for pattern, chosen in modes:
        for name in _fitting(pattern, network):
            host = chosen == "host"
            found[name] = replace(found[name], host=host, mode=None if host else Mode(chosen))
    for pattern, number in copies.items():
        for name in _fitting(pattern, network):
            found[name] = replace(found[name], copies=number)
    return found


def _fitting(pattern: str, network: Network) -> list[str]:
    names = [name for name in network.matrices if fnmatchcase(name, pattern)]
    if not names:
        raise InputError(f"no matrix is called {pattern!r}; there are {', '.join(network.matrices)}")
    return names


def inferred(
    image: Path,
    inputs: Path,
    *,
    engine: str,
    analog: AnalogConfig,
    seeds: Sequence[int],
    limit: int | None,
    aged_s: float | None,
    recalibrated: bool,
    checkpoint: Path | None,
    say: Say,
) -> Inference:
    """Inference of an image's file on inputs of another one.

    Raises
    ------
    ImageError, InputError, CheckpointError, EngineDifference
    """
    loaded = SystemImage.load(image)
    given = samples_of(loaded.network.only, read_inputs(inputs), loaded.axes)
    run = Run(engine, analog, aged_s=aged_s, recalibrated=recalibrated)
    return infer(loaded, given[:limit], run, seeds=seeds, checkpoint=checkpoint, say=say)


def write_outputs(found: Inference, path: Path) -> None:
    """Outputs as one array in an .npy file, or by name in an .npz file; those of several seeds along a new first axis.

    Raises
    ------
    InputError
        If one array cannot hold them.
    OutputError
    """
    arrays: dict[str, NDArray] = {}
    for seed, outputs in found.outputs.items():
        for name, value in outputs.items():
            for sample, array in enumerate(value) if isinstance(value, list) else ((None, value),):
                parts = [f"seed {seed}"] if len(found.outputs) > 1 else []
                parts += [name] if sample is None else [name, str(sample)]
                arrays[" ".join(parts)] = array
    if path.suffix == ".npz":
        write_arrays(path, arrays)
        return
    if len(arrays) > 1:
        raise InputError(f"{path}: {len(arrays)} arrays come out ({', '.join(arrays)}); give a name that ends in .npz")
    with replacing(path) as part, part.open("wb") as file:
        np.save(file, next(iter(arrays.values())), allow_pickle=False)


def located(
    image: Path, layer: str, row: int, column: int, *, analog: AnalogConfig, seed: int | None, say: Say
) -> list[Place]:
    """Where a weight of an image's file is; with a seed, what its chips have of it.

    Raises
    ------
    ImageError, WhereError
    """
    loaded = SystemImage.load(image)
    chips = None
    if seed is not None:
        with System(loaded, Run(analog=analog, seed=seed), say=say) as system:
            chips = system.chips
    return places(loaded, layer, row, column, analog, chips)


def print_image(image: SystemImage, console: Console) -> None:
    """What each chip holds and does."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("chip", "tiles", "blocks", "weights", "share", "entries", "in", "out", "slots", "frame ns", "beats"):
        table.add_column(name, justify="right")
    for use in uses(image.layout):
        cells: list[Any] = [use.chip, use.tiles, use.blocks, f"{use.weights:,}", f"{use.share:.1%}", use.entries]
        cells += [use.vectors_in, use.vectors_out, use.slots, f"{use.frame_ns:,}", f"{use.port_beats:,}"]
        table.add_row(*map(str, cells))
    console.print(table)
    host = [name for name in image.network.matrices if name not in image.codings]
    if host:
        console.print(f"with the host: {', '.join(host)}", soft_wrap=True)
    for name, coding in image.codings.items():
        if coding.outliers:
            rows, inputs = ", ".join(map(str, coding.outliers)), image.network.matrices[name].inputs
            share = len(coding.outliers) / inputs
            console.print(f"with the host: inputs {rows} of {name}, {share:.2%} of its products", soft_wrap=True)


def print_places(found: Sequence[Place], console: Console) -> None:
    """Each place, and its devices."""
    for place in found:
        console.print(
            f"chip {place.chip}, tile {place.tile} at {place.square}, row {place.row}, column {place.column}: "
            f"{place.mode} block {place.block}, weight {place.weight:+.4f}",
            soft_wrap=True,
        )
        for pair in place.pairs:
            target = " and ".join(f"{value:.3f}" for value in pair.target_us)
            got = "" if pair.programmed_us is None else " and ".join(f"{value:.3f}" for value in pair.programmed_us)
            console.print(f"  {pair.name}: target {target} uS{f', programmed {got} uS' if got else ''}")
