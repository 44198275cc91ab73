"""Study: keyword spotting on many chips, beside software and the iso limit; one chip of them on the RTL."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.calibration import STEPS, Step
from cosim.engines.checked import CheckedEngine
from cosim.engines.engine import Engine
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.figures import accuracy_pictures as pictures
from cosim.figures.campaign import Campaign, Make, describe_seeds
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.mechanisms import MECHANISMS, Mechanism
from cosim.figures.sampling import interval_percent, sampling_error
from cosim.figures.study import Figure, Study
from cosim.files.wording import counted, listed
from cosim.workloads.kws.report import (
    ISO_SHARE,
    PAPER_CHIP_ACCURACY,
    PAPER_SOFTWARE_ACCURACY,
    confusion_matrix,
    correlation,
    rms_error_percent,
)
from cosim.workloads.kws.workload import classify

__all__ = ["STUDY", "chips_disagreeing", "measure"]

Part = Mapping[str, NDArray]

_FIG_3 = "Nature 620, 768 (2023), Fig. 3g"
_CORRELATION = "a scatter plot, no figure in the text"
#: Chips on which calibration is done step by step.
_STEP_CHIPS, _QUICK_STEP_CHIPS = 3, 1
#: Chips that are programmed anew without one group of mechanisms.
_WITHOUT_CHIPS = 5


def chips_disagreeing(predictions: NDArray[np.integer]) -> NDArray[np.int64]:
    """For each clip, how many chips do not decide it as most of them do: (chips, clips) -> (clips,)."""
    votes = np.apply_along_axis(np.bincount, 0, predictions, minlength=int(predictions.max()) + 1)
    return len(predictions) - votes.max(axis=0)


def measure(campaign: Campaign) -> Measurement:
    """Programs and calibrates every chip, and classifies all clips on it."""
    clips, model = campaign.clips, campaign.model
    parts = _chips(campaign, [(seed, STEPS) for seed in campaign.seeds])
    predictions = np.stack([part["predictions"] for part in parts]).astype(np.int64)
    software = model.predict(clips.features)
    chips = 100 * np.mean(predictions == clips.labels, axis=1)
    reference = 100 * float(np.mean(software == clips.labels))
    disagreeing = chips_disagreeing(predictions)
    numbers: dict[str, Any] = {
        "clips": len(clips),
        "data": clips.source,
        "calibration": campaign.calibration.source,
        "calibration_clips": len(campaign.calibration),
        "chips": list(campaign.seeds),
        "seeds": campaign.seeds_text,
        "words": list(model.labels),
        "software_accuracy_percent": reference,
        "iso_limit_percent": ISO_SHARE * reference,
        "chip_accuracy_percent": chips.tolist(),
        "sampling_interval_percent": {
            name: interval_percent(value, len(clips))
            for name, value in {"software": reference, "chips": float(chips.mean())}.items()
        },
        "chips_at_iso_limit": int(np.sum(chips >= ISO_SHARE * reference)),
        "correlation": _by_layer(parts, "correlations"),
        "rms_error_percent": _by_layer(parts, "errors"),
        "decided_differently_percent": 100 * float(np.mean(disagreeing > 0)),
        "decided_as_software_percent": (100 * np.mean(predictions == software, axis=1)).tolist(),
        "confusion": confusion_matrix(clips.labels, predictions, len(model.labels)).tolist(),
    }
    numbers["calibration_steps"] = _steps(campaign)
    if not campaign.quick:
        numbers["without"] = _without(campaign)
        numbers["rtl"] = _rtl(campaign)
    arrays: dict[str, NDArray] = {
        "labels": clips.labels,
        "software": software,
        "predictions": predictions.astype(np.uint8),
        "disagreeing": disagreeing,
    }
    return Measurement(numbers, arrays, tuple(_findings(numbers)))


def _groups() -> dict[str, tuple[Mechanism, ...]]:
    """What a chip loses accuracy by: each mechanism of the devices, and all of the circuits together."""
    devices = [mechanism for mechanism in MECHANISMS if mechanism.constants[0].startswith("pcm.")]
    circuits = tuple(mechanism for mechanism in MECHANISMS if mechanism not in devices)
    return {mechanism.name: (mechanism,) for mechanism in devices} | {"everything but the devices": circuits}


def _without(campaign: Campaign) -> dict[str, Any]:
    """Some of the chips, programmed and calibrated without one group of mechanisms."""
    seeds = campaign.seeds[:_WITHOUT_CHIPS]
    makers: dict[tuple[str, int], tuple[str, Make]] = {}
    for name, mechanisms in _groups().items():
        analog = campaign.analog
        for mechanism in mechanisms:
            analog = mechanism.without(analog)
        for seed in seeds:
            make = partial(_classified, campaign, seed, TwinEngine(), analog=analog)
            makers[name, seed] = f"chip {seed}, without {name}", make
    parts = campaign.parts({key: make} for key, make in makers.values())
    accuracy: dict[str, list[float]] = {name: [] for name in _groups()}
    for (name, _), (key, _) in makers.items():
        accuracy[name].append(100 * float(np.mean(parts[key]["predictions"] == campaign.clips.labels)))
    return {"seeds": describe_seeds(seeds), "accuracy_percent": accuracy}


def _chips(campaign: Campaign, chips: Iterable[tuple[int, Sequence[Step]]]) -> list[Part]:
    """What chips make of all clips, each (seed, steps of its calibration)."""
    makers: dict[str, Make] = {}
    for seed, steps in chips:
        name = f"chip {seed}" if steps == STEPS else f"chip {seed}, calibration {', '.join(steps) or 'none'}"
        makers[name] = partial(_classified, campaign, seed, TwinEngine(), steps)
    parts = campaign.parts({key: make} for key, make in makers.items())
    return [parts[key] for key in makers]


def _classified(
    campaign: Campaign, seed: int, engine: Engine, steps: Sequence[Step] = STEPS, *, analog: AnalogConfig | None = None
) -> dict[str, Any]:
    """The same, measured now and on an engine of one's choice; and with other constants than nominal ones."""
    chip = campaign.calibrated(seed, steps=steps, analog=analog)
    report = classify(campaign.model, campaign.clips, chip, engine, seed=seed)
    pairs = [(ours, own) for ours, own, _ in report.layers.values()]
    return {
        "predictions": report.predictions.astype(np.uint8),
        "correlations": np.array([correlation(*pair) for pair in pairs]),
        "errors": np.array([rms_error_percent(*pair) for pair in pairs]),
        "frame_ns": report.frame_ns,
        "wall_s": report.wall_s,
        "compared_codes": report.compared_codes,
        **({} if report.cycles is None else {"cycles": report.cycles}),  # of an engine that simulates some
    }


