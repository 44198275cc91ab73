"""Batches: the same from any number on, and what can be told at each step."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.workloads.rnnt.connected_words import VOCABULARY, join_features, plan
from cosim.workloads.rnnt.training.batches import NOBODY_KNOWS, SILENCE, Augmentation, Feed
from cosim.workloads.rnnt.training.recipes import RECIPES

RECIPE = replace(RECIPES["narrow"], batch=4)
NO_CHANCE = replace(RECIPE, warp=0, noise_share=0, masks=0)


def feed(clips, data, recipe=RECIPE) -> Feed:
    return Feed(clips, recipe, Augmentation(recipe, data.noise, data.feature_error), 7)


def test_a_batch_follows_from_its_number_and_the_seed(clips, data):
    numbers = range(7)  # more than an epoch
    first = [batch for _, batch in zip(numbers, feed(clips, data).batches(), strict=False)]
    later = next(feed(clips, data).batches(5))
    assert np.array_equal(later.inputs, first[5].inputs)
    assert later.texts == first[5].texts
    assert len({tuple(batch.texts) for batch in first}) == 7


def test_sentences_as_they_are(clips, data):
    sentences = plan(clips, 1, 4)
    batch = feed(clips, data).batch(sentences)
    for row, sentence in enumerate(sentences):
        front_end = RECIPE.front_end
        alone = front_end.stack(front_end.normalised(join_features(clips.mel, sentence)))
        assert batch.steps[row] == len(alone)
        assert batch.inputs[row, : len(alone)] == pytest.approx(alone, abs=1e-5)
        assert not batch.inputs[row, len(alone) + 1 :].any()


def test_what_can_be_told_when(clips, data):
    """A step that ends within a word's first part tells nothing, one that ends behind it tells that word."""
    sentences = plan(clips, 1, 4)
    words = feed(clips, data).batch(sentences).words
    for row, sentence in enumerate(sentences):
        heard = [8 * step + 9 for step in range(-(-sentence.frames // 8))]  # last frame of each step of the encoder
        for step, frame in enumerate(heard):
            begun = np.flatnonzero(sentence.begin < frame)
            if not len(begun):
                assert words[row, step] == SILENCE
                continue
            word = begun[-1]
            told = frame >= sentence.begin[word] + 0.75 * (sentence.end[word] - sentence.begin[word])
            assert words[row, step] == (VOCABULARY.index(sentence.text.split()[word]) if told else NOBODY_KNOWS)
        assert np.all(words[row, len(heard) :] == NOBODY_KNOWS)


def test_copies_differ_as_the_recipe_says(clips, data):
    mel = clips.mel[:8]
    people, rng = np.zeros(8, bool), np.random.default_rng
    exact = np.zeros(40, np.float32)
    assert Augmentation(NO_CHANCE, data.noise, exact)(mel, people, rng(0)) == pytest.approx(mel, abs=1e-4)
    for change in ({"warp": 0.12}, {"noise_share": 1.0}):
        copy = Augmentation(replace(NO_CHANCE, **change), data.noise, exact)(mel, people, rng(0))
        assert np.abs(copy - mel).mean() > 0.02, change
    noisy = Augmentation(NO_CHANCE, data.noise, data.feature_error)
    assert (noisy(mel, people, rng(0)) - mel).std() == pytest.approx(0.1, rel=0.1)  # an orthonormal transform of it
    assert noisy(mel, ~people, rng(0)) == pytest.approx(mel, abs=1e-4), "what was computed from sound has no such error"


def test_tempo_and_masks(clips, data):
    augmentation = Augmentation(RECIPE, data.noise, data.feature_error)
    lengths = set()
    for seed in range(20):
        mel, tempo = augmentation.stretched(clips.mel[0], np.random.default_rng(seed))
        assert abs(np.log(tempo)) <= RECIPE.stretch
        assert len(mel) == pytest.approx(48 / tempo, abs=1.01)
        lengths.add(len(mel))
    assert len(lengths) > 5
    normal = np.ones((30, 49, 40), np.float32)
    augmentation.mask(normal, np.full(30, 49), np.random.default_rng(0))
    hidden_bands, hidden_frames = (normal == 0).all(axis=1).sum(axis=1), (normal == 0).all(axis=2).sum(axis=1)
    assert hidden_bands.max() == RECIPE.mask_bands
    assert hidden_frames.max() == RECIPE.mask_frames
