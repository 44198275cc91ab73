"""Keyword spotting from clips to a report: features, compile, program, calibrate, run, compare with software."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.npz import ArraySpec, check_arrays
from cosim.calibration import STEPS, CalibratedChip, Step, calibrate
from cosim.compiler import MappingOptions
from cosim.engines.engine import Engine
from cosim.engines.results import Results
from cosim.files.archive import ArchiveError, load_archive, write_archive
from cosim.files.digest import digest, digest_of_arrays
from cosim.files.json_text import to_json
from cosim.files.typed import typed
from cosim.program import Program
from cosim.system.checkpoint import code_digest
from cosim.system.reuse import reused
from cosim.workloads.kws.dataset import LABELS, Clip, DatasetError, clip_features, find_clips, load_training_set
from cosim.workloads.kws.features import COEFFICIENTS, FRAMES, MFCC_LIMIT, mfcc
from cosim.workloads.kws.model import KwsModel, quantise
from cosim.workloads.kws.report import KwsReport
from cosim.workloads.kws.synthesiser import Split, synthesise, version
from cosim.workloads.remarks import Remarks
from rtl.config import ChipConfig, preset

__all__ = [
    "CALIBRATION_CLIPS",
    "ClipSet",
    "calibration_clips",
    "classify",
    "describe_chip",
    "describe_run",
    "layer_outputs",
    "load_clips",
    "prepare_chip",
    "run_parts",
]

#: "1,000 inputs taken from the validation dataset": Nature 620, 768 (2023), Methods.
CALIBRATION_CLIPS = 1000
#: Clips of a run without a data set: five of each class.
SYNTHESISED_CLIPS = 60

_FORMAT, _VERSION = "duramesh clips", 1

Floats = NDArray[np.float64]
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
    remarks : tuple of str
        What a reader of a result should know of them.
    """

    source: str
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    features: Floats
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def fingerprint(self) -> str:
        """Of the features and their order, wherever they came from."""
        return digest_of_arrays(self.features)

    def inputs(self, model: KwsModel) -> Floats:
        """What the chip is fed with: (N, 1024) in [-1, 1]."""
        return quantise(model.prepare(self.features))

    def evenly(self, count: int) -> "ClipSet":
        """`count` of the clips, evenly spaced: a data set's are in the order of their words."""
        if count >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, count).astype(int)
        source = f"{self.source}; {count} of them, evenly spaced"
        names = tuple(self.names[index] for index in chosen)
        return ClipSet(source, names, self.labels[chosen], self.features[chosen], self.remarks)

    def save(self, path: Path) -> None:
        """Write the clips to an npz file without pickle."""
        meta = {"source": self.source, "names": self.names, "remarks": self.remarks}
        write_archive(path, _FORMAT, _VERSION, meta, {"labels": self.labels, "features": self.features})

    @classmethod
    def load(cls, path: Path) -> "ClipSet":
        """Read what `save` wrote.

        Raises
        ------
        ArchiveError
            If the file is damaged, or of another version.
        FileNotFoundError
        """
        return load_archive(path, _FORMAT, _VERSION, _clips_from_parts, ArchiveError)


@dataclass(frozen=True)
class _Header:
    """What a file has of clips beside arrays."""

    source: str
    names: tuple[str, ...]
    remarks: tuple[str, ...]


