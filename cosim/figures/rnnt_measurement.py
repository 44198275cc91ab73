"""The RNN-T on chips, and in float with fewer levels: parts of the study, each of them a reading of all sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.figures.campaign import Campaign
from cosim.figures.programming_measurement import HEAT_REACH, YIELD
from cosim.files.digest import digest, digest_of_arrays
from cosim.system.building import BuildOptions
from cosim.system.products import NodeProducts
from cosim.system.scheduler import results_of
from cosim.system.system import Run, System
from cosim.workloads.comparison import Result, system_image
from cosim.workloads.rnnt.experiments import (
    CHIP_4,
    LAYERS_ON_CHIP,
    MacErrors,
    added_up,
    expansion_in_float,
    layers_alone,
    on_first_rows,
)
from cosim.workloads.rnnt.mapping import FirstLayer
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.rnnt.network import SHIPPED, RnntNetwork
from cosim.workloads.rnnt.quantised import quantised
from cosim.workloads.rnnt.workload import Transcription

__all__ = [
    "EDGES",
    "EXPANDED_BITS",
    "WEEK_S",
    "Sentences",
    "few_bits",
    "half_as_long",
    "in_float",
    "macs",
    "on_chips",
    "read_weights",
    "rows_on_chip",
    "simulated_rows",
]

Part = Mapping[str, Any]

WEEK_S = 7 * 86_400.0
#: Bits of Enc-LSTM0's weights before they are expanded, Fig. 5e.
EXPANDED_BITS = 3.5
#: Of counted MACs.
EDGES = np.linspace(-12, 12, 61)
#: Sentences whose MACs are counted, and cells along a heat map of weights.
_WATCHED, _HEAT_BINS = 8, 48


@dataclass(frozen=True)
class Sentences:
    """Which network hears what; a worker reads both by itself.

    Parameters
    ----------
    network, audio : Path, optional
        As of `duramesh rnnt run`.
    clips : int
    seed : int
        Of the choice.
    """

    network: Path | None = None
    audio: Path | None = None
    clips: int = 60
    seed: int = 0

    @property
    def task(self) -> Transcription:
        """What is transcribed; a process reads it once."""
        return _task(self)

    def like(self, first: FirstLayer) -> Transcription:
        """The same sentences for a network whose first layer is put on chips so."""
        task = self.task
        return replace(task, model=RnntModel(task.model.weights, centred=first.centred))

    @cached_property
    def content(self) -> str:
        """Digest of network and sentences."""
        task = self.task
        tensors = task.model.weights.tensors
        return digest(
            [
                digest_of_arrays(*(tensors[name] for name in sorted(tensors))),
                *(digest_of_arrays(one.features) for one in (*task.spoken, *task.calibrating)),
            ]
        )[:12]


@lru_cache(maxsize=1)
def _task(sentences: Sentences) -> Transcription:
    model = RnntModel(RnntNetwork.load(sentences.network or SHIPPED))
    return Transcription.of(model, sentences.audio, sentences.clips, sentences.seed)


def _told(task: Transcription, results: Sequence[Result]) -> dict[str, NDArray]:
    """Words that are wrong, surprise and transcript of every sentence."""
    return {
        "errors": task.word_errors(results).errors,
        "surprise": np.array([float(one["surprise"]) for one in results]),
        "texts": np.array(task.texts(results)),
    }


# In float.


def in_float(sentences: Sentences) -> Part:
    """Software: every sentence, what was said, and how many words it has."""
    task = sentences.task
    results = results_of(task.surprised(), NodeProducts.of_floats(task.model.network))
    said = np.array([one.transcript for one in task.spoken])
    return {**_told(task, results), "said": said, "words": task.word_errors(results).words}


def few_bits(sentences: Sentences, layers: str, bits: Sequence[float]) -> Part:
    """With fewer levels for the weights of layers, patterns with commas between: (bits, sentences)."""
    task = sentences.task
    told = []
    for number in bits:
        weights = quantised(task.model.weights, dict.fromkeys(layers.split(","), number))
        model = RnntModel(weights)
        products = NodeProducts(model.network.product, together=True)
        told.append(_told(task, results_of(task.surprised(model), products)))
    return {name: np.stack([one[name] for one in told]) for name in ("errors", "surprise")}


def simulated_rows(sentences: Sentences, times: Sequence[float]) -> Part:
    """With few bits for Enc-LSTM0, its input matrix expanded before or not (1): (times, sentences)."""
    task = sentences.like(FirstLayer.EXPANDED)
    told = [
        _told(task, results_of(task.surprised(), expansion_in_float(task.model, EXPANDED_BITS, one))) for one in times
    ]
    return {name: np.stack([one[name] for one in told]) for name in ("errors", "surprise")}


# On chips.


@lru_cache(maxsize=1)
def _system(campaign: Campaign, sentences: Sentences, kind: str, seed: int | None) -> System:
    """Chips of a seed, without noise if None, put together in one of the ways that the study compares."""
    first = FirstLayer.EXPANDED if kind.startswith("expanded") else FirstLayer.AVERAGED
    workload = sentences.like(first).workload(campaign.analog, first, config=campaign.config)
    if campaign.quick:
        workload = replace(workload, options=replace(workload.options, trials=0))
    options = _options(workload.options, kind)
    image = system_image(replace(workload, options=options), lambda words, done, total: campaign.advance(done, total))
    run = Run("ideal", campaign.analog) if seed is None else Run("twin", campaign.analog, seed)
    return System(image, run)


def _options(whole: BuildOptions, kind: str) -> BuildOptions:
    """ "whole"; "expanded 4", "averaged 4": Enc-LSTM0 with four times its rows; "pulses 127": chip 4's matrices."""
    how, _, number = kind.partition(" ")
    if how == "whole":
        return whole
    few = replace(whole, trials=0)  # of a layer alone, what loses least of its outputs is enough
    if how == "pulses":
        return layers_alone(few, CHIP_4, int(number))
    return on_first_rows(few, int(number), expansion=how == "expanded")


