"""Audio front end: one second of 16-kHz speech becomes 49 x 40 mel-frequency cepstral coefficients (MFCC)."""

from functools import cache

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import ArrayLike, NDArray

from cosim.workloads.audio import SAMPLE_RATE, AudioError

__all__ = [
    "CLIP_SAMPLES",
    "COEFFICIENTS",
    "FRAMES",
    "LOG_MEL_FLOOR",
    "MFCC_LIMIT",
    "STRIDE_SAMPLES",
    "fit",
    "frames_of",
    "log_mel",
    "loudest_second",
    "mel_filters",
    "mel_to_mfcc",
    "mfcc",
    "mfcc_to_mel",
    "window",
]

CLIP_SAMPLES = 16_000  # one second
WINDOW_SAMPLES = 480  # 30 ms
STRIDE_SAMPLES = 320  # 20 ms
FRAMES = 1 + (CLIP_SAMPLES - WINDOW_SAMPLES) // STRIDE_SAMPLES  # 49
FFT_SAMPLES = 512
MEL_BANDS = 40
MEL_TOP_HZ = 4_000.0
COEFFICIENTS = 40
LOG_MEL_FLOOR = 4.77e-7  # added to a band's power, so that digital silence has a logarithm
MFCC_LIMIT = 30.0

Floats = NDArray[np.float64]


def fit(samples: ArrayLike, length: int = CLIP_SAMPLES) -> Floats:
    """`samples` (n,) padded with zeros at the end, or cut there, to (length,)."""
    samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim != 1:
        raise AudioError(f"expected one channel, a vector of samples; got an array of shape {samples.shape}")
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def loudest_second(samples: ArrayLike) -> Floats:
    """The second of a longer recording that has the most sound in its middle: (n,) -> (16000,).

    Power is weighed with a Hann window of a second, so that a word comes to stand in the middle and is not cut.
    Shorter ones are padded at their end.
    """
    samples = np.asarray(samples, dtype=np.float64)
    if len(samples) <= CLIP_SAMPLES:
        return fit(samples)
    power = scipy.signal.oaconvolve(samples**2, np.hanning(CLIP_SAMPLES), mode="valid")
    start = int(power.argmax())
    return samples[start : start + CLIP_SAMPLES]


@cache
def window() -> Floats:
    """Periodic Hann window taken at half-sample offsets, (480,)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(WINDOW_SAMPLES) + 0.5) / WINDOW_SAMPLES)


@cache
def mel_filters() -> Floats:
    """Triangular filters on the HTK mel scale, 0-4,000 Hz: (257 bins, 40 bands), each with peak 1."""

    def mel(hertz: ArrayLike) -> Floats:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    edges = np.linspace(0.0, mel(MEL_TOP_HZ), MEL_BANDS + 2)
    bins = mel(np.arange(FFT_SAMPLES // 2 + 1) * SAMPLE_RATE / FFT_SAMPLES)[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    return np.clip(np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)), 0.0, None)


def log_mel(audio: ArrayLike) -> Floats:
    """Log-mel picture of clips: (..., 16000) samples in [-1, 1] -> (..., frames, 40), L = ln(mel power + floor) / 2.

    Other lengths than one second give other numbers of frames (background recordings, for instance).

    Raises
    ------
    AudioError
        If a clip is shorter than one window or has NaN or infinite samples.
    """
    audio = np.asarray(audio, dtype=np.float64)
    if audio.ndim == 0 or audio.shape[-1] < WINDOW_SAMPLES:
        raise AudioError(f"audio of shape {audio.shape}: expected at least {WINDOW_SAMPLES} samples on the last axis")
    if not np.isfinite(audio).all():
        raise AudioError("audio has NaN or infinite samples; expected numbers in [-1, 1]")
    frames = np.lib.stride_tricks.sliding_window_view(audio, WINDOW_SAMPLES, axis=-1)[..., ::STRIDE_SAMPLES, :]
    spectrum = scipy.fft.rfft(frames * window(), FFT_SAMPLES, axis=-1)
    power = spectrum.real**2 + spectrum.imag**2
    return 0.5 * np.log(power @ mel_filters() + LOG_MEL_FLOOR)


def frames_of(audio: ArrayLike, batch: int = 3000) -> Floats:
    """Log-mel picture of a recording of any length, a minute at a time: (n,) samples -> (frames, 40)."""
    audio = np.asarray(audio, dtype=np.float64)
    starts = range(0, len(audio) - WINDOW_SAMPLES + 1, batch * STRIDE_SAMPLES)
    samples = (batch - 1) * STRIDE_SAMPLES + WINDOW_SAMPLES
    return np.concatenate([log_mel(audio[start : start + samples]) for start in starts])


def mel_to_mfcc(picture: ArrayLike) -> Floats:
    """Log-mel (..., 40) -> MFCC (..., 40): orthonormal DCT-II, clipped to +-30."""
    coefficients = scipy.fft.dct(np.asarray(picture, dtype=np.float64), type=2, norm="ortho", axis=-1)
    return np.clip(coefficients, -MFCC_LIMIT, MFCC_LIMIT)


def mfcc_to_mel(coefficients: ArrayLike) -> Floats:
    """Inverse of `mel_to_mfcc` where nothing was clipped."""
    return scipy.fft.idct(np.asarray(coefficients, dtype=np.float64), type=2, norm="ortho", axis=-1)


def mfcc(audio: ArrayLike) -> Floats:
    """MFCC of clips: (..., 16000) samples in [-1, 1] -> (..., 49, 40) float64 in [-30, 30].

    Source: paper, Methods (30-ms window, 20-ms stride, squared FFT magnitudes, 40 coefficients, clip); band edges,
    floor and DCT normalisation are our choice, taken so that published log-mel features map onto it.
    """
    return mel_to_mfcc(log_mel(audio))
