"""Training in small: it learns, repeats, and its network keeps what the chip needs."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from cosim.workloads.kws.dataset import LABELS, SILENCE, UNKNOWN, TrainingSet, encode  # noqa: E402
from cosim.workloads.kws.features import LOG_MEL_FLOOR, log_mel, mel_to_mfcc, mfcc  # noqa: E402
from cosim.workloads.kws.synthesiser import synthesise  # noqa: E402
from cosim.workloads.kws.training.trainer import (  # noqa: E402
    RECIPES,
    Augmentation,
    Inputs,
    Pupil,
    Recipe,
    Sampler,
    Student,
    Trainer,
    noisy_accuracy,
    train,
    validation_clips,
)

CPU = torch.device("cpu")
torch.set_num_threads(1)  # small work: more threads only wait for each other
PLAIN = Recipe(shift_frames=0, noise_share=0, noise_volume=0)


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    audio, labels, _ = synthesise(360, "train")
    spoken = labels != LABELS.index(SILENCE)
    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000)
    return TrainingSet(
        encode(mfcc(audio[spoken])),
        labels[spoken],
        np.arange(spoken.sum()) % 4 == 0,
        (log_mel(noise).astype(np.float32),),
        np.zeros(40, np.float32),
        np.zeros(spoken.sum(), bool),
    )


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


def test_noise_of_training_is_the_noise_of_weights():
    """A MAC's error drawn per clip has the variance that errors of the single weights give."""
    torch.manual_seed(0)
    student = Student((64, 4000))
    x = torch.rand(2, 64) - 0.5
    student.measure(x, Recipe())
    error = student(x, Recipe(weight_noise=0.05, activation_noise=0.0)) - student(x)
    expected = 0.05 * student.weights[0].abs().max() * x.norm(dim=1)
    assert error.std(dim=1).detach().numpy() == pytest.approx(expected.detach().numpy(), rel=0.05)


SHORT = replace(RECIPES["best"], epochs=20, batch=50, average=0.0, teachers=0, tunes=0, speech=0)


def test_short_training_learns_and_repeats(data):
    model, outcomes = train(data, SHORT, seeds=[1, 2], device="cpu", say=lambda _: None)
    assert [outcome.seed for outcome in outcomes] == [1, 2]
    assert max(outcome.clean for outcome in outcomes) > 0.25, "far above one in twelve"
    assert model.network.shape == (1024, 512, 512, 12)
    for layer in model.network.layers:
        assert np.abs(layer.weights).max() == 1
        assert layer.weights * 127 == pytest.approx(np.round(layer.weights * 127))
    assert model.card["recipe"] == "custom"
    assert model.card["seed"] in (1, 2)
    assert set(model.card["validation"]) == {"1", "2"}
    again, _ = train(data, SHORT, seeds=[1], device="cpu", say=lambda _: None)
    assert np.array_equal(again.network.layers[0].weights, outcomes[0].model.network.layers[0].weights)


def test_teachers_and_synthesised_clips_take_part(data):
    said: list[str] = []
    recipe = replace(
        SHORT, epochs=1, teachers=1, teacher_epochs=2, teacher_widths=(8, 8, 8, 8), tunes=1, tune_epochs=1, speech=24
    )
    model, _ = train(data, recipe, seeds=[7], device="cpu", say=said.append)
    assert model.card["teacher_seeds"] == [7]
    assert [line.split(":")[0] for line in said if line.startswith("teacher")] == [
        "teacher 7, epoch 1",
        "teacher 7, epoch 2",
        "teachers together",
    ]


def test_teachers_are_not_asked_about_synthesised_clips(data):
    class Wrong(torch.nn.Module):
        def forward(self, clips):
            return torch.eye(len(LABELS))[3].expand(len(clips), -1) * 1e3

    half = np.arange(len(data.labels)) % 2 == 0
    trainer = Trainer(replace(data, synthetic=half), SHORT, CPU, lambda _: None)
    targets = trainer.view([Wrong()], 0).targets.numpy()
    certain = targets.max(axis=1) == 1
    taught = targets[~certain]
    assert taught[:, 3] == pytest.approx(0.9, abs=1e-6)
    synthetic_known = (half & ~data.validation & (data.labels != LABELS.index(UNKNOWN))).sum()
    assert certain.sum() >= synthetic_known


def test_tuning_takes_the_mean(data):
    """With a rate of zero the copy stays what it was, and so does the mean; otherwise it moves."""
    for rate, moved in ((0.0, False), (1e-3, True)):
        trainer = Trainer(
            data, replace(SHORT, learning_rate=rate, tune_epochs=1, weight_clip=10.0), CPU, lambda _: None
        )
        pupil = Pupil(trainer, 1)
        view = trainer.view([], 0)
        before = [weight.clone() for weight in pupil.average]
        copy = pupil.copy(2)
        copy.epoch(0, view)
        pupil.take_mean(copy)
        change = max(float((a - b).abs().max()) for a, b in zip(before, pupil.average, strict=True))
        assert (change > 1e-7) == moved


def test_noise_lowers_accuracy(data):
    model, _ = train(data, replace(RECIPES["paper"], epochs=15, batch=50), seeds=[1], device="cpu", say=lambda _: None)
    clips, labels = validation_clips(data)
    quiet = noisy_accuracy(model, clips, labels, 0.0, 0.0, draws=1)
    assert quiet == pytest.approx((model.predict(clips) == labels).mean(), abs=0.03)
    assert noisy_accuracy(model, clips, labels, 1.0, 0.5) < quiet - 0.1


def test_refuses_bad_requests(data):
    with pytest.raises(ValueError, match="no recipe 'quick'; expected one of paper, best"):
        train(data, "quick")
    with pytest.raises(ValueError, match="no seed"):
        train(data, "paper", seeds=[])
