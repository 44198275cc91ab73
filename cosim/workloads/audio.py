"""Recordings as front ends take them, and what several front ends share: frames, spectra, mel filters."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.fft
import scipy.signal
import soundfile
from numpy.typing import ArrayLike, NDArray

from cosim.files.errors import UserError

__all__ = ["SAMPLE_RATE", "AudioError", "Sound", "power_spectrum", "read_sound", "slaney_filters"]

SAMPLE_RATE = 16_000  # Hz

#: Rates that are taken, Hz: the lowest holds speech up to 4,000 Hz, the highest is that of studio equipment.
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
                    f"{path}: sample rate {rate} Hz, expected {_RATES[0]} to {_RATES[1]} Hz: speech reaches "
                    "4,000 Hz; record it anew"
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


def power_spectrum(
    samples: ArrayLike,
    *,
    window: int,
    hop: int,
    transform: int,
    beyond: Literal["reflect", "constant"],
    symmetric_window: bool = False,
) -> Floats:
    """Power of frames whose middles lie at 0, `hop`, 2 `hop`, ...: (n,) samples -> (1 + n // hop, transform // 2 + 1).

    Parameters
    ----------
    samples : (n,)
    window : int
        Length of the Hann window, in the middle of the frame.
    hop : int
    transform : int
        Length of a frame and of its Fourier transform; even, not below `window`.
    beyond : "reflect" or "constant"
        What lies before and after the samples: their mirror image (torch.stft, Whisper), or zeros (librosa.stft).
    symmetric_window : bool
        The window ends with the zero that it begins with, instead of before it.

    Raises
    ------
    AudioError
        If there are too few samples, or NaN or infinite ones.
    """
    samples = np.asarray(samples, np.float64)
    half = transform // 2
    if samples.ndim != 1 or len(samples) <= half:
        raise AudioError(f"audio of shape {samples.shape}: expected one channel of more than {half} samples")
    if not np.isfinite(samples).all():
        raise AudioError("audio has NaN or infinite samples; expected numbers in [-1, 1]")
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, half, mode=beyond), transform)[::hop]
    hann = np.zeros(transform)
    first = (transform - window) // 2
    hann[first : first + window] = scipy.signal.windows.hann(window, sym=symmetric_window)
    spectrum = scipy.fft.rfft(frames * hann, axis=-1)
    return spectrum.real**2 + spectrum.imag**2


@cache
def slaney_filters(bands: int, transform: int) -> Floats:
    """Triangles on Slaney's mel scale over 0-8,000 Hz, each of the same area: (transform // 2 + 1, bands).

    Source: M. Slaney, "Auditory Toolbox", Interval Research 1998-010: linear to 1,000 Hz, three mels in 200 Hz, then
    27 mels in a factor of 6.4. librosa.filters.mel and Whisper have these by default.
    """
    linear, step = 15.0, np.log(6.4) / 27  # mels up to 1,000 Hz; logarithm of a mel's ratio above

    def mel(hertz: float) -> float:
        return 3 * hertz / 200 if hertz < 1_000 else linear + np.log(hertz / 1_000) / step

    mels = np.linspace(0, mel(SAMPLE_RATE / 2), bands + 2)
    edges = np.where(mels < linear, 200 * mels / 3, 1_000 * np.exp((mels - linear) * step))
    hertz = np.arange(transform // 2 + 1)[:, None] * SAMPLE_RATE / transform
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle))
    return np.clip(triangles, 0.0, None) * 2 / (high - low)
