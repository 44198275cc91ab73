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

__all__ = ["FrontEnd"]

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