def _clips_from_parts(meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> ClipSet:
    header = typed(_Header, meta)
    schema = {
        "labels": ArraySpec("i8", ("clips",), 0, len(LABELS) - 1),
        "features": ArraySpec("f8", ("clips", FRAMES, COEFFICIENTS), -MFCC_LIMIT, MFCC_LIMIT),
    }
    check_arrays(arrays, schema, clips=len(header.names))
    return ClipSet(header.source, header.names, arrays["labels"], arrays["features"], header.remarks)


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
        return _spoken("held-out voices", SYNTHESISED_CLIPS if count is None else count, "test", seed)
    remarks = Remarks()
    clips = find_clips(audio, "test", remarks=remarks)
    total = len(clips)
    if count is not None and count > total:
        remarks.add(f"fewer clips than the {count} that were asked for", f"{total} in {audio.name}")
    source = f"Speech Commands test clips from {audio.name}, {min(count or total, total)} of {total}"
    return _read(source, clips, count, seed, remarks)


def _read(source: str, clips: list[Clip], count: int | None, seed: int, remarks: Remarks) -> ClipSet:
    """`count` of the clips, or all: a seeded choice, in their order."""
    chosen = [clips[i] for i in np.sort(np.random.default_rng(seed).permutation(len(clips))[:count])]
    features = np.concatenate(list(clip_features(chosen, remarks=remarks)))
    labels = np.array([clip.label for clip in chosen], np.int64)
    return ClipSet(source, tuple(clip.name for clip in chosen), labels, features, remarks.lines())


def _spoken(voices: str, count: int, split: Split, seed: int = 0) -> ClipSet:
    """Synthesised clips: a thousand take a quarter of a minute, and are the same every time."""

    def speak() -> ClipSet:
        sound, labels, names = synthesise(count, split, seed)
        return ClipSet(f"synthesised speech, {voices}", tuple(names), labels, mfcc(sound))

    return reused(
        "speech",
        [version(), voices, str(count), split, str(seed)],
        speak,
        save=lambda clips, folder: clips.save(folder / _CLIPS),
        load=lambda folder: ClipSet.load(folder / _CLIPS),
    )


#: Clips in the cache.
_CLIPS = "clips.npz"


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

    Raises
    ------
    DatasetError, AudioError, SynthesiserError

    Notes
    -----
    Without either, clips of the training voices are synthesised.
    """
    if features is not None:
        data = load_training_set(features)
        rows = np.random.default_rng(0).permutation(np.flatnonzero(data.validation))[:count]
        if not len(rows):
            raise DatasetError(f"{features}: no clip of the validation split (split 1) to calibrate the chip with")
        names = tuple(f"validation clip {row}" for row in rows)
        return ClipSet(f"validation split of {features.name}", names, data.labels[rows], data.mfcc(rows).astype(float))
    if audio is not None and (audio / "validation_list.txt").is_file():
        remarks = Remarks()
        clips = find_clips(audio, "validation", remarks=remarks)
        return _read(f"validation split of {audio.name}", clips, count, 0, remarks)
    return _spoken("training voices", count, "train")


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


def describe_chip(
    model: KwsModel,
    calibration: ClipSet,
    *,
    analog: AnalogConfig,
    options: MappingOptions | None = None,
    seed: int,
) -> dict[str, str]:
    """Everything that determines a chip that `prepare_chip` makes on the full floorplan, by name."""
    options = options or MappingOptions()
    return {
        "seed": str(seed),
        "analog part": f"{analog.devices}, {analog.describe()} ({digest([analog.to_json()])})",
        "model": digest_of_arrays(
            *model.network.to_arrays().values(), model.rows, model.mean, model.spread, model.limit
        ),
        "calibration": f"{len(calibration)} clips ({calibration.fingerprint})",
        "frame": "overlapped" if options.overlapped else "strict",
        "mapping": digest([to_json(replace(options, overlapped=False).to_json(), sort_keys=True)]),
        "code": code_digest(),
    }


def describe_run(engine: str, chip: Mapping[str, str], names: Sequence[str], inputs: Floats) -> dict[str, str]:
    """Everything that determines the codes of a run, before its chip exists: what a `Checkpoint` is told.

    Parameters
    ----------
    engine : str
    chip : mapping
        What `describe_chip` gave.
    names : sequence of str
        Of the clips.
    inputs : (N, 1024)
        What the chip is fed with.
    """
    return {"engine": engine, **chip, "clips": f"{len(names)} ({digest([*names, digest_of_arrays(inputs)])})"}


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
    inputs = clips.inputs(model)
    results = engine.run(chip.program, chip.analog, inputs, progress=progress)
    layers = layer_outputs(model, chip.program, inputs, results)
    *_, (_, _, software) = layers.values()
    return KwsReport(
        data=clips.source,
        seed=seed,
        analog=chip.analog.config,
        words=model.labels,
        clips=clips.names,
        labels=clips.labels,
        predictions=results.predictions,
        software=software.argmax(axis=1),
        outputs=results.output,
        layers=layers,
        remarks=clips.remarks,
        **run_parts(results),
    )


def layer_outputs(
    model: KwsModel, program: Program, inputs: Floats, results: Results
) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Outputs of every layer, in units of its full scale, each (frames, width).

    Returns
    -------
    dict of str to tuple
        By layer: the chip's, software's fed with what the chip gave that layer, software's all the way.
    """
    layers = {}
    own = end = inputs
    for plan, layer in zip(program.layers, model.network.layers, strict=True):
        end = layer.forward(end)
        layers[plan.name] = (results.values(plan.name), layer.forward(own), end)
        own = plan.durations(results.codes[plan.name]) / program.duration  # the durations that the next tile takes
    return layers


def run_parts(results: Results) -> dict[str, Any]:
    """What a report says of the run itself: engine, length of a frame, times and counts."""
    statistics = results.statistics
    return {
        "engine": results.engine,
        "frame_ns": results.frame_cycles,
        "cycles": statistics.get("cycles"),
        "wall_s": float(statistics["wall_s"]),
        "parts_s": {key.removesuffix("_s"): float(statistics[key]) for key in _PARTS if key in statistics},
        "compared_codes": int(statistics.get("compared_codes", 0)),
    }


#: Parts of a run's wall time that an engine may report.
_PARTS = ("simulator_s", "analog_s", "host_s", "transfer_s")
