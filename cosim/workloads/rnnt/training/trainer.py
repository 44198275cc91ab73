"""Training of a transducer on connected words (PyTorch, extra `train`): steps, checkpoints, validation."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cosim.files.archive import replacing
from cosim.files.digest import digest, digest_of_arrays
from cosim.files.json_text import to_json
from cosim.files.wording import counted
from cosim.system.checkpoint import CheckpointError
from cosim.workloads.kws.dataset import TrainingSet
from cosim.workloads.rnnt.connected_words import VOCABULARY, plan, spoken_clips, training_clips
from cosim.workloads.rnnt.network import RnntNetwork
from cosim.workloads.rnnt.training.batches import NOBODY_KNOWS, Augmentation, Batch, Feed
from cosim.workloads.rnnt.training.loss import transducer_loss
from cosim.workloads.rnnt.training.recipes import Recipe
from cosim.workloads.rnnt.training.transducer import BLANK, Transducer, symbols_of
from cosim.workloads.rnnt.training.widening import widened
from cosim.workloads.training import device_named, fast_products
from cosim.workloads.transcripts import WordErrors, count_errors, lower_case_words

__all__ = ["Trainer", "train", "transcripts"]

#: Sentences of the validation split by which a training is judged, and of a batch of them.
VALIDATION, VALIDATION_BATCH = 500, 50
REPORT_EVERY = 25  # steps


def transcripts(network: RnntNetwork, inputs: Sequence[NDArray[np.float32]]) -> list[str]:
    """What a network writes for recordings, each (steps, features), in float32 and greedily."""
    model = _module(network).eval()
    texts = []
    for first in range(0, len(inputs), VALIDATION_BATCH):
        some = [torch.as_tensor(one) for one in inputs[first : first + VALIDATION_BATCH]]
        steps = torch.tensor([len(one) for one in some])
        texts += model.transcribe(nn.utils.rnn.pad_sequence(some, batch_first=True), steps)
    return texts


def _module(network: RnntNetwork, dropout: float = 0.0) -> Transducer:
    model = Transducer(network.shape, dropout)
    model.load_state_dict({name: torch.tensor(array) for name, array in network.tensors.items()})
    return model


@dataclass
class _Means:
    """Of losses since the last report: of letters, of words behind and between the encoder's LSTMs."""

    sums: Tensor = field(default_factory=lambda: torch.zeros(3))
    steps: int = 0

    def add(self, letters: Tensor, words: Tensor) -> None:
        self.sums = self.sums + torch.cat([letters.detach()[None], words.detach()]).cpu()
        self.steps += 1

    def __str__(self) -> str:
        letters, words, early = self.sums / self.steps
        return f"loss {letters:.3f} a letter, {words:.3f} and {early:.3f} a word"


