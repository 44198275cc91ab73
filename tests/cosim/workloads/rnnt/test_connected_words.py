"""Sentences of connected words: who says what, where it lies, and that sound and features are the same sentence."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from cosim.workloads.kws.dataset import DatasetError
from cosim.workloads.kws.features import FRAMES
from cosim.workloads.rnnt.connected_words import (
    VOCABULARY,
    Clips,
    join_audio,
    join_features,
    plan,
    recorded_clips,
    speech_ends,
    spoken_clips,
    training_clips,
)
from cosim.workloads.rnnt.features import WordFrontEnd


def test_vocabulary_is_that_of_the_data_set():
    assert len(VOCABULARY) == 35  # arXiv:1804.03209, version 2 of the data set


def test_a_word_ends_where_it_becomes_quiet():
    mel = np.full((3, FRAMES, 40), -5.0, np.float32)
    mel[0, 10:30] = 0.0
    mel[1, 5:12] = mel[1, 16:20] = 0.0  # a stop
    mel[2, 20:30] = mel[2, 45:] = 0.0  # a noise long after the word
    begin, end = speech_ends(mel)
    assert list(begin) == [10, 5, 20]
    assert list(end) == [30, 20, 30]


def test_sentences_hold_every_clip_once_by_one_speaker(clips):
    sentences = plan(clips, 3)
    used = Counter(row for sentence in sentences for row in sentence.rows)
    assert set(used) == set(range(len(clips)))
    assert set(used.values()) == {1}
    for sentence in sentences:
        assert 2 <= len(sentence.rows) <= 8
        assert len(set(clips.speakers[sentence.rows])) == 1
        assert sentence.text.split() == list(clips.words[sentence.rows])


def test_sentences_follow_from_the_seed(clips):
    texts = [sentence.text for sentence in plan(clips, 3)]
    assert [sentence.text for sentence in plan(clips, 3)] == texts
    assert [sentence.text for sentence in plan(clips, 4)] != texts
    many = [sentence.text for sentence in plan(clips, 3, 40)]
    assert len(many) == 40
    assert many[: len(texts)] == texts


def test_nobody_who_said_one_word_makes_a_sentence(clips):
    alone = Clips(clips.mel[:1], clips.words[:1], clips.speakers[:1], clips.synthetic[:1])
    assert plan(alone, 0) == []
    with pytest.raises(DatasetError, match="no speaker has said as many"):
        plan(alone, 0, 5)


def test_words_lie_where_the_sentence_says(clips):
    for sentence in plan(clips, 1):
        mel = join_features(clips.mel, sentence)
        assert mel.shape == (sentence.frames, 40)
        middles = (sentence.begin + sentence.end) // 2
        originals = (clips.ends[0][sentence.rows] + clips.ends[1][sentence.rows]) // 2
        assert mel[middles] == pytest.approx(clips.mel[sentence.rows, originals], abs=0.5)
        assert np.all(sentence.begin[1:] > sentence.begin[:-1])
        assert sentence.end[-1] <= sentence.frames


def test_sound_and_features_are_the_same_sentence(clips):
    front_end = WordFrontEnd()
    assert any(sentence.overlap.any() for sentence in plan(clips, 2))
    for sentence in plan(clips, 2):
        heard = front_end(join_audio(clips.audio, sentence))
        joined = front_end.stack(front_end.normalised(join_features(clips.mel, sentence)))
        assert heard.shape == joined.shape
        assert np.corrcoef(heard.ravel(), joined.ravel())[0, 1] > 0.97


def test_training_clips_know_word_and_speaker(data, clips):
    train, validation = training_clips(data)
    assert len(train) + len(validation) == len(clips)
    assert not set(train.speakers) & set(validation.speakers)
    assert list(train.words) == list(clips.words[~data.validation])
    assert validation.mel == pytest.approx(
        clips.mel[data.validation], abs=0.7
    )  # half a step of each of 40 coefficients
    with pytest.raises(DatasetError, match="'name'"):
        training_clips(replace(data, names=np.zeros(0, str)))


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("yes/0a7c2a8d_nohash_0.wav", "yes"),
        ("_unknown_/zero_0a7c2a8d_nohash_4.wav.wav", "zero"),
        ("unknown/0a7c2a8d_nohash_0.happy.jpg", "happy"),
    ],
)
def test_names_of_every_layout(data, name, word):
    train, _ = training_clips(replace(data, names=np.array([name] * len(data.codes))))
    assert set(train.words) == {word}
    assert set(train.speakers) == {"0a7c2a8d"}


@pytest.mark.parametrize("name", ["yes/a.wav", "hello/0a7c2a8d_nohash_0.wav", "0a7c2a8d_nohash_0.wav"])
def test_names_that_tell_nothing(data, name):
    with pytest.raises(DatasetError, match="expected WORD/SPEAKER_nohash"):
        training_clips(replace(data, names=np.array([name] * len(data.codes))))


def test_recordings_of_the_test_archive(tmp_path, clips):
    for folder in ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"):
        (tmp_path / folder).mkdir()
        for speaker in ("0000000a", "0000000b"):
            soundfile.write(tmp_path / folder / f"{speaker}_nohash_0.wav", clips.audio[0], 16_000)
    for folder, name in (("_silence_", "noise.wav"), ("_unknown_", "cat_0000000a_nohash_0.wav.wav")):
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / name, clips.audio[1], 16_000)
    found = recorded_clips(tmp_path)
    assert len(found) == 21
    assert Counter(found.speakers) == {"0000000a": 11, "0000000b": 10}
    assert "cat" in found.words
    assert found.mel[0] == pytest.approx(clips.mel[0], abs=0.1)
    assert found.audio.shape == (21, 16_000)


def test_voices_say_the_words_that_they_are_asked_for():
    few = spoken_clips(12, "test", 1)
    assert few.audio.shape == (12, 16_000)
    assert few.synthetic.all()
    assert len(set(few.speakers)) == 2
    assert np.array_equal(spoken_clips(3, "test", 1).audio, few.audio[:3])
    assert not np.array_equal(spoken_clips(3, "test", 2).audio, few.audio[:3])
