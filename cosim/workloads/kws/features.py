"""Audio front end: one second of 16-kHz speech becomes 49 x 40 mel-frequency cepstral coefficients (MFCC)."""

from functools import cache
from pathlib import Path

import numpy as np
import scipy.fft
import soundfile
from numpy.typing import ArrayLike, NDArray

from cosim.files.errors import UserError

__all__ = [
    "CLIP_SAMPLES",
    "COEFFICIENTS",
    "FRAMES",
    "LOG_MEL_FLOOR",
    "MFCC_LIMIT",
    "SAMPLE_RATE",
    "AudioError",
    "fit",
    "log_mel",
    "mel_filters",
    "mel_to_mfcc",
    "mfcc",
    "mfcc_to_mel",
    "read_clip",
    "read_wav",
    "window",
]

SAMPLE_RATE = 16_000  # Hz
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


class AudioError(UserError, ValueError):
    """A recording cannot be used; the message says which file, what is wrong and how to mend it."""


def read_wav(path: Path | str) -> Floats:
    """Samples of a 16-kHz sound file, in [-1, 1]; the channels of a stereo file are averaged.

    Returns
    -------
    (samples,) float64

    Raises
    ------
    AudioError
        If the file is missing, empty, shorter than its header says, no sound file, or has another sample rate.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: no such file; expected a 16-kHz WAV file")
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            expected = _declared_frames(path) or file.frames
            samples = file.read(dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: not a readable sound file ({error}); expected PCM WAV, 16 kHz") from None
    if rate != SAMPLE_RATE:
        raise AudioError(f"{path}: sample rate {rate} Hz, expected {SAMPLE_RATE} Hz; resample the recording first")
    if not len(samples):
        raise AudioError(f"{path}: holds no samples; expected up to {CLIP_SAMPLES} of them")
    if len(samples) < expected:
        raise AudioError(
            f"{path}: truncated, the header promises {expected} samples but only {len(samples)} are there; "
            "fetch the file again"
        )
    return samples.mean(axis=1)


def _declared_frames(path: Path) -> int:
    """Frames that a WAV file's `data` chunk promises (libsndfile silently reads what is there), or 0 if unknown."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0
        block = 0
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"fmt ":
                block = int.from_bytes(file.read(size)[12:14], "little")
            elif chunk[:4] == b"data":
                # Streaming writers leave the size at its maximum: then nothing is promised.
                return size // block if block and size < 0xFFFFFF00 else 0
            else:
                file.seek(size + size % 2, 1)
    return 0


def fit(samples: ArrayLike, length: int = CLIP_SAMPLES) -> Floats:
    """`samples` (n,) padded with zeros at the end, or cut there, to (length,)."""
    samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim != 1:
        raise AudioError(f"expected one channel, a vector of samples; got an array of shape {samples.shape}")
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def read_clip(path: Path | str) -> Floats:
    """One second, (16000,), of a sound file: `read_wav`, end padded or cut."""
    return fit(read_wav(path))


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
