"""RNN-T's front end: 16-kHz audio becomes a vector of 240 numbers every 30 ms.

Source: the reference implementation of MLPerf's RNN-T (mlcommons/inference, speech_recognition/rnnt, Apache-2.0): 80
log-mel bands of 20-ms windows every 10 ms, three of them a step, each of the 240 numbers normalised over the utterance.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.graph.errors import NetworkError
from cosim.workloads.audio import SAMPLE_RATE, power_spectrum, slaney_filters
from cosim.workloads.kws.features import MEL_BANDS, STRIDE_SAMPLES, WINDOW_SAMPLES, frames_of, mel_to_mfcc, mfcc_to_mel

__all__ = ["FrontEnd", "WordFrontEnd"]

_WINDOW, _HOP, _TRANSFORM = 320, 160, 512  # samples: 20 ms, 10 ms
_PREEMPHASIS = 0.97
#: What is added to a power, to a band's power before its logarithm, and to a spread.
_POWER, _BAND, _SPREAD = 1e-10, 1e-20, 1e-5


@dataclass(frozen=True)
class FrontEnd:
    """Log-mel bands of frames, several of which are one step's inputs.

    Parameters
    ----------
    bands : int
    splice : int
        Frames of a step.

    Raises
    ------
    NetworkError
        On a number below 1.
    """

    bands: int = 80
    splice: int = 3

    def __post_init__(self) -> None:
        for name in ("bands", "splice"):
            if not 1 <= getattr(self, name) <= 1024:
                raise NetworkError(f"{name} of the front end must be 1 to 1024, got {getattr(self, name)}")

    @property
    def features(self) -> int:
        """Inputs of a step."""
        return self.bands * self.splice

    @property
    def step_s(self) -> float:
        """Time from step to step."""
        return self.splice * _HOP / SAMPLE_RATE

    def steps(self, samples: int) -> int:
        """How many steps a recording of so many samples has."""
        return math.ceil(math.ceil(samples / _HOP) / self.splice)

    def log_mel(self, samples: ArrayLike) -> NDArray[np.float64]:
        """Logarithms of every band's power: (n,) samples in [-1, 1] -> (1 + n // 160, bands).

        Raises
        ------
        AudioError
            On fewer than 257 samples, NaN or infinite ones, or more than one channel.
        """
        heard = np.asarray(samples, np.float64)
        if heard.ndim == 1:
            heard = np.concatenate([heard[:1], heard[1:] - _PREEMPHASIS * heard[:-1]])
        power = power_spectrum(
            heard, window=_WINDOW, hop=_HOP, transform=_TRANSFORM, beyond="reflect", symmetric_window=True
        )
        return np.log((power + _POWER) @ slaney_filters(self.bands, _TRANSFORM) + _BAND)

    def __call__(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Inputs of every step: (n,) samples in [-1, 1] -> (steps, features) float32.

        A step has frames t, t + 1, ... one after the other, zeros where there is no frame any more, then every number
        has its mean over the steps taken off and is divided by its spread.

        Raises
        ------
        AudioError
            On fewer than 257 samples, NaN or infinite ones, or more than one channel.
        """
        frames = self.log_mel(samples)
        steps = self.steps(np.shape(samples)[0])
        padded = np.zeros((max(steps * self.splice, len(frames)), self.bands))
        padded[: len(frames)] = frames
        spliced = padded[: steps * self.splice].reshape(steps, self.features)
        spread = spliced.std(axis=0, ddof=1) if steps > 1 else np.zeros(self.features)
        return ((spliced - spliced.mean(axis=0)) / (spread + _SPREAD)).astype(np.float32)


@dataclass(frozen=True)
class WordFrontEnd:
    """The keyword front end's log-mel bands, several frames of 20 ms at a time: for networks trained on its features.

    Parameters
    ----------
    stacked : int
        Frames of a step.
    hop : int
        Frames from step to step; with fewer than are stacked, steps overlap.

    Raises
    ------
    NetworkError
        On a number below 1, or if frames between steps would be lost.
    """

    stacked: int = 6
    hop: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.hop <= self.stacked <= 1024:
            raise NetworkError(f"hop and stacked frames must be 1 <= hop <= stacked, got {self.hop} and {self.stacked}")

    @property
    def features(self) -> int:
        """Inputs of a step."""
        return self.stacked * MEL_BANDS

    @property
    def step_s(self) -> float:
        """Time from step to step."""
        return self.hop * STRIDE_SAMPLES / SAMPLE_RATE

    def steps(self, samples: int) -> int:
        """How many steps a recording of so many samples has."""
        return math.ceil((1 + (samples - WINDOW_SAMPLES) // STRIDE_SAMPLES) / self.hop)

    def log_mel(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Behind the MFCCs, which are clipped: (n,) samples in [-1, 1] -> (frames, 40).

        Raises
        ------
        AudioError
            On fewer than 480 samples, NaN or infinite ones.
        """
        return mfcc_to_mel(mel_to_mfcc(frames_of(samples))).astype(np.float32)

    def normalised(self, mel: NDArray[np.float32], frames: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Each band of each recording with mean 0 and spread 1: (..., frames, 40); zeros behind the last frame.

        Parameters
        ----------
        mel : (..., longest, 40) float32
        frames : (...) int, optional
            Lengths of the recordings, if they differ.
        """
        longest = mel.shape[-2]
        lengths = np.full(mel.shape[:-2], longest) if frames is None else frames
        inside = (np.arange(longest) < lengths[..., None])[..., None]
        count = lengths[..., None, None].astype(np.float32)
        centred = (mel - np.sum(mel, -2, keepdims=True, where=inside) / count) * inside
        variance = (centred**2).sum(-2, keepdims=True) / np.maximum(count - 1, 1)
        return centred / (np.sqrt(variance) + np.float32(_SPREAD))

    def stack(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """Frames side by side, zeros where there are none any more: (..., frames, 40) -> (..., steps, features)."""
        steps = math.ceil(mel.shape[-2] / self.hop)
        missing = (steps - 1) * self.hop + self.stacked - mel.shape[-2]
        padded = np.pad(mel, [(0, 0)] * (mel.ndim - 2) + [(0, max(0, missing)), (0, 0)])
        places = np.arange(steps)[:, None] * self.hop + np.arange(self.stacked)
        return padded[..., places, :].reshape(*mel.shape[:-2], steps, self.features)

    def __call__(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Inputs of every step: (n,) samples in [-1, 1] -> (steps, features).

        Raises
        ------
        AudioError
            On fewer than 480 samples, NaN or infinite ones.
        """
        return self.stack(self.normalised(self.log_mel(samples)))
