"""Hardware-aware training of the keyword-spotting network (PyTorch, extra `[train]`).

Recipe `paper` follows the paper's Methods. Recipe `best` adds what its 1,024-512-512-12 network can still use: clips
warped in frequency and time, a convolutional teacher, weight averaging, synthesised speech, and noise where the chip
has it.

Everything happens on features. A clip's log-mel picture is warped, shifted and mixed with background noise (powers
add), then becomes MFCCs again, so that the same code serves recordings and prepared features.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import count, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.workloads.kws.dataset import CODE, LABELS, SILENCE, UNKNOWN, TrainingSet, encode
from cosim.workloads.kws.features import COEFFICIENTS, FRAMES, LOG_MEL_FLOOR, MFCC_LIMIT
from cosim.workloads.kws.features import mfcc as features_of
from cosim.workloads.kws.model import INPUTS, KwsModel, quantise
from cosim.workloads.kws.synthesiser import synthesise

SILENCE_LABEL, UNKNOWN_LABEL = LABELS.index(SILENCE), LABELS.index(UNKNOWN)
CHIP_NOISE = (0.03, 0.015)  # weight and activation noise of `noisy_accuracy` by which a seed is chosen
QUIET = 0.5 * float(np.log(LOG_MEL_FLOOR))  # log-mel of digital silence


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; noise levels are standard deviations.

    Members
    -------
    epochs, batch, learning_rate :
        Adam without weight decay; constant rate, or a cosine to zero with `cosine`.
    shift_frames : largest shift in time, in frames of 20 ms
    noise_share, noise_volume : share of clips with background noise, and its largest amplitude factor
    warp, stretch : largest relative change of frequency and of tempo
    gain : of a clip's level, in units of log amplitude
    weight_noise : in units of a layer's largest weight
    activation_noise : in units of a layer's full scale
    weight_clip : limit of a weight in standard deviations of its layer; 0 for the paper's +-1
    dropout : share of hidden activations
    average : decay of the running average of the weights; 0 for none
    teachers, teacher_epochs, teacher_widths : convolutional networks whose mean opinion the student learns
    view_epochs : epochs that learn from one augmented view; with the teachers' opinion it costs as much as two epochs
    tunes, tune_epochs : times that the mean with a fine-tuned copy is taken, and epochs of each
    speech : number of synthesised clips among the training clips
    """

    epochs: int = 60
    batch: int = 250
    learning_rate: float = 5e-4
    cosine: bool = False
    shift_frames: float = 5.0
    noise_share: float = 0.8
    noise_volume: float = 0.1
    warp: float = 0.0
    stretch: float = 0.0
    gain: float = 0.0
    weight_noise: float = 0.02
    activation_noise: float = 0.04
    weight_clip: float = 0.0
    dropout: float = 0.0
    average: float = 0.0
    teachers: int = 0
    teacher_epochs: int = 0
    teacher_widths: tuple[int, ...] = (48, 72, 96, 144)
    view_epochs: int = 1
    tunes: int = 0
    tune_epochs: int = 0
    speech: int = 0


RECIPES = {
    "paper": Recipe(),
    "best": Recipe(
        epochs=300,
        batch=250,
        learning_rate=1e-3,
        cosine=True,
        warp=0.12,
        stretch=0.12,
        gain=0.3,
        weight_noise=0.02,
        activation_noise=0.015,
        weight_clip=3.5,
        dropout=0.0,
        average=0.9995,
        teachers=1,
        teacher_epochs=30,
        view_epochs=2,
        tunes=2,
        tune_epochs=30,
        speech=6000,
    ),
}


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


