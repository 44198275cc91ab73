"""What a training sees: clips sampled, augmented, normalised and pruned.

Everything happens on features. A clip's log-mel picture is warped, shifted and mixed with background noise (powers
add), then becomes MFCCs again, so that the same code serves recordings and prepared features.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cosim.workloads.kws.dataset import CODE, LABELS, SILENCE, UNKNOWN, TrainingSet, encode
from cosim.workloads.kws.features import COEFFICIENTS, FRAMES, LOG_MEL_FLOOR, MFCC_LIMIT
from cosim.workloads.kws.features import mfcc as features_of
from cosim.workloads.kws.model import INPUTS
from cosim.workloads.kws.synthesiser import synthesise
from cosim.workloads.kws.training.recipes import Recipe

__all__ = [
    "QUIET",
    "SILENCE_LABEL",
    "UNKNOWN_LABEL",
    "Augmentation",
    "Inputs",
    "Sampler",
    "View",
    "add_speech",
    "spoken_clips",
    "validation_clips",
]

SILENCE_LABEL, UNKNOWN_LABEL = LABELS.index(SILENCE), LABELS.index(UNKNOWN)
QUIET = 0.5 * float(np.log(LOG_MEL_FLOOR))  # log-mel of digital silence


class Augmentation:
    """Random copies of clips, all at once on one device."""

    def __init__(self, data: TrainingSet, recipe: Recipe, device: torch.device) -> None:
        self.recipe = recipe
        n = torch.arange(COEFFICIENTS, device=device, dtype=torch.float32)
        basis = torch.cos(torch.pi * (n[:, None] + 0.5) * n / COEFFICIENTS) * (2 / COEFFICIENTS) ** 0.5
        basis[:, 0] /= 2**0.5
        self.to_mfcc = basis  # orthonormal: the transpose is the inverse
        self.noise = torch.cat([torch.as_tensor(stretch, device=device) for stretch in data.noise])
        starts, begin = [], 0
        for stretch in data.noise:
            starts.append(torch.arange(begin, begin + len(stretch) - FRAMES + 1, device=device))
            begin += len(stretch)
        self.noise_starts = torch.cat(starts)
        self.feature_error = torch.as_tensor(data.feature_error, device=device)

    def __call__(self, mfcc: Tensor, silent: Tensor, generator: torch.Generator) -> Tensor:
        """(batch, 49, 40) MFCCs -> a random copy; rows flagged in `silent` (batch,) become background noise alone."""
        recipe, device, batch = self.recipe, mfcc.device, len(mfcc)

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(batch, 1, 1, device=device, generator=generator)

        frames = torch.arange(FRAMES, device=device, dtype=torch.float32)
        bands = torch.arange(COEFFICIENTS, device=device, dtype=torch.float32)
        middle = (FRAMES - 1) / 2
        stretch = torch.exp(uniform(-recipe.stretch, recipe.stretch))
        shift = uniform(-recipe.shift_frames, recipe.shift_frames)
        source = middle + (frames[None, :, None] - middle) * stretch + shift
        time = (1 - (source - frames).abs()).clamp(min=0)  # (batch, 49 new, 49 old): linear interpolation
        warped = ((bands + 0.5) * torch.exp(uniform(-recipe.warp, recipe.warp)) - 0.5).clamp(0, COEFFICIENTS - 1)
        frequency = (1 - (warped - bands[None, :, None]).abs()).clamp(min=0)  # (batch, 40 old, 40 new)
        mel = time @ (mfcc @ self.to_mfcc.T - QUIET) @ frequency + QUIET
        mel = mel + recipe.gain * torch.randn(batch, 1, 1, device=device, generator=generator)
        mel = torch.where(silent[:, None, None], QUIET, mel)

        pick = torch.randint(len(self.noise_starts), (batch,), device=device, generator=generator)
        rows = self.noise_starts[pick][:, None] + torch.arange(FRAMES, device=device)
        # As in the official data: a silence clip is noise of any volume, a word has some in most clips.
        volume = uniform(0, 1) * torch.where(silent[:, None, None], 1.0, recipe.noise_volume)
        noisy = silent[:, None, None] | (uniform(0, 1) < recipe.noise_share)
        power = torch.exp(2 * mel) + noisy * volume**2 * torch.exp(2 * self.noise[rows])
        mel = 0.5 * torch.log(power + LOG_MEL_FLOOR)
        out = (mel @ self.to_mfcc).clamp(-MFCC_LIMIT, MFCC_LIMIT)
        error = torch.randn(out.shape, device=device, generator=generator) * self.feature_error
        return out + torch.where(silent[:, None, None], 0.0, error)


class Sampler:
    """Which clips an epoch takes: every word, and unknown words and silence about as often as one word.

    Source: the official data set's rule (10 % unknown and 10 % silence for ten words), arXiv:1804.03209.
    """

    def __init__(self, labels: NDArray[np.int64], allowed: NDArray[np.bool_] | bool = True) -> None:
        self.known = np.flatnonzero((labels != UNKNOWN_LABEL) & allowed)
        self.unknown = np.flatnonzero((labels == UNKNOWN_LABEL) & allowed)
        self.labels = labels

    def __call__(self, rng: np.random.Generator, share: float = 0.12) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows (clips,) and labels (clips,) of one epoch, shuffled; row -1 is silence, made of background noise."""
        extra = round(share * len(self.known))
        unknown = rng.choice(self.unknown, min(extra, len(self.unknown)), replace=False)
        rows = np.concatenate([self.known, unknown, np.full(extra, -1)])
        labels = np.concatenate([self.labels[self.known], self.labels[unknown], np.full(extra, SILENCE_LABEL)])
        order = rng.permutation(len(rows))
        return rows[order], labels[order]


