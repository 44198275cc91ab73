"""Recipes of training: widths, augmentation, how long. Needs no PyTorch."""

from dataclasses import dataclass, field

from cosim.workloads.rnnt.features import WordFrontEnd
from cosim.workloads.rnnt.network import RnntShape

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """How a transducer is trained on connected words.

    Members
    -------
    shape : RnntShape
    front_end : WordFrontEnd
    steps : mini-batches in all
    batch : sentences of a mini-batch
    learning_rate : of AdamW: risen to within `warm_up` steps, then held, fallen linearly to zero in the last `decay`
    warm_up : steps
    decay : share of the steps
    weight_decay : of AdamW
    largest_gradient : limit of the norm
    dropout : share of the activations between layers
    word_loss : weight of the loss by which the encoder learns the words themselves; falls with the rate
    warp, stretch : largest relative change of frequency and of tempo
    noise_share, noise_volume : share of sentences with background noise, and its largest amplitude factor
    masks, mask_bands, mask_frames : of bands and of frames that are hidden: how many, and most of one
    speech : words that a synthesiser says, among the training clips
    """

    shape: RnntShape = field(default_factory=lambda: RnntShape(encoder=192, prediction=96, joint=128))
    front_end: WordFrontEnd = field(default_factory=WordFrontEnd)
    steps: int = 3000
    batch: int = 32
    learning_rate: float = 2e-3
    warm_up: int = 150
    decay: float = 0.45
    weight_decay: float = 0.01
    largest_gradient: float = 2.0
    dropout: float = 0.05
    word_loss: float = 0.5
    warp: float = 0.12
    stretch: float = 0.15
    noise_share: float = 0.7
    noise_volume: float = 0.1
    masks: int = 1
    mask_bands: int = 7
    mask_frames: int = 6
    speech: int = 3500

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        return self.learning_rate * min(1.0, (step + 1) / self.warm_up) * self.fall(step)

    def fall(self, step: int) -> float:
        """1 until the rate begins to fall, then down to 0."""
        return min(1.0, (self.steps - step) / (self.decay * self.steps))

    def held(self, step: int) -> bool:
        """Whether the rate has not begun to fall: until then the number of steps may still be changed."""
        return self.fall(step) == 1.0


#: The shipped network is `narrow`'s, widened and trained on by `shipped`; `full` has MLPerf's widths.
RECIPES = {
    "narrow": Recipe(),
    "shipped": Recipe(
        shape=RnntShape(encoder=256, prediction=128, joint=128),
        steps=4500,
        learning_rate=1.5e-3,
        warm_up=300,
        dropout=0.1,
        masks=2,
    ),
    "full": Recipe(shape=RnntShape(), steps=20_000, learning_rate=1e-3, warm_up=500, dropout=0.2, masks=2),
}
