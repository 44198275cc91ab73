"""Recipes: how a shared layer is made from a pretrained encoder's layers. Needs no PyTorch."""

from dataclasses import dataclass

__all__ = ["RECIPES", "Recipe", "Stage"]


@dataclass(frozen=True)
class Stage:
    """Batches of one kind.

    Members
    -------
    batches : int
    passes : int
        Through the shared layer: a layer that learns with few passes costs little. It goes on with a multiple of them
        in as much smaller steps.
    rate, head_rate : float
        Largest learning rates of AdamW, warmed up over the first tenth of the batches, then linearly to a tenth; the
        head's own is for what no pretrained network gives: pooler and classifier.
    batch : int
        Texts of a batch.
    """

    batches: int
    passes: int = 12
    rate: float = 5e-5
    head_rate: float = 3e-4
    batch: int = 32


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: first on an encoder's hidden states, then on a task.

    Members
    -------
    distilled : tuple of Stage
        After pass p of N the states shall be those of the encoder's layer p L / N of L.
    tuned : tuple of Stage
        On the task's labels.
    start : int, optional
        Layer of the encoder that the shared one starts from; None: their mean.
    embedding : int
        Width of the table of tokens; the encoder's is cut down to it by singular values.
    longest : int
        Tokens of a text.
    """

    distilled: tuple[Stage, ...] = ()
    tuned: tuple[Stage, ...] = ()
    start: int | None = None
    embedding: int = 128
    longest: int = 128

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All of them in turn."""
        return *self.distilled, *self.tuned


RECIPES = {
    # Minutes of one core: a shallow layer first, which then learns to be passed twelve times.
    "short": Recipe(tuned=(Stage(200, 2, 1e-4, 5e-4), Stage(30, 12, 5e-5, 2e-4)), start=0),
    # For an accelerator.
    "long": Recipe(
        distilled=(Stage(20_000, 6, 3e-4), Stage(60_000, 12, 2e-4)),
        tuned=(Stage(6_000, 12, 3e-5),),
    ),
    # Of an ALBERT that there is already, on another task or with noise.
    "tune": Recipe(tuned=(Stage(300, 12, 3e-5, 1e-4),)),
}
