"""A campaign on the small chip, with a keyword-spotting network of its size: studies end to end in seconds."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.figures import Campaign
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.workloads.kws.dataset import LABELS
from cosim.workloads.kws.features import COEFFICIENTS, FRAMES
from cosim.workloads.kws.model import KwsModel
from cosim.workloads.kws.workload import ClipSet
from rtl.config import preset

WIDTHS = (32, 16, 16, len(LABELS))


def small_campaign(folder: Path, *, clips: int = 60, whole: bool = False, **settings: Any) -> Campaign:
    """A campaign whose clips are random features, labelled as the network in software hears them.

    With `whole`, weights are whole multiples of 1/127, so that they can be written into a model's file.
    """
    rng = np.random.default_rng(7)
    layers = tuple(
        Layer(
            _rounded(np.clip(rng.normal(0, 0.4, (rows, columns)), -1, 1), whole),
            Activation.LINEAR if columns == WIDTHS[-1] else Activation.RELU,
            full_scale=0.5 * np.sqrt(rows),
        )
        for rows, columns in pairwise(WIDTHS)
    )
    inputs = WIDTHS[0]
    model = KwsModel(FeedForwardNetwork(layers), np.arange(inputs), np.zeros(inputs), np.ones(inputs), limit=4.0)

    def clip_set(count: int, source: str) -> ClipSet:
        features = rng.normal(0, 2, (count, FRAMES, COEFFICIENTS))
        return ClipSet(source, tuple(f"{source} {i}" for i in range(count)), model.predict(features), features)

    campaign = Campaign(folder, **settings)
    campaign.config, campaign.model = preset("small"), model
    campaign.clips, campaign.calibration = clip_set(clips, "random clips"), clip_set(100, "calibration clips")
    return campaign


def _rounded(weights: NDArray[np.float64], whole: bool) -> NDArray[np.float64]:
    return np.rint(127 * weights) / 127 if whole else weights
