"""Recipes of training: how long, with which augmentation, noise and teachers. Needs no PyTorch.

Recipe `paper` follows the paper's Methods. Recipe `best` adds what its 1,024-512-512-12 network can still use: clips
warped in frequency and time, a convolutional teacher, weight averaging, synthesised speech, and noise where the chip
has it.
"""

import sys
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["CHIP_NOISE", "RECIPES", "TRAINING_REQUIREMENT", "Noise", "Recipe", "training_advice"]

#: What the extra `train` brings, for those who have the package from nowhere that knows extras.
TRAINING_REQUIREMENT = "torch>=2.4"


def training_advice() -> str:
    """How to get what training needs, for whoever lacks it."""
    return f"training needs PyTorch: {sys.executable} -m pip install '{TRAINING_REQUIREMENT}'"


class Noise(NamedTuple):
    """Standard deviations of the noise of a network.

    Members
    -------
    weights : in units of the largest weight
    activations : in units of a layer's full scale
    """

    weights: float
    activations: float


#: By the accuracy with it a seed is chosen.
CHIP_NOISE = Noise(0.03, 0.015)


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
