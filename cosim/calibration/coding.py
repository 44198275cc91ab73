"""How the numbers of a matrix become codes and weights, and what its products are worth in codes.

Of a matrix W with inputs x, row k and column n of block b, with the longest duration D, 255 ns:

=====================  ===========================================================================================
code of an input       ``rint(D (x_k - o_k) / (r_k s))``, cut off at -D and D; s and o are the node's, r_k the matrix's
programmed weight      ``p_kn = W_kn r_k / c_n``, within [-1, 1]; c_n is the block's
product on the chip    ``m_n = sum_k code_k / D p_kn``, of which F, the block's full scale, is the longest duration
duration of an output  ``D / 2 (1 + m_n / F)``, rounded half up, 0 to D
product                ``s c_n m_n``, over all blocks of the rows, and ``sum_k o_k W_kn`` and the bias
=====================  ===========================================================================================

Rows of a matrix that is there several times count on from copy to copy, as in `cosim.compiler.matrices.layout`.

A few inputs may be outliers, whose range would leave the others too few codes: their rows stay with the host, which
adds ``x_k W_kn`` in float32. On the chip these rows are zero, inputs and weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analog_models.npz import ArraySpec, check_arrays
from analog_models.values import kept
from cosim.compiler.matrices.layout import Block

__all__ = ["Coding", "CodingHeader", "expanded", "rows_of", "without"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Coding:
    """The scales of one matrix.

    Parameters
    ----------
    rows : (rows,) float64
        r_k: equalises rows whose inputs differ much. Of an expanded matrix, the rows on the chip.
    inputs : mapping of str to float
        s of every node that uses the matrix.
    centres : mapping of str to (rows,) float32
        o_k of every node: what its inputs are in the mean. Pulses tell what they differ by, and what the mean gives is
        added with the bias.
    columns : mapping of str to (columns,) float64
        c_n of every block.
    full_scale : mapping of str to float
        F of every block.
    expansion : (inputs, rows) float32, optional
        Random matrix that the host multiplies the inputs with, and whose pseudo-inverse is in the weights.
    outliers : tuple of int
        Inputs whose products are the host's.
    duration : int
        D, ns.
    """

    rows: Array
    inputs: Mapping[str, float]
    centres: Mapping[str, NDArray[np.float32]]
    columns: Mapping[str, Array]
    full_scale: Mapping[str, float]
    expansion: NDArray[np.float32] | None = None
    outliers: tuple[int, ...] = ()
    duration: int = 255

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", kept(np.asarray(self.rows, np.float64)))
        object.__setattr__(self, "centres", {node: kept(np.asarray(c, np.float32)) for node, c in self.centres.items()})
        object.__setattr__(self, "columns", {name: kept(np.asarray(c, np.float64)) for name, c in self.columns.items()})

    @cached_property
    def _steps(self) -> Mapping[str, NDArray[np.float32]]:
        """Codes for an input of 1 in each row, by node."""
        return {node: (self.duration / (self.rows * scale)).astype(np.float32) for node, scale in self.inputs.items()}

    def spread(self, x: NDArray) -> NDArray[np.float32]:
        """Inputs (frames, inputs) as they go to the rows, (frames, rows)."""
        x = without(np.asarray(x, np.float32), self.outliers)
        return x if self.expansion is None else x @ self.expansion

    def hosted(self, x: NDArray, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Products of the outliers among the inputs (..., inputs) of a matrix's weights, (..., columns)."""
        rows = list(self.outliers)
        if not rows:
            return np.zeros((*x.shape[:-1], weights.shape[1]), np.float32)
        products: NDArray[np.float32] = np.asarray(x[..., rows], np.float32) @ weights[rows]
        return products

    def codes(self, node: str, x: NDArray[np.float32]) -> NDArray[np.int16]:
        """Signed codes of `spread` inputs of a node, (frames, rows); what is beyond the range is cut off."""
        codes = x - self.centres[node]
        codes *= self._steps[node]
        np.rint(codes, out=codes)
        np.clip(codes, -self.duration, self.duration, out=codes)
        return codes.astype(np.int16)

    def scaled(self, block: Block, weights: NDArray) -> Array:
        """Weights of a block with its rows equalised, (rows, columns), of the matrix's `expanded` weights."""
        rows = rows_of(block.rows, len(self.rows))
        return weights[rows, slice(*block.columns)] * self.rows[rows, None]

    def weights(self, block: Block, weights: NDArray) -> Array:
        """What to program into a block, (rows, columns) within [-1, 1]."""
        return np.clip(self.scaled(block, weights) / self.columns[block.name], -1, 1)

    def told(self, products: NDArray, block: str) -> NDArray:
        """Products on the chip, (frames, columns), as codes tell them: rounded, and cut off at the full scale."""
        full, centre = self.full_scale[block], self.duration / 2
        told = products * (centre / full)
        told += centre + 0.5
        np.floor(told, out=told)
        np.clip(told, 0, self.duration, out=told)
        told -= centre
        told *= full / centre
        return told

    def worth(self, node: str, block: str) -> Array:
        """What a product of 1 on the chip is worth in each of a block's columns, with the inputs of a node."""
        return self.inputs[node] * self.columns[block]

    def with_blocks(self, columns: Mapping[str, Array], full_scale: Mapping[str, float]) -> Self:
        """The same with scales of all blocks."""
        return replace(self, columns=columns, full_scale=full_scale)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """As what JSON holds, and arrays."""
        arrays: dict[str, NDArray] = {"rows": self.rows}
        arrays |= {f"columns {number}": array for number, array in enumerate(self.columns.values())}
        arrays |= {f"centres {number}": self.centres[node] for number, node in enumerate(self.inputs)}
        if self.expansion is not None:
            arrays["expansion"] = self.expansion
        blocks = [[name, self.full_scale[name]] for name in self.columns]
        header = {"inputs": dict(self.inputs), "blocks": blocks, "duration": self.duration}
        return {**header, "outliers": list(self.outliers)}, arrays

    @classmethod
    def from_parts(cls, header: "CodingHeader", arrays: Mapping[str, NDArray]) -> "Coding":
        """Inverse of `to_parts`.

        Raises
        ------
        ValueError
            If an array is missing, or of another type or shape.
        """
        columns = {f"columns {number}": ArraySpec("f8", (f"columns {number}",)) for number in range(len(header.blocks))}
        centres = {f"centres {number}": ArraySpec("f4", ("rows",)) for number in range(len(header.inputs))}
        extra = {"expansion": ArraySpec("f4", (None, "rows"))} if "expansion" in arrays else {}
        check_arrays(arrays, {"rows": ArraySpec("f8", ("rows",)), **centres, **columns, **extra})
        names = [name for name, _ in header.blocks]
        return cls(
            arrays["rows"],
            header.inputs,
            {node: arrays[key] for node, key in zip(header.inputs, centres, strict=True)},
            {name: arrays[key] for name, key in zip(names, columns, strict=True)},
            dict(header.blocks),
            arrays.get("expansion"),
            header.outliers,
            header.duration,
        )


