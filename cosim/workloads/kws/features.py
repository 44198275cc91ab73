"""Audio front end: one second of 16-kHz speech becomes 49 x 40 mel-frequency cepstral coefficients (MFCC)."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.signal
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
    "STRIDE_SAMPLES",
    "AudioError",
    "Sound",
    "fit",
    "frames_of",
    "log_mel",
    "loudest_second",
    "mel_filters",
    "mel_to_mfcc",
    "mfcc",
    "mfcc_to_mel",
    "read_sound",
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

#: Rates that are taken, Hz: the lowest holds all that the mel bands hear, the highest is that of studio equipment.
_RATES = (8_000, 384_000)
#: Largest sample of a recording whose full scale is 1: mixing and lossy coding overshoot, integers reach much further.
_LOUDEST = 2.0
#: Peak to peak of a recording without any sound: three steps of 16 bits.
_SILENT = 1e-4

Floats = NDArray[np.float64]


class AudioError(UserError, ValueError):
    """A recording cannot be used; the message says which file, what is wrong and how to mend it."""


@dataclass(frozen=True)
class Sound:
    """A recording as the front end takes it.

    Members
    -------
    samples : (n,) float64
        One channel at 16 kHz, full scale 1.
    recorded_hz : int
        Sample rate of the file; if it is another one than 16 kHz, the samples were resampled.
    """

    samples: Floats
    recorded_hz: int = SAMPLE_RATE

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    @property
    def silent(self) -> bool:
        """Whether there is nothing in it but, perhaps, a constant and the flicker of the last bit."""
        return bool(np.ptp(self.samples) < _SILENT)


def read_sound(path: Path | str) -> Sound:
    """Read a sound file: WAV, FLAC, MP3 or what else libsndfile knows.

    Channels are averaged. Other rates than 16 kHz are resampled (polyphase, with a Kaiser window against aliases).

    Raises
    ------
    AudioError
        If the file is missing, empty, shorter than its header says or no sound file; if its rate is not within 8 to
        384 kHz, or its samples are no numbers in [-1, 1] (a little more may come from mixing).
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; expected a sound file (WAV, ...)")
    try:
        with path.open("rb") as raw, soundfile.SoundFile(raw) as file:
            rate = file.samplerate
            if not _RATES[0] <= rate <= _RATES[1]:
                raise AudioError(
                    f"{path}: sample rate {rate} Hz, expected {_RATES[0]} to {_RATES[1]} Hz: the front end hears 0 to "
                    f"{MEL_TOP_HZ:.0f} Hz; record it anew"
                )
            expected = _declared_frames(path) or file.frames
            samples = file.read(dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: not a readable sound file ({error.error_string}); expected WAV, FLAC or MP3"
        ) from None
    if not len(samples):
        raise AudioError(f"{path}: holds no samples; record it anew")
    if len(samples) < expected:
        raise AudioError(
            f"{path}: truncated, the header promises {expected} samples but only {len(samples)} are there; "
            "fetch the file again"
        )
    if not np.isfinite(samples).all():
        raise AudioError(f"{path}: has NaN or infinite samples; expected numbers in [-1, 1]")
    peak = np.abs(samples).max()
    if peak > _LOUDEST:
        raise AudioError(
            f"{path}: samples reach {peak:,.6g}, expected numbers in [-1, 1]; divide them by the full scale of what "
            "they were made from (32,768 for 16 bits)"
        )
    mono = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        divisor = math.gcd(SAMPLE_RATE, rate)
        mono = scipy.signal.resample_poly(mono, SAMPLE_RATE // divisor, rate // divisor)
    return Sound(mono, rate)


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
