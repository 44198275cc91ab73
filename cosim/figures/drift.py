"""Study: what the devices' drift and the noise of single reads do to keyword spotting."""

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.calibration import CalibratedChip
from cosim.figures import drift_pictures as pictures
from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.drift_measurement import AGE_NAMES, DAY, HOUR, MONTH, POLICIES, measure_age, measure_reads
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.sampling import interval_percent, sampling_error
from cosim.figures.study import Figure, Study
from cosim.files.wording import counted, listed
from cosim.workloads.kws.model import quantise

__all__ = ["STUDY", "measure", "summarise"]

Array = NDArray[np.float64]

_ALBERT = "Nat. Commun. 16, 8661 (2025), Fig. 4: ALBERT, MRPC"
_CHIPS = 3
_AGES = (HOUR, 6 * HOUR, DAY, 7 * DAY, MONTH, 90 * DAY, 365 * DAY)
_QUICK_AGES = (HOUR, MONTH, 365 * DAY)
_CLIPS_READ, _READS = 40, 200
_QUICK_CLIPS_READ, _QUICK_READS = 12, 40


def measure(campaign: Campaign) -> Measurement:
    """Chips at every age under every policy, and many reads at an hour."""
    ages = _QUICK_AGES if campaign.quick else _AGES
    seeds = list(campaign.seeds[: 1 if campaign.quick else _CHIPS])
    clip_count, reads = (_QUICK_CLIPS_READ, _QUICK_READS) if campaign.quick else (_CLIPS_READ, _READS)
    parts = campaign.parts(
        {f"chip {seed}, age {age_s:g} s": partial(_at_age, campaign, seed, age_s) for age_s in ages}
        | {f"chip {seed}, reads": partial(_read, campaign, seed, clip_count, reads)}
        for seed in seeds
    )
    drifted = [[parts[f"chip {seed}, age {age_s:g} s"] for age_s in ages] for seed in seeds]
    repeated = [parts[f"chip {seed}, reads"] for seed in seeds]
    return summarise(drifted, repeated, ages, seeds, campaign.clips.source, len(campaign.clips))


@lru_cache(maxsize=1)
def _fresh(campaign: Campaign, seed: int) -> CalibratedChip:
    """A chip as calibrated, which all ages of it take."""
    campaign.say(f"programming and calibrating chip {seed}")
    return campaign.calibrated(seed)


def _at_age(campaign: Campaign, seed: int, age_s: float) -> dict[str, Any]:
    chip = _fresh(campaign, seed)
    campaign.say(f"chip {seed}, {AGE_NAMES[age_s]} after programming")
    return measure_age(campaign, chip, age_s, campaign.model.prepare(campaign.calibration.features))


def _read(campaign: Campaign, seed: int, clips: int, reads: int) -> dict[str, Any]:
    inputs = quantise(campaign.model.prepare(campaign.clips.evenly(clips).features))
    chip = _fresh(campaign, seed)
    campaign.say(f"chip {seed}, {counted(len(inputs), 'clip')} read {counted(reads, 'time')} each")
    return measure_reads(campaign.model.network, chip, inputs, reads)


def summarise(
    drifted: list[list[dict[str, NDArray]]],
    repeated: list[dict[str, NDArray]],
    ages: tuple[float, ...],
    seeds: list[int],
    data: str,
    clips: int,
) -> Measurement:
    """Numbers, arrays and findings of what `measure_age` gave for chips and ages, and `measure_reads` for chips.

    `data` and `clips` say on what, and how many they were.
    """

    def stacked(name: str) -> NDArray:
        return np.array([[part[name] for part in parts] for parts in drifted])  # (chips, ages, policies, ...)

    accuracy, rms, similar = 100 * stacked("accuracy"), stacked("rms"), stacked("correlation")
    layers = [name.removeprefix("stds ") for name in repeated[0] if name.startswith("stds ")]

    def by_policy(values: NDArray) -> dict[str, Any]:
        return {policy: values[:, :, index].tolist() for index, policy in enumerate(POLICIES)}

    reads = _reads(repeated, layers)
    first = float(accuracy[:, 0, 0].mean())
    numbers = {
        "seeds": seeds,
        "data": data,
        "clips": clips,
        "sampling_interval_percent": interval_percent(first, clips),
        "ages_s": list(ages),
        "layers": layers,
        "software_accuracy_percent": 100 * float(stacked("software").mean()),
        # By policy: lists over chips, ages (and layers).
        "accuracy_percent": by_policy(accuracy),
        "rms_error_percent": by_policy(rms),
        "correlation": by_policy(similar),
        "ramp_slopes": by_policy(stacked("slopes")),
        "reads": reads,
    }
    arrays = {"counts": stacked("counts").sum(axis=0)}  # (ages, policies, layers, bins)
    arrays |= {f"stds {layer}": _inside(repeated, "stds", layer) for layer in layers}
    text = describe_seeds(seeds)
    return Measurement(numbers, arrays, tuple(_findings(numbers, accuracy, rms, data, text)))


def _inside(repeated: list[dict[str, NDArray]], what: str, layer: str) -> Array:
    """A statistic of the outputs that stayed within the codes' range in all reads, of all chips."""
    return np.concatenate([part[f"{what} {layer}"][part[f"inside {layer}"].astype(bool)] for part in repeated])


