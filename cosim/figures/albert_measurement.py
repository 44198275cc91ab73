"""What is measured of ALBERT on its chip, as the paper does: exits, margins, errors by layer-block, reads, drift, bits.

Source: Nat. Commun. 16, 8661 (2025), figures 1e, 3 and 4, and supplementary figures 4 to 8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.figures.drift_measurement import MONTH
from cosim.system.layer_errors import LayerError, root
from cosim.system.scheduler import results_of
from cosim.system.system import Run, System
from cosim.workloads.albert.blocks import BLOCKS, block_of, pass_of
from cosim.workloads.albert.experiments import codes_added, margins, read_variation, settled, with_bits
from cosim.workloads.albert.workload import Classification
from cosim.workloads.comparison import Result, Settings, Workload, compare
from cosim.workloads.display import Display

__all__ = ["AGED", "BITS", "YOUNG", "Measured", "measure"]

#: Bits of a weight, sign included.
BITS = (2, 3, 4, 5, 6)
#: Ages at which a chip is read, by words for them: whether it is calibrated again.
YOUNG, AGED = "an hour", {"a month": False, "a month, recalibrated": True}
#: Reads of one input, and inputs of a layer-block in each of these passes.
_READS, _FRAMES = 8, 16


@dataclass(frozen=True)
class Measured:
    """Figures of one task and network; shares and errors are fractions.

    Members
    -------
    about : mapping
        Network, task, samples, chips, devices, engine.
    metric : str
    software, ideal : float
        Of the metric: in float; on chips without noise.
    interval : (float, float)
        Of the software's, over samples.
    chip : tuple of float
        Of the metric on the chips one by one.
    exits : mapping of str to tuple of float
        By engine, the metric with the head after each pass; of chips the mean.
    settles : tuple of int
        Samples that the first chip decides rightly, by the pass from which on it does.
    margins : tuple of float
        By sample, in float: how far the class is ahead of the next one.
    flips : tuple of float
        By sample, share of the chips that decide otherwise than software.
    own, total : mapping of str to tuple of float
        By layer-block, error of its products in each pass, chips' mean: what it adds, and what has come together.
    flipped : tuple of float
        Share of the samples that a chip decides otherwise than software, chip by chip.
    codes : mapping of str to int
        By layer-block, codes of a product that the host adds.
    reads : mapping of str to float
        By layer-block, deviation from read to read over the median product.
    drift : mapping of str to float
        Error of the logits against software, root of square error over square, on the first chip at `YOUNG` and
        `AGED`.
    aged : mapping of str to float
        The metric then.
    bits : mapping of int to float
        The metric in float with weights of so many bits.
    """

    about: Mapping[str, Any]
    metric: str
    software: float
    ideal: float
    interval: tuple[float, float]
    chip: tuple[float, ...]
    exits: Mapping[str, tuple[float, ...]]
    settles: tuple[int, ...]
    margins: tuple[float, ...]
    flips: tuple[float, ...]
    own: Mapping[str, tuple[float, ...]]
    total: Mapping[str, tuple[float, ...]]
    flipped: tuple[float, ...]
    codes: Mapping[str, int]
    reads: Mapping[str, float]
    drift: Mapping[str, float]
    aged: Mapping[str, float]
    bits: Mapping[int, float]


def measure(task: Classification, settings: Settings, display: Display, workload: Workload | None = None) -> Measured:
    """All experiments, on noisy chips of the settings.

    Parameters
    ----------
    task : Classification
        Of classes.
    settings : Settings
        Which chips, and where results are kept.
    display : Display
    workload : Workload, optional
        Instead of `task.workload`.
    """
    workload = workload or task.workload(settings.analog)
    young = compare(workload, replace(settings, errors=True), display)
    assert young.image is not None, "noisy chips have an image"
    software, chips = young.variants["software"].results, [chip.results for chip in young.chips]
    metric, passes = task.task.metrics[0], range(1, task.classifier.passes + 1)
    labels = task.examples.labels

    def score(results: Sequence[Result]) -> float:
        return task.score(results, metric)

    def exits(results: Sequence[Result]) -> list[float]:
        return [task.score(results, metric, number) for number in passes]

    def walks() -> Any:
        return map(workload.walk, range(workload.samples))

    decided = np.stack([task.decisions(chips[0], number) for number in passes], axis=1)
    settles = settled(decided[decided[:, -1] == labels])
    others = np.stack([task.decisions(one) for one in chips]) != task.decisions(software)
    seen: dict[str, Sequence[Result]] = {YOUNG: chips[0]}
    for words, again in AGED.items():
        display(words)
        with System(young.image, Run(settings.engine, settings.analog, settings.seeds[0], MONTH, again)) as system:
            seen[words] = system.results(walks())
            if again:
                display("reading again and again")
                reads = read_variation(system, _READS, _FRAMES, (0, len(passes) // 2, len(passes) - 1))
    display("with weights of few bits")
    errors = [chip.errors for chip in young.chips]
    return Measured(
        {
            "network": task.classifier.name,
            "network_digest": task.classifier.graph.digest,
            "task": task.task.name,
            "samples": task.examples.source,
            "chips": list(settings.seeds),
            "devices": settings.analog.devices,
            "engine": settings.engine,
        },
        metric,
        score(software),
        score(young.variants["ideal"].results),
        task.interval(software, metric),
        tuple(map(score, chips)),
        {"software": tuple(exits(software)), "chip": tuple(np.mean([exits(one) for one in chips], axis=0).tolist())},
        tuple(np.bincount(settles, minlength=len(passes) + 1)[1:].tolist()),
        tuple(margins(_logits(software)).tolist()),
        tuple(others.mean(axis=0).tolist()),
        _by_block(errors, "own"),
        _by_block(errors, "total"),
        tuple(others.mean(axis=1).tolist()),
        codes_added(young.image.layout),
        {block: float(np.mean([value for (name, _), value in reads.items() if name == block])) for block in BLOCKS},
        {words: _error(results, software) for words, results in seen.items()},
        {words: score(results) for words, results in seen.items()},
        {bits: score(results_of(walks(), with_bits(workload.network, bits))) for bits in BITS},
    )


def _logits(results: Sequence[Result]) -> NDArray:
    return np.stack([result["logits"] for result in results])


def _error(results: Sequence[Result], software: Sequence[Result]) -> float:
    """Of logits, root of square error over square."""
    exact = _logits(software)
    return root(float(np.square(_logits(results) - exact).sum()), float(np.square(exact).sum()))


def _by_block(chips: Sequence[Sequence[LayerError]], which: str) -> dict[str, tuple[float, ...]]:
    """By layer-block and pass; query, key and value are averaged."""
    found: dict[str, dict[int, list[float]]] = {block: {} for block in BLOCKS}
    for error in (error for errors in chips for error in errors):
        if block := block_of(error.node):
            found[block].setdefault(pass_of(error.node), []).append(getattr(error, which))
    return {
        block: tuple(float(np.sqrt(np.mean(np.square(some)))) for _, some in sorted(passes.items()))
        for block, passes in found.items()
    }
