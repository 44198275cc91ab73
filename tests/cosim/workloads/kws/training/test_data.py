"""What a training sees: augmented copies, shares of an epoch, normalised inputs."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from cosim.workloads.kws.dataset import LABELS, SILENCE, UNKNOWN  # noqa: E402
from cosim.workloads.kws.features import LOG_MEL_FLOOR, mel_to_mfcc  # noqa: E402
from cosim.workloads.kws.training.data import Augmentation, Inputs, Sampler  # noqa: E402
from cosim.workloads.kws.training.recipes import RECIPES, Recipe  # noqa: E402
from cosim.workloads.kws.training.trainer import Trainer, train  # noqa: E402

CPU = torch.device("cpu")
torch.set_num_threads(1)  # small work: more threads only wait for each other
PLAIN = Recipe(shift_frames=0, noise_share=0, noise_volume=0)


def test_augmentation_without_chance_changes_nothing(data):
    clips = torch.as_tensor(data.mfcc(np.arange(10)))
    copy = Augmentation(data, PLAIN, CPU)(clips, torch.zeros(10, dtype=torch.bool), torch.Generator().manual_seed(0))
    # The floor is added once more to powers that already have it.
    loud = clips[..., 0] > -10
    assert torch.allclose(copy[loud], clips[loud], atol=0.05)


def test_augmentation_makes_silence_of_background(data):
    silent = torch.ones(50, dtype=torch.bool)
    clips = torch.as_tensor(data.mfcc(np.arange(50)))
    made = Augmentation(data, PLAIN, CPU)(clips, silent, torch.Generator().manual_seed(0)).numpy()
    loudest = mel_to_mfcc(data.noise[0])[:, 0].max()
    assert made[:, :, 0].max() <= loudest + 0.1, "the volume is at most 1"
    assert made[:, :, 0].mean(axis=1).std() > 0.5, "and varies"


def test_augmentation_shifts_in_time(data):
    picture = torch.full((1, 49, 40), 0.5 * float(np.log(LOG_MEL_FLOOR)))
    picture[0, 24] = 0.0
    augment = Augmentation(data, replace(PLAIN, shift_frames=5.0), CPU)
    clip = torch.as_tensor(mel_to_mfcc(picture.numpy()), dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    peaks = {int(augment(clip, torch.zeros(1, dtype=torch.bool), generator)[0, :, 0].argmax()) for _ in range(60)}
    assert min(peaks) >= 19
    assert max(peaks) <= 29
    assert len(peaks) > 6


def test_warp_moves_bands_and_stretch_lasts_longer(data):
    clips = torch.as_tensor(data.mfcc(np.arange(20)))
    none = torch.zeros(20, dtype=torch.bool)
    for change, least in (({"warp": 0.15}, 0.1), ({"stretch": 0.15}, 0.1), ({"gain": 0.3}, 0.02)):
        copy = Augmentation(data, replace(PLAIN, **change), CPU)(clips, none, torch.Generator().manual_seed(0))
        assert (copy - clips).abs().mean() > least, change
        assert torch.isfinite(copy).all()


def test_sampler_follows_the_official_shares(data):
    labels = data.labels
    rows, drawn = Sampler(labels)(np.random.default_rng(0), 0.1)
    known = (labels != LABELS.index(UNKNOWN)).sum()
    assert (drawn < 10).sum() == known
    assert (drawn == LABELS.index(SILENCE)).sum() == (rows < 0).sum() == round(0.1 * known)
    assert np.array_equal(drawn[rows >= 0], labels[rows[rows >= 0]])


def test_inputs_agree_with_the_exported_model(data):
    inputs = Inputs.measure(data)
    magnitude = np.abs(data.mfcc(np.flatnonzero(data.validation))).mean(axis=0).ravel()
    assert magnitude[inputs.rows].min() >= np.delete(magnitude, inputs.rows).max() - 1e-5
    _, (outcome,) = train(
        data, replace(RECIPES["paper"], epochs=1, batch=50), seeds=[1], device="cpu", say=lambda _: None
    )
    clips = data.mfcc(np.arange(20))
    trainer = Trainer(data, RECIPES["paper"], CPU, lambda _: None)
    fed = trainer.prepare(torch.as_tensor(data.codes[:20])).numpy()
    assert fed == pytest.approx(outcome.model.prepare(clips), abs=1e-5)