def _reads(repeated: list[dict[str, NDArray]], layers: list[str]) -> dict[str, Any]:
    answers = [part["answers"] for part in repeated]
    usual = [np.array([np.bincount(clip).argmax() for clip in chip]) for chip in answers]
    per_layer: dict[str, dict[str, list[float]]] = {}
    for layer in layers:
        stds, shares = [], []
        for part in repeated:
            inside = part[f"inside {layer}"].astype(bool)
            std = part[f"stds {layer}"][inside]
            value = np.abs(part[f"means {layer}"][inside] - float(part[f"zero {layer}"]))
            stds.append(float(np.median(std)))
            shares.append(float(np.median(std) / np.median(value)))
        scale = float(repeated[0][f"scale {layer}"])
        per_layer[layer] = {
            "std_codes": stds,
            "std_percent": [100 * std / scale for std in stds],
            "over_median_mac_percent": [100 * share for share in shares],
        }
    return {
        "clips": len(answers[0]),
        "reads": int(answers[0].shape[1]),
        "changing_clips_percent": [100 * float((chip != chip[:, :1]).any(axis=1).mean()) for chip in answers],
        "unusual_answers_percent": [
            100 * float((chip != often[:, np.newaxis]).mean()) for chip, often in zip(answers, usual, strict=True)
        ],
        "layers": per_layer,
    }


def _findings(numbers: Mapping[str, Any], accuracy: Array, rms: Array, data: str, seeds: str) -> Iterator[Finding]:
    common: dict[str, Any] = {"engine": "twin", "data": data, "seeds": seeds}
    ages = numbers["ages_s"]
    month = ages.index(MONTH)

    def over(what: str, values: Any, unit: str, **rest: Any) -> Finding:
        return Finding.over(what, np.asarray(values), unit, **{**common, **rest})

    youngest = f"accuracy, {AGE_NAMES[ages[0]]} after programming"
    yield over(youngest, accuracy[:, 0, 0], "%")
    yield sampling_error(youngest, float(accuracy[:, 0, 0].mean()), numbers["clips"], **common)
    papers = {
        "without recalibration": "roughly 5 % in 30 days (another network and task)",
        "recalibrated": "less than 1 % in 30 days (another network and task)",
    }
    for index, policy in enumerate(POLICIES):
        lost = accuracy[:, 0, 0, np.newaxis] - accuracy[:, :, index]
        paper = papers.get(policy, "")
        yield over(
            f"accuracy lost in 30 days, {policy}",
            lost[:, month],
            "points",
            paper=paper,
            source=_ALBERT if paper else "",
            headline=bool(paper),
        )
        yield over(f"accuracy lost in a year, {policy}", lost[:, -1], "points")
    for layer, name in enumerate(numbers["layers"]):
        yield over(f"rms error of {name}, outputs in range, 1 hour", rms[:, 0, 0, layer], "% of the full scale")
        for index, policy in enumerate(POLICIES):
            yield over(
                f"rms error of {name}, outputs in range, 30 days, {policy}",
                rms[:, month, index, layer],
                "% of the full scale",
            )
    reads = numbers["reads"]
    repeated = f"{counted(reads['clips'], 'clip')}, each read {counted(reads['reads'], 'time')} at 1 hour"
    for name, found in reads["layers"].items():
        yield over(f"read-to-read variation of {name}, median output", found["std_codes"], "codes", data=repeated)
        yield over(
            f"read-to-read variation of {name} over the median MAC",
            found["over_median_mac_percent"],
            "%",
            data=repeated,
            paper="Fig. 4e, no figure in the text",
            source=_ALBERT,
        )
    yield over(
        "clips whose answer changes between reads", reads["changing_clips_percent"], "%", data=repeated, digits=1
    )
    yield over("answers other than a clip's usual one", reads["unusual_answers_percent"], "%", data=repeated)


def _about(measurement: Measurement) -> str:
    """What was done, of this run."""
    numbers = measurement.numbers
    ages, reads = [AGE_NAMES[age] for age in numbers["ages_s"]], numbers["reads"]
    return (
        f"{counted(len(numbers['seeds']), 'chip')} with the keyword-spotting network, calibrated at an age of "
        f"{ages[0]}, read {counted(numbers['clips'], 'clip')} at {counted(len(ages), 'age')}, {listed(ages)}: as they "
        "are; with the bias rows measured and programmed anew; and recalibrated, which is the bias rows, the slope of "
        "each layer's ramp (an LC setting that takes up the median loss of its columns) and the ReLU's window. The "
        "weights are never programmed again; to do so would make the chip as good as new. A loss of gain that a whole "
        "layer shares does not change the answer of a network of ReLUs without biases, such as this one: accuracy "
        "need not follow the errors of the outputs, as it did for the paper's transformer. New bias rows are as old "
        "when they are read as all rows were at first. Recalibration takes the same clips as calibration. The ALBERT "
        "paper recalibrates in digital, a slope and an offset for every column; on a chip whose layers feed each "
        "other there is one slope for a layer. All reads of an age see the same noise, so that policies can be "
        f"compared. For the read-to-read variation {counted(reads['clips'], 'clip')} are read "
        f"{counted(reads['reads'], 'time')} "
        "each: what 1/f noise has done to a device by its age, all reads share, and the noise within a pulse is drawn "
        "anew. Layers behind the first one include what varies in their input."
    )


STUDY = Study(
    name="drift",
    title="Drift, recalibration and read noise",
    about=_about,
    measure=measure,
    figures=(
        Figure("drift-accuracy", pictures.caption_of_accuracy, pictures.draw_accuracy),
        Figure("drift-errors", pictures.caption_of_errors, pictures.draw_errors),
        Figure("drift-distributions", pictures.caption_of_distributions, pictures.draw_distributions),
        Figure("drift-reads", pictures.caption_of_reads, pictures.draw_reads),
    ),
)
