"""Speech Commands as clips and features: the published folders of WAV files, or an npz file of prepared features.

The twelve classes, in the order of every label index in this package, are the ten words, `_silence_` and `_unknown_`.
Two folder layouts are read: the data set (35 word folders, `validation_list.txt`, `testing_list.txt`,
`_background_noise_`) and the official test archive (twelve folders, one a class).

Source: P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", arXiv:1804.03209 (CC BY
4.0).
"""

import codecs
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.npz import ArraySpec, NpzError, check_arrays
from cosim.files.archive import ArchiveError, read_arrays
from cosim.files.errors import UserError
from cosim.files.wording import counted
from cosim.workloads.audio import read_sound
from cosim.workloads.kws.features import (
    CLIP_SAMPLES,
    COEFFICIENTS,
    FRAMES,
    MFCC_LIMIT,
    fit,
    log_mel,
    loudest_second,
    mfcc,
)
from cosim.workloads.remarks import Remarks

__all__ = [
    "CODE",
    "LABELS",
    "SILENCE",
    "UNKNOWN",
    "WORDS",
    "Clip",
    "DatasetError",
    "TrainingSet",
    "clip_features",
    "find_clips",
    "load_training_set",
]

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SILENCE, UNKNOWN = "_silence_", "_unknown_"
LABELS = (*WORDS, SILENCE, UNKNOWN)
BACKGROUND = "_background_noise_"
SUFFIXES = (".wav", ".flac", ".mp3")
SHORTEST_WORD_S = 0.1
CODE = MFCC_LIMIT / 127  # MFCC units of one int8 step of stored features
UNKNOWN_SHARE = SILENCE_SHARE = 0.1  # of the number of known words: the official rule
OFFICIAL_SEED = 59185  # of the official script; our generator is another, so the choice differs but is fixed

Split = Literal["train", "validation", "test"]


class DatasetError(UserError, ValueError):
    """A data folder or feature file cannot be used; the message says what was expected where."""


@dataclass(frozen=True)
class Clip:
    """One second of sound and its class.

    Members
    -------
    path : Path
    label : int
        Index into `LABELS`.
    start : int, optional
        First sample of a silence clip, which is cut from a background recording; None for a recording of its own.
    volume : float
        Amplitude factor.
    """

    path: Path
    label: int
    start: int | None = None
    volume: float = 1.0

    @property
    def name(self) -> str:
        """Folder and file, e.g. ``yes/0a7c2a8d_nohash_0.wav``, with the place of a cut."""
        return f"{self.path.parent.name}/{self.path.name}" + (f"@{self.start}" if self.start else "")

    def audio(self, remarks: Remarks | None = None) -> NDArray[np.float64]:
        """Samples in [-1, 1], (16000,): of a longer recording its loudest second; shorter ones are end padded.

        `remarks` notes what makes the clip unlike those of the data set.
        """
        sound = read_sound(self.path)
        if self.start is not None:
            return self.volume * fit(sound.samples[self.start :])
        remarks = remarks or Remarks()
        remarks.add_sound(sound, self.name, may_be_silent=LABELS[self.label] == SILENCE)
        if sound.seconds > 1:
            remarks.add("longer than a second, only the loudest is taken", self.name)
        if sound.seconds < SHORTEST_WORD_S:
            remarks.add(f"shorter than {SHORTEST_WORD_S} s, hardly a word", self.name)
        return self.volume * loudest_second(sound.samples)


def clip_features(clips: list[Clip], batch: int = 256, remarks: Remarks | None = None) -> Iterator[NDArray[np.float64]]:
    """MFCC features of `clips` in their order, a batch at a time: (up to batch, 49, 40)."""
    for first in range(0, len(clips), batch):
        yield mfcc(np.stack([clip.audio(remarks) for clip in clips[first : first + batch]]))


