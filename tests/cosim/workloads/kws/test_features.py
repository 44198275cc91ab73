"""The audio front end against its definition, a reference library, and published features where they are at hand."""

import os
from pathlib import Path

import kaldi_native_fbank
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from cosim.workloads.audio import AudioError, read_sound
from cosim.workloads.kws import features
from cosim.workloads.kws.features import (
    fit,
    frames_of,
    log_mel,
    loudest_second,
    mel_filters,
    mel_to_mfcc,
    mfcc,
    mfcc_to_mel,
)


def reference_mfcc(audio: np.ndarray) -> np.ndarray:
    """The definition written out again: scipy's spectrogram, loops over bins, a DCT matrix; no shared code."""
    hann = np.sin(np.pi * (np.arange(480) + 0.5) / 480) ** 2
    spectrum = scipy.signal.spectrogram(
        audio, window=hann, noverlap=160, nfft=512, detrend=False, scaling="spectrum", mode="complex"
    )[2]
    power = np.abs(spectrum.T * hann.sum()) ** 2
    hertz = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 42)]
    mels = [2595 * np.log10(1 + f / 700) for f in hertz]
    bands = np.zeros((len(power), 40))
    for band in range(40):
        for k in range(257):
            m = 2595 * np.log10(1 + k * 31.25 / 700)
            if mels[band] < m <= mels[band + 1]:
                bands[:, band] += power[:, k] * (m - mels[band]) / (mels[band + 1] - mels[band])
            elif mels[band + 1] < m < mels[band + 2]:
                bands[:, band] += power[:, k] * (mels[band + 2] - m) / (mels[band + 2] - mels[band + 1])
    picture = np.log(np.sqrt(bands + 4.77e-7))
    n, k = np.arange(40)[:, None], np.arange(40)
    dct = np.cos(np.pi * (2 * n + 1) * k / 80) * np.where(k == 0, np.sqrt(1 / 40), np.sqrt(2 / 40))
    return np.clip(picture @ dct, -30, 30)


def chirp(seed: int) -> np.ndarray:
    """A tone that rises, in noise: (16000,)."""
    rng = np.random.default_rng(seed)
    time = np.arange(16_000) / 16_000
    tone = 0.3 * rng.uniform() * np.sin(2 * np.pi * (200 + 1500 * time) * time)
    return tone + 10 ** -rng.uniform(1, 4) * rng.standard_normal(16_000)


@pytest.mark.parametrize("seed", range(3))
def test_matches_the_definition(seed):
    audio = chirp(seed)
    assert np.abs(mfcc(audio) - reference_mfcc(audio)).max() < 1e-3  # 1127 ln(x) and 2595 log10(x) differ by 2e-6


def kaldi(features: type, options: kaldi_native_fbank.FbankOptions, audio: np.ndarray) -> np.ndarray:
    """Frames of a front end of Kaldi: (16000,) -> (49, 40).

    Its Hann window has other end points, so it is given windowed frames side by side and told to use no window.
    """
    frame = options.frame_opts
    frame.frame_length_ms = frame.frame_shift_ms = 30
    frame.samp_freq, frame.window_type = 16_000, "rectangular"
    frame.dither, frame.preemph_coeff, frame.remove_dc_offset = 0, 0, False
    options.mel_opts.num_bins, options.mel_opts.low_freq, options.mel_opts.high_freq = 40, 0, 4_000
    options.use_energy = False
    windowed = sliding_window_view(audio, 480)[::320] * scipy.signal.windows.cosine(480) ** 2
    front_end = features(options)
    front_end.accept_waveform(16_000, windowed.astype(np.float32).ravel().tolist())
    front_end.input_finished()
    return np.array([front_end.get_frame(i) for i in range(front_end.num_frames_ready)])


@pytest.mark.parametrize("seed", range(3))
def test_matches_a_reference_library(seed):
    """Frames, spectrum, filters, logarithm and DCT of Kaldi, in float32."""
    audio = chirp(seed)
    options = kaldi_native_fbank.FbankOptions()
    options.use_log_fbank = False  # the floor of the logarithm is ours
    power = kaldi(kaldi_native_fbank.OnlineFbank, options, audio)
    assert log_mel(audio) == pytest.approx(0.5 * np.log(power + features.LOG_MEL_FLOOR), abs=1e-3)
    options = kaldi_native_fbank.MfccOptions()
    options.num_ceps, options.cepstral_lifter = 40, 0
    loud = audio + 0.3 * np.random.default_rng(seed).standard_normal(16_000)  # far above the floor
    theirs = 0.5 * kaldi(kaldi_native_fbank.OnlineMfcc, options, loud)
    assert mfcc(loud) == pytest.approx(theirs, abs=1e-3)


