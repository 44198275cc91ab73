"""Study: what the devices' drift and the noise of single reads do to keyword spotting."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosim.calibration import RECALIBRATION, CalibratedChip, Step, recalibrate
from cosim.engines.twin.engine import TwinEngine
from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.study import Figure, Study
from cosim.files.plotting import new_figure
from cosim.graph.feed_forward import FeedForwardNetwork
from cosim.workloads.kws.model import quantise
from cosim.workloads.kws.report import correlation, rms_error_percent
from cosim.workloads.kws.workload import classify

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["STUDY"]

Array = NDArray[np.float64]

_ALBERT = "Nat. Commun. 16, 8661 (2025), Fig. 4: ALBERT, MRPC"
_CHIPS = 3
_HOUR, _DAY = 3600.0, 86_400.0
_MONTH = 30 * _DAY
_AGES = (_HOUR, 6 * _HOUR, _DAY, 7 * _DAY, _MONTH, 90 * _DAY, 365 * _DAY)
_QUICK_AGES = (_HOUR, _MONTH, 365 * _DAY)
_NAMES = {
    _HOUR: "1 hour",
    6 * _HOUR: "6 hours",
    _DAY: "1 day",
    7 * _DAY: "1 week",
    _MONTH: "30 days",
    90 * _DAY: "90 days",
    365 * _DAY: "1 year",
}
#: What is done to a chip before it is read at some age.
_POLICIES: dict[str, tuple[Step, ...]] = {
    "without recalibration": (),
    "bias rows updated": (Step.BIAS,),
    "recalibrated": RECALIBRATION,
}
_COLOURS = dict(zip(_POLICIES, ("#d55e00", "#e69f00", "#0072b2"), strict=True))
#: Errors of outputs are counted in bins so wide, in units of the full scale, so many to either side of 0; the outermost
#: take the rest.
_BIN, _BINS = 0.01, 60
_CLIPS_READ, _READS = 40, 200
_QUICK_CLIPS_READ, _QUICK_READS = 12, 40


# One chip -------------------------------------------------------------------------------------------------------------


def aged(chip: CalibratedChip, age_s: float) -> CalibratedChip:
    """The chip at an age; `chip` itself stays as it is."""
    analog = chip.analog.copy()
    analog.set_age(age_s)
    return replace(chip, analog=analog)


def measure_age(campaign: Campaign, chip: CalibratedChip, age_s: float, inputs: Array) -> dict[str, Any]:
    """Accuracy and errors at an age under each policy; arrays begin with the policies, then the layers.

    At the age that the chip was calibrated at, every policy leaves it as it is.

    Parameters
    ----------
    chip : CalibratedChip
        As calibrated.
    inputs : (N, width)
        Of a recalibration.
    """
    old = aged(chip, age_s)
    first = _errors(campaign, old)
    found = [first]
    for steps in list(_POLICIES.values())[1:]:
        if age_s > chip.options.analog.age_s:
            found.append(_errors(campaign, recalibrate(old, campaign.model.network, inputs, steps=steps)))
        else:
            found.append(first)
    return {name: np.array([one[name] for one in found]) for name in first}


def _errors(campaign: Campaign, chip: CalibratedChip) -> dict[str, Any]:
    """Accuracy of one chip, and the errors of its layers."""
    report = classify(campaign.model, campaign.clips, chip, TwinEngine(), seed=chip.analog.seed)
    outputs = [(values, software) for values, software, _ in report.layers.values()]
    return {
        "accuracy": report.chip_accuracy,
        "software": report.software_accuracy,
        "rms": [rms_error_percent(values, software) for values, software in outputs],
        "correlation": [correlation(values, software) for values, software in outputs],
        "counts": [_counts(values - software) for values, software in outputs],
        "slopes": [plan.ramp_slope for plan in chip.program.layers],
    }


def _counts(errors: Array) -> NDArray[np.int64]:
    bins = np.clip(np.rint(errors / _BIN), -_BINS, _BINS).astype(np.int64)
    return np.bincount(bins.ravel() + _BINS, minlength=2 * _BINS + 1)


def measure_reads(network: FeedForwardNetwork, chip: CalibratedChip, inputs: Array, reads: int) -> dict[str, Any]:
    """Read each input many times.

    Returns
    -------
    dict
        answers : (clips, reads) index of the largest output; stds LAYER, means LAYER : (clips, outputs) of the codes;
        inside LAYER : those that were neither 0 nor 255 in any read.
    """
    results = TwinEngine().run(chip.program, chip.analog, np.repeat(inputs, reads, axis=0))
    top = chip.program.config.max_code
    found: dict[str, Any] = {"answers": results.predictions.reshape(len(inputs), reads)}
    for layer, plan in zip(network.layers, chip.program.layers, strict=True):
        codes = results.codes[plan.name].reshape(len(inputs), reads, layer.outputs).astype(np.float64)
        found |= {
            f"stds {plan.name}": codes.std(axis=1, ddof=1),
            f"means {plan.name}": codes.mean(axis=1),
            f"inside {plan.name}": (codes.min(axis=1) > 0) & (codes.max(axis=1) < top),
            f"zero {plan.name}": np.array(plan.code_zero),
            f"scale {plan.name}": np.array(plan.code_scale),
        }
    return found


# The measurement ------------------------------------------------------------------------------------------------------


def measure(campaign: Campaign) -> Measurement:
    """Chips at every age under every policy, and many reads at an hour."""
    network = campaign.model.network
    ages = _QUICK_AGES if campaign.quick else _AGES
    seeds = list(campaign.seeds[: 1 if campaign.quick else _CHIPS])
    calibration = campaign.model.prepare(campaign.calibration.features)
    clip_count, reads = (_QUICK_CLIPS_READ, _QUICK_READS) if campaign.quick else (_CLIPS_READ, _READS)
    inputs = quantise(campaign.model.prepare(campaign.clips.evenly(clip_count).features))

    @lru_cache(maxsize=1)
    def fresh(seed: int) -> CalibratedChip:
        campaign.say(f"programming and calibrating chip {seed}")
        return campaign.calibrated(seed)

    def at_age(seed: int, age_s: float) -> dict[str, Any]:
        return measure_age(campaign, fresh(seed), age_s, calibration)

    def read(seed: int) -> dict[str, Any]:
        return measure_reads(network, fresh(seed), inputs, reads)

    drifted: list[list[dict[str, NDArray]]] = []
    repeated: list[dict[str, NDArray]] = []
    total = len(seeds) * (len(ages) + 1)
    for seed in seeds:
        drifted.append([])
        for age_s in ages:
            campaign.say(f"chip {seed}, {_NAMES[age_s]} after programming")
            drifted[-1].append(campaign.part(f"chip {seed}, age {age_s:g} s", partial(at_age, seed, age_s)))
            campaign.advance(sum(map(len, drifted)) + len(repeated), total)
        campaign.say(f"chip {seed}, {len(inputs)} clips read {reads} times each")
        repeated.append(campaign.part(f"chip {seed}, reads", partial(read, seed)))
        campaign.advance(sum(map(len, drifted)) + len(repeated), total)
    return summarise(drifted, repeated, ages, seeds, campaign.clips.source)


def summarise(
    drifted: list[list[dict[str, NDArray]]],
    repeated: list[dict[str, NDArray]],
    ages: tuple[float, ...],
    seeds: list[int],
    data: str,
) -> Measurement:
    """Numbers, arrays and findings of what `measure_age` gave for chips and ages, and `measure_reads` for chips."""

    def stacked(name: str) -> NDArray:
        return np.array([[part[name] for part in parts] for parts in drifted])  # (chips, ages, policies, ...)

    accuracy, rms, similar = 100 * stacked("accuracy"), stacked("rms"), stacked("correlation")
    layers = [name.removeprefix("stds ") for name in repeated[0] if name.startswith("stds ")]

    def by_policy(values: NDArray) -> dict[str, Any]:
        return {policy: values[:, :, index].tolist() for index, policy in enumerate(_POLICIES)}

    reads = _reads(repeated, layers)
    numbers = {
        "seeds": seeds,
        "data": data,
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
    month = ages.index(_MONTH)

    def over(what: str, values: Any, unit: str, **rest: Any) -> Finding:
        return Finding.over(what, np.asarray(values), unit, **{**common, **rest})

    yield over("accuracy, 1 hour after programming", accuracy[:, 0, 0], "%")
    papers = {
        "without recalibration": "roughly 5 % in 30 days (another network and task)",
        "recalibrated": "less than 1 % in 30 days (another network and task)",
    }
    for index, policy in enumerate(_POLICIES):
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
        for index, policy in enumerate(_POLICIES):
            yield over(
                f"rms error of {name}, outputs in range, 30 days, {policy}",
                rms[:, month, index, layer],
                "% of the full scale",
            )
    reads = numbers["reads"]
    repeated = f"{reads['clips']} clips, each read {reads['reads']} times at 1 hour"
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


# Pictures -------------------------------------------------------------------------------------------------------------


def _said(measurement: Measurement) -> str:
    seeds = measurement.numbers["seeds"]
    chips = describe_seeds(seeds)
    return f"twin engine, {chips}, {measurement.numbers['data']}"


def _over_age(axes: Any, ages: list[float], values: Mapping[str, Any], layer: int | None = None) -> None:
    """One curve for each policy: mean over the chips, bars from smallest to largest."""
    for index, (policy, colour) in enumerate(_COLOURS.items()):
        found = np.array(values[policy])  # (chips, ages) or (chips, ages, layers)
        found = found if layer is None else found[:, :, layer]
        low, mean, high = found.min(axis=0), found.mean(axis=0), found.max(axis=0)
        where = np.array(ages) * 1.04 ** (index - 1)  # bars side by side
        bars = (mean - low, high - mean)
        axes.errorbar(where, mean, bars, fmt="osD"[index] + "-", color=colour, ms=4, capsize=2.5, label=policy)
    axes.set_xscale("log")
    axes.set_xticks(ages, [_NAMES[age].replace(" ", "\n") for age in ages], fontsize=7)
    axes.minorticks_off()


def draw_accuracy(measurement: Measurement) -> "Picture":
    """Accuracy over age."""
    numbers = measurement.numbers
    figure, axes = new_figure(8.6, 4.8)
    _over_age(axes, numbers["ages_s"], numbers["accuracy_percent"])
    software = numbers["software_accuracy_percent"]
    axes.axhline(software, color="black", lw=1, ls="--", label=f"software, {software:.2f} %")
    axes.axhline(0.99 * software, color="#888888", lw=0.8, ls=":", label="99 % of software")
    axes.set_xlabel("age of the weights")
    axes.set_ylabel("accuracy (%)")
    axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 0.13))
    axes.text(
        0.01,
        0.02,
        "ALBERT on the paper's chip, MRPC, 30 days: roughly 5 % lost without recalibration,\nless than 1 % with it "
        "(another network, another task; digital affine recalibration)",
        transform=axes.transAxes,
        fontsize=7.5,
        color="#009e73",
    )
    axes.set_title(
        f"Keyword spotting on a chip that drifts; bars: smallest to largest\n({_said(measurement)})", fontsize=9
    )
    return figure


def draw_errors(measurement: Measurement) -> "Picture":
    """Error and correlation of every layer over age."""
    numbers = measurement.numbers
    layers = numbers["layers"]
    figure, panels = new_figure(11.0, 6.4, 2, len(layers), sharex=True, squeeze=False)
    for layer, name in enumerate(layers):
        top, bottom = panels[:, layer]
        _over_age(top, numbers["ages_s"], numbers["rms_error_percent"], layer)
        _over_age(bottom, numbers["ages_s"], numbers["correlation"], layer)
        top.set_ylim(bottom=0)
        bottom.set_ylim(top=1)
        top.set_title(name, fontsize=9)
        bottom.set_xlabel("age of the weights")
    panels[0, 0].set_ylabel("rms error, outputs in range\n(% of the full scale)")
    panels[1, 0].set_ylabel("correlation")
    panels[0, 0].legend(fontsize=8, frameon=False)
    figure.suptitle(
        f"Outputs against software that is fed with the chip's own input\n({_said(measurement)}; "
        "bars: smallest to largest)",
        fontsize=9,
    )
    return figure


def draw_distributions(measurement: Measurement) -> "Picture":
    """How the errors spread with age, without and with recalibration."""
    counts = measurement.arrays["counts"].astype(np.float64)
    ages, layers = measurement.numbers["ages_s"], measurement.numbers["layers"]
    shown = [age for age in (_HOUR, _DAY, _MONTH, 365 * _DAY) if age in ages]
    blues = ("#9ecae1", "#4292c6", "#08519c", "#08203f")[-len(shown) :]
    percent = 100 * _BIN * np.arange(-_BINS, _BINS + 1)
    figure, panels = new_figure(11.0, 6.0, 2, len(layers), sharex=True, squeeze=False)
    for row, policy in enumerate(("without recalibration", "recalibrated")):
        for layer, name in enumerate(layers):
            axes = panels[row, layer]
            for age, colour in zip(shown, blues, strict=True):
                one = counts[ages.index(age), list(_POLICIES).index(policy), layer]
                share = 100 * one / one.sum()
                axes.step(
                    percent, np.where(share > 0, share, np.nan), where="mid", color=colour, lw=1.2, label=_NAMES[age]
                )
            axes.set_yscale("log")
            axes.set_xlim(-40, 25)
            axes.set_title(f"{name}, {policy}", fontsize=9)
        panels[row, 0].set_ylabel("outputs (% per 1 % of error)")
    for axes in panels[1]:
        axes.set_xlabel("chip minus software (% of the full scale)")
    panels[0, 0].legend(fontsize=8, frameon=False)
    figure.suptitle(f"Errors of the outputs at four ages ({_said(measurement)})", fontsize=9)
    return figure


def draw_reads(measurement: Measurement) -> "Picture":
    """Distribution of the read-to-read variation, layer by layer."""
    reads, layers = measurement.numbers["reads"], measurement.numbers["layers"]
    figure, axes = new_figure(8.0, 4.4)
    stds = [measurement.arrays[f"stds {layer}"] for layer in layers]
    edges = np.linspace(0, float(np.percentile(np.concatenate(stds), 99.8)), 60)
    for values, layer, colour in zip(stds, layers, ("#0072b2", "#d55e00", "#009e73", "#cc79a7"), strict=False):
        share = 100 * np.histogram(values, edges)[0] / len(values)
        middle = float(np.mean(reads["layers"][layer]["std_codes"]))
        axes.stairs(share, edges, color=colour, lw=1.4, label=f"{layer}: median {middle:.2f} codes")
        axes.axvline(middle, color=colour, lw=0.8, ls=":")
    axes.set_xlabel("standard deviation over the reads of one output of one clip (codes of 255)")
    axes.set_ylabel(f"outputs (% per {edges[1]:.2f} codes)")
    axes.legend(fontsize=8, frameon=False)
    changing = float(np.mean(reads["changing_clips_percent"]))
    axes.set_title(
        f"{reads['clips']} clips, each read {reads['reads']} times an hour after programming; outputs off the ends of "
        f"the range;\nthe answer changes for {changing:.1f} % of the clips\n({_said(measurement)})",
        fontsize=9,
    )
    return figure


STUDY = Study(
    name="drift",
    title="Drift, recalibration and read noise",
    about="""Chips with the keyword-spotting network, calibrated when they are an hour old, are read at ages up to a
    year: as they are; with the bias rows measured and programmed anew; and recalibrated, which is the bias rows, the
    slope of each layer's ramp (an LC setting that takes up the median loss of its columns) and the ReLU's window. The
    weights are never programmed again; to do so would make the chip as good as new. A loss of gain that a whole layer
    shares does not change the answer of a network of ReLUs without biases, such as this one: accuracy need not follow
    the errors of the outputs, as it did for the paper's transformer. New bias rows are an hour old when they are read,
    as all rows were at first. Recalibration takes the same validation clips as calibration. The ALBERT paper
    recalibrates in digital, a slope and an offset for every column; on a chip whose layers feed each other there is one
    slope for a layer. All reads of an age see the same noise, so that policies can be compared. For the read-to-read
    variation the same clips are read many times; each read draws the whole 1/f noise anew, where a real device keeps
    its slow part from read to read, and layers behind the first one include what varies in their input.""",
    measure=measure,
    figures=(
        Figure(
            "drift-accuracy",
            "Keyword-spotting accuracy from an hour to a year after programming, under three policies.",
            draw_accuracy,
        ),
        Figure(
            "drift-errors",
            "Root-mean-square error and correlation of each layer's outputs and software that is fed with the "
            "chip's own input.",
            draw_errors,
        ),
        Figure(
            "drift-distributions",
            "Distribution of the same errors: without recalibration outputs shrink and tails grow; with it, only the "
            "spread of the devices' drift is left. Compare Fig. 4d of the ALBERT paper.",
            draw_distributions,
        ),
        Figure(
            "drift-reads",
            "How much an output varies from read to read, for the outputs that stay within the range of the codes.",
            draw_reads,
        ),
    ),
)