def find_clips(
    root: Path | str, split: Split = "test", every_unknown: bool = False, remarks: Remarks | None = None
) -> list[Clip]:
    """Clips of one split, by class and then name.

    In the data set's own layout unknown words and silence make up as many clips as the official test set has: a tenth
    of the number of known words each, unknown words drawn with a fixed seed and silence cut from the background
    recordings at random places and volumes. The test archive holds its own silence and unknown clips, and only a test
    split.

    Parameters
    ----------
    root : Path
    split : "train", "validation" or "test"
    every_unknown : bool
        Take all unknown words and no silence, as training wants it.
    remarks : Remarks, optional
        Notes files that are passed over because they are no sound files.

    Raises
    ------
    DatasetError
        If the folder is missing or cannot be read, follows neither layout, has no such split or none of its clips for
        a class; if a list names a file twice, as nothing below the folder, or one that is not there.
    """
    root, remarks = Path(root), remarks or Remarks()
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; expected Speech Commands v0.02 or its test archive")
    if split not in ("train", "validation", "test"):
        raise DatasetError(f"no split {split!r}; expected train, validation or test")
    if (root / UNKNOWN).is_dir():
        return _archive_clips(root, split, remarks)
    lists = {name: root / f"{name}_list.txt" for name in ("validation", "testing")}
    absent = [path.name for path in lists.values() if not path.is_file()]
    absent += [f"{word}/" for word in WORDS if not (root / word).is_dir()]
    if absent:
        raise DatasetError(
            f"{root}: no {', '.join(absent)}; expected Speech Commands v0.02 (35 word folders, validation_list.txt, "
            f"testing_list.txt) or its test archive (twelve folders, {UNKNOWN} among them)"
        )
    listed = {name: _read_list(root, path) for name, path in lists.items()}
    if both := set(listed["validation"]) & set(listed["testing"]):
        raise DatasetError(f"{root}: {min(both).relative_to(root)} is in both lists; no clip may calibrate and test")
    if split == "train":
        held_out = {*listed["validation"], *listed["testing"]}
        folders = [path for path in _visible(root) if path.is_dir() and path.name != BACKGROUND]
        paths = [path for folder in folders for path in _sounds(folder, remarks) if path not in held_out]
    else:
        paths = sorted(listed["validation" if split == "validation" else "testing"])
    known = [Clip(path, LABELS.index(path.parent.name)) for path in paths if path.parent.name in WORDS]
    unknown = [Clip(path, LABELS.index(UNKNOWN)) for path in paths if path.parent.name not in WORDS]
    _expect_every_class(root, known + unknown, f"its {split} split", (*WORDS, UNKNOWN))
    if every_unknown:
        return known + unknown
    rng = np.random.default_rng(OFFICIAL_SEED)
    count = min(math.ceil(UNKNOWN_SHARE * len(known)), len(unknown))
    drawn = [unknown[i] for i in sorted(rng.choice(len(unknown), count, replace=False))]
    return known + _silence(root, math.ceil(SILENCE_SHARE * len(known)), rng) + drawn


def _archive_clips(root: Path, split: str, remarks: Remarks) -> list[Clip]:
    absent = [f"{label}/" for label in LABELS if not (root / label).is_dir()]
    if absent:
        raise DatasetError(f"{root}: no {', '.join(absent)}; the test archive has twelve folders: {', '.join(LABELS)}")
    if split != "test":
        raise DatasetError(f"{root} is the official test archive: it has no {split} split; give the whole data set")
    clips = [Clip(path, label) for label, name in enumerate(LABELS) for path in _sounds(root / name, remarks)]
    _expect_every_class(root, clips, "its twelve folders", LABELS)
    return clips


def _expect_every_class(root: Path, clips: list[Clip], where: str, classes: tuple[str, ...]) -> None:
    """An accuracy over some of the classes would look like one over all."""
    found = {clip.label for clip in clips}
    if missing := [name for name in classes if LABELS.index(name) not in found]:
        raise DatasetError(f"{root}: no clip of {', '.join(missing)} in {where}; expected some of every class")


