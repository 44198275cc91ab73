"""Inference of a system image on some chips: what `duramesh infer` does, seed by seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from numpy.typing import NDArray

from cosim.system.image import SystemImage
from cosim.system.inputs import Inputs
from cosim.system.layer_errors import LayerErrors
from cosim.system.report import InferenceReport, SeedReport, relative_error
from cosim.system.system import Run, System

__all__ = ["Inference", "infer"]

Outputs = dict[str, NDArray | list[NDArray]]


@dataclass(frozen=True)
class Inference:
    """What came out.

    Parameters
    ----------
    report : InferenceReport
    outputs : dict of int to outputs
        By seed.
    """

    report: InferenceReport
    outputs: dict[int, Outputs]


def infer(
    image: SystemImage,
    inputs: Inputs,
    run: Run,
    *,
    seeds: Sequence[int] = (0,),
    checkpoint: Path | None = None,
    say: Callable[[str, int, int], None] = lambda words, done, total: None,
) -> Inference:
    """Outputs of an image's network, and how far they are from float.

    Parameters
    ----------
    image : SystemImage
    inputs : Inputs
    run : Run
    seeds : sequence of int
        A run on chips of each.
    checkpoint : Path, optional
        Folder in which results are kept as they come, a folder for each seed; the run goes on from there.
    say : callable (words, done, all), optional
    """
    with System(image, Run(engine="float")) as floats:
        exact = floats.run(inputs, progress=lambda done, total: say("in float", done, total))
    reports: list[SeedReport] = []
    outputs: dict[int, Outputs] = {}
    for seed in seeds:
        began = perf_counter()
        errors = LayerErrors(image.network)
        with System(image, replace(run, seed=seed), say=say) as system:
            outputs[seed] = system.run(
                inputs,
                errors=errors,
                checkpoint=None if checkpoint is None else checkpoint / f"seed {seed}",
                progress=lambda done, total, seed=seed: say(f"samples, seed {seed}", done, total),  # type: ignore[misc]
            )
            statistics = system.statistics
        reports.append(
            SeedReport(
                seed,
                relative_error(outputs[seed], exact),
                tuple(errors),
                sum(one["frames"] for one in statistics),
                sum(one.get("compared_codes", 0) for one in statistics),
                perf_counter() - began,
            )
        )
    samples = len(next(iter(exact.values())))
    analog = "no chip" if run.engine == "float" else f"devices {run.analog.devices}, {run.analog.describe()}"
    return Inference(InferenceReport(run.engine, analog, samples, tuple(reports)), outputs)
