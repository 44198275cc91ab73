"""Front end of the speaker encoder: 40 log-mel bands every 10 ms, in windows of 80 frames, one every 40.

Source: Y. Wan et al., "Generalized End-to-End Loss for Speaker Verification", arXiv:1710.10467, section 3.2 (sliding
windows, half of each shared with the next); Q. Wang et al., "VoiceFilter", arXiv:1810.04826, whose published speaker
encoders take log10 of the mel power with this floor.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.workloads.audio import power_spectrum, slaney_filters

__all__ = ["BANDS", "WINDOW_FRAMES", "log_mel", "windows_of"]

BANDS = 40
WINDOW_FRAMES = 80
_STEP_FRAMES = 40
_TRANSFORM, _WINDOW, _HOP = 512, 400, 160  # samples: 32, 25 and 10 ms
#: Added to the power of a band, so that silence has a logarithm.
_FLOOR = 1e-6


def log_mel(samples: ArrayLike) -> NDArray[np.float32]:
    """Log-mel picture of a recording: (n,) samples in [-1, 1] -> (1 + n // 160, 40) float32.

    Raises
    ------
    AudioError
        On 256 samples or fewer, more than one channel, NaN or infinity.
    """
    power = power_spectrum(samples, window=_WINDOW, hop=_HOP, transform=_TRANSFORM, beyond="constant")
    return np.log10(power @ slaney_filters(BANDS, _TRANSFORM) + _FLOOR).astype(np.float32)


def windows_of(samples: ArrayLike) -> NDArray[np.float32]:
    """The windows that the encoder hears of a recording: (n,) samples -> (windows, 80, 40) float32.

    A recording that is shorter than a window, 0.79 s, is padded with silence to one; of longer ones the rest after the
    last whole window is not heard.
    """
    samples = np.asarray(samples, np.float64)
    least = (WINDOW_FRAMES - 1) * _HOP
    picture = log_mel(np.pad(samples, (0, max(0, least - len(samples)))))
    starts = range(0, len(picture) - WINDOW_FRAMES + 1, _STEP_FRAMES)
    return np.stack([picture[start : start + WINDOW_FRAMES] for start in starts])
