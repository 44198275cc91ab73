"""The speaker encoder's front end against its formula and against the library it was made with."""

import numpy as np
import pytest
import scipy.signal

from cosim.workloads.audio import AudioError, slaney_filters
from cosim.workloads.speaker.features import log_mel, windows_of


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(samples)


def test_matches_the_formula():
    """scipy's transform, with a window that is padded to the transform's length."""
    audio = noise(20_000)
    hann = np.pad(scipy.signal.get_window("hann", 400), 56)
    spectrum = scipy.signal.stft(
        np.pad(audio, 256), window=hann, nperseg=512, noverlap=352, boundary=None, padded=False, scaling="spectrum"
    )[2]
    power = np.abs(spectrum.T * hann.sum()) ** 2
    assert log_mel(audio) == pytest.approx(np.log10(power @ slaney_filters(40, 512) + 1e-6), abs=1e-5)


@pytest.mark.long  # compiles what it runs
def test_matches_librosa():
    librosa = pytest.importorskip("librosa")
    audio = noise(30_000, seed=1)
    spectrum = librosa.stft(audio, n_fft=512, hop_length=160, win_length=400, window="hann")
    mel = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=40) @ np.abs(spectrum) ** 2
    assert log_mel(audio) == pytest.approx(np.log10(mel + 1e-6).T, abs=1e-5)


@pytest.mark.parametrize(
    ("samples", "windows"), [(257, 1), (12_639, 1), (12_640, 1), (19_039, 1), (19_040, 2), (48_000, 6)]
)
def test_windows(samples, windows):
    audio = noise(samples)
    cut = windows_of(audio)
    assert cut.shape == (windows, 80, 40)
    assert cut.dtype == np.float32
    picture = log_mel(np.pad(audio, (0, max(0, 12_640 - samples))))
    for at, window in enumerate(cut):
        assert np.array_equal(window, picture[40 * at : 40 * at + 80])


def test_refuses_what_is_no_sound():
    with pytest.raises(AudioError, match="NaN"):
        windows_of(np.full(20_000, np.nan))
