"""Keyword spotting as a sweep: how accurate a chip is, whichever it is, however old, with whatever constants."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cosim.calibration import CalibratedChip, recalibrate
from cosim.engines.twin.engine import TwinEngine
from cosim.files.digest import digest_of_arrays
from cosim.sweep import CALIBRATED_S, Point, Shown, Store, Stored, Subject
from cosim.sweep.points import Cell
from cosim.sweep.workers import GB
from cosim.workloads.kws.model import CHECKPOINT, KwsModel
from cosim.workloads.kws.report import ISO_SHARE, correlation
from cosim.workloads.kws.workload import ClipSet, calibration_clips, classify, load_clips, prepare_chip
from rtl.config import ChipConfig, preset

__all__ = ["MEMORY", "ChipAccuracy", "subject"]

#: Bytes that a worker takes: 0.5 GB were measured, with two chips in turn.
MEMORY = 1.5 * GB


@dataclass(frozen=True)
class ChipAccuracy:
    """What a chip makes of the clips, on the twin.

    Parameters
    ----------
    model, clips, calibration : Stored
        Network, clips to classify, and those that calibrate.
    recalibrated : bool
        Calibrate a chip again at the age of its reads.
    config : ChipConfig
    """

    model: Stored[KwsModel]
    clips: Stored[ClipSet]
    calibration: Stored[ClipSet]
    recalibrated: bool = False
    config: ChipConfig = field(default_factory=preset)

    def __call__(self, point: Point) -> dict[str, Cell]:
        """Accuracies of chip and software, their ratio, whether it is within the iso limit; correlations by layer."""
        model, chip = self.model.value, self._chip(point.chip).aged(point.age_s)
        if self.recalibrated and point.age_s != CALIBRATED_S:
            chip = recalibrate(chip, model.network, model.prepare(self.calibration.value.features))
        report = classify(model, self.clips.value, chip, TwinEngine(), seed=point.seed)
        right = int(np.sum(report.predictions == report.labels))
        of_software = int(np.sum(report.software == report.labels))
        ratio = right / of_software if of_software else None
        values: dict[str, Cell] = {
            "clips": len(report.labels),
            "accuracy": report.chip_accuracy,
            "software_accuracy": report.software_accuracy,
            "ratio": ratio,
            "iso": None if ratio is None else int(ratio >= ISO_SHARE),
        }
        return values | {
            f"correlation_{name}": _rounded(correlation(ours, own)) for name, (ours, own, _) in report.layers.items()
        }

    def _chip(self, point: Point) -> CalibratedChip:
        """The calibrated chip of a point; a worker keeps the last one, which the point's other ages take."""
        key = (self.model.digest, self.calibration.digest, self.config, point)
        if key not in _kept:
            chip = prepare_chip(
                self.model.value, self.calibration.value, config=self.config, analog=point.analog(), seed=point.seed
            )
            _kept.clear()
            _kept[key] = chip
        return _kept[key]


#: The last chip that this process has calibrated, by all that determines it.
_kept: dict[Any, CalibratedChip] = {}


def _rounded(value: float) -> float:
    """Without the last bits, which depend on the processor: sums of floats are its library's."""
    return round(value, 9)


def subject(
    audio: Path | None = None,
    features: Path | None = None,
    clips: int | None = None,
    *,
    model: Path = CHECKPOINT,
    recalibrated: bool = False,
    seed: int = 0,
) -> Subject:
    """Keyword spotting on these clips; parameters as of `load_clips`, `calibration_clips` and `KwsModel.load`.

    Raises
    ------
    DatasetError, AudioError, SynthesiserError, NetworkError
    """
    network = KwsModel.load(model)
    judged, calibrating = load_clips(audio, clips, seed), calibration_clips(audio, features)
    described = {
        "workload": "kws",
        "engine": "twin",
        "network": digest_of_arrays(*network.network.to_arrays().values(), network.rows, network.mean, network.spread),
        "clips": f"{len(judged)} ({judged.fingerprint})",
        "calibration": f"{len(calibrating)} clips ({calibrating.fingerprint})",
        "recalibrated": str(recalibrated),
    }

    def measure(store: Store, _: Sequence[Point]) -> ChipAccuracy:
        return ChipAccuracy(
            store.put("model.npz", network, KwsModel.save, KwsModel.load),
            store.put("clips.npz", judged, ClipSet.save, ClipSet.load),
            store.put("clips.npz", calibrating, ClipSet.save, ClipSet.load),
            recalibrated,
        )

    shown = (
        Shown("accuracy", "accuracy", "software_accuracy"),
        Shown("ratio", "chip over software"),
        Shown("iso", f"chips that reach {ISO_SHARE:.0%} of software"),
    )
    return Subject(f"keyword spotting, {judged.source}", described, measure, shown, MEMORY)