def _read(system: System, task: Transcription) -> dict[str, NDArray]:
    with system:
        return _told(task, system.results(task.surprised(), batch=len(task.spoken)))


def on_chips(
    campaign: Campaign, sentences: Sentences, seed: int | None, only: str = "*", aged_s: float | None = None
) -> Part:
    """All sentences on one set of chips, or those of some layers; of no seed without noise."""
    system = _system(campaign, sentences, "whole", seed)
    return _read(system.reread(only=only, aged_s=aged_s), sentences.task)


def rows_on_chip(campaign: Campaign, sentences: Sentences, kind: str, seed: int) -> Part:
    """Enc-LSTM0 alone, with more rows: all sentences, and its MACs' error over the region of interest."""
    system = _system(campaign, sentences, kind, seed)
    task = sentences.like(FirstLayer.EXPANDED if kind.startswith("expanded") else FirstLayer.AVERAGED)
    errors = MacErrors(task.model, EDGES)
    walks = (errors.beside(walk, one.features) for walk, one in zip(task.surprised(), task.spoken, strict=True))
    with system.reread() as chips:
        results = chips.results(walks, batch=len(task.spoken))
    return {**_told(task, results), "sums": errors.sums["pre/lstm0"]}


def half_as_long(campaign: Campaign, sentences: Sentences, duration: int, seed: int) -> Part:
    """The matrices of chip 4 with pulses of that length, all others in float."""
    return _read(_system(campaign, sentences, f"pulses {duration}", seed).reread(), sentences.task)


def macs(campaign: Campaign, sentences: Sentences, seed: int) -> Part:
    """What chips multiplied and what is right, by layer, of some sentences."""
    task = sentences.task
    errors = MacErrors(task.model, EDGES)
    walks = zip(task.surprised(), task.spoken[:_WATCHED], strict=False)
    with _system(campaign, sentences, "whole", seed).reread() as chips:
        chips.results((errors.beside(walk, one.features) for walk, one in walks), batch=_WATCHED)
    return {f"counts {layer}": counts for layer, counts in errors.counts.items()} | {
        f"sums {layer}": sums for layer, sums in errors.sums.items()
    }


def read_weights(campaign: Campaign, sentences: Sentences, seed: int) -> Part:
    """Weights of the first chip as its columns read them, against their targets.

    Returns
    -------
    dict of arrays; their first two dimensions are tiles and pairs
        heat : (bins, bins) counts, target along the first axis; within : share of weights within 20 % of the largest;
        low, high : 1 % and 99 % point of the errors; moments : sums of target, read, their squares and their product,
        and how many.
    """
    system = _system(campaign, sentences, "whole", seed)
    image, (chip, *_) = system.image, system.made.analog
    layout = image.layout
    wanted = layout.targets(0, {block.name: image.programmed(block.name) for block in layout.blocks_on(0)})
    edges = np.linspace(-HEAT_REACH, HEAT_REACH, _HEAT_BINS + 1)
    found: dict[str, list[list[Any]]] = {}
    for tile, targets in wanted.items():
        pairs: dict[str, list[Any]] = {}
        for target, read in zip((targets.wp1, targets.wp2), chip.tile(tile).weights(), strict=True):
            used = np.zeros_like(read, bool) if target is None else target != 0
            x, y = (np.zeros(0), np.zeros(0)) if target is None else (target[used], read[used])
            low, high = np.percentile(y - x, (1, 99)) if x.size else (np.nan, np.nan)
            for name, value in {
                "heat": np.histogram2d(x, y, (edges, edges))[0].astype(np.int32),
                "within": float((np.abs(y - x) < YIELD).mean()) if x.size else np.nan,
                "low": low,
                "high": high,
                "moments": np.array([x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum(), x.size]),
            }.items():
                pairs.setdefault(name, []).append(value)
        for name, values in pairs.items():
            found.setdefault(name, []).append(values)
    return {name: np.array(values) for name, values in found.items()}


def readings() -> dict[str, str]:
    """Patterns by name of a part: every layer alone, and more and more together."""
    alone = {f"alone, {layer}": pattern for layer, pattern in LAYERS_ON_CHIP.items()}
    together = {f"together, {name}": pattern for name, pattern in added_up().items()}
    # One layer is both, and all together are the whole.
    first, last = next(iter(together)), list(together)[-1]
    return alone | {name: pattern for name, pattern in together.items() if name not in (first, last)}
