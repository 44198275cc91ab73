"""The front end against the reference's formulas, written out, and against librosa."""

import numpy as np
import pytest

from cosim.graph.errors import NetworkError
from cosim.workloads.audio import AudioError
from cosim.workloads.rnnt.features import FrontEnd


def noise(samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    tone = np.sin(2 * np.pi * 440 * np.arange(samples) / 16_000)
    return 0.1 * rng.standard_normal(samples) + 0.3 * tone


def spectrum_of_frame(samples: np.ndarray, frame: int) -> np.ndarray:
    """Power of one frame, by the definition of the transform, (257,)."""
    heard = np.array([samples[0]] + [samples[n] - 0.97 * samples[n - 1] for n in range(1, len(samples))])
    padded = np.pad(heard, 256, mode="reflect")
    window = np.zeros(512)
    window[96:416] = [0.5 - 0.5 * np.cos(2 * np.pi * n / 319) for n in range(320)]  # its last sample is zero, too
    part = padded[160 * frame : 160 * frame + 512] * window
    turns = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(512)) / 512)
    return np.abs(turns @ part) ** 2


def slaney_mel(hertz: float) -> float:
    return 3 * hertz / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)


def band_of(power: np.ndarray, band: int) -> float:
    """One of the 80 triangles over mels, of unit area over Hz."""
    hertz = np.linspace(0, 8000, 200_001)
    mels = np.array([slaney_mel(one) for one in hertz[::40]])
    edges = np.interp(np.linspace(0, slaney_mel(8000), 82)[band : band + 3], mels, hertz[::40])
    total = 0.0
    for at in range(257):
        f = at * 16_000 / 512
        rising, falling = (f - edges[0]) / (edges[1] - edges[0]), (edges[2] - f) / (edges[2] - edges[1])
        total += max(0.0, min(rising, falling)) * 2 / (edges[2] - edges[0]) * power[at]
    return total


def test_log_mel_is_the_formula():
    samples = noise(4_000)
    log_mel = FrontEnd().log_mel(samples)
    assert log_mel.shape == (26, 80)
    for frame in (0, 7, 25):
        power = spectrum_of_frame(samples, frame) + 1e-10
        for band in (0, 5, 40, 79):
            assert log_mel[frame, band] == pytest.approx(np.log(band_of(power, band) + 1e-20), abs=2e-3)


def test_log_mel_is_librosas():
    librosa = pytest.importorskip("librosa")
    samples = noise(8_123, seed=1)
    heard = np.append(samples[0], samples[1:] - 0.97 * samples[:-1])
    window = np.hanning(320)  # symmetric
    spectrum = librosa.stft(heard, n_fft=512, hop_length=160, win_length=320, window=window, pad_mode="reflect")
    filters = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=80, fmin=0, fmax=8000, dtype=np.float64)
    expected = np.log(filters @ (np.abs(spectrum) ** 2 + 1e-10) + 1e-20).T
    assert np.abs(FrontEnd().log_mel(samples) - expected).max() < 1e-6


@pytest.mark.parametrize("samples", [4_800, 4_801, 5_000, 5_280, 16_000])
def test_steps_splice_three_frames_and_are_normalised(samples):
    """As the reference: every third of the frames t, t + 1, t + 2 with zeros behind the end, and valid steps only."""
    front, sound = FrontEnd(), noise(samples, seed=samples)
    frames = front.log_mel(sound)
    behind = np.concatenate([frames, np.zeros((2, 80))])
    spliced = np.concatenate([behind[:-2], behind[1:-1], behind[2:]], axis=1)[::3]
    steps = int(np.ceil(np.ceil(samples / 160) / 3))
    valid = spliced[:steps]
    expected = (valid - valid.mean(axis=0)) / (valid.std(axis=0, ddof=1) + 1e-5)
    features = front(sound)
    assert features.shape == (front.steps(samples), 240) == (steps, 240)
    assert features.dtype == np.float32
    assert np.abs(features - expected).max() < 1e-5
    assert front.step_s == 0.03


def test_what_is_no_sound_is_refused():
    with pytest.raises(AudioError, match="more than 256 samples"):
        FrontEnd()(np.zeros(200))
    with pytest.raises(AudioError, match="one channel"):
        FrontEnd()(np.zeros((2, 4000)))
    with pytest.raises(NetworkError, match="splice of the front end must be 1 to 1024, got 0"):
        FrontEnd(splice=0)