def _visible(folder: Path) -> list[Path]:
    """What is in a folder, by name, but for hidden things."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror}); expected a folder of sound files") from None


def _sounds(folder: Path, remarks: Remarks) -> list[Path]:
    """Sound files of a folder, by name."""
    found = []
    for path in _visible(folder):
        if path.suffix.lower() in SUFFIXES:
            found.append(path)
        else:
            remarks.add(f"passed over, neither of {', '.join(SUFFIXES)}", f"{folder.name}/{path.name}")
    return found


def _read_list(root: Path, path: Path) -> list[Path]:
    """Files that a list names, a line each: WORD/FILE, in the file system's own encoding."""
    files: dict[Path, int] = {}
    for number, line in enumerate(path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines(), 1):
        if not line.strip():
            continue
        name = os.fsdecode(line.strip())
        entry = Path(name)
        file = root / entry
        if entry.is_absolute() or len(entry.parts) != 2 or ".." in entry.parts:
            raise DatasetError(f"{path}, line {number}: {name!r} is not WORD/FILE, a file below {root}")
        if not file.is_file():
            raise DatasetError(f"{path}, line {number}, lists {name!r}, which is not there; unpack the data set again")
        if file in files:
            raise DatasetError(f"{path}, line {number}: {name!r} stands in line {files[file]} already; remove one")
        files[file] = number
    return list(files)


def _recordings(root: Path) -> list[Path]:
    paths = _sounds(root / BACKGROUND, Remarks())
    if not paths:
        raise DatasetError(f"{root / BACKGROUND}: no sound file; expected the background recordings of the data set")
    return paths


def _silence(root: Path, count: int, rng: np.random.Generator) -> list[Clip]:
    recordings = [(path, len(read_sound(path).samples)) for path in _recordings(root)]
    clips = []
    for _ in range(count):
        path, length = recordings[rng.integers(len(recordings))]
        start = int(rng.integers(max(1, length - CLIP_SAMPLES)))
        clips.append(Clip(path, LABELS.index(SILENCE), start, float(rng.uniform())))
    return clips


@dataclass(frozen=True)
class TrainingSet:
    """Features to train on and to choose by.

    Members
    -------
    codes : (clips, 49, 40) int8
        MFCC in steps of 30/127.
    labels : (clips,) int64
        Index into `LABELS`.
    validation : (clips,) bool
        True for the validation split, False for training.
    noise : tuple of (frames, 40) float32
        Log-mel of each background recording, at its usual level; silence is made of it.
    feature_error : (40,) float32
        RMS error of each stored coefficient, in MFCC units; zero where features were computed from audio.
    synthetic : (clips,) bool
        True for clips that no person spoke.
    names : (clips,) str
        Folder and file of each clip, which tell word and speaker; (0,) where they are not known.
    """

    codes: NDArray[np.int8]
    labels: NDArray[np.int64]
    validation: NDArray[np.bool_]
    noise: tuple[NDArray[np.float32], ...]
    feature_error: NDArray[np.float32]
    synthetic: NDArray[np.bool_]
    names: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, str))

    def expect_trainable(self) -> None:
        """See that there is something of everything that a training takes.

        Raises
        ------
        DatasetError
        """
        for there, what in (
            (not self.validation.all(), "clip to train on (split 0)"),
            (self.validation.any(), "clip to validate with (split 1)"),
            (any(len(piece) >= FRAMES for piece in self.noise), "background recording to make silence of"),
        ):
            if not there:
                raise DatasetError(f"the training data have no {what}; give all of Speech Commands or of its features")

    def mfcc(self, rows: NDArray) -> NDArray[np.float32]:
        """Features of the chosen clips in MFCC units, (rows, 49, 40)."""
        return self.codes[rows].astype(np.float32) * np.float32(CODE)


def encode(features: ArrayLike) -> NDArray[np.int8]:
    """MFCC in [-30, 30] -> the int8 steps in which a training set holds them."""
    return np.round(np.asarray(features) / CODE).astype(np.int8)


