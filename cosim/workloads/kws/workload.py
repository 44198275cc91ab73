"""Keyword spotting from clips to a report: features, compile, program, calibrate, run, compare with software."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.calibration import STEPS, CalibratedChip, Step, calibrate
from cosim.compiler import MappingOptions
from cosim.engines.engine import Engine
from cosim.files.digest import digest
from cosim.system.checkpoint import code_digest
from cosim.workloads.kws.dataset import DatasetError, clip_features, find_clips, load_training_set
from cosim.workloads.kws.features import mfcc
from cosim.workloads.kws.model import KwsModel, quantise
from cosim.workloads.kws.report import KwsReport
from cosim.workloads.kws.synthesiser import synthesise
from rtl.config import ChipConfig, preset

__all__ = [
    "CALIBRATION_CLIPS",
    "ClipSet",
    "calibration_clips",
    "classify",
    "describe_run",
    "load_clips",
    "prepare_chip",
]

#: "1,000 inputs taken from the validation dataset": Nature 620, 768 (2023), Methods.
CALIBRATION_CLIPS = 1000
#: Clips of a run without a data set: five of each class.
SYNTHESISED_CLIPS = 60

Say = Callable[[str], None]


@dataclass(frozen=True)
class ClipSet:
    """Clips as features.

    Parameters
    ----------
    source : str
        Where they come from, for people.
    names : tuple of str
    labels : (N,) int64, index into `dataset.LABELS`
    features : (N, 49, 40) MFCC
    """

    source: str
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    features: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.names)

    def evenly(self, count: int) -> "ClipSet":
        """`count` of the clips, evenly spaced: a data set's are in the order of their words."""
        if count >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, count).astype(int)
        source = f"{self.source}; {count} of them, evenly spaced"
        names = tuple(self.names[index] for index in chosen)
        return ClipSet(source, names, self.labels[chosen], self.features[chosen])


def load_clips(audio: Path | None = None, count: int | None = None, seed: int = 0) -> ClipSet:
    """The clips to classify.

    Parameters
    ----------
    audio : Path, optional
        Speech Commands, or its test archive; without it, clips of the held-out voices are synthesised.
    count : int, optional
        Take this many, chosen by `seed`; by default all, or `SYNTHESISED_CLIPS` of them.
    seed : int

    Raises
    ------
    DatasetError, AudioError, SynthesiserError
    """
    if audio is None:
        sound, labels, names = synthesise(SYNTHESISED_CLIPS if count is None else count, "test", seed)
        return ClipSet("synthesised speech, held-out voices", tuple(names), labels, mfcc(sound))
    clips = find_clips(audio, "test")
    total = len(clips)
    if count is not None and count < total:
        chosen = np.random.default_rng(seed).permutation(total)[:count]
        clips = [clips[i] for i in np.sort(chosen)]
    features = np.concatenate(list(clip_features(clips)))
    labels = np.array([clip.label for clip in clips], np.int64)
    source = f"Speech Commands test clips from {audio.name}, {len(clips)} of {total}"
    return ClipSet(source, tuple(clip.name for clip in clips), labels, features)


def calibration_clips(
    audio: Path | None = None, features: Path | None = None, count: int = CALIBRATION_CLIPS
) -> ClipSet:
    """The clips that the chip is calibrated with: of the validation split, never of the test.

    Parameters
    ----------
    audio : Path, optional
        Speech Commands with its validation list. The test archive has no validation split: it is passed over.
    features : Path, optional
        Prepared features (`dataset.load_training_set`), used before `audio`.
    count : int

    Notes
    -----
    Without either, clips of the training voices are synthesised.
    """
    if features is not None:
        data = load_training_set(features)
        rows = np.random.default_rng(0).permutation(np.flatnonzero(data.validation))[:count]
        names = tuple(f"validation clip {row}" for row in rows)
        return ClipSet(f"validation split of {features.name}", names, data.labels[rows], data.mfcc(rows).astype(float))
    if audio is not None and (audio / "validation_list.txt").is_file():
        clips = find_clips(audio, "validation")
        chosen = [clips[i] for i in np.sort(np.random.default_rng(0).permutation(len(clips))[:count])]
        labels = np.array([clip.label for clip in chosen], np.int64)
        return ClipSet(
            f"validation split of {audio.name}",
            tuple(clip.name for clip in chosen),
            labels,
            np.concatenate(list(clip_features(chosen))),
        )
    sound, labels, spoken = synthesise(count, "train")
    return ClipSet("synthesised speech, training voices", tuple(spoken), labels, mfcc(sound))


