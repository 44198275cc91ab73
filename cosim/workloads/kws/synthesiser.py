"""Spoken words without a data set: espeak-ng, with many voices, speaks the twelve classes.

`espeakng-loader` brings the shared library and its voice data from the package registry; the binding below is the
dozen lines of its C interface (speak_lib.h) that are needed. Synthetic speech is no replacement for people: it lets
the chip be shown, calibrated and tested where no recordings are at hand.
"""

import _ctypes
import ctypes
import math
import os
import threading
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal

import espeakng_loader
import numpy as np
import scipy.signal
from numpy.typing import NDArray

from cosim.files.errors import UserError
from cosim.workloads.audio import SAMPLE_RATE
from cosim.workloads.kws.dataset import LABELS, SILENCE, UNKNOWN
from cosim.workloads.kws.features import CLIP_SAMPLES

__all__ = ["UNKNOWN_WORDS", "VOICES", "Split", "SynthesiserError", "read_aloud", "speak", "synthesise", "version"]

Split = Literal["train", "validation", "test"]

# The 25 other words of Speech Commands v0.02.
_OTHERS = """
backward bed bird cat dog eight five follow forward four happy house learn marvin nine one seven sheila six three tree
two visual wow zero
"""
UNKNOWN_WORDS = tuple(_OTHERS.split())
ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc", "en-029")
# Voice variants by split: a voice heard in training is never heard in the test, whatever its accent.
_TRAINING = """
f1 f3 f5 m1 m2 m4 m6 m7 Alex Alicia Andrea Andy Denis Diogo Henrique Hugo Jacky Lee Marco Mike Nguyen adam anika
antonio aunty belinda benjamin boris ed edward gustave ian john max miguel norbert pablo pedro quincy robert sandro
travis victor zac
"""
VOICES: dict[str, tuple[str, ...]] = {
    "train": tuple(_TRAINING.split()),
    "validation": ("f4", "m8", "Gene", "Gene2", "Mario", "iven", "iven3", "michel", "rob", "steph", "steph2"),
    "test": ("f2", "m3", "m5", "Annie", "Michael", "david", "linda", "marcelo", "paul", "shelby"),
}


class SynthesiserError(UserError, RuntimeError):
    """espeak-ng cannot be loaded or refuses a request; the message says which."""


_lock = threading.Lock()  # espeak-ng is one set of global state
_SYNCHRONOUS, _UTF8 = 2, 1  # espeak_AUDIO_OUTPUT_SYNCHRONOUS, espeakCHARS_UTF8
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def version() -> str:
    """Of the synthesiser and its voices."""
    return metadata.version("espeakng-loader")


def _load() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(espeakng_loader.get_library_path()))
    except OSError as error:
        raise SynthesiserError(f"cannot load espeak-ng ({error}); reinstall the package espeakng-loader") from None


def _utter(text: str, voice: str, rate: int, pitch: int, pitch_range: int) -> tuple[NDArray[np.int16], int]:
    """Samples and their rate.

    The library is loaded anew each time: its pitch flutter runs on from word to word, and a clip must not depend on
    what was said before.
    """
    chunks: list[NDArray[np.int16]] = []
    folder = Path(espeakng_loader.get_data_path())
    accent, _, variant = voice.partition("+")
    if variant and not (folder / "voices" / "!v" / variant).is_file():  # espeak-ng itself would leave it out silently
        raise SynthesiserError(
            f"espeak-ng has no variant {variant!r} for the voice {accent!r} in {folder / 'voices' / '!v'}"
        )

    def take(samples, count: int, _events) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _Callback(take)
    with _lock:
        library = _load()
        try:
            sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(folder), 0)
            if sample_rate <= 0:
                raise SynthesiserError(f"espeak-ng does not accept its voice data in {folder}")
            library.espeak_SetSynthCallback(callback)
            library.espeak_ng_SetRandSeed(ctypes.c_long(1))
            if library.espeak_SetVoiceByName(voice.encode()):
                raise SynthesiserError(f"espeak-ng has no voice {voice!r}")
            for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
                library.espeak_SetParameter(parameter, value, 0)
            data = text.encode() + b"\0"
            status = library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 0, 0, _UTF8, None, None)
        finally:
            library.espeak_Terminate()
            _ctypes.dlclose(library._handle)
    if status or not any(chunk.any() for chunk in chunks):
        raise SynthesiserError(f"espeak-ng said nothing for {text!r} with voice {voice!r} (status {status})")
    return np.concatenate(chunks), sample_rate


