"""Hardware-aware training of the keyword-spotting network (PyTorch, extra `[train]`): teachers, then students."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cosim.files.wording import counted
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.workloads.kws.dataset import CODE, LABELS, TrainingSet
from cosim.workloads.kws.model import KwsModel, quantise
from cosim.workloads.kws.training.data import (
    Augmentation,
    Inputs,
    Sampler,
    View,
    add_speech,
    spoken_clips,
    validation_clips,
)
from cosim.workloads.kws.training.recipes import CHIP_NOISE, RECIPES, Noise, Recipe
from cosim.workloads.kws.training.students import Student, Teacher
from cosim.workloads.training import device_named, fast_products

__all__ = ["Outcome", "Pupil", "Trainer", "noisy_accuracy", "train"]


class Trainer:
    """Trains teachers and students of one recipe on one data set and device; the steps of `train`, one by one."""

    BATCH_OF_TEACHER, BATCH_OF_VIEWS = 250, 1000

    def __init__(
        self, data: TrainingSet, recipe: Recipe, device: torch.device, say: Callable[[str], None] = print
    ) -> None:
        self.data, self.recipe, self.device, self.say = data, recipe, device, say
        self.augment = Augmentation(data, recipe, device)
        self.inputs = Inputs.measure(data)
        chosen = np.flatnonzero(~data.validation)
        self.codes = torch.as_tensor(data.codes[chosen], device=device)
        self.synthetic = torch.as_tensor(data.synthetic[chosen], device=device)
        self.sampler = Sampler(data.labels[chosen])
        self.people = Sampler(data.labels[chosen], ~data.synthetic[chosen])
        self.validation_mfcc, self.validation_labels = validation_clips(data)

    def _copies(
        self, sampler: Sampler, rng: np.random.Generator, generator: torch.Generator, batch: int
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Batches of augmented clips (batch, 49, 40), labels (batch,), whether synthetic (batch,): one epoch."""
        rows, labels = sampler(rng)
        batch = min(batch, len(rows))
        for start in range(0, len(rows) - len(rows) % batch, batch):
            row = torch.as_tensor(rows[start : start + batch], device=self.device)
            label = torch.as_tensor(labels[start : start + batch], device=self.device)
            yield (
                self.augment(self.codes[row].float() * CODE, row < 0, generator),
                label,
                self.synthetic[row] & (row >= 0),
            )

    def teacher(self, seed: int) -> Teacher:
        """A trained convolutional network, on the device, in evaluation mode."""
        recipe, device = self.recipe, self.device
        rng, generator = np.random.default_rng([seed, 1]), torch.Generator(device).manual_seed(seed)
        torch.manual_seed(seed)
        teacher = Teacher(recipe.teacher_widths).to(device)
        steps = recipe.teacher_epochs * (len(self.people(np.random.default_rng(0))[0]) // self.BATCH_OF_TEACHER)
        optimiser = torch.optim.AdamW(teacher.parameters(), weight_decay=1e-3, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
        for epoch in range(recipe.teacher_epochs):
            teacher.train()
            for mfcc, label, _ in self._copies(self.people, rng, generator, self.BATCH_OF_TEACHER):
                with fast_products(device):
                    logits = teacher(mfcc)
                loss = functional.cross_entropy(logits.float(), label, label_smoothing=0.05)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
            teacher.eval()
            accuracy = self.teacher_accuracy([teacher])
            self.say(f"teacher {seed}, epoch {epoch + 1}: loss {loss.item():.3f}, validation {accuracy:.2%}")
        return teacher

    @torch.no_grad()
    def teacher_accuracy(self, teachers: list[Teacher]) -> float:
        """Share of validation clips that the mean of the teachers' probabilities gets right."""
        mfcc = torch.as_tensor(self.validation_mfcc, dtype=torch.float32, device=self.device)
        guess = torch.stack([teacher(mfcc).softmax(1) for teacher in teachers]).mean(0).argmax(1).cpu().numpy()
        return float((guess == self.validation_labels).mean())

    @torch.no_grad()
    def view(self, teachers: list[Teacher], seed: int) -> View:
        """One augmented copy of the training set with the teachers' mean opinion, a tenth of it the true label.

        The teachers know people only: of a synthesised clip the label says all.
        """
        rng, generator = np.random.default_rng([seed, 2]), torch.Generator(self.device).manual_seed(seed)
        codes, targets = [], []
        for mfcc, label, synthetic in self._copies(self.sampler, rng, generator, self.BATCH_OF_VIEWS):
            codes.append((mfcc / CODE).round().to(torch.int8))
            target = functional.one_hot(label, len(LABELS)).float()
            if teachers:
                with fast_products(self.device):
                    opinion = torch.stack([teacher(mfcc).float().softmax(1) for teacher in teachers]).mean(0)
                target = torch.where(synthetic[:, None], target, 0.9 * opinion + 0.1 * target)
            targets.append(target)
        return View(torch.cat(codes), torch.cat(targets))

    def views(self, teachers: list[Teacher]) -> Iterator[View]:
        """Views without end, a new one every `view_epochs`."""
        for seed in count():
            view = self.view(teachers, seed)
            for _ in range(self.recipe.view_epochs):
                yield view

    def prepare(self, codes: Tensor) -> Tensor:
        """Stored clips (batch, 49, 40) int8 -> network inputs (batch, 1024), as `KwsModel.prepare` makes them."""
        rows, mean, scale = self.inputs.on(codes.device)
        return ((codes.flatten(1)[:, rows].float() * CODE - mean) * scale).clamp(-1, 1)

    def export(self, weights: Sequence[Tensor]) -> KwsModel:
        """The model with weights rounded to multiples of 1/127 and full scales measured on validation clips.

        Two in a thousand hidden MAC results clip, and one in ten thousand outputs.
        """
        layers: list[Layer] = []
        x = quantise(self.inputs.normalise(self.validation_mfcc))
        for weight in weights:
            array = weight.detach().cpu().double().numpy()
            array = np.round(array / np.abs(array).max() * 127) / 127
            mac = x @ array
            if len(layers) == len(weights) - 1:
                layer = Layer(array, Activation.LINEAR, float(np.quantile(np.abs(mac), 0.9999)))
            else:
                layer = Layer(array, Activation.RELU, float(np.quantile(mac, Student.UNCLIPPED)))
            layers.append(layer)
            x = layer.forward(x)
        inputs = self.inputs
        return KwsModel(FeedForwardNetwork(tuple(layers)), inputs.rows, inputs.mean, inputs.spread, inputs.limit)

    def accuracy(self, model: KwsModel) -> float:
        """Share of validation clips that `model` gets right in software."""
        return float((model.predict(self.validation_mfcc) == self.validation_labels).mean())


class Pupil:
    """One student in training: its optimiser, learning-rate schedule, running average and random numbers."""

    def __init__(self, trainer: Trainer, seed: int, recipe: Recipe | None = None) -> None:
        self.recipe = recipe = recipe or trainer.recipe
        self.trainer, self.seed = trainer, seed
        self.rng = np.random.default_rng([seed, 3])
        self.generator = torch.Generator(trainer.device).manual_seed(seed)
        torch.manual_seed(seed)
        self.student = Student().to(trainer.device)
        self.average = [weight.detach().clone() for weight in self.student.weights]
        self.optimiser = torch.optim.Adam(self.student.parameters(), lr=recipe.learning_rate, fused=True)

    def epoch(self, number: int, view: View) -> float:
        """Learn from one view; return the last mini-batch's loss."""
        trainer, recipe, student = self.trainer, self.recipe, self.student
        order = torch.as_tensor(self.rng.permutation(len(view.codes)), device=trainer.device)
        steps = max(1, len(order) // recipe.batch)  # fewer clips than a batch are one
        for step, rows in enumerate(order.split(recipe.batch)[:steps]):
            if recipe.cosine:
                done = (number + step / steps) / recipe.epochs
                self.optimiser.param_groups[0]["lr"] = recipe.learning_rate * (1 + np.cos(np.pi * done)) / 2
            inputs = trainer.prepare(view.codes[rows])
            if step % 20 == 0:
                student.measure(inputs, recipe)
            outputs = student(inputs, recipe, self.generator)
            loss = functional.cross_entropy(outputs * student.TEMPERATURE, view.targets[rows])
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            student.limit_weights()
            for mean, weight in zip(self.average, student.weights, strict=True):
                mean.lerp_(weight.detach(), 1 - recipe.average)
        return loss.item()

    def model(self) -> KwsModel:
        """The averaged network as it stands."""
        return self.trainer.export(self.average)

    @torch.no_grad()
    def start_from(self, weights: Sequence[Tensor]) -> None:
        """Take over another pupil's weights."""
        for average, own, given in zip(self.average, self.student.weights, weights, strict=True):
            own.copy_(given)
            average.copy_(given)

    def copy(self, seed: int) -> "Pupil":
        """A pupil that goes on from this one's weights, without noise, for the recipe's `tune_epochs`."""
        settings = replace(
            self.recipe, epochs=self.recipe.tune_epochs, weight_noise=0.0, activation_noise=0.0, average=0.998
        )
        copy = Pupil(self.trainer, seed, settings)
        copy.start_from(self.average)
        return copy

    def take_mean(self, copy: "Pupil") -> None:
        """Become the mean of this network and a copy of it that was trained on.

        Networks fine-tuned from one start lie in one basin, and their mean generalises better than either.
        Source: model soups, Wortsman et al., arXiv:2203.05482.
        """
        self.start_from([(a + b) / 2 for a, b in zip(self.average, copy.average, strict=True)])


def noisy_accuracy(
    model: KwsModel,
    mfcc: NDArray,
    labels: NDArray[np.int64],
    noise: Noise,
    *,
    draws: int = 4,
    seed: int = 0,
) -> float:
    """Mean accuracy of `draws` simulated chips, each with its own weight errors; a plain noise model, not the physics.

    Parameters
    ----------
    mfcc : (clips, 49, 40)
    labels : (clips,)
    noise : Noise
        Besides it, every layer is read with 8 bits.
    draws : int
        Chips.
    seed : int
    """
    rng = np.random.default_rng(seed)
    inputs = quantise(model.prepare(mfcc)).astype(np.float32)
    right = 0.0
    for _ in range(draws):
        x = inputs
        for layer in model.network.layers:
            error = rng.standard_normal(layer.weights.shape, dtype=np.float32) * np.float32(noise.weights)
            y = x @ (layer.weights.astype(np.float32) + error) / np.float32(layer.full_scale)
            y += rng.standard_normal(y.shape, dtype=np.float32) * np.float32(noise.activations)
            low = 0.0 if layer.activation is Activation.RELU else -1.0
            x = np.round(np.clip(y, low, 1.0) * 255) / np.float32(255)
        right += float((x.argmax(axis=1) == labels).mean())
    return right / draws


@dataclass(frozen=True)
class Outcome:
    """What one seed reached on the validation split.

    Members
    -------
    seed : int
    model : KwsModel
    clean : accuracy in float64
    noisy : mean accuracy with weight errors and activation noise; the seed is chosen by it
    spoken : accuracy on synthesised clips of the validation voices
    """

    seed: int
    model: KwsModel
    clean: float
    noisy: float
    spoken: float


def train(
    data: TrainingSet,
    recipe: str | Recipe = "best",
    seeds: Sequence[int] = (1, 2, 3),
    *,
    device: str | None = None,
    say: Callable[[str], None] = print,
) -> tuple[KwsModel, list[Outcome]]:
    """Train one network per seed; return the best on validation, noise included, and every seed's outcome.

    Parameters
    ----------
    data : TrainingSet
        From `load_training_set`.
    recipe : "paper", "best" or a Recipe
        `dataclasses.replace(RECIPES["best"], epochs=20)` shortens one, for instance.
    seeds : sequence of int
        Teachers are trained once, from the first seed on.
    device : str
        For instance ``"cuda"``; by default the first accelerator found, else the processor.
    say : function of one line
        Gets the progress.

    Returns
    -------
    KwsModel
        Its `card` tells recipe, seeds and figures.
    list of Outcome

    Raises
    ------
    ValueError
        On an unknown recipe or no seed.
    DatasetError
        If the data lack a split, or background noise.
    DeviceError
        If PyTorch cannot use the device.
    """
    if not seeds:
        raise ValueError("no seed given; expected at least one")
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ValueError(f"no recipe {recipe!r}; expected one of {', '.join(RECIPES)}")
        name, recipe = recipe, RECIPES[recipe]
    else:
        name = next((key for key, known in RECIPES.items() if known == recipe), "custom")
    data.expect_trainable()
    place = device_named(device)
    if recipe.speech:
        say(f"speaking {counted(recipe.speech, 'training clip')}")
        data = add_speech(data, recipe.speech)
    trainer = Trainer(data, recipe, place, say)
    spoken, spoken_labels = spoken_clips()

    teachers = [trainer.teacher(seeds[0] + index) for index in range(recipe.teachers)]
    if teachers:
        say(f"teachers together: validation {trainer.teacher_accuracy(teachers):.2%}")
    # Pupils go side by side, so that a view and the teachers' opinion of it serve all of them and need not be kept.
    pupils = [Pupil(trainer, seed) for seed in seeds]
    views = trainer.views(teachers)
    for epoch, view in zip(range(recipe.epochs), views, strict=False):
        losses = [pupil.epoch(epoch, view) for pupil in pupils]
        if (epoch + 1) % 10 == 0:
            accuracies = [trainer.accuracy(pupil.model()) for pupil in pupils]
            report = ", ".join(f"{loss:.3f} {share:.2%}" for loss, share in zip(losses, accuracies, strict=True))
            say(f"epoch {epoch + 1}: loss and validation by seed: {report}")
    for turn in range(recipe.tunes):
        copies = [pupil.copy(1000 * (turn + 1) + pupil.seed) for pupil in pupils]
        for epoch, view in zip(range(recipe.tune_epochs), views, strict=False):
            for copy in copies:
                copy.epoch(epoch, view)
        for pupil, copy in zip(pupils, copies, strict=True):
            pupil.take_mean(copy)
            say(f"seed {pupil.seed}: tuned {turn + 1}, validation {trainer.accuracy(pupil.model()):.2%}")

    outcomes = []
    for pupil in pupils:
        seed, model = pupil.seed, pupil.model()
        clips, labels = trainer.validation_mfcc, trainer.validation_labels
        outcome = Outcome(
            seed,
            model,
            trainer.accuracy(model),
            noisy_accuracy(model, clips, labels, CHIP_NOISE),
            float((model.predict(spoken) == spoken_labels).mean()),
        )
        say(
            f"seed {seed}: validation {outcome.clean:.2%}, with noise {outcome.noisy:.2%}, "
            f"synthesised {outcome.spoken:.2%}"
        )
        outcomes.append(outcome)
    best = max(outcomes, key=lambda outcome: outcome.noisy)
    card = {
        "recipe": name,
        "settings": asdict(recipe),
        "seed": best.seed,
        "teacher_seeds": [seeds[0] + index for index in range(recipe.teachers)],
        "validation": {
            str(outcome.seed): {key: round(getattr(outcome, key), 4) for key in ("clean", "noisy", "spoken")}
            for outcome in outcomes
        },
    }
    return replace(best.model, card=card), outcomes