@dataclass(frozen=True)
class Inputs:
    """Normalisation and pruning: what `KwsModel.prepare` does, fixed before training.

    Source: paper, Methods (pruned "by the mean absolute value of the validation input"); mean, spread and the limit
    of three spreads are our choice.
    """

    rows: NDArray[np.int64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    limit: float = 3.0

    @classmethod
    def measure(cls, data: TrainingSet) -> "Inputs":
        flat = data.codes.reshape(len(data.codes), -1)
        magnitude = np.abs(flat[data.validation].astype(np.int16)).mean(axis=0)
        rows = np.sort(np.argsort(-magnitude, kind="stable")[:INPUTS])
        chosen = flat[~data.validation][:, rows].astype(np.float32) * np.float32(CODE)
        return cls(rows, chosen.mean(axis=0, dtype=np.float64), chosen.std(axis=0, dtype=np.float64))

    def normalise(self, mfcc: NDArray) -> NDArray[np.float64]:
        """(clips, 49, 40) -> (clips, 1024) in [-1, 1]."""
        chosen = mfcc.reshape(len(mfcc), -1)[:, self.rows]
        return np.clip((chosen - self.mean) / (self.spread * self.limit), -1.0, 1.0)

    def on(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, mean and factor as tensors (1024,) on a device."""
        scale = 1 / (self.spread * self.limit)
        return (
            torch.as_tensor(self.rows, device=device),
            torch.as_tensor(self.mean, dtype=torch.float32, device=device),
            torch.as_tensor(scale, dtype=torch.float32, device=device),
        )


@dataclass(frozen=True)
class View:
    """One augmented copy of the training set: (clips, 49, 40) int8 in steps of 30/127, probabilities (clips, 12)."""

    codes: Tensor
    targets: Tensor


def add_speech(data: TrainingSet, clips: int, seed: int = 0) -> TrainingSet:
    """`data` with that many synthesised clips of the training voices among its training clips."""
    audio, labels, _ = synthesise(clips, "train", seed)
    codes = [encode(features_of(audio[start : start + 256])) for start in range(0, clips, 256)]
    return replace(
        data,
        codes=np.concatenate([data.codes, *codes]),
        labels=np.concatenate([data.labels, labels]),
        validation=np.concatenate([data.validation, np.zeros(clips, bool)]),
        synthetic=np.concatenate([data.synthetic, np.ones(clips, bool)]),
        names=np.zeros(0, str),
    )


@cache
def spoken_clips() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """120 synthesised clips of the validation voices: MFCC (120, 49, 40) and labels (120,)."""
    audio, labels, _ = synthesise(120, "validation")
    return features_of(audio), labels


def validation_clips(data: TrainingSet, seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Validation clips in the official proportions: every word, 10 % unknown, 10 % silence of any volume.

    Returns
    -------
    (clips, 49, 40) float32, MFCC
    (clips,) int64
    """
    chosen = np.flatnonzero(data.validation)
    rows, labels = Sampler(data.labels[chosen])(np.random.default_rng(seed), 0.1)
    silent = rows < 0
    mfcc = data.mfcc(chosen[rows])
    plain = Recipe(shift_frames=0, noise_volume=0)
    clean = replace(data, feature_error=np.zeros(COEFFICIENTS, np.float32))
    noise = Augmentation(clean, plain, torch.device("cpu"))(
        torch.as_tensor(mfcc[silent]),
        torch.ones(int(silent.sum()), dtype=torch.bool),
        torch.Generator().manual_seed(seed),
    )
    mfcc[silent] = noise.numpy()
    return mfcc, labels