def load_training_set(path: Path | str) -> TrainingSet:
    """Training and validation clips from a Speech Commands folder, or from an npz file (or its folder) of features.

    The npz file holds `x` (clips, 49, 40) int8 MFCC in steps of 30/127; `labels`, names of which `y` (clips,) is the
    index; `split` (clips,), 1 for validation; `noise_logmel_i8` (frames, 40) with `noise_scale`, `noise_offset` and
    the recordings' lengths `noise_len`; `resid_std` (40,), the RMS error of the coefficients; and `name` (clips,), if
    words and speakers shall be known.

    Raises
    ------
    DatasetError
        If neither is there, or it is cut short, or something in it is missing or has the wrong shape.
    """
    path = Path(path)
    file = path / "train.npz" if (path / "train.npz").is_file() else path
    if file.is_file() and file.suffix == ".npz":
        return _from_features(file)
    if not path.is_dir():
        raise DatasetError(
            f"{path}: no such folder; expected a Speech Commands folder (35 word folders, validation_list.txt, "
            f"testing_list.txt, {BACKGROUND}) or an npz file of features"
        )
    return _from_folder(path)


#: What a file of features holds; what else is in it is passed over.
_ARRAYS = {
    "x": ArraySpec("i1", ("clips", FRAMES, COEFFICIENTS)),
    "y": ArraySpec("i u", ("clips",), 0, len(LABELS) - 1),
    "split": ArraySpec("i u", ("clips",), 0, 1),
    "labels": ArraySpec("U", (len(LABELS),)),
    "noise_logmel_i8": ArraySpec("i1", (None, COEFFICIENTS)),
    "noise_len": ArraySpec("i u", ("recordings",), FRAMES, 1 << 32),
    "noise_scale": ArraySpec("f", (), -10, 10),
    "noise_offset": ArraySpec("f", (), -100, 100),
    "resid_std": ArraySpec("f", (COEFFICIENTS,), 0, 2 * MFCC_LIMIT),
}
_NAMES = {"name": ArraySpec("U", ("clips",))}


def _from_features(path: Path) -> TrainingSet:
    try:
        arrays = read_arrays(path, "features")
        known = _ARRAYS | (_NAMES if "name" in arrays else {})
        check_arrays({name: array for name, array in arrays.items() if name in known}, known)
    except ArchiveError as error:
        raise DatasetError(str(error)) from None
    except NpzError as error:
        raise DatasetError(f"{path} holds other features than expected: {error}") from None
    labels = arrays["y"].astype(np.int64)
    names = [str(name) for name in arrays["labels"]]
    if sorted(names) != sorted(LABELS):
        raise DatasetError(f"{path}: labels are {names}, expected each of {list(LABELS)} once, in any order")
    mel = (arrays["noise_logmel_i8"] * arrays["noise_scale"] + arrays["noise_offset"]).astype(np.float32)
    ends = np.cumsum(arrays["noise_len"])
    if sum(arrays["noise_len"].tolist()) != len(mel):
        raise DatasetError(
            f"{path}: noise_len sums to {arrays['noise_len'].sum()}, but noise_logmel_i8 has "
            f"{counted(len(mel), 'frame')}"
        )
    return TrainingSet(
        arrays["x"],
        np.array([LABELS.index(name) for name in names])[labels],
        arrays["split"] == 1,
        tuple(np.split(mel, ends[:-1])),
        arrays["resid_std"].astype(np.float32),
        np.zeros(len(labels), bool),
        arrays.get("name", np.zeros(0, str)),
    )


def _from_folder(root: Path) -> TrainingSet:
    clips = {split: find_clips(root, split, every_unknown=True) for split in ("train", "validation")}
    codes = [encode(features) for split in clips for features in clip_features(clips[split])]
    return TrainingSet(
        np.concatenate(codes),
        np.array([clip.label for split in clips for clip in clips[split]]),
        np.repeat([False, True], [len(clips["train"]), len(clips["validation"])]),
        tuple(log_mel(read_sound(path).samples).astype(np.float32) for path in _recordings(root)),
        np.zeros(COEFFICIENTS, np.float32),
        np.zeros(len(clips["train"]) + len(clips["validation"]), bool),
        np.array([clip.name for split in clips for clip in clips[split]]),
    )