class Trainer:
    """One network in training.

    Parameters
    ----------
    data : TrainingSet
    recipe : Recipe
    seed : int
        Of the first weights, sentences, copies and dropout.
    start : RnntNetwork, optional
        Weights to start from instead; narrower ones are widened.
    device : str, optional
        For instance "cuda"; by default the first accelerator found, else the processor.
    say : function of one line
    """

    def __init__(
        self,
        data: TrainingSet,
        recipe: Recipe,
        seed: int,
        *,
        start: RnntNetwork | None = None,
        device: str | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.recipe, self.seed, self.start, self.say = recipe, seed, start, say
        self.device = device_named(device)
        data.expect_trainable()
        train, validation = training_clips(data)
        if recipe.speech:
            say(f"speaking {counted(recipe.speech, 'word')}")
            train = train.with_more(spoken_clips(recipe.speech, "train", seed))
        self.feed = Feed(train, recipe, Augmentation(recipe, data.noise, data.feature_error), seed)
        torch.manual_seed(seed)
        if start is None:
            self.network = Transducer(recipe.shape, recipe.dropout)
        else:
            self.network = _module(widened(start, recipe.shape, seed), recipe.dropout)
        inputs = recipe.shape.encoder, recipe.shape.stack * recipe.shape.encoder
        self.words = nn.ModuleList(nn.Linear(width, len(VOCABULARY) + 1) for width in inputs)
        self.network.to(self.device)
        self.words.to(self.device)
        self.parameters = [*self.network.parameters(), *self.words.parameters()]
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )
        held_out = Feed(validation, recipe)
        sentences = sorted(plan(validation, 1, VALIDATION), key=lambda sentence: sentence.frames)
        pieces = range(0, VALIDATION, VALIDATION_BATCH)
        self.validation = [held_out.batch(sentences[first : first + VALIDATION_BATCH]) for first in pieces]
        self.step, self.seconds, self.heard_s = 0, 0.0, 0.0
        settings = asdict(replace(recipe, steps=0))  # how many is no part of what a step does
        first = digest_of_arrays(*(tensor.cpu().numpy() for tensor in self.network.state_dict().values()))
        self.identity = digest([to_json(settings), str(seed), digest_of_arrays(train.mel, validation.mel), first])

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of the transcript, for each letter; and of the words, for each step at which one can be told.

        The latter by what the encoder gives, and by what stands between its LSTMs, which learn faster so: (2,).
        """
        x, steps = (torch.as_tensor(array, device=self.device) for array in (batch.inputs, batch.steps))
        labels, lengths = (tensor.to(self.device) for tensor in symbols_of(batch.texts))
        with fast_products(self.device):
            logits, encoded = self.network(x, steps, labels)
            told = [head(state) for head, state in zip(self.words, encoded, strict=True)]
        ends = -(-steps // self.recipe.shape.stack)
        letters = transducer_loss(logits.float(), labels, ends, lengths, BLANK).sum() / lengths.sum()
        said = torch.as_tensor(batch.words, device=self.device).flatten()
        words = [functional.cross_entropy(one.float().flatten(0, 1), said, ignore_index=NOBODY_KNOWS) for one in told]
        return letters, torch.stack(words)

    def run(self, folder: Path | None = None, minutes: float = 4.0) -> None:
        """Train to the end of the recipe; with a folder, from its checkpoint on, a new one written every so often."""
        recipe, means, saved = self.recipe, _Means(), time.monotonic()
        if folder and (folder / "checkpoint.pt").is_file():
            self.load(folder / "checkpoint.pt")
            self.say(f"resumed at step {self.step} of {recipe.steps}")
        begun = time.monotonic() - self.seconds
        for batch in self.feed.batches(self.step):
            if self.step >= recipe.steps:
                break
            means.add(*self._learn(batch))
            self.heard_s += float(batch.steps.sum()) * recipe.front_end.step_s
            self.step += 1
            self.seconds = time.monotonic() - begun
            if self.step % REPORT_EVERY == 0:
                self.say(f"step {self.step} of {recipe.steps}, {self.seconds / 3600:.2f} h: {means}")
                means = _Means()
            due = time.monotonic() - saved > 60 * minutes or self.step == recipe.steps
            if folder and due:
                self.save(folder / "checkpoint.pt")
                self.say(f"step {self.step}: validation word error rate {self.validate().rate:.2%}")
                saved = time.monotonic()

    def _learn(self, batch: Batch) -> tuple[Tensor, Tensor]:
        recipe = self.recipe
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.step]).generate_state(1)[0]))  # of dropout
        self.network.train()
        self.optimiser.param_groups[0]["lr"] = recipe.rate(self.step)
        letters, words = self.losses(batch)
        self.optimiser.zero_grad()
        (letters + recipe.word_loss * recipe.fall(self.step) * words.sum()).backward()
        nn.utils.clip_grad_norm_(self.parameters, recipe.largest_gradient)
        self.optimiser.step()
        return letters, words

    def validate(self) -> WordErrors:
        """Of sentences of the validation split, in float32 and greedily."""
        self.network.eval()
        texts: list[str] = []
        for batch in self.validation:
            x, steps = (torch.as_tensor(array, device=self.device) for array in (batch.inputs, batch.steps))
            texts += self.network.transcribe(x, steps)
        references = [text for batch in self.validation for text in batch.texts]
        return count_errors(references, texts, lower_case_words)

    def export(self, **card: Any) -> RnntNetwork:
        """The network as it stands; what its card shall say besides."""
        tensors = {name: tensor.cpu().numpy() for name, tensor in self.network.state_dict().items()}
        card = {
            "settings": asdict(self.recipe),
            "seed": self.seed,
            "steps": self.step,
            "heard_h": round(self.heard_s / 3600, 1),
            "trained_h": round(self.seconds / 3600, 2),
            "start": dict(self.start.card) if self.start else None,
            **card,
        }
        return RnntNetwork(tensors, front_end=self.recipe.front_end, card=json.loads(to_json(card)))

    def save(self, path: Path) -> None:
        """All that going on takes."""
        state = {
            "identity": self.identity,
            "steps": self.recipe.steps,
            "network": self.network.state_dict(),
            "words": self.words.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "heard_s": self.heard_s,
        }
        with replacing(path) as part:
            torch.save(state, part)

    def load(self, path: Path) -> None:
        """Go on from there.

        Raises
        ------
        CheckpointError
            If it is another training's, or none; or if the number of steps differs, and the rate falls already.
        """
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            identity, step, steps = state["identity"], state["step"], state["steps"]
        except Exception as error:  # unpicklers raise whatever they like
            raise CheckpointError(f"{path} is no checkpoint of a training, or only part of one: {error!r}") from None
        if identity != self.identity:
            raise CheckpointError(f"{path} is of other data, another recipe or seed; give another folder")
        if steps != self.recipe.steps and not (self.recipe.held(step) and replace(self.recipe, steps=steps).held(step)):
            raise CheckpointError(
                f"{path}: the learning rate falls already, for {counted(steps, 'step')}; --steps {steps} goes on "
                "with that"
            )
        self.network.load_state_dict(state["network"])
        self.words.load_state_dict(state["words"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.heard_s = step, state["seconds"], state["heard_s"]


def train(
    data: TrainingSet,
    recipe: Recipe,
    seed: int = 1,
    *,
    folder: Path | None = None,
    start: RnntNetwork | None = None,
    device: str | None = None,
    say: Callable[[str], None] = print,
) -> RnntNetwork:
    """Train a transducer; what it reached on validation is in its card.

    Parameters
    ----------
    data : TrainingSet
        From `load_training_set`.
    recipe : Recipe
    seed : int
    folder : Path, optional
        For a checkpoint: an interrupted training goes on from there.
    start : RnntNetwork, optional
        To train on; where the recipe's widths are larger, it is widened first.
    device : str, optional
        For instance "cuda"; by default the first accelerator found, else the processor.
    say : function of one line
        Gets the progress.

    Raises
    ------
    DatasetError
        If the data lack a split, background noise, words or speakers.
    CheckpointError
        If the folder holds another training.
    DeviceError
        If PyTorch cannot use the device.
    NetworkError
        If the network to start from is wider than the recipe's.
    MissingPackage
        Without the extra "speech", which counts word errors.
    """
    trainer = Trainer(data, recipe, seed, start=start, device=device, say=say)
    trainer.run(folder)
    errors = trainer.validate()
    low, high = errors.interval()
    say(f"validation word error rate {errors.rate:.2%} ({low:.2%} to {high:.2%})")
    validation = {"sentences": VALIDATION, "wer": round(errors.rate, 4), "wer_95": [round(low, 4), round(high, 4)]}
    return trainer.export(validation=validation)