def test_shapes_and_batches():
    audio = 0.1 * np.random.default_rng(0).standard_normal((2, 3, 16_000))
    both = mfcc(audio)
    assert both.shape == (2, 3, 49, 40)
    assert both[1, 2] == pytest.approx(mfcc(audio[1, 2]))
    assert log_mel(np.zeros(48_000)).shape == (149, 40)


def test_silence_is_finite_and_clipped():
    assert log_mel(np.zeros(16_000)) == pytest.approx(0.5 * np.log(4.77e-7))
    quiet = mfcc(np.zeros(16_000))
    assert np.all(quiet[:, 0] == -30)
    assert quiet[:, 1:] == pytest.approx(0, abs=1e-12)


def test_filters_are_a_partition_between_first_and_last_peak():
    filters = mel_filters()
    assert filters.shape == (257, 40)
    assert (filters >= 0).all()
    assert filters.max() <= 1
    peaks = filters.argmax(axis=0)
    assert np.all(np.diff(peaks) >= 0)
    assert filters[peaks[0] + 1 : peaks[-1]].sum(axis=1) == pytest.approx(1)
    assert not filters[129:].any(), "nothing above 4 kHz is used"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_dct_is_orthonormal(seed):
    picture = np.random.default_rng(seed).uniform(-2, 2, (49, 40))
    coefficients = mel_to_mfcc(picture)
    assert mfcc_to_mel(coefficients) == pytest.approx(picture)
    assert np.square(coefficients).sum() == pytest.approx(np.square(picture).sum())


def test_fit_pads_and_cuts_at_the_end():
    assert np.array_equal(fit([1.0, 2.0], 4), [1, 2, 0, 0])
    assert np.array_equal(fit([1.0, 2.0, 3.0], 2), [1, 2])
    with pytest.raises(AudioError, match=r"one channel.*\(3, 2\)"):
        fit(np.zeros((3, 2)))


def test_loudest_second_has_the_word_in_its_middle():
    long = np.full(48_000, 1e-3)
    long[22_000:27_000] = 0.5
    cut = loudest_second(long)
    assert cut.shape == (16_000,)
    assert np.flatnonzero(cut > 0.1).mean() == pytest.approx(8_000, abs=10)
    assert np.array_equal(loudest_second(long[:9_000]), fit(long[:9_000]))


def test_a_long_recording_has_the_picture_of_its_parts():
    audio = 0.1 * np.random.default_rng(0).standard_normal(40_000)
    assert frames_of(audio, batch=7) == pytest.approx(log_mel(audio), abs=1e-9)


def test_refuses_bad_samples():
    with pytest.raises(AudioError, match="at least 480"):
        mfcc(np.zeros(479))
    with pytest.raises(AudioError, match="NaN"):
        mfcc(np.full(16_000, np.nan))


def test_background_recordings_match_the_prepared_features():
    """The same six recordings came to the prepared features by another road: pins window, bands, floor and scale."""
    folder, prepared = os.environ.get("SPEECH_COMMANDS"), os.environ.get("DURAMESH_FEATURES")
    if not folder or not prepared:
        pytest.skip("set SPEECH_COMMANDS and DURAMESH_FEATURES to compare with published features")
    path = Path(prepared)
    with np.load(path / "train.npz" if path.is_dir() else path, allow_pickle=False) as file:
        names, gains, lengths = file["noise_name"], file["noise_gain"], file["noise_len"]
        mel = file["noise_logmel_i8"] * float(file["noise_scale"]) + float(file["noise_offset"])
        step = float(file["noise_scale"])
    pieces = np.split(mel, np.cumsum(lengths)[:-1])
    for name, gain, piece in zip(names, gains, pieces, strict=True):
        ours = log_mel(float(gain) * read_sound(Path(folder) / "_background_noise_" / str(name)).samples)
        assert np.abs(ours[: len(piece)] - piece).max() < 0.51 * step, name
