"""The two networks of a training: the student, as the chip runs it, and the convolutional teacher."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from cosim.workloads.kws.dataset import LABELS
from cosim.workloads.kws.features import COEFFICIENTS
from cosim.workloads.kws.training.recipes import Recipe
from cosim.workloads.training import fast_products

__all__ = ["Student", "Teacher"]


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
            with fast_products(x.device):
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