def _steps(campaign: Campaign) -> dict[str, Any]:
    """Some of the chips after each step of the calibration, done from the beginning."""
    seeds = campaign.seeds[: _QUICK_STEP_CHIPS if campaign.quick else _STEP_CHIPS]
    done = [STEPS[:count] for count in range(len(STEPS) + 1)]
    labels = ["none", *(f"+ {step}" for step in STEPS)]
    if campaign.quick:
        done, labels = [done[0], done[-1]], ["none", "all"]
    found: dict[str, Any] = {
        "seeds": describe_seeds(seeds),
        "steps": labels,
        "accuracy_percent": [],
        "rms_error_percent": {},
    }
    parts = _chips(campaign, product(seeds, done))
    shape = len(seeds), len(done)
    accuracy = [100 * float(np.mean(part["predictions"] == campaign.clips.labels)) for part in parts]
    found["accuracy_percent"] = np.reshape(accuracy, shape).tolist()
    for name, values in _by_layer(parts, "errors").items():
        found["rms_error_percent"][name] = np.reshape(values, shape).tolist()
    return found


def _rtl(campaign: Campaign) -> dict[str, Any]:
    """The first chip on the RTL, every code of it held against the twin's."""
    seed = campaign.seed
    campaign.say(f"chip {seed} on the RTL: {counted(len(campaign.clips), 'clip')}, minutes")
    part = campaign.part(
        f"chip {seed}, RTL",
        lambda: _classified(
            campaign, seed, CheckedEngine(RtlEngine(campaign.config), TwinEngine(), campaign.clips.names)
        ),
    )
    wall_s = float(part["wall_s"])
    return {
        "chip": seed,
        "accuracy_percent": 100 * float(np.mean(part["predictions"] == campaign.clips.labels)),
        "correlation": {name: values[0] for name, values in _by_layer([part], "correlations").items()},
        "compared_codes": int(part["compared_codes"]),
        "frame_ns": int(part["frame_ns"]),
        "cycles": int(part["cycles"]),
        "wall_s": wall_s,
        "cycles_per_s": int(part["cycles"]) / wall_s,
        "frames_per_s": len(campaign.clips) / wall_s,
    }


def _by_layer(parts: Sequence[Part], name: str) -> dict[str, list[float]]:
    """One list of the parts' values for each layer."""
    values = np.stack([part[name] for part in parts])
    return {f"layer{index}": column.tolist() for index, column in enumerate(values.T)}


