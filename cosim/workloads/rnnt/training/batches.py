"""Batches of sentences: joined, augmented, normalised and stacked, in numpy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cosim.workloads.kws.features import COEFFICIENTS, LOG_MEL_FLOOR, MEL_BANDS, mfcc_to_mel
from cosim.workloads.rnnt.connected_words import VOCABULARY, Clips, Sentence, join_features, plan
from cosim.workloads.rnnt.training.recipes import Recipe

__all__ = ["NOBODY_KNOWS", "SILENCE", "Augmentation", "Batch", "Feed"]

#: Instead of a word: before the first one, and where one has begun but cannot be told yet.
SILENCE, NOBODY_KNOWS = len(VOCABULARY), -1
#: Of a word, after which it can be told.
TOLD_AFTER = 0.75

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Batch:
    """Sentences side by side.

    Members
    -------
    inputs : (batch, steps, features) float32
    steps : (batch,) int64
    texts : list of str
    words : (batch, encoder's steps) int64
        Word that was said last, as an index of `VOCABULARY`, `SILENCE` or `NOBODY_KNOWS`.
    """

    inputs: Floats
    steps: NDArray[np.int64]
    texts: list[str]
    words: NDArray[np.int64]


@cache
def _bands_of_coefficients() -> Floats:
    """Inverse of the orthonormal DCT as a matrix, (40, 40)."""
    return mfcc_to_mel(np.eye(COEFFICIENTS)).astype(np.float32)


class Augmentation:
    """Random copies of sentences: tempo, frequency, background noise, and the known error of features.

    Parameters
    ----------
    recipe : Recipe
    noise : sequence of (frames, 40)
        Log-mel of background recordings.
    feature_error : (40,)
        RMS error of each cepstral coefficient, added as noise.
    """

    def __init__(self, recipe: Recipe, noise: Sequence[Floats], feature_error: Floats) -> None:
        self.recipe, self.noise, self.feature_error = recipe, noise, feature_error

    def stretched(self, mel: Floats, rng: np.random.Generator) -> tuple[Floats, float]:
        """A sentence (frames, 40) in another tempo, and how much faster it is."""
        tempo = float(np.exp(rng.uniform(-self.recipe.stretch, self.recipe.stretch)))
        place = np.minimum(np.arange(rng.uniform(), len(mel) - 1, tempo), len(mel) - 1.001)
        before = place.astype(np.int64)
        part = (place - before).astype(np.float32)[:, None]
        return mel[before] * (1 - part) + mel[before + 1] * part, tempo

    def __call__(self, mel: Floats, synthetic: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
        """(batch, frames, 40) log-mel; sentences flagged in `synthetic` (batch,) were computed, without that error."""
        recipe, batch = self.recipe, len(mel)
        error = rng.standard_normal(mel.shape, np.float32)
        error *= self.feature_error
        error[synthetic] = 0
        mel = mel + error @ _bands_of_coefficients()
        bands = np.arange(MEL_BANDS, dtype=np.float32)
        warped = (bands + 0.5) * np.exp(rng.uniform(-recipe.warp, recipe.warp, (batch, 1, 1))) - 0.5
        weight = 1 - np.abs(warped.clip(0, MEL_BANDS - 1) - bands[:, None])
        mel = mel @ weight.clip(0).astype(np.float32)  # (batch, old bands, new bands): linear interpolation
        for row in np.flatnonzero(rng.random(batch) < recipe.noise_share):
            mel[row] = self._noisy(mel[row], rng)
        return mel

    def _noisy(self, mel: Floats, rng: np.random.Generator) -> Floats:
        recording = self.noise[int(rng.integers(len(self.noise)))]
        start = rng.integers(len(recording))
        noise = np.take(recording, np.arange(start, start + len(mel)), axis=0, mode="wrap")
        volume = np.float32(rng.uniform(0, self.recipe.noise_volume))
        return 0.5 * np.log(np.exp(2 * mel) + volume**2 * np.exp(2 * noise) + np.float32(LOG_MEL_FLOOR))

    def mask(self, mel: Floats, frames: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Set bands and stretches of time of normalised sentences to zero, their mean.

        Source: SpecAugment, Park et al., arXiv:1904.08779, without its warping of time.
        """
        recipe = self.recipe
        for row, length in enumerate(frames):
            for _ in range(recipe.masks):
                wide, long = rng.integers(recipe.mask_bands + 1), rng.integers(recipe.mask_frames + 1)
                band, start = rng.integers(MEL_BANDS - wide + 1), rng.integers(max(1, length - long))
                mel[row, :, band : band + wide] = 0
                mel[row, start : start + long] = 0


class Feed:
    """Batches of one set of clips, from any batch on: what a batch holds follows from its number and the seed.

    Parameters
    ----------
    clips : Clips
    recipe : Recipe
    augmentation : Augmentation, optional
    seed : int
    """

    POOL = 32  # batches among which sentences are sorted by length

    def __init__(self, clips: Clips, recipe: Recipe, augmentation: Augmentation | None = None, seed: int = 0) -> None:
        self.clips, self.recipe, self.augmentation, self.seed = clips, recipe, augmentation, seed

    def epoch(self, number: int) -> list[list[Sentence]]:
        """Batches of sentences of about one length; what fills no batch is left out."""
        sentences = plan(self.clips, [self.seed, 1, number])
        size = min(self.recipe.batch, len(sentences))
        batches = []
        for start in range(0, len(sentences), size * self.POOL):
            pool = sorted(sentences[start : start + size * self.POOL], key=lambda sentence: sentence.frames)
            batches += [pool[first : first + size] for first in range(0, len(pool) - size + 1, size)]
        order = np.random.default_rng([self.seed, 2, number]).permutation(len(batches))
        return [batches[index] for index in order]

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """From batch number `first` on, without end."""
        number = epoch = 0
        while True:
            for sentences in self.epoch(epoch):
                if number >= first:
                    yield self.batch(sentences, np.random.default_rng([self.seed, 3, number]))
                number += 1
            epoch += 1

    def batch(self, sentences: Sequence[Sentence], rng: np.random.Generator | None = None) -> Batch:
        """Sentences as they are, or with random numbers and an augmentation as random copies."""
        random = self.augmentation if rng is not None else None
        mels, tempos = [], []
        for sentence in sentences:
            mel, tempo = join_features(self.clips.mel, sentence), 1.0
            if random and rng:
                mel, tempo = random.stretched(mel, rng)
            mels.append(mel)
            tempos.append(tempo)
        frames = np.array([len(mel) for mel in mels])
        joined = np.stack([np.pad(mel, ((0, frames.max() - len(mel)), (0, 0)), "edge") for mel in mels])
        if random and rng:
            joined = random(joined, self.clips.synthetic[[sentence.rows[0] for sentence in sentences]], rng)
        front_end = self.recipe.front_end
        normal = front_end.normalised(joined, frames)
        if random and rng:
            random.mask(normal, frames, rng)
        steps = -(-frames // front_end.hop)
        words = self._words(sentences, tempos, steps)
        return Batch(front_end.stack(normal), steps, [sentence.text for sentence in sentences], words)

    def _words(
        self, sentences: Sequence[Sentence], tempos: Sequence[float], steps: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """What can be told at each of the encoder's steps, whose last frame is the last one that it has heard."""
        front_end, stacked = self.recipe.front_end, self.recipe.shape.stack
        heard = -(-steps // stacked)
        last = np.arange(heard.max()) * stacked * front_end.hop + (stacked - 1) * front_end.hop + front_end.stacked - 1
        words = np.full((len(sentences), len(last)), SILENCE)
        for row, (sentence, tempo) in enumerate(zip(sentences, tempos, strict=True)):
            begin, end = sentence.begin / tempo, sentence.end / tempo
            for start, stop, word in zip(begin, end, sentence.text.split(), strict=True):
                words[row, last > start] = NOBODY_KNOWS
                words[row, last >= start + TOLD_AFTER * (stop - start)] = VOCABULARY.index(word)
            words[row, heard[row] :] = NOBODY_KNOWS
        return words