class Teacher(nn.Module):
    """Convolutional network over time, the 40 coefficients as channels: (batch, 49, 40) -> (batch, 12) logits.

    Source: TC-ResNet (Choi et al., Interspeech 2019, arXiv:1904.03814), without its batch-normalised shortcuts.
    """

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv1d(inputs, outputs, 9, stride, 4, bias=False)
            self.first_norm = nn.BatchNorm1d(outputs)
            self.second = nn.Conv1d(outputs, outputs, 9, 1, 4, bias=False)
            self.second_norm = nn.BatchNorm1d(outputs)
            self.shortcut = nn.Conv1d(inputs, outputs, 1, stride, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            y = functional.relu(self.first_norm(self.first(x)))
            return functional.relu(self.second_norm(self.second(y)) + self.shortcut(x))

    def __init__(self, widths: tuple[int, ...] = (32, 48, 64, 96)) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(COEFFICIENTS)
        self.stem = nn.Conv1d(COEFFICIENTS, widths[0], 3, 1, 1, bias=False)
        self.blocks = nn.Sequential(*(self.Block(a, b, 2) for a, b in pairwise(widths)))
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(widths[-1], len(LABELS))

    def forward(self, mfcc: Tensor) -> Tensor:
        x = self.blocks(self.stem(self.norm(mfcc.transpose(1, 2))))
        return self.head(self.drop(x.mean(dim=2)))


class Student(nn.Module):
    """The network as the chip runs it: full scale of a hidden layer lets two MAC results in a thousand clip.

    Clipping at full scale, 8-bit codes and noise relative to full scale and to the largest weight are part of training.
    """

    UNCLIPPED = 0.998  # of a hidden layer's MAC results
    TEMPERATURE = 16.0  # of the outputs before the soft maximum

    def __init__(self, widths: tuple[int, ...] = (1024, 512, 512, 12)) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.randn(a, b) / a**0.5 for a, b in pairwise(widths))
        self.limits = [1.0] * len(self.weights)
        self.largest = [1.0] * len(self.weights)
        self.full_scale = [1.0] * len(self.weights)

    def forward(self, x: Tensor, recipe: Recipe | None = None, generator: torch.Generator | None = None) -> Tensor:
        """(batch, 1024) -> (batch, 12) MAC results of the last layer; `recipe` switches the noise on.

        The paper draws one weight error per mini-batch. A MAC's error is then normal with the standard deviation
        sigma x |x|; drawing that per clip instead has the same distribution and less correlated gradients.
        """
        for index, weight in enumerate(self.weights):
            with torch.autocast(x.device.type, torch.bfloat16):  # its rounding, 1/256, is that of the chip's codes
                y = x @ weight
            y = y.float()
            last = index == len(self.weights) - 1
            full_scale = self.full_scale[index]
            if recipe is not None:
                weight_error = recipe.weight_noise * self.largest[index] * x.detach().norm(dim=1, keepdim=True)
                read_error = recipe.activation_noise * full_scale
                noise = torch.randn(y.shape, device=y.device, generator=generator)
                y = y + noise * (weight_error.square() + read_error**2).sqrt()
            if last:
                return y
            y = (y / full_scale).clamp(0, 1)
            codes = (y.detach() * 255).round() / 255
            x = y + (codes - y.detach())
            if recipe is not None and recipe.dropout:
                keep = torch.rand(x.shape, device=x.device, generator=generator) >= recipe.dropout
                x = x * keep / (1 - recipe.dropout)
        raise AssertionError("a network has layers")

    @torch.no_grad()
    def measure(self, x: Tensor, recipe: Recipe) -> None:
        """Set each layer's limit of weights and full scale, as inputs `x` (batch, 1024) ask for; they change slowly."""
        for index, weight in enumerate(self.weights):
            self.limits[index] = float(weight.std()) * recipe.weight_clip if recipe.weight_clip else 1.0
            self.largest[index] = min(self.limits[index], float(weight.abs().max()))
            if index < len(self.weights) - 1:
                y = x @ weight
                self.full_scale[index] = float(y.flatten().kthvalue(int(self.UNCLIPPED * y.numel())).values)
                x = (y / self.full_scale[index]).clamp(0, 1)

    @torch.no_grad()
    def limit_weights(self) -> None:
        """Clip every weight, in place."""
        for weight, limit in zip(self.weights, self.limits, strict=True):
            weight.clamp_(-limit, limit)


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
                with torch.autocast(device.type, torch.bfloat16):
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
                with torch.autocast(self.device.type, torch.bfloat16):
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


def noisy_accuracy(
    model: KwsModel,
    mfcc: NDArray,
    labels: NDArray[np.int64],
    weight_noise: float,
    activation_noise: float,
    draws: int = 4,
    seed: int = 0,
) -> float:
    """Mean accuracy of `draws` simulated chips, each with its own weight errors; a plain noise model, not the physics.

    Parameters
    ----------
    mfcc : (clips, 49, 40)
    labels : (clips,)
    weight_noise : in units of the largest weight
    activation_noise : in units of a layer's full scale; every layer is read with 8 bits
    """
    rng = np.random.default_rng(seed)
    inputs = quantise(model.prepare(mfcc)).astype(np.float32)
    right = 0.0
    for _ in range(draws):
        x = inputs
        for layer in model.network.layers:
            error = rng.standard_normal(layer.weights.shape, dtype=np.float32) * np.float32(weight_noise)
            y = x @ (layer.weights.astype(np.float32) + error) / np.float32(layer.full_scale)
            y += rng.standard_normal(y.shape, dtype=np.float32) * np.float32(activation_noise)
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
    """
    if not seeds:
        raise ValueError("no seed given; expected at least one")
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ValueError(f"no recipe {recipe!r}; expected one of {', '.join(RECIPES)}")
        name, recipe = recipe, RECIPES[recipe]
    else:
        name = next((key for key, known in RECIPES.items() if known == recipe), "custom")
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if recipe.speech:
        say(f"speaking {recipe.speech} training clips")
        data = add_speech(data, recipe.speech)
    trainer = Trainer(data, recipe, torch.device(device), say)
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
            noisy_accuracy(model, clips, labels, *CHIP_NOISE),
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
