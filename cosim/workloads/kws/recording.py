"""A recording of any length: a window of a second slides over it, and words are where the chip hears them for a while.

Source: decisions are averaged over time and held against a threshold as in the recogniser of streams that came with
Speech Commands (P. Warden, arXiv:1804.03209, section 7); sharpness, average, threshold and prominence are our choice:
the best of some dozens on 150 sentences of five words, put together from clips of one test speaker each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.signal import find_peaks

from cosim.calibration import CalibratedChip
from cosim.engines.engine import Engine
from cosim.files.printing import print_table
from cosim.files.wording import counted
from cosim.workloads.audio import SAMPLE_RATE, Sound, read_sound
from cosim.workloads.kws.dataset import WORDS
from cosim.workloads.kws.features import (
    CLIP_SAMPLES,
    FRAMES,
    MEL_TOP_HZ,
    STRIDE_SAMPLES,
    frames_of,
    mel_to_mfcc,
)
from cosim.workloads.kws.model import KwsModel, quantise
from cosim.workloads.kws.report import RunReport
from cosim.workloads.kws.workload import run_parts
from cosim.workloads.remarks import Remarks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["HOP_S", "Recording", "RecordingReport", "Spotted", "classify_recording", "spot"]

#: Front-end frames from one window to the next, and the same in seconds.
_HOP = 5
HOP_S = _HOP * STRIDE_SAMPLES / SAMPLE_RATE
#: Silence before and after the recording, so that its ends stand in the middle of a window as well.
_MARGIN = CLIP_SAMPLES // 2
#: Outputs, in units of the full scale, become scores through a soft maximum with this factor.
_SHARPNESS = 8.0
#: Windows whose scores are averaged; a word is a peak of the mean that is so high, and so much higher than around it.
_AVERAGED, _THRESHOLD, _PROMINENCE = 5, 0.4, 0.1
#: Windows that are prepared at once; words that a picture has room to name.
_BATCH, _NAMED = 1024, 40

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Recording:
    """A recording, cut into windows of a second, 0.1 s apart, the first one around its beginning.

    Members
    -------
    name : str
        Of its file.
    sound : Sound
    """

    name: str
    sound: Sound

    @classmethod
    def read(cls, path: Path) -> "Recording":
        """Read a sound file of any length.

        Raises
        ------
        AudioError
            If it cannot be used (`read_sound`).
        """
        return cls(path.name, read_sound(path))

    @cached_property
    def picture(self) -> Floats:
        """Log-mel of the recording with its margins, (frames, 40)."""
        samples = np.pad(self.sound.samples, _MARGIN)
        missing = CLIP_SAMPLES - len(samples)
        return frames_of(np.pad(samples, (0, max(0, missing))))

    @property
    def times_s(self) -> Floats:
        """Middle of every window, from the beginning of the recording on, (windows,)."""
        return HOP_S * np.arange(1 + (len(self.picture) - FRAMES) // _HOP, dtype=np.float64)

    @property
    def names(self) -> tuple[str, ...]:
        """What the windows are called."""
        return tuple(f"{time:.1f} s" for time in self.times_s)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the result should know."""
        remarks = Remarks()
        remarks.add_sound(self.sound, self.name)
        return remarks.lines()

    def __len__(self) -> int:
        return len(self.times_s)

    def inputs(self, model: KwsModel) -> Floats:
        """What the chip is fed with: (windows, 1024) in [-1, 1]."""
        frames = mel_to_mfcc(self.picture)
        windows = np.lib.stride_tricks.sliding_window_view(frames, FRAMES, axis=0)[::_HOP].transpose(0, 2, 1)
        batches = (windows[first : first + _BATCH] for first in range(0, len(windows), _BATCH))
        return np.concatenate([quantise(model.prepare(batch)) for batch in batches])


@dataclass(frozen=True)
class Spotted:
    """A word that was heard.

    Members
    -------
    word : str
    time_s : float
        Middle of the window in which it is heard best, from the beginning of the recording on.
    start_s, end_s : float
        Where its score has fallen to half its height above what is around it.
    score : float
        Mean score at its best, up to 1.
    """

    word: str
    time_s: float
    start_s: float
    end_s: float
    score: float


