"""Texts of a task as batches of tokens, of like lengths together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cosim.workloads.glue import Examples

__all__ = ["Batch", "Texts"]

#: Batches whose texts are sorted by length, so that little is padded.
_SORTED = 16


@dataclass(frozen=True)
class Batch:
    """Tokens, kinds and mask (texts, length), labels (texts,)."""

    tokens: Tensor
    kinds: Tensor
    mask: Tensor
    labels: Tensor


class Texts:
    """Examples as tokens.

    Parameters
    ----------
    examples : Examples
    tokenizer
        Of the package tokenizers.
    longest : int
        Tokens of a text.
    """

    def __init__(self, examples: Examples, tokenizer: Any, longest: int) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(longest)
        self._encoded = [(one.ids, one.type_ids) for one in (tokenizer.encode(*texts) for texts in examples.texts)]
        self._labels = examples.labels.astype(np.int64)

    def __len__(self) -> int:
        return len(self._encoded)

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Without end, every text once before any comes again."""
        while True:
            order = rng.permutation(len(self))
            for some in np.array_split(order, range(_SORTED * size, len(order), _SORTED * size)):
                rows = some[np.argsort([len(self._encoded[row][0]) for row in some], kind="stable")]
                groups = np.array_split(rows, range(size, len(rows), size))
                yield from (self._batch(groups[at]) for at in rng.permutation(len(groups)))

    def in_turn(self, size: int) -> Iterator[Batch]:
        """Every text once, in order."""
        rows = np.arange(len(self))
        yield from map(self._batch, np.array_split(rows, range(size, len(rows), size)))

    def _batch(self, rows: NDArray[np.int64]) -> Batch:
        longest = max(len(self._encoded[row][0]) for row in rows)
        tokens, kinds, mask = np.zeros((3, len(rows), longest), np.int64)
        for at, row in enumerate(rows):
            ids, types = self._encoded[row]
            tokens[at, : len(ids)], kinds[at, : len(ids)], mask[at, : len(ids)] = ids, types, 1
        return Batch(*map(torch.from_numpy, (tokens, kinds, mask, self._labels[rows])))
