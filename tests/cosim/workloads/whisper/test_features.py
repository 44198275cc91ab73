"""Whisper's front end against its formula, written out again with scipy, and against the reference library."""

import numpy as np
import pytest
import scipy.signal

from cosim.workloads.audio import AudioError
from cosim.workloads.whisper.features import FRAMES, log_mel, spoken_positions


def chirp(seconds: float, seed: int = 0) -> np.ndarray:
    """A tone that rises, in noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(16_000 * seconds)) / 16_000
    return 0.3 * np.sin(2 * np.pi * (200 + 400 * time) * time) + 0.003 * rng.standard_normal(len(time))


def mel_points(bands: int) -> np.ndarray:
    """Edges of the bands in Hz: Slaney's scale by its steps, not by its formula's inverse."""
    step = 200 / 3
    grid = [0.0]
    while grid[-1] < 8_000:
        grid.append(grid[-1] + step / 1_000 if grid[-1] < 1_000 - 1e-9 else grid[-1] * 6.4 ** (1 / 27_000))
    mels = np.arange(len(grid)) / 1_000
    top = np.interp(8_000, grid, mels)
    return np.interp(np.linspace(0, top, bands + 2), mels, grid)


def reference(samples: np.ndarray) -> np.ndarray:
    padded = np.concatenate([samples, np.zeros(480_000 - len(samples))])
    around = np.concatenate([padded[200:0:-1], padded, padded[-2:-202:-1]])
    hann = scipy.signal.get_window("hann", 400)
    spectrum = scipy.signal.stft(
        around, window=hann, nperseg=400, noverlap=240, boundary=None, padded=False, scaling="spectrum"
    )[2]
    power = np.abs(spectrum[:, :3_000] * hann.sum()) ** 2
    edges, hertz = mel_points(80), np.arange(201) * 40.0
    picture = np.empty((80, 3_000))
    for band in range(80):
        low, middle, high = edges[band : band + 3]
        picture[band] = np.interp(hertz, [low, middle, high], [0, 2 / (high - low), 0], left=0, right=0) @ power
    picture = np.log10(np.clip(picture, 1e-10, None))
    return (np.clip(picture, picture.max() - 8, None) + 4) / 4


@pytest.mark.parametrize("seconds", [0.5, 7.3, 30])
def test_matches_the_formula(seconds):
    audio = chirp(seconds)
    assert log_mel(audio) == pytest.approx(reference(audio), abs=2e-4)


@pytest.mark.long  # loads a large library
@pytest.mark.parametrize("seconds", [1.0, 12.34, 31.0])
def test_matches_the_reference_library(seconds):
    transformers = pytest.importorskip("transformers")
    audio = chirp(seconds, seed=1)
    theirs = transformers.WhisperFeatureExtractor()(audio, sampling_rate=16_000, return_tensors="np")
    assert log_mel(audio) == pytest.approx(theirs["input_features"][0], abs=1e-4)


def test_longer_audio_is_cut_and_silence_is_a_picture():
    audio = chirp(33)
    assert np.array_equal(log_mel(audio), log_mel(audio[:480_000]))
    assert log_mel(np.zeros(0)) == pytest.approx(-1.5)
    with pytest.raises(AudioError, match="NaN"):
        log_mel(np.full(100, np.nan))


def test_padding_is_silence_of_the_front_end():
    """Beyond the audio the picture is at the floor, eight powers of ten below the loudest band: not zeros."""
    picture = log_mel(chirp(2))
    assert picture.shape == (80, FRAMES)
    assert picture[:, 203:] == pytest.approx(picture.max() - 2)


@pytest.mark.parametrize(("samples", "positions"), [(0, 0), (1, 1), (320, 1), (321, 2), (480_000, 1500), (10**6, 1500)])
def test_positions_that_hear_something(samples, positions):
    assert spoken_positions(samples) == positions


def test_spoken_positions_are_those_that_hear():
    """Beyond them the picture differs from that of silence in the window's overlap at most."""
    samples = 16_000
    picture = log_mel(chirp(samples / 16_000))
    heard = np.flatnonzero(picture.max(axis=0) > picture.min() + 1e-3)
    assert 0 <= heard[-1] // 2 + 1 - spoken_positions(samples) <= 1