@dataclass(frozen=True)
class CodingHeader:
    """What a file has of a `Coding` beside arrays."""

    inputs: Mapping[str, float]
    blocks: tuple[tuple[str, float], ...]
    duration: int
    outliers: tuple[int, ...]


def without(x: NDArray[np.float32], outliers: tuple[int, ...]) -> NDArray[np.float32]:
    """Inputs (frames, inputs) as the chip gets them: zeros for outliers."""
    if not outliers:
        return x
    rest = x.copy()
    rest[:, list(outliers)] = 0
    return rest


def expanded(
    weights: NDArray[np.float32], expansion: NDArray[np.float32] | None, outliers: tuple[int, ...] = ()
) -> NDArray[np.float32]:
    """Weights (inputs, columns) of a matrix as they are on the chip: W, or of an expansion M the product of M^+ and W.

    Rows of outliers are zero.

    Source
    ------
    Nature 620, 768 (2023), "weight expansion": Wx = (W M^+)(M x), with M random and more rows than inputs.
    """
    weights = without(weights.T, outliers).T
    if expansion is None:
        return weights
    return (np.linalg.pinv(expansion.astype(np.float64)) @ weights).astype(np.float32)


def rows_of(rows: tuple[int, int], height: int) -> slice | NDArray[np.int64]:
    """Rows of a matrix of some height that such rows of its copies are, one copy below the other."""
    copy, first = divmod(rows[0], height)
    if rows[1] <= (copy + 1) * height:
        return slice(first, rows[1] - copy * height)
    return np.arange(*rows) % height
