"""Training in small: it learns, repeats, and its network keeps what the chip needs."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from cosim.workloads.kws.dataset import LABELS, UNKNOWN  # noqa: E402
from cosim.workloads.kws.training.data import validation_clips  # noqa: E402
from cosim.workloads.kws.training.recipes import RECIPES, Noise  # noqa: E402
from cosim.workloads.kws.training.trainer import Pupil, Trainer, noisy_accuracy, train  # noqa: E402
from cosim.workloads.training import DeviceError  # noqa: E402

CPU = torch.device("cpu")
torch.set_num_threads(1)  # small work: more threads only wait for each other
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


@pytest.mark.parametrize("device", ["toaster", "cuda:99", "meta"])
def test_a_device_that_cannot_be_used(data, device):
    with pytest.raises(DeviceError, match=f"PyTorch cannot use the device '{device}'"):
        train(data, SHORT, seeds=[1], device=device, say=lambda _: None)


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
    quiet = noisy_accuracy(model, clips, labels, Noise(0.0, 0.0), draws=1)
    assert quiet == pytest.approx((model.predict(clips) == labels).mean(), abs=0.03)
    assert noisy_accuracy(model, clips, labels, Noise(1.0, 0.5)) < quiet - 0.1


def test_refuses_bad_requests(data):
    with pytest.raises(ValueError, match="no recipe 'quick'; expected one of paper, best"):
        train(data, "quick")
    with pytest.raises(ValueError, match="no seed"):
        train(data, "paper", seeds=[])
