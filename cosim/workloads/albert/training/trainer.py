"""Training of a shared-layer transformer (PyTorch and transformers, extra `train`): distilled, then tuned on a task.

Every stage ends in a checkpoint, and so does every few minutes of one: the same command goes on.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cosim.files.archive import replacing
from cosim.files.digest import digest
from cosim.files.errors import UserError
from cosim.files.json_text import to_json
from cosim.files.wording import counted
from cosim.workloads.albert.training.batches import Batch, Texts
from cosim.workloads.albert.training.deepening import deepen
from cosim.workloads.albert.training.recipes import Recipe, Stage

__all__ = ["Noise", "Trainer", "TrainingError"]

#: Between checkpoints.
_SECONDS = 120.0
#: Share of a stage's batches in which rates grow, and what is left of them at its end.
_WARM = 0.1
_LEAST_RATE = 0.1
#: Norm of a gradient that is cut off.
_CLIPPED = 1.0
_SHARED = "albert.encoder.albert_layer_groups."


class TrainingError(UserError, ValueError):
    """A network cannot be trained so; the message says why."""


@dataclass(frozen=True)
class Noise:
    """Errors of weights in tuning, as a chip's devices have them.

    Members
    -------
    floor, share : float
        Standard deviations, of a column's largest weight and of the weight itself.
    """

    floor: float = 0.0
    share: float = 0.0

    def on(self, weights: Tensor, generator: torch.Generator) -> Tensor:
        """Weights (outputs, inputs) as a chip might have them."""
        largest = weights.detach().abs().amax(1, keepdim=True)
        spread = torch.sqrt((self.floor * largest) ** 2 + (self.share * weights.detach()) ** 2)
        return weights + spread * torch.randn(weights.shape, generator=generator)


class Trainer:
    """One network in training.

    Parameters
    ----------
    network : transformers.AlbertForSequenceClassification
    recipe : Recipe
    seed : int
        Of the order of texts, and of noise.
    folder : Path
        Of the checkpoint, and of what comes out.
    encoder : transformers.DistilBertModel, optional
        Whose hidden states are learnt.
    noise : Noise
    say : callable (line)
    """

    def __init__(
        self,
        network: Any,
        recipe: Recipe,
        seed: int,
        folder: Path,
        *,
        encoder: Any = None,
        noise: Noise = Noise(),
        say: Callable[[str], None] = print,
    ) -> None:
        self.network, self.encoder, self.recipe, self.seed = network, encoder, recipe, seed
        self.folder, self.noise, self.say = folder, noise, say
        self._matrices = {
            name: parameter
            for name, parameter in network.named_parameters()
            if name.startswith(_SHARED) and parameter.ndim == 2
        }

    def train(self, texts: Texts) -> None:
        """All stages, from where an earlier run came to."""
        done = self._resumed()
        losses = [self.distillation] * len(self.recipe.distilled) + [self.surprise] * len(self.recipe.tuned)
        for number, (loss, stage) in enumerate(zip(losses, self.recipe.stages, strict=True)):
            if number >= done["stage"]:
                first = done["batch"] if number == done["stage"] else 0
                if number and not first:
                    self._deepen(self.recipe.stages[number - 1].passes, stage.passes)
                self._stage(number, stage, loss, texts, first)
                self._keep(number + 1, 0, None)

    def _deepen(self, before: int, passes: int) -> None:
        factor, rest = divmod(passes, before)
        if factor > 1 and not rest:
            deepen(self.network.get_submodule(_SHARED + "0.albert_layers.0"), factor)

    def _stage(self, number: int, stage: Stage, loss: "_Loss", texts: Texts, first: int) -> None:
        self.network.config.num_hidden_layers = stage.passes
        optimiser = self._optimiser(stage)
        if first:
            optimiser.load_state_dict(torch.load(self._file, weights_only=True)["optimiser"])
        # Batches that are done are drawn again, so that a run that goes on draws the same ones.
        batches = islice(texts.batches(stage.batch, np.random.default_rng([self.seed, number])), first, stage.batches)
        kept, mean = monotonic(), 0.0
        for at, batch in enumerate(batches, first):
            for group in optimiser.param_groups:
                group["lr"] = group["rate"] * _schedule(at / stage.batches)
            value = loss(batch, torch.Generator().manual_seed(hash((self.seed, number, at))))
            optimiser.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIPPED)
            optimiser.step()
            mean += (value.item() - mean) / min(at - first + 1, 50)
            if monotonic() - kept > _SECONDS or at + 1 == stage.batches:
                self._keep(number, at + 1, optimiser)
                kept = monotonic()
                self.say(
                    f"stage {number}, {counted(stage.passes, 'pass', 'passes')}, batch {at + 1} of {stage.batches}: "
                    f"loss {mean:.4f}"
                )

    def _optimiser(self, stage: Stage) -> Any:
        head = [*self.network.albert.pooler.parameters(), *self.network.classifier.parameters()]
        own = {id(parameter) for parameter in head}
        body = [parameter for parameter in self.network.parameters() if id(parameter) not in own]
        groups = [{"params": body, "rate": stage.rate}, {"params": head, "rate": stage.head_rate}]
        return torch.optim.AdamW(groups, lr=0.0, weight_decay=0.01)

    # What is learnt.

    def surprise(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """At the labels, with weights as a chip might have them."""
        noisy = {}
        if self.noise != Noise():
            noisy = {name: self.noise.on(matrix, generator) for name, matrix in self._matrices.items()}
        given = batch.tokens, batch.mask, batch.kinds
        return functional.cross_entropy(torch.func.functional_call(self.network, noisy, given).logits, batch.labels)

    def distillation(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Square error of hidden states over square, the encoder's layers averaged."""
        with torch.no_grad():
            theirs = self.encoder(batch.tokens, batch.mask, output_hidden_states=True).hidden_states[1:]
        asked = self.network.albert(batch.tokens, batch.mask, batch.kinds, output_hidden_states=True)
        ours = asked.hidden_states[1:]
        spoken = batch.mask.bool()
        lost = []
        for layer, state in enumerate(theirs, 1):
            own = ours[round(layer * len(ours) / len(theirs)) - 1]
            lost.append((own - state)[spoken].square().mean() / state[spoken].square().mean())
        return torch.stack(lost).mean()

    @torch.no_grad()
    def accuracy(self, texts: Texts) -> float:
        """Share of texts that the network decides as they are labelled, with all its passes."""
        self.network.eval()
        right = sum(
            int((self.network(batch.tokens, batch.mask, batch.kinds).logits.argmax(1) == batch.labels).sum())
            for batch in texts.in_turn(64)
        )
        self.network.train()
        return right / len(texts)

    # What is kept.

    @property
    def _file(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _made(self, stage: int) -> str:
        """What a network has become by stages up to this one: later ones may change before a run goes on."""
        settings = (
            [asdict(one) for one in self.recipe.stages[: stage + 1]],
            asdict(self.noise),
            self.seed,
            len(self.recipe.distilled),
        )
        return digest([to_json(settings)])

    def _keep(self, stage: int, batch: int, optimiser: Any) -> None:
        state = {
            "made": self._made(stage),
            "stage": stage,
            "batch": batch,
            "network": self.network.state_dict(),
            "optimiser": optimiser.state_dict() if optimiser else None,
        }
        with replacing(self._file) as part:
            torch.save(state, part)

    def _resumed(self) -> dict[str, int]:
        if not self._file.is_file():
            return {"stage": 0, "batch": 0}
        state = torch.load(self._file, weights_only=True)
        if state["made"] != self._made(state["stage"]):
            raise TrainingError(f"{self._file} is of another recipe, noise or seed; give another folder, or remove it")
        self.network.load_state_dict(state["network"])
        self.say(f"goes on at stage {state['stage']}, batch {state['batch']}")
        return {"stage": state["stage"], "batch": state["batch"]}


#: Of a batch, with random numbers of its own.
_Loss = Callable[[Batch, torch.Generator], Tensor]


def _schedule(done: float) -> float:
    """Share of the largest rate, after a share of the batches."""
    return min(1.0, max(done, 1e-3) / _WARM) * (1 - (1 - _LEAST_RATE) * done)
