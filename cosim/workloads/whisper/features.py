"""Whisper's front end: thirty seconds of 16-kHz audio become 3,000 frames of 80 log-mel bands.

Source: A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", arXiv:2212.04356, section 2.2,
and the `log_mel_spectrogram` that came with it, which fixes floor, range and scale.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.workloads.audio import SAMPLE_RATE, power_spectrum, slaney_filters

__all__ = ["FRAMES", "POSITIONS", "SECONDS", "log_mel", "spoken_positions"]

SECONDS = 30
SAMPLES = SECONDS * SAMPLE_RATE
_WINDOW, _HOP = 400, 160  # samples: 25 and 10 ms
FRAMES = SAMPLES // _HOP
#: Power below which a band counts as silent; and how far below the loudest band a picture reaches, in powers of ten.
_FLOOR, _RANGE = 1e-10, 8.0
#: Frames that the encoder's second convolution makes one position of.
_FRAMES_PER_POSITION = 2
POSITIONS = FRAMES // _FRAMES_PER_POSITION


def log_mel(samples: ArrayLike, bands: int = 80) -> NDArray[np.float32]:
    """Log-mel picture of a recording: (n,) samples in [-1, 1] -> (bands, 3000) float32.

    Audio is padded with zeros at its end, or cut there, to 30 s: what lies beyond its end is silence of the front end,
    not zeros in the picture.

    Raises
    ------
    AudioError
        On NaN or infinite samples, or more than one channel.
    """
    heard = np.asarray(samples, np.float64)[:SAMPLES]
    padded = np.pad(heard, (0, SAMPLES - len(heard)))
    power = power_spectrum(padded, window=_WINDOW, hop=_HOP, transform=_WINDOW, beyond="reflect")[:FRAMES]
    picture = np.log10(np.maximum(power @ slaney_filters(bands, _WINDOW), _FLOOR))
    picture = np.maximum(picture, picture.max() - _RANGE)
    return ((picture + 4) / 4).astype(np.float32).T


def spoken_positions(samples: int) -> int:
    """How many of the encoder's 1,500 positions hear a recording of so many samples; the others hear padding.

    Statistics of inputs, errors and ranges are taken over these only.
    """
    return min(-(-samples // (_HOP * _FRAMES_PER_POSITION)), POSITIONS)