def smoothed_scores(values: Floats) -> Floats:
    """Scores that add up to 1, each the mean of half a second: (windows, classes) outputs -> the same shape."""
    powers = np.exp(_SHARPNESS * (values - values.max(axis=1, keepdims=True)))
    scores = powers / powers.sum(axis=1, keepdims=True)
    padded = np.pad(scores, ((_AVERAGED // 2, _AVERAGED // 2), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, _AVERAGED, axis=0).mean(axis=-1)


def spot(scores: Floats, words: tuple[str, ...]) -> tuple[Spotted, ...]:
    """Words in a sequence of scores (windows, classes): peaks at which one of the ten words wins."""
    found = []
    winners = scores.argmax(axis=1)
    for column in (words.index(word) for word in WORDS):
        # Nothing before and after: a word at an end is a peak as well.
        peaks, shape = find_peaks(np.pad(scores[:, column], 1), height=_THRESHOLD, prominence=_PROMINENCE, width=0)
        for peak, first, last in zip(peaks - 1, shape["left_ips"] - 1, shape["right_ips"] - 1, strict=True):
            if winners[peak] == column:
                start_s, end_s = HOP_S * np.clip((first, last), 0, len(scores) - 1)
                score = float(scores[peak, column])
                found.append(Spotted(words[column], float(HOP_S * peak), float(start_s), float(end_s), score))
    return tuple(sorted(found, key=lambda word: word.time_s))


@dataclass(frozen=True, kw_only=True)
class RecordingReport(RunReport):
    """What the chip heard in a recording; the other parameters are those of `RunReport`.

    Parameters
    ----------
    recording : Recording
    scores : (windows, 12) smoothed scores of the chip.
    predictions, software : (windows,) class of each window by itself: chip, software reference.
    """

    recording: Recording
    scores: Floats
    predictions: NDArray[np.int64]
    software: NDArray[np.int64]

    @property
    def frames(self) -> int:
        return len(self.predictions)

    @property
    def spotted(self) -> tuple[Spotted, ...]:
        """Words and their times."""
        return spot(self.scores, tuple(self.words))

    @property
    def agreement(self) -> float:
        """Share of windows in which chip and software give the same class."""
        return float(np.mean(self.predictions == self.software))

    def to_json(self, files: dict[str, str]) -> dict[str, Any]:  # type: ignore[override]
        """The documented keys (see docs/kws.md)."""
        return {
            **super().to_json(files),
            "duration_s": self.recording.sound.seconds,
            "recorded_hz": self.recording.sound.recorded_hz,
            "spotted": [vars(word) for word in self.spotted],
            "windows": self.frames,
            "hop_s": HOP_S,
            "predictions": self.predictions.tolist(),
            "software_predictions": self.software.tolist(),
            "agreement": self.agreement,
        }

    def print(self, console: Console) -> None:
        """Words with their times, then the figures."""
        table = Table(box=None, pad_edge=False)
        for heading in ("time (s)", "from", "to", "score"):
            table.add_column(heading, justify="right")
        table.add_column("word")
        for word in self.spotted:
            table.add_row(
                f"{word.time_s:.1f}", f"{word.start_s:.1f}", f"{word.end_s:.1f}", f"{word.score:.2f}", word.word
            )
        if self.spotted:
            print_table(console, f"Words in {self.data}", table)
        else:
            console.print(f"None of the words {', '.join(WORDS)} in {self.data}", soft_wrap=True)
        seconds = self.recording.sound.seconds
        self.print_run(
            console,
            [
                ("recording", f"{seconds:.1f} s, {counted(self.frames, 'window')} of a second, {HOP_S} s apart"),
                ("chip and software", f"give the same class in {self.agreement:.2%} of the windows"),
            ],
        )

    def pictures(self, folder: Path) -> dict[str, tuple[Path, Callable[[Path], None]]]:
        """The picture in `folder`: {what: (file, how to write it)}."""
        from cosim.files.plotting import write_picture  # only now, as below

        return {"recording": (folder / "recording.png", lambda path: write_picture(self.draw(), path))}

    def draw(self) -> "Figure":
        """Spectrogram with the words over it, and the scores of all classes, over time."""
        from cosim.files.plotting import new_figure  # takes a library that a run without pictures need not wait for

        seconds = self.recording.sound.seconds
        figure, (sound, heard) = new_figure(10.0, 5.6, rows=2, sharex=True)
        half = _MARGIN / SAMPLE_RATE
        span = (-half, len(self.recording.picture) * STRIDE_SAMPLES / SAMPLE_RATE - half)
        top_khz = MEL_TOP_HZ / 1000
        sound.imshow(self.recording.picture.T, origin="lower", aspect="auto", cmap="magma", extent=(*span, 0, 40))
        sound.set_ylabel(f"mel band (0-{top_khz:.0f} kHz)")
        spotted = self.spotted
        for word in spotted:
            sound.axvline(word.time_s, color="white", linewidth=0.7, alpha=0.7)
            if len(spotted) <= _NAMED:
                sound.text(word.time_s, 40.5, word.word, ha="center", va="bottom", fontsize=9)
        times = (-HOP_S / 2, HOP_S * (self.frames - 0.5))
        rows = len(self.words)
        heard.imshow(self.scores.T, aspect="auto", cmap="Blues", vmin=0, vmax=1, extent=(*times, rows - 0.5, -0.5))
        heard.set_yticks(range(rows), self.words, fontsize=8)
        heard.set_xlabel(f"time (s); score of each class by the chip, {self.engine} engine, mean of half a second")
        heard.set_xlim(0, max(seconds, HOP_S))
        return figure


def classify_recording(
    model: KwsModel,
    recording: Recording,
    chip: CalibratedChip,
    engine: Engine,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> RecordingReport:
    """Run every window of a recording on the chip, and spot the words in it."""
    inputs = recording.inputs(model)
    results = engine.run(chip.program, chip.analog, inputs, progress=progress)
    batches = (inputs[first : first + _BATCH] for first in range(0, len(inputs), _BATCH))
    software = np.concatenate([model.network.forward(batch)[-1].argmax(axis=1) for batch in batches])
    return RecordingReport(
        data=recording.name,
        seed=seed,
        analog=chip.analog.config,
        words=model.labels,
        recording=recording,
        scores=smoothed_scores(results.values(chip.program.layers[-1].name)),
        predictions=results.predictions,
        software=software,
        remarks=recording.remarks,
        **run_parts(results),
    )
