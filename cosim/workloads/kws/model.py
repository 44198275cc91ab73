"""The keyword-spotting model: normalisation and pruning of the features, and the network that the chip runs."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analog_models.npz import ArraySpec
from cosim.files.archive import ArchiveError, read_arrays, write_arrays
from cosim.files.json_text import from_json, to_json
from cosim.files.typed import typed
from cosim.files.wording import counted
from cosim.graph.feed_forward import FeedForwardNetwork, NetworkError
from cosim.workloads.kws.dataset import LABELS
from cosim.workloads.kws.features import COEFFICIENTS, FRAMES, MFCC_LIMIT

__all__ = ["CHECKPOINT", "INPUTS", "KwsModel", "quantise"]

CHECKPOINT = Path(__file__).with_name("model.npz")
INPUTS = 1024  # of the 1,960 features; the paper prunes the rest
LEVELS = 255  # codes of a magnitude

Floats = NDArray[np.float64]


def quantise(x: NDArray) -> Floats:
    """Values in [-1, 1] as the chip is given them: sign and an 8-bit duration of 0-255."""
    return np.round(np.asarray(x, dtype=np.float64) * LEVELS) / LEVELS


@dataclass(frozen=True)
class KwsModel:
    """Everything between MFCC features and a word.

    Members
    -------
    network : FeedForwardNetwork
        1,024 -> 512 -> 512 -> 12, no biases; weights are multiples of 1/127. Outputs are in the order of `labels`.
    rows : (1024,) int64
        Which of the 1,960 features (frame by frame, 40 each) are used: those with the largest mean magnitude in
        validation.
    mean, spread : (1024,) float64
        Of those features over the training clips, in MFCC units.
    limit : float
        Inputs are clipped at this many spreads, which become +-1.
    labels : tuple of str
        Class names in the order of the outputs: `dataset.LABELS`, of every model.
    card : dict
        How it was trained and what it reached, for the model card.

    Raises
    ------
    NetworkError
        If the parts do not fit together.
    """

    network: FeedForwardNetwork
    rows: NDArray[np.int64]
    mean: Floats
    spread: Floats
    limit: float
    card: dict[str, Any] = field(default_factory=dict)

    labels: ClassVar[tuple[str, ...]] = LABELS

    def __post_init__(self) -> None:
        inputs, outputs = self.network.shape[0], self.network.shape[-1]
        for name in ("rows", "mean", "spread"):
            shape = np.shape(getattr(self, name))
            if shape != (inputs,):
                raise NetworkError(f"{name} has shape {shape}, but the network takes {counted(inputs, 'input')}")
        if outputs != len(self.labels):
            raise NetworkError(
                f"the network has {counted(outputs, 'output')}, expected {len(self.labels)}, one for each of "
                f"{', '.join(self.labels)}"
            )
        if np.min(self.rows) < 0 or np.max(self.rows) >= FRAMES * COEFFICIENTS:
            raise NetworkError(f"rows must be in 0 ... {FRAMES * COEFFICIENTS - 1}")
        if not np.max(np.abs(self.mean)) <= MFCC_LIMIT:
            raise NetworkError(f"mean must be in -{MFCC_LIMIT:.0f} ... {MFCC_LIMIT:.0f}, as the features are")
        scale = np.asarray(self.spread, np.float64) * self.limit
        if not (np.min(self.spread) > 0 and self.limit > 0 and np.isfinite(scale).all() and np.min(scale) > 1e-9):
            raise NetworkError("spread and limit must be positive numbers, as the features' are")

    def prepare(self, mfcc: NDArray) -> Floats:
        """Features -> network inputs: (clips, 49, 40) -> (clips, 1024) in [-1, 1].

        Raises
        ------
        NetworkError
            If the features have another shape.
        """
        mfcc = np.asarray(mfcc, dtype=np.float64)
        if mfcc.ndim != 3 or mfcc.shape[1:] != (FRAMES, COEFFICIENTS):
            raise NetworkError(f"features of shape {mfcc.shape}; expected (clips, {FRAMES}, {COEFFICIENTS})")
        chosen = mfcc.reshape(len(mfcc), -1)[:, self.rows]
        return np.clip((chosen - self.mean) / (self.spread * self.limit), -1.0, 1.0)

    def forward(self, mfcc: NDArray) -> list[Floats]:
        """Every layer's output in float64, inputs as 8-bit codes: (clips, 49, 40) -> [(clips, 512), ...]."""
        return self.network.forward(quantise(self.prepare(mfcc)))

    def predict(self, mfcc: NDArray) -> NDArray[np.int64]:
        """Software reference: the class of each clip, (clips, 49, 40) -> (clips,) indices into `labels`."""
        return self.forward(mfcc)[-1].argmax(axis=1)

    def save(self, path: Path | str) -> None:
        """Write the model to an npz file without pickle, whole or not at all; weights take one byte each."""
        arrays = self.network.to_arrays()
        for index, layer in enumerate(self.network.layers):
            codes = np.round(layer.weights * 127)
            if np.abs(codes / 127 - layer.weights).max() > 1e-12:
                raise NetworkError(f"weights of layer {index} are not multiples of 1/127; round them first")
            arrays[f"weights{index}"] = codes.astype(np.int8)
        arrays |= {
            "rows": self.rows.astype(np.int16),
            "mean": self.mean,
            "spread": self.spread,
            "limit": np.array(self.limit),
            "labels": np.array(self.labels),
            "card": np.array(to_json(self.card)),
        }
        write_arrays(Path(path), arrays)

    @classmethod
    def load(cls, path: Path | str = CHECKPOINT) -> "KwsModel":
        """Read what `save` wrote; without a path, the shipped checkpoint.

        Outputs that are in another order than `labels` are put in this one, by the names that the file has for them.

        Raises
        ------
        NetworkError
            If the file is missing, is no model, or lacks a part.
        """
        path = Path(path)
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no such file"
            raise NetworkError(f"{path}: {what}; expected a model written by `duramesh kws train --out FILE`")
        try:
            arrays = read_arrays(path, "model", _ARRAYS)
            for name in [name for name in arrays if name.startswith("weights")]:
                arrays[name] = arrays[name] / 127.0
            return cls(
                _in_order(FeedForwardNetwork.from_arrays(arrays), [str(label) for label in arrays["labels"]]),
                arrays["rows"].astype(np.int64),
                arrays["mean"],
                arrays["spread"],
                float(arrays["limit"]),
                typed(dict[str, Any], from_json(str(arrays["card"])), "card"),
            )
        except ArchiveError as error:
            raise NetworkError(str(error)) from None
        except ValueError as error:
            raise NetworkError(f"{path}: {error}") from None


#: What a model's file holds.
_ARRAYS = {
    "full_scale": ArraySpec("f8", ("layers",)),
    "activation": ArraySpec("U", ("layers",)),
    "weights*": ArraySpec("i1", (None, None), -127, 127),
    "rows": ArraySpec("i u", ("inputs",)),
    "mean": ArraySpec("f8", ("inputs",)),
    "spread": ArraySpec("f8", ("inputs",)),
    "limit": ArraySpec("f8"),
    "labels": ArraySpec("U", ("labels",)),
    "card": ArraySpec("U"),
}


def _in_order(network: FeedForwardNetwork, names: list[str]) -> FeedForwardNetwork:
    """The network with its outputs, which have these names, in the order of LABELS."""
    if sorted(names) != sorted(LABELS):
        raise NetworkError(f"labels are {names}; expected each of {list(LABELS)} once, in any order")
    *hidden, last = network.layers
    if last.outputs != len(names):
        raise NetworkError(f"the network has {counted(last.outputs, 'output')} for {counted(len(names), 'label')}")
    columns = [names.index(label) for label in LABELS]
    return FeedForwardNetwork((*hidden, replace(last, weights=last.weights[:, columns])))
