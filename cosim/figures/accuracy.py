"""Study: keyword spotting on many chips, beside software and the iso limit; one chip of them on the RTL."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosim.calibration import CalibratedChip
from cosim.checked import CheckedEngine, Engine
from cosim.figures.campaign import Campaign
from cosim.figures.study import Finding, Measurement
from cosim.kws.report import (
    ISO_SHARE,
    PAPER_CHIP_ACCURACY,
    PAPER_SOFTWARE_ACCURACY,
    correlation,
    rms_error_percent,
)
from cosim.kws.workload import classify
from cosim.rtl_engine.engine import RtlEngine
from cosim.twin import TwinEngine

if TYPE_CHECKING:
    pass

__all__ = ["STUDY", "chips_disagreeing", "confusion_matrix", "measure"]

Part = Mapping[str, NDArray]

_FIG_3 = "Nature 620, 768 (2023), Fig. 3g"
_CORRELATION = "a scatter plot, no figure in the text"
#: Colours that colour-blind readers tell apart (Okabe and Ito).
_BLUE, _ORANGE, _GREEN, _PINK, _GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"


def confusion_matrix(labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Decisions by what was spoken and what was heard: (classes, classes), of (clips,) and (chips, clips)."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (np.broadcast_to(labels, predictions.shape), predictions), 1)
    return matrix


def chips_disagreeing(predictions: NDArray[np.integer]) -> NDArray[np.int64]:
    """For each clip, how many chips do not decide it as most of them do: (chips, clips) -> (clips,)."""
    votes = np.apply_along_axis(np.bincount, 0, predictions, minlength=int(predictions.max()) + 1)
    return len(predictions) - votes.max(axis=0)


def measure(campaign: Campaign) -> Measurement:
    """Programs and calibrates every chip, and classifies all clips on it."""
    clips, model = campaign.clips, campaign.model
    total = campaign.chip_count
    parts = []
    for done, seed in enumerate(campaign.seeds):
        campaign.advance(done, total)
        campaign.say(f"chip {seed}: programming, calibration, {len(clips)} clips")
        parts.append(campaign.part(f"chip {seed}", partial(_on_chip, campaign, seed, TwinEngine())))
    campaign.advance(total, total)
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
        "chips_at_iso_limit": int(np.sum(chips >= ISO_SHARE * reference)),
        "correlation": _by_layer(parts, "correlations"),
        "rms_error_percent": _by_layer(parts, "errors"),
        "decided_differently_percent": 100 * float(np.mean(disagreeing > 0)),
        "decided_as_software_percent": (100 * np.mean(predictions == software, axis=1)).tolist(),
        "confusion": confusion_matrix(clips.labels, predictions, len(model.labels)).tolist(),
    }
    if not campaign.quick:
        numbers["rtl"] = _rtl(campaign)
    arrays = {
        "labels": clips.labels,
        "software": software,
        "predictions": predictions.astype(np.uint8),
        "disagreeing": disagreeing,
    }
    return Measurement(numbers, arrays, tuple(_findings(numbers)))


def _on_chip(campaign: Campaign, seed: int, engine: Engine) -> dict[str, Any]:
    return _classified(campaign, campaign.calibrated(seed), seed, engine)


def _classified(campaign: Campaign, chip: CalibratedChip, seed: int, engine: Engine) -> dict[str, Any]:
    """What one chip makes of all clips."""
    report = classify(campaign.model, campaign.clips, chip, engine, seed=seed)
    pairs = [(ours, own) for ours, own, _ in report.layers.values()]
    return {
        "predictions": report.predictions.astype(np.uint8),
        "correlations": np.array([correlation(*pair) for pair in pairs]),
        "errors": np.array([rms_error_percent(*pair) for pair in pairs]),
        "frame_ns": report.frame_ns,
        "cycles": report.cycles,
        "wall_s": report.wall_s,
        "compared_codes": report.compared_codes,
    }


def _rtl(campaign: Campaign) -> dict[str, Any]:
    """The first chip on the RTL, every code of it held against the twin's."""
    seed = campaign.seed
    campaign.say(f"chip {seed} on the RTL: {len(campaign.clips)} clips, minutes")
    part = campaign.part(
        f"chip {seed}, RTL",
        lambda: _on_chip(campaign, seed, CheckedEngine(RtlEngine(campaign.config), TwinEngine(), campaign.clips.names)),
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
        on_rtl = partial(Finding, engine="rtl", data=numbers["data"], seeds=f"chip {rtl['chip']}", headline=True)
        found.append(
            on_rtl("keyword spotting, chip", rtl["accuracy_percent"], "%", paper="86.14 %, one chip", source=_FIG_3)
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
        over("chip over software", 100 * chips / reference, "%", paper=paper_ratio, source=_FIG_3, headline=True),
        one(
            f"chips that reach the iso limit, {ISO_SHARE:.0%} of software ({numbers['iso_limit_percent']:.2f} %)",
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
            on_rtl("codes of RTL and twin that were compared; all are equal", rtl["compared_codes"], "1", digits=0),
            on_rtl("frame", rtl["frame_ns"], "ns", digits=0, paper="2.4 µs, eight steps", source=_FIG_3[:-1] + "e"),
            on_rtl("simulation speed, whole chip", rtl["cycles_per_s"], "cycles/s", digits=0),
            on_rtl(
                "simulation speed, with host transfers and analog models", rtl["frames_per_s"], "frames/s", digits=1
            ),
        ]
    return found
