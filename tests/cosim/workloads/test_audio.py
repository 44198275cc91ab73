"""Reading recordings, and spectra and mel filters against their definitions and against reference libraries."""

import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cosim.workloads.audio import AudioError, Sound, power_spectrum, read_sound, slaney_filters


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    """16-bit WAV of (samples,) or (samples, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return path


def test_reads_mono_and_averages_stereo(tmp_path):
    left, right = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 9_000))
    mono = read_sound(write_wav(tmp_path / "mono.wav", left)).samples
    assert mono == pytest.approx(left, abs=1e-4)
    stereo = read_sound(write_wav(tmp_path / "stereo.wav", np.stack([left, right], axis=1))).samples
    assert stereo == pytest.approx((left + right) / 2, abs=1e-4)


def tone(hertz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled(tmp_path, rate):
    sound = read_sound(write_wav(tmp_path / "tone.wav", tone(1_000, rate), rate))
    assert sound.recorded_hz == rate
    assert sound.seconds == pytest.approx(0.5, abs=1e-4)
    middle = slice(1_000, 7_000)  # the filter swings in and out at the ends
    assert sound.samples[middle] == pytest.approx(tone(1_000, 16_000)[middle], abs=0.01)


def test_what_the_rate_cannot_hold_is_not_folded_back(tmp_path):
    sound = read_sound(write_wav(tmp_path / "high.wav", tone(17_000, 48_000), 48_000))
    assert np.abs(sound.samples[1_000:7_000]).max() < 0.01


@pytest.mark.parametrize("suffix", ["flac", "mp3", "ogg"])
def test_other_formats(tmp_path, suffix):
    soundfile.write(tmp_path / f"tone.{suffix}", tone(1_000, 16_000, 1.0), 16_000)
    sound = read_sound(tmp_path / f"tone.{suffix}")
    assert sound.seconds == pytest.approx(1, abs=0.1)
    spectrum = np.abs(np.fft.rfft(sound.samples[:16_000], 16_000))
    assert spectrum.argmax() == pytest.approx(1_000, abs=2)


@pytest.mark.parametrize("samples", [np.zeros(16_000), np.full(16_000, 0.25), np.tile([0, 1 / 32768], 8_000)])
def test_silence(samples):
    assert Sound(samples).silent
    assert not Sound(samples + 0.001 * np.sin(np.arange(16_000))).silent


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        ([0.0, 32_768.0], 16_000, r"samples reach 32,768, expected numbers in \[-1, 1\]; divide them"),
        ([0.0, np.nan], 16_000, "has NaN or infinite samples"),
        ([0.0, np.inf], 16_000, "has NaN or infinite samples"),
        ([0.0, 0.5], 4_000, "sample rate 4000 Hz, expected 8000 to 384000 Hz"),
        ([0.0, 0.5], 2_000_000_011, "sample rate 2000000011 Hz, expected 8000 to 384000 Hz"),
    ],
)
def test_refuses_what_is_no_sound(tmp_path, samples, rate, message):
    soundfile.write(tmp_path / "odd.wav", np.array(samples), rate, subtype="FLOAT")
    with pytest.raises(AudioError, match=f"odd.wav: {message}"):
        read_sound(tmp_path / "odd.wav")


def test_a_little_over_full_scale_is_sound(tmp_path):
    soundfile.write(tmp_path / "hot.wav", np.array([0.0, 1.4, -1.2]), 16_000, subtype="FLOAT")
    assert read_sound(tmp_path / "hot.wav").samples == pytest.approx([0, 1.4, -1.2])


def test_refuses_bad_files(tmp_path):
    with pytest.raises(AudioError, match="a folder; expected a sound file"):
        read_sound(tmp_path)
    with pytest.raises(AudioError, match="no such file"):
        read_sound(tmp_path / "absent.wav")
    (tmp_path / "text.wav").write_text("yes")
    with pytest.raises(AudioError, match="not a readable sound file"):
        read_sound(tmp_path / "text.wav")
    with pytest.raises(AudioError, match="holds no samples"):
        read_sound(write_wav(tmp_path / "empty.wav", np.zeros(0)))
    whole = write_wav(tmp_path / "whole.wav", np.zeros(16_000)).read_bytes()
    (tmp_path / "half.wav").write_bytes(whole[:16_000])
    with pytest.raises(AudioError, match=r"truncated, the header promises 16000 samples but only 7978"):
        read_sound(tmp_path / "half.wav")


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(samples)


@pytest.mark.parametrize(("window", "hop", "transform"), [(400, 160, 400), (400, 160, 512)])
def test_spectrum_is_that_of_frames_around_their_middles(window, hop, transform):
    audio = noise(4_000)
    power = power_spectrum(audio, window=window, hop=hop, transform=transform, beyond="reflect")
    assert power.shape == (26, transform // 2 + 1)
    weights = np.sin(np.pi * np.arange(window) / window) ** 2
    for frame in (0, 3, 25):
        places = frame * hop + np.arange(window) - window // 2
        mirrored = np.abs(places)
        mirrored = np.where(mirrored > 3_999, 2 * 3_999 - mirrored, mirrored)
        turns = np.exp(-2j * np.pi * np.outer(np.arange(transform // 2 + 1), np.arange(window)) / transform)
        assert power[frame] == pytest.approx(np.abs(turns @ (weights * audio[mirrored])) ** 2, abs=1e-9)


def test_beyond_the_ends_may_be_nothing():
    audio = noise(2_000)
    given = {"window": 400, "hop": 160, "transform": 512}
    padded = np.concatenate([np.zeros(1_600), audio, np.zeros(1_600)])
    inner = power_spectrum(padded, **given, beyond="reflect")[10:23]
    assert power_spectrum(audio, **given, beyond="constant") == pytest.approx(inner)
    assert np.abs(power_spectrum(audio, **given, beyond="reflect")[0] - inner[0]).max() > 1e-3


def test_spectrum_refuses_what_it_cannot_frame():
    given = {"window": 400, "hop": 160, "transform": 400, "beyond": "reflect"}
    with pytest.raises(AudioError, match="one channel of more than 200 samples"):
        power_spectrum(np.zeros(200), **given)
    with pytest.raises(AudioError, match="NaN"):
        power_spectrum(np.full(400, np.nan), **given)


@pytest.mark.parametrize(("bands", "transform"), [(80, 400), (40, 512)])
def test_mel_filters_have_equal_areas_and_peaks_where_slaney_puts_them(bands, transform):
    filters = slaney_filters(bands, 16 * transform)  # bins so narrow that sums are integrals
    assert filters.sum(axis=0) * 1_000 / transform == pytest.approx(1, abs=2e-3)
    peaks = filters.argmax(axis=0) * 1_000 / transform
    below = peaks[peaks < 900]
    assert np.diff(below) == pytest.approx(np.diff(below).mean(), abs=2_000 / transform)
    above = peaks[peaks > 1_000]
    assert above[1:] / above[:-1] == pytest.approx((above[-1] / above[0]) ** (1 / (len(above) - 1)), rel=2e-3)


@pytest.mark.parametrize(("bands", "transform"), [(80, 400), (40, 512)])
def test_mel_filters_match_librosa(bands, transform):
    librosa = pytest.importorskip("librosa")
    theirs = librosa.filters.mel(sr=16_000, n_fft=transform, n_mels=bands).T
    assert slaney_filters(bands, transform) == pytest.approx(theirs, abs=1e-7)
