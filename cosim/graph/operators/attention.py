"""Attention: products of vectors that the network made itself, which no fixed matrix can give."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operator import Operator, Values, real, taken

__all__ = ["Append", "Attention"]


@dataclass(frozen=True)
class Attention(Operator):
    """``softmax(q k^T scale + mask) v`` in several heads, side by side in the columns.

    Inputs: queries (..., T, width), keys (..., S, width), values (..., S, width of values), and optionally a mask that
    broadcasts to (..., heads, T, S): of bool, where a query sees a key; of numbers, which are added to the products.
    Output: (..., T, width of values).

    Operations, with n = T x S: 2 n width for products of queries and keys, 2 n width of values for those of weights and
    values, T x width to scale the queries, 5 n heads of softmax, n heads for a mask. What a causal mask hides is
    counted, too.

    Parameters
    ----------
    heads : int
    causal : bool
        The last query sees every key, the one before all but the last, and so on: a decoder, with keys of earlier
        steps or without.
    scale : float, optional
        One over the root of a head's width by default.

    Raises
    ------
    NetworkError
        On a number of heads below 1; and, when it runs, where a query sees no key.
    """

    heads: int
    causal: bool = False
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise NetworkError(f"heads must be 1 or more, got {self.heads}")

    def run(self, *inputs: NDArray) -> Values:
        given, mask = (inputs[:3], inputs[3]) if len(inputs) == 4 else (inputs, None)
        q, k, v = taken(given, "queries", "keys", "values")
        self._check(q, k, v)
        scale = 1 / math.sqrt(q.shape[-1] / self.heads) if self.scale is None else self.scale
        weights = self._parted(q * np.float32(scale)) @ self._parted(k).swapaxes(-1, -2)  # (..., heads, T, S)
        if mask is not None:
            weights = np.where(mask, weights, -np.inf) if mask.dtype == np.bool_ else weights + real(mask)
        queries, keys = weights.shape[-2:]
        if self.causal and queries > 1:
            hidden = np.triu(np.ones((queries, keys), np.bool_), 1 + keys - queries)
            np.copyto(weights, np.float32(-np.inf), where=hidden)
        largest = weights.max(axis=-1, keepdims=True)
        if mask is not None and np.isneginf(largest).any():
            raise NetworkError("some query sees no key at all: the mask hides all of them")
        weights -= largest
        np.exp(weights, out=weights)
        weights /= weights.sum(axis=-1, keepdims=True)
        y = (weights @ self._parted(v)).swapaxes(-2, -3)  # (..., T, heads, columns)
        return (y.reshape(*y.shape[:-2], -1),)

    def _check(self, q: NDArray, k: NDArray, v: NDArray) -> None:
        shapes = f"queries {q.shape}, keys {k.shape}, values {v.shape}"
        if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
            raise NetworkError(
                f"expected queries (..., T, width), keys (..., S, width), values (..., S, any), got {shapes}"
            )
        if q.shape[-1] % self.heads or v.shape[-1] % self.heads:
            raise NetworkError(f"{self.heads} heads cannot share the columns of {shapes}")
        if not k.shape[-2] or (self.causal and k.shape[-2] < q.shape[-2]):
            raise NetworkError(f"some query sees no key at all: {shapes}")

    def _parted(self, x: NDArray) -> NDArray:
        """(..., T, heads x columns) as (..., heads, T, columns)."""
        return x.reshape(*x.shape[:-1], self.heads, -1).swapaxes(-2, -3)

    def operations(self, *inputs: NDArray) -> int:
        q, k, v = inputs[:3]
        masked = len(inputs) > 3 and inputs[3] is not None
        pairs = q.size // q.shape[-1] * k.shape[-2]
        return 2 * pairs * (q.shape[-1] + v.shape[-1]) + q.size + (6 if masked else 5) * pairs * self.heads


@dataclass(frozen=True)
class Append(Operator):
    """What came before and what is new, one after the other in time: a cache of keys or values, a state that grows.

    Inputs: (..., S, width) and (..., T, width). Output: (..., S + T, width). No operation, numbers only move.
    """

    def run(self, *inputs: NDArray) -> Values:
        before, new = taken(inputs, "what came before", "what is new")
        if (
            before.ndim < 2
            or before.ndim != new.ndim
            or before.shape[:-2] + before.shape[-1:] != new.shape[:-2] + new.shape[-1:]
        ):
            raise NetworkError(f"expected (..., S, width) and (..., T, width), got {before.shape} and {new.shape}")
        return (np.concatenate([before, new], axis=-2),)

    def operations(self, *inputs: NDArray) -> int:
        return 0
