"""Synthesised clips: all classes, repeatable, held-out voices, and fast enough for `make kws`."""

import time

import numpy as np
import pytest

from cosim.workloads.kws.dataset import LABELS, SILENCE, UNKNOWN, WORDS
from cosim.workloads.kws.synthesiser import UNKNOWN_WORDS, VOICES, SynthesiserError, speak, synthesise


def test_every_twelve_clips_hold_every_class():
    audio, labels, names = synthesise(36)
    assert audio.shape == (36, 16_000)
    assert audio.dtype == np.float32
    assert np.abs(audio).max() <= 1
    for block in labels.reshape(3, 12):
        assert sorted(block) == list(range(12))
    for label, name in zip(labels, names, strict=True):
        word = name.split(",")[0]
        if LABELS[label] == SILENCE:
            assert name == "noise"
        elif LABELS[label] == UNKNOWN:
            assert word in UNKNOWN_WORDS
        else:
            assert word == LABELS[label]


def test_words_are_audible_and_whole():
    audio, labels, _ = synthesise(60, "train")
    spoken = audio[labels < 10]
    level = np.sqrt((spoken.reshape(len(spoken), 100, 160) ** 2).mean(axis=2))
    assert (level.max(axis=1) > 10 * np.median(np.sort(level, axis=1)[:, :10], axis=1)).all(), (
        "word above its background"
    )
    assert (level[:, 0] < 0.3 * level.max(axis=1)).all(), "no word is cut at the start"


def test_repeatable_and_prefix_stable():
    long, labels, names = synthesise(30, "test", seed=5)
    short, first, heads = synthesise(13, "test", seed=5)
    assert np.array_equal(long[:13], short)
    assert np.array_equal(labels[:13], first)
    assert names[:13] == heads
    other, _, _ = synthesise(13, "test", seed=6)
    assert not np.array_equal(short, other)


def test_a_word_does_not_depend_on_what_was_said_before():
    before = speak("seven", "en-us+f1")
    speak("stop", "en-us+Annie", rate=180, pitch=20)
    assert np.array_equal(speak("seven", "en-us+f1"), before)


@pytest.mark.parametrize("split", list(VOICES))
def test_every_voice_of_a_split_speaks_and_differs(split):
    spoken = {voice: speak("left", f"en-us+{voice}") for voice in VOICES[split]}
    for voice, samples in spoken.items():
        assert 0.15 < len(samples) / 16_000 < 1, voice
    assert len({samples.tobytes() for samples in spoken.values()}) == len(spoken)


def test_splits_share_no_voice():
    assert not set(VOICES["train"]) & set(VOICES["validation"])
    assert not set(VOICES["train"]) & set(VOICES["test"])
    assert not set(VOICES["validation"]) & set(VOICES["test"])
    names = synthesise(48, "test")[2]
    voices = {name.split("+")[1] for name in names if name != "noise"}
    assert voices <= set(VOICES["test"])
    assert len(voices) > 5
    assert len(set(UNKNOWN_WORDS)) == 25
    assert not set(UNKNOWN_WORDS) & set(WORDS)


def pitch_hz(samples: np.ndarray) -> float:
    """Fundamental frequency: the strongest peak of the autocorrelation between 60 and 400 Hz."""
    correlation = np.fft.irfft(np.abs(np.fft.rfft(samples, 32_768)) ** 2)
    return 16_000 / (40 + correlation[40:267].argmax())


def test_speed_and_pitch_are_heard():
    assert len(speak("marvin", rate=120)) > 1.3 * len(speak("marvin", rate=200))
    assert pitch_hz(speak("no", pitch=90)) > 1.2 * pitch_hz(speak("no", pitch=10))


def test_refuses_bad_requests():
    with pytest.raises(SynthesiserError, match="no voice 'xx-nowhere'"):
        speak("yes", "xx-nowhere")
    with pytest.raises(SynthesiserError, match="no variant 'nobody'"):
        speak("yes", "en-us+nobody")
    with pytest.raises(SynthesiserError, match="said nothing"):
        speak(" ")
    with pytest.raises(ValueError, match="no split 'dev'"):
        synthesise(1, "dev")
    with pytest.raises(ValueError, match="-1 clips"):
        synthesise(-1)
    assert synthesise(0)[0].shape == (0, 16_000)


def test_speed():
    """100 clips in a fifth of the time that 1,000 may take (30 s on one core): other work may run beside."""
    begin = time.process_time()
    synthesise(100)
    assert time.process_time() - begin < 6
