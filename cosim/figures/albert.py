"""ALBERT's chip characterised as the paper does it: exits, errors by layer-block, reads, drift, bits; and its trends.

Samples that a simulation can afford are few; so what is compared with the paper are trends, each told by the figures
that are printed beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.files.archive import write_text
from cosim.files.json_text import to_json
from cosim.files.plotting import BLUE, ORANGE, new_figure, write_picture
from cosim.system.layer_errors import LayerError, root
from cosim.system.scheduler import results_of
from cosim.system.system import Run, System
from cosim.workloads.albert.blocks import BLOCKS, block_of, pass_of
from cosim.workloads.albert.experiments import read_variation, settled, with_bits
from cosim.workloads.albert.workload import Classification
from cosim.workloads.comparison import Comparison, Result, Settings, Workload, compare
from cosim.workloads.display import Display

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["Measured", "Trend", "draw_errors", "draw_exits", "measure", "trends", "write"]

#: Bits of a weight, sign included.
BITS = (2, 3, 4, 5, 6)
#: Reads of one input, and inputs of a layer-block in each of these passes.
_READS, _FRAMES = 8, 16
_MONTH_S = 30 * 86_400.0


@dataclass(frozen=True)
class Measured:
    """Figures of one task and network; shares and errors are fractions.

    Members
    -------
    about : mapping
        Network, task, samples, chips, devices, engine.
    metric : str
    software, chip : tuple of float
        Of the metric; of the chips one by one.
    exits : mapping of str to tuple of float
        By engine, the metric with the head after each pass; of chips the mean.
    settles : tuple of int
        Samples, on the first chip, by the pass from which on they are decided as at the end.
    own, total : mapping of str to tuple of float
        By layer-block, error of its products in each pass, chips' mean: what it adds, and what has come together.
    flipped : tuple of float
        Samples that a chip decides otherwise than software, chip by chip.
    reads : mapping of str to float
        By layer-block, deviation from read to read over the median product.
    drift : mapping of str to float
        Error of the logits against software, root of square error over square: after an hour, after a month, and
        recalibrated then.
    bits : mapping of int to float
        The metric in float with weights of so many bits.
    """

    about: Mapping[str, Any]
    metric: str
    software: float
    chip: tuple[float, ...]
    exits: Mapping[str, tuple[float, ...]]
    settles: tuple[int, ...]
    own: Mapping[str, tuple[float, ...]]
    total: Mapping[str, tuple[float, ...]]
    flipped: tuple[float, ...]
    reads: Mapping[str, float]
    drift: Mapping[str, float]
    bits: Mapping[int, float]


@dataclass(frozen=True)
class Trend:
    """A sentence of the paper, and whether it is so here."""

    paper: str
    here: str
    holds: bool


def measure(task: Classification, settings: Settings, display: Display, workload: Workload | None = None) -> Measured:
    """All experiments, on noisy chips of the settings.

    Parameters
    ----------
    task : Classification
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

    def exits(results: Sequence[Result]) -> list[float]:
        return [task.score(results, metric, number) for number in passes]

    decided = np.stack([task.decisions(chips[0], number) for number in passes], axis=1)
    display("reading again and again")
    with System(young.image, Run(settings.engine, settings.analog, settings.seeds[0])) as system:
        variation = read_variation(system, _READS, _FRAMES, (0, len(passes) // 2, len(passes) - 1))
    display("with weights of few bits")

    def few_bits(bits: int) -> float:
        walks = map(workload.walk, range(workload.samples))
        return task.score(results_of(walks, with_bits(workload.network, bits)), metric)

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
        task.score(software, metric),
        tuple(task.score(results, metric) for results in chips),
        {"software": tuple(exits(software)), "chip": tuple(np.mean([exits(one) for one in chips], axis=0).tolist())},
        tuple(np.bincount(settled(decided), minlength=len(passes) + 1)[1:].tolist()),
        _by_block([chip.errors for chip in young.chips], "own"),
        _by_block([chip.errors for chip in young.chips], "total"),
        tuple(float(np.mean(task.decisions(one) != task.decisions(software))) for one in chips),
        {block: float(np.mean([v for (b, _), v in variation.items() if b == block])) for block in BLOCKS},
        _drift(task, workload, settings, young, display),
        {bits: few_bits(bits) for bits in BITS},
    )


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


def _drift(
    task: Classification, workload: Workload, settings: Settings, young: Comparison, display: Display
) -> dict[str, float]:
    """Error of the logits at one and the same age, with lines of an hour after programming and of then."""
    software = np.stack([result["logits"] for result in young.variants["software"].results])

    def error(comparison: Comparison) -> float:
        logits = [np.stack([result["logits"] for result in chip.results]) for chip in comparison.chips]
        return root(float(np.mean([np.square(one - software).sum() for one in logits])), float(np.sum(software**2)))

    found = {"an hour": error(young)}
    for words, again in (("a month", False), ("a month, recalibrated", True)):
        kept = settings.checkpoint and settings.checkpoint / words.replace(", ", "-").replace(" ", "-")
        aged = replace(settings, aged_s=_MONTH_S, recalibrated=again, checkpoint=kept)
        found[words] = error(compare(workload, aged, display))
    return found


def trends(found: Measured) -> tuple[Trend, ...]:
    """What the paper states as trends, told by the figures."""
    exits, total, reads = found.exits["chip"], found.total, found.reads
    passes = len(exits)
    early, late = exits[passes // 2 - 1], exits[-2]
    mean = np.mean([total[block] for block in BLOCKS], axis=0)
    third = max(1, passes // 3)
    growth = [float(mean[third] - mean[0]), float(mean[-1] - mean[-1 - third])]
    own = {block: float(np.mean(found.own[block])) for block in BLOCKS}
    ranked = sorted(reads, key=lambda block: reads[block])
    drift, bits = found.drift, found.bits
    return (
        Trend(
            "accuracy is low after half of the layers, and after the last but one it is near the final one",
            f"{early:.3f} after {passes // 2}, {late:.3f} after {passes - 1}, {exits[-1]:.3f} at the end",
            early < exits[-1] and abs(late - exits[-1]) <= abs(early - exits[-1]),
        ),
        Trend(
            "errors of MACs grow layer by layer, and then saturate",
            f"{growth[0]:+.3f} over the first third of the layers, {growth[1]:+.3f} over the last",
            mean[-1] > mean[0] and growth[0] > growth[1],
        ),
        Trend(
            "errors are smaller behind a layer normalisation: inProj and FC1",
            ", ".join(f"{block} {value:.3f}" for block, value in own.items()),
            max(own["inProj"], own["FC1"]) < min(own["outProj"], own["FC2"]),
        ),
        Trend(
            "from read to read FC2 differs most, and FC1 least",
            ", ".join(f"{block} {value:.3f}" for block, value in reads.items()),
            (ranked[0], ranked[-1]) == ("FC1", "FC2"),
        ),
        Trend(
            "after a month without calibration more is lost than with it",
            ", ".join(f"{words} {value:.3f}" for words, value in drift.items()),
            drift["a month"] > drift["a month, recalibrated"],
        ),
        Trend(
            "four bits of a weight are enough for most tasks, and two for few",
            ", ".join(f"{count} bits {value:.3f}" for count, value in bits.items()) + f", float {found.software:.3f}",
            abs(bits[4] - found.software) < abs(bits[2] - found.software),
        ),
    )


def draw_exits(found: Measured) -> "Picture":
    """The metric with the head after each pass, and where samples settle."""
    figure, axes = new_figure(7.2, 3.2)
    passes = np.arange(1, len(found.settles) + 1)
    share = np.array(found.settles) / sum(found.settles)
    axes.bar(passes, share, color="0.85", label="samples that settle there, first chip")
    axes.plot(passes, found.exits["software"], "o-", color=BLUE, label=f"{found.metric}, software")
    axes.plot(passes, found.exits["chip"], "o-", color=ORANGE, mfc="none", label=f"{found.metric}, chips' mean")
    axes.set(xlabel="pass through the shared layer", ylim=(0, 1))
    axes.set_xticks(passes)
    axes.legend(fontsize=8, frameon=False)
    return figure


def draw_errors(found: Measured) -> "Picture":
    """Errors of products by layer-block and pass: what has come together there."""
    figure, axes = new_figure(7.2, 3.2)
    for at, block in enumerate(BLOCKS):
        values = found.total[block]
        axes.plot(range(1, len(values) + 1), values, "o-", color=f"C{at}", label=block)
    axes.set(xlabel="pass through the shared layer", ylabel="error over size of the products", ylim=(0, None))
    axes.legend(fontsize=8, frameon=False, ncols=4)
    return figure


def write(found: Measured, folder: Path) -> dict[str, Path]:
    """Figures, trends and pictures into a folder; where each of them is."""
    files = {"json": folder / "results.json", "exits": folder / "exits.png", "errors": folder / "errors.png"}
    told = {**asdict(found), "trends": [asdict(trend) for trend in trends(found)]}
    write_picture(draw_exits(found), files["exits"])
    write_picture(draw_errors(found), files["errors"])
    write_text(files["json"], to_json(told, indent=1) + "\n")
    return files
