"""One chip that drifts: its accuracy and errors at an age, and how its outputs vary from read to read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.calibration import RECALIBRATION, CalibratedChip, Step, recalibrate
from cosim.engines.twin.engine import TwinEngine
from cosim.figures.campaign import Campaign
from cosim.graph.feed_forward import FeedForwardNetwork
from cosim.workloads.kws.report import correlation, rms_error_percent
from cosim.workloads.kws.workload import classify

__all__ = ["AGE_NAMES", "BIN", "BINS", "DAY", "HOUR", "MONTH", "POLICIES", "measure_age", "measure_reads"]

Array = NDArray[np.float64]

#: Ages of a chip in seconds, and what they are called.
HOUR, DAY = 3600.0, 86_400.0
MONTH = 30 * DAY
AGE_NAMES = {
    HOUR: "1 hour",
    6 * HOUR: "6 hours",
    DAY: "1 day",
    7 * DAY: "1 week",
    MONTH: "30 days",
    90 * DAY: "90 days",
    365 * DAY: "1 year",
}
#: What is done to a chip before it is read at some age.
POLICIES: dict[str, tuple[Step, ...]] = {
    "without recalibration": (),
    "bias rows updated": (Step.BIAS,),
    "recalibrated": RECALIBRATION,
}
#: Errors of outputs are counted in bins so wide, in units of the full scale, so many to either side of 0; the outermost
#: take the rest.
BIN, BINS = 0.01, 60


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
    old = chip.aged(age_s)
    first = _errors(campaign, old)
    found = [first]
    for steps in list(POLICIES.values())[1:]:
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
    bins = np.clip(np.rint(errors / BIN), -BINS, BINS).astype(np.int64)
    return np.bincount(bins.ravel() + BINS, minlength=2 * BINS + 1)


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