def prepare_chip(
    model: KwsModel,
    calibration: ClipSet,
    *,
    config: ChipConfig | None = None,
    analog: AnalogConfig | None = None,
    options: MappingOptions | None = None,
    seed: int = 0,
    steps: Collection[Step] = STEPS,
    say: Say | None = None,
    advance: Callable[[int, int], None] | None = None,
) -> CalibratedChip:
    """Compile the model, program a chip with it and calibrate the chip with `calibration` clips."""
    return calibrate(
        model.network,
        config or preset(),
        model.prepare(calibration.features),
        options=options,
        analog=analog,
        seed=seed,
        steps=steps,
        say=say,
        advance=advance,
    )


def describe_run(
    model: KwsModel,
    clips: ClipSet,
    *,
    engine: str,
    analog: AnalogConfig,
    options: MappingOptions | None = None,
    seed: int,
    audio: Path | None = None,
    features: Path | None = None,
) -> dict[str, str]:
    """Everything that determines the codes of a run, before its chip exists: what a `Checkpoint` is told.

    The calibration clips are only named, by the arguments of `calibration_clips`: what came of them is the chip.
    """
    arrays = [*model.network.to_arrays().values(), model.rows, model.mean, model.spread, np.array(model.limit)]
    calibration = "synthesised clips"
    if features is not None:
        calibration = f"features {features.name}"
    elif audio is not None and (audio / "validation_list.txt").is_file():
        calibration = f"validation split of {audio.name}"
    return {
        "engine": engine,
        "seed": str(seed),
        "analog part": "ideal" if analog == AnalogConfig.ideal() else digest([analog.to_json()]),
        "model": digest(part for array in arrays for part in (str(array.shape), np.ascontiguousarray(array).tobytes())),
        "clips": f"{len(clips)} ({digest([*clips.names, quantise(model.prepare(clips.features)).tobytes()])})",
        "calibration": calibration,
        "frame": "overlapped" if options and options.overlapped else "strict",
        "code": code_digest(),
    }


def classify(
    model: KwsModel,
    clips: ClipSet,
    chip: CalibratedChip,
    engine: Engine,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> KwsReport:
    """Run `clips` on the chip and hold every layer against software.

    Raises
    ------
    DatasetError
        If there are no clips.
    """
    if not len(clips):
        raise DatasetError(f"no clips in {clips.source}; expected at least one")
    inputs = quantise(model.prepare(clips.features))
    results = engine.run(chip.program, chip.analog, inputs, progress=progress)
    layers = {}
    own = end = inputs
    for plan, layer in zip(chip.program.layers, model.network.layers, strict=True):
        end = layer.forward(end)
        layers[plan.name] = (results.values(plan.name), layer.forward(own), end)
        own = plan.durations(results.codes[plan.name]) / chip.program.duration  # the durations that the next tile takes
    statistics = results.statistics
    return KwsReport(
        engine=results.engine,
        data=clips.source,
        seed=seed,
        devices=chip.analog.config.devices,
        words=model.labels,
        clips=clips.names,
        labels=clips.labels,
        predictions=results.predictions,
        software=end.argmax(axis=1),
        outputs=results.output,
        layers=layers,
        frame_ns=results.frame_cycles,
        cycles=statistics.get("cycles"),
        wall_s=float(statistics["wall_s"]),
        parts_s={key.removesuffix("_s"): float(statistics[key]) for key in _PARTS if key in statistics},
        compared_codes=int(statistics.get("compared_codes", 0)),
    )


#: Parts of a run's wall time that an engine may report.
_PARTS = ("simulator_s", "analog_s", "host_s", "transfer_s")