def _findings(numbers: Mapping[str, Any]) -> list[Finding]:
    reference = numbers["software_accuracy_percent"]
    chips = np.array(numbers["chip_accuracy_percent"])
    paper_ratio = f"{100 * PAPER_CHIP_ACCURACY / PAPER_SOFTWARE_ACCURACY:.2f} % (86.14/86.75)"
    over = partial(Finding.over, engine="twin", data=numbers["data"], seeds=numbers["seeds"])
    one = partial(Finding, engine="twin", data=numbers["data"], seeds=numbers["seeds"])
    found = []
    if rtl := numbers.get("rtl"):
        on_rtl = partial(Finding, engine="rtl", data=numbers["data"], seeds=f"chip {rtl['chip']}")
        found.append(
            on_rtl(
                "keyword spotting, chip",
                rtl["accuracy_percent"],
                "%",
                paper="86.14 %, one chip",
                source=_FIG_3,
                headline=True,
            )
        )
    found += [
        over("keyword spotting, chips", chips, "%", paper="86.14 %, one chip", source=_FIG_3, headline=True),
        Finding(
            "keyword spotting, software",
            reference,
            "%",
            engine="float64, 8-bit inputs",
            data=numbers["data"],
            seeds="shipped network",
            paper="86.75 %",
            source=_FIG_3,
            headline=True,
        ),
        sampling_error(
            "keyword spotting, chips",
            float(chips.mean()),
            numbers["clips"],
            engine="twin",
            data=numbers["data"],
            seeds=numbers["seeds"],
        ),
        over("chip over software", 100 * chips / reference, "%", paper=paper_ratio, source=_FIG_3, headline=True),
        one(
            f"chips that reach {numbers['iso_limit_percent']:.2f} %, {100 * ISO_SHARE:.0f} % of software (iso limit)",
            100 * numbers["chips_at_iso_limit"] / len(chips),
            "%",
            digits=0,
            paper="its chip does: 86.14 % against 85.88 %",
            source=_FIG_3,
            headline=True,
        ),
    ]
    for name, values in numbers["correlation"].items():
        found.append(
            over(
                f"correlation of {name} with software fed with the chip's own input",
                np.array(values),
                "1",
                digits=4,
                paper=_CORRELATION,
                source="Nature 620, 768 (2023), Fig. 3f",
            )
        )
    found += [
        one("clips that not all chips decide alike", numbers["decided_differently_percent"], "%"),
        over("clips decided as software does", np.array(numbers["decided_as_software_percent"]), "%"),
    ]
    steps = numbers["calibration_steps"]
    for step, values in zip(steps["steps"], np.transpose(steps["accuracy_percent"]), strict=True):
        what = f"keyword spotting, calibration: {step}"
        found.append(Finding.over(what, values, "%", engine="twin", data=numbers["data"], seeds=steps["seeds"]))
    if without := numbers.get("without"):
        same = chips[: len(next(iter(without["accuracy_percent"].values())))]
        for name, values in {"": same, **without["accuracy_percent"]}.items():
            what = f"chip over software, the same chips without {name}" if name else "chip over software, some chips"
            ratio = 100 * np.array(values) / reference
            found.append(Finding.over(what, ratio, "%", engine="twin", data=numbers["data"], seeds=without["seeds"]))
    if rtl:
        found += [
            on_rtl(
                f"correlation of {name} with software fed with the chip's own input",
                value,
                "1",
                digits=4,
                paper=_CORRELATION,
                source="Nature 620, 768 (2023), Fig. 3f",
            )
            for name, value in rtl["correlation"].items()
        ]
        found += [
            on_rtl(
                "codes of RTL and twin that were compared; all are equal",
                rtl["compared_codes"],
                "1",
                digits=0,
                headline=True,
            ),
            on_rtl(
                "frame",
                rtl["frame_ns"],
                "ns",
                digits=0,
                paper="2.4 µs, eight steps",
                source=_FIG_3[:-1] + "e",
                headline=True,
            ),
            on_rtl("simulation speed, whole chip", rtl["cycles_per_s"], "cycles/s", digits=0),
            on_rtl(
                "simulation speed, with host transfers and analog models", rtl["frames_per_s"], "frames/s", digits=1
            ),
        ]
    return found


def _about(measurement: Measurement) -> str:
    """What was done, of this run."""
    numbers = measurement.numbers
    count, rtl, without = len(numbers["chips"]), numbers.get("rtl"), numbers.get("without")
    each = "The chip is" if count == 1 else f"Each of {count} chips has devices, circuits and noise of its own; all are"
    steps = numbers["calibration_steps"]
    sentences = [
        f"{each} programmed with the shipped network and calibrated with "
        f"{counted(numbers['calibration_clips'], 'clip')} ({numbers['calibration']}).",
        f"The twin classifies {counted(numbers['clips'], 'clip')} on {'it' if count == 1 else 'each of them'}"
        + (
            f", and the RTL on chip {rtl['chip']}: {rtl['compared_codes']:,} codes, every output of every layer, are "
            "compared with the twin's, and one that differs ends the study."
            if rtl
            else "; nothing ran on the RTL."
        ),
        "Software is the same network in float64 on the same 8-bit inputs.",
        "The paper's accuracies are of its own network and of the whole test set; what can be compared is the share of "
        "software's accuracy that a chip reaches.",
        f"The calibration is done from the beginning on {steps['seeds']}, with these steps: "
        f"{'; '.join(steps['steps'])}.",
    ]
    if without:
        sentences.append(
            f"What a chip loses is taken apart on {without['seeds']}, programmed and calibrated anew without one of: "
            f"{listed(without['accuracy_percent'])}."
        )
    return " ".join(sentences)


STUDY = Study(
    name="accuracy",
    title="Keyword spotting",
    about=_about,
    measure=measure,
    figures=(
        Figure("accuracy-chips", pictures.caption_of_chips, pictures.draw_chips),
        Figure("accuracy-steps", pictures.caption_of_steps, pictures.draw_steps),
        Figure("accuracy-confusion", pictures.caption_of_confusions, pictures.draw_confusions),
        Figure("accuracy-disagreement", pictures.caption_of_disagreement, pictures.draw_disagreement),
    ),
)
