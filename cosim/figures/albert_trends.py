"""What the paper states of ALBERT on its chip as trends, each with the figures that tell whether it is so here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cosim.figures.albert_measurement import AGED, YOUNG, Measured
from cosim.figures.campaign import describe_seeds
from cosim.figures.measurement import Finding
from cosim.workloads.albert.blocks import BLOCKS

__all__ = ["Trend", "trends"]

#: What the paper calls near iso-accuracy: share of the metric in software.
_NEAR = 0.98
#: What it calls less than a percent in a month.
_LITTLE = 0.01


@dataclass(frozen=True)
class Trend:
    """A sentence of the paper, and whether it is so here.

    Members
    -------
    paper : str
    source : str
        Figure of Nat. Commun. 16, 8661 (2025).
    values : mapping of str to float
        What tells, by words for it.
    holds : bool
    unit : str
        "%" of values that are fractions, which are told in percent; "" of others.
    engine : str
        What gave the values.
    first : bool
        Of the first chip alone, not of all.
    """

    paper: str
    source: str
    values: Mapping[str, float]
    holds: bool
    unit: str = "%"
    engine: str = "twin"
    first: bool = False

    @property
    def here(self) -> str:
        """The values in a sentence."""
        return ", ".join(f"{finding.what} {finding.text}" for finding in self.findings())

    def findings(self, of: str = "", data: str = "", chips: Sequence[int] = (0,)) -> Iterator[Finding]:
        """A finding of each value; `of` ends what it is called."""
        paper = f"{self.paper}: {'so here' if self.holds else 'not so here'}"
        source = f"Nat. Commun. 16, 8661 (2025), {self.source}"
        seeds = describe_seeds(chips[:1] if self.first else chips) if self.engine == "twin" else "no device differs"
        for words, value in self.values.items():
            told = 100 * value if self.unit == "%" else value
            yield Finding(words + of, told, self.unit, self.engine, data, seeds, digits=1, paper=paper, source=source)


def trends(found: Measured) -> tuple[Trend, ...]:
    """What the paper states, told by the figures."""
    return (*_accuracy(found), *_layers(found), *_errors(found), *_ages(found))


def _accuracy(found: Measured) -> tuple[Trend, ...]:
    chip = float(np.mean(found.chip))
    order = np.argsort(found.margins, kind="stable")
    small, large = (float(np.mean(half)) for half in np.array_split(np.array(found.flips)[order], 2))
    bits = found.bits
    return (
        Trend(
            "the chip decides nearly as well as software",
            "Fig. 3a",
            {f"{found.metric} on chips beyond that in software": chip - found.software},
            chip >= _NEAR * found.software,
        ),
        Trend(
            "samples with small margins are more likely to flip",
            "Fig. 3c",
            {
                "samples that flip, of the half with the smaller margins": small,
                "samples that flip, of the half with the larger margins": large,
            },
            small > large,
        ),
        Trend(
            "four bits of a weight are enough for most tasks, and two for few",
            "Fig. 1e",
            {f"{found.metric} with weights of {count} bits": value for count, value in bits.items()},
            abs(bits[4] - found.software) < abs(bits[2] - found.software),
            engine="float32",
        ),
    )


def _layers(found: Measured) -> tuple[Trend, ...]:
    exits = found.exits["chip"]
    passes = len(exits)
    half, quarter = passes // 2, passes - passes // 4
    early, late, end = exits[half - 1], exits[-2], exits[-1]
    asked = sorted({half, *range(quarter, passes + 1)})
    settle = np.repeat(np.arange(1, passes + 1), found.settles)
    middle = float(np.median(settle)) if settle.size else 0.0
    return (
        Trend(
            "accuracy is low after half of the layers, and after the last but one it is near the final one",
            "Fig. 3f",
            {f"{found.metric} on chips after layer {number}": exits[number - 1] for number in asked},
            end - early > _beyond(found) and abs(late - end) <= abs(early - end),
        ),
        Trend(
            "most samples settle on the right class between the middle and the last quarter of the layers",
            "Fig. 3g",
            {"layer by which half of the right samples have settled": middle},
            half < middle <= quarter,
            unit="",
            first=True,
        ),
    )


def _errors(found: Measured) -> tuple[Trend, ...]:
    mean: list[float] = np.sqrt(np.mean([np.square(found.total[block]) for block in BLOCKS], axis=0)).tolist()
    third, last = max(1, len(mean) // 3), len(mean) - 1
    blocks = {block: float(np.sqrt(np.mean(np.square(found.total[block])))) for block in BLOCKS}
    reads = {f"{block}, {_codes(found.codes[block])}": found.reads[block] for block in BLOCKS}
    ranked = sorted(BLOCKS, key=lambda block: found.reads[block])
    return (
        Trend(
            "errors of MACs grow most in early layers, and then saturate",
            "Supp. Fig. 7",
            {f"error of MACs in layer {at + 1}": mean[at] for at in sorted({0, third, last - third, last})},
            mean[-1] > mean[0] and mean[third] - mean[0] > mean[-1] - mean[-1 - third],
        ),
        Trend(
            "R² of MACs degrades steadily with the layers",
            "Supp. Fig. 5",
            {f"R² of MACs in layer {at + 1}": 1 - mean[at] ** 2 for at in (0, len(mean) - 1)},
            mean[-1] == max(mean),
        ),
        Trend(
            "errors are smaller behind a layer normalisation: inProj and FC1",
            "Supp. Fig. 5",
            {f"error of MACs of {block}": value for block, value in blocks.items()},
            max(blocks["inProj"], blocks["FC1"]) < min(blocks["outProj"], blocks["FC2"]),
        ),
        Trend(
            "from read to read FC2 differs most, and FC1 least",
            "Fig. 4e",
            {f"deviation from read to read of {words}": value for words, value in reads.items()},
            (ranked[0], ranked[-1]) == ("FC1", "FC2"),
            first=True,
        ),
    )


def _ages(found: Measured) -> tuple[Trend, ...]:
    drift, aged = found.drift, found.aged
    without, recalibrated = AGED
    return (
        Trend(
            "after a month without calibration errors are larger than with it",
            "Fig. 4d",
            {f"error of the logits after {words}": value for words, value in drift.items()},
            drift[without] > drift[recalibrated],
            first=True,
        ),
        Trend(
            "in a month accuracy falls by some percent without calibration, and by less than one with it",
            "Fig. 4c",
            {f"{found.metric} after {words}": value for words, value in aged.items()},
            aged[YOUNG] - aged[without] > _beyond(found) and aged[YOUNG] - aged[recalibrated] < _LITTLE,
            first=True,
        ),
    )


def _beyond(found: Measured) -> float:
    """Difference of the metric beyond which it is none of the samples' choice: half of the interval."""
    low, high = found.interval
    return (high - low) / 2


def _codes(count: int) -> str:
    return "one code" if count == 1 else f"the sum of {count} codes"