def speak(
    text: str, voice: str = "en-us+m1", rate: int = 160, pitch: int = 50, pitch_range: int = 50
) -> NDArray[np.float64]:
    """Speech at 16 kHz without leading and trailing silence: (samples,) float64 in [-1, 1].

    Parameters
    ----------
    text : str
    voice : str
        espeak-ng voice, with a variant after a plus sign, e.g. ``en-us+f2``.
    rate : int
        Words per minute, 80 to 450.
    pitch, pitch_range : int
        0 to 100; 50 is the voice's own.

    Raises
    ------
    SynthesiserError
        If espeak-ng is not installed properly, knows no such voice, or has nothing to say for the text.
    """
    spoken, sample_rate = _utter(text, voice, rate, pitch, pitch_range)
    divisor = math.gcd(SAMPLE_RATE, sample_rate)
    samples = scipy.signal.resample_poly(spoken / 32768, SAMPLE_RATE // divisor, sample_rate // divisor)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return np.clip(samples[loud[0] : loud[-1] + 1], -1.0, 1.0)


def _noise(rng: np.random.Generator, level: float) -> NDArray[np.float64]:
    """One second of noise, power falling as 1/f^a with a random a in 0 ... 2, of RMS `level`: (16000,)."""
    slope = rng.uniform(0.0, 2.0)
    spectrum = np.fft.rfft(rng.standard_normal(CLIP_SAMPLES))
    spectrum /= np.maximum(np.arange(len(spectrum)), 10.0) ** (slope / 2)
    noise = np.fft.irfft(spectrum, CLIP_SAMPLES)
    return noise * (level / noise.std())


def _clip(label: str, split: Split, rng: np.random.Generator) -> tuple[NDArray[np.float64], str]:
    if label == SILENCE:
        return np.clip(_noise(rng, 10 ** rng.uniform(-4.0, -1.0)), -1.0, 1.0), "noise"
    word = str(rng.choice(UNKNOWN_WORDS)) if label == UNKNOWN else label
    voice = f"{rng.choice(ACCENTS)}+{rng.choice(VOICES[split])}"
    speech = speak(word, voice, int(rng.integers(110, 200)), int(rng.integers(25, 76)), int(rng.integers(20, 81)))
    # Mostly in the middle, as people who press a button and speak; never cut.
    amplitude, place = 10 ** rng.uniform(-1.0, -0.1), rng.triangular(0.1, 0.5, 0.9)
    return _placed(speech, amplitude, place, _noise(rng, 10 ** rng.uniform(-4.0, -2.3))), f"{word}, {voice}"


def _placed(speech: NDArray, amplitude: float, place: float, noise: NDArray) -> NDArray[np.float64]:
    """A second of noise with speech of that amplitude in it, `place` of the way from the start to the end."""
    speech = speech[:CLIP_SAMPLES]
    start = round((CLIP_SAMPLES - len(speech)) * place)
    audio = noise.copy()
    audio[start : start + len(speech)] += speech * (amplitude / np.abs(speech).max())
    return np.clip(audio, -1.0, 1.0)


def read_aloud(words: Sequence[str], split: Split, rng: np.random.Generator) -> tuple[NDArray[np.float32], str]:
    """Single words of one voice of a split, as loud as each other, with the same little noise behind.

    Returns
    -------
    (words, 16000) float32 in [-1, 1]
        A second for each word, 16 kHz.
    str
        The voice.

    Raises
    ------
    SynthesiserError
        If espeak-ng cannot be used.
    """
    voice = f"{rng.choice(ACCENTS)}+{rng.choice(VOICES[split])}"
    rate, pitch, pitch_range = int(rng.integers(110, 200)), int(rng.integers(25, 76)), int(rng.integers(20, 81))
    amplitude, floor = 10 ** rng.uniform(-1.0, -0.1), 10 ** rng.uniform(-4.0, -2.3)
    clips = [
        _placed(
            speak(word, voice, rate, pitch, pitch_range), amplitude, rng.triangular(0.1, 0.5, 0.9), _noise(rng, floor)
        )
        for word in words
    ]
    return np.array(clips, np.float32), voice


def synthesise(
    count: int, split: Split = "test", seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
    """Clips of all twelve classes, equally often, spoken by one split's voices with a little noise behind.

    The same arguments give the same clips, and a smaller `count` gives the first of them.

    Parameters
    ----------
    count : int
        Number of clips; every twelve hold each class once, in random order.
    split : "train", "validation" or "test"
        Whose voices; no voice is in two splits.
    seed : int

    Returns
    -------
    audio : (count, 16000) float32 in [-1, 1], 16 kHz
    labels : (count,) int64
        Index into `cosim.workloads.kws.dataset.LABELS`.
    names : list of str
        Word and voice of each clip.

    Raises
    ------
    ValueError
        On a negative count or an unknown split.
    SynthesiserError
        If espeak-ng cannot be used.
    """
    if count < 0:
        raise ValueError(f"cannot synthesise {count} clips; expected 0 or more")
    if split not in VOICES:
        raise ValueError(f"no split {split!r}; expected one of {', '.join(VOICES)}")
    stream = list(VOICES).index(split)
    audio = np.zeros((count, CLIP_SAMPLES), np.float32)
    labels = np.zeros(count, np.int64)
    names = []
    for index in range(count):
        block, place = divmod(index, len(LABELS))
        labels[index] = np.random.default_rng([seed, stream, block]).permutation(len(LABELS))[place]
        label = LABELS[labels[index]]
        audio[index], name = _clip(label, split, np.random.default_rng([seed, stream, block, place]))
        names.append(name)
    return audio, labels, names
