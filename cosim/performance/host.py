"""What the host does around the chips: operations by kind, their energy, and the time they take.

Operations of a graph are counted by its operators (docs/operators.md). Beside them stands what chips ask for, which no
graph has: an affine conversion of every output, and the sums of blocks whose rows no capacitor has summed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analog_models.constants import ASSUMPTION, check_constants, constant
from cosim.calibration.coding import Coding
from cosim.compiler.matrices.layout import Call, Layout
from cosim.graph.operator import Operator
from cosim.performance.constants import EnergyConstants

__all__ = ["Aside", "HostTiming", "host_nj", "operations_of", "recombined", "zeros"]


@dataclass(frozen=True)
class Aside:
    """Operations that the host does for each row of inputs of a matrix, beside what chips multiply.

    Parameters
    ----------
    outliers : int
        Products of inputs that stay with the host, sums counted in; the chip has zeros for them.
    expansion : int
        The product with the random matrix of an expansion.
    """

    outliers: int = 0
    expansion: int = 0

    @property
    def counted(self) -> dict[str, int]:
        """By kind, those that there are."""
        kinds = {"outliers": self.outliers, "weight expansion": self.expansion}
        return {kind: number for kind, number in kinds.items() if number}

    @classmethod
    def of(cls, coding: Coding, columns: int) -> "Aside":
        """Of a matrix with so many columns."""
        expansion = 0 if coding.expansion is None else 2 * coding.expansion.size
        return cls(2 * len(coding.outliers) * columns, expansion)


def recombined(layout: Layout, calls: Iterable[Call]) -> Counter[str]:
    """Operations on the outputs of calls, one frame of each, until they are products.

    "affine": a multiplication and an addition for each column of each block; "sums of blocks": what is added up where
    several blocks have a column. Making codes of inputs is counted as none, as in the papers.
    """
    outputs = Counter[str]()
    columns: dict[str, set[int]] = {}
    for call in calls:
        for output in call.outputs:
            block = layout.blocks[output.block]
            outputs[block.matrix] += block.shape[1]
            columns.setdefault(block.matrix, set()).update(range(*block.columns))
    total = outputs.total()
    return Counter({"affine": 2 * total, "sums of blocks": total - sum(map(len, columns.values()))})


def zeros(*shapes: int | tuple[int, ...]) -> tuple[NDArray[np.float32], ...]:
    """Arrays that stand for any of these shapes: how many operations there are depends on shapes alone."""
    return tuple(np.zeros(shape, np.float32) for shape in shapes)


def operations_of(operator: Operator, *shapes: int | tuple[int, ...]) -> int:
    """Operations of an operator on inputs of these shapes."""
    return operator.operations(*zeros(*shapes))


def host_nj(operations: Mapping[str, float], constants: EnergyConstants) -> float:
    """Energy of operations of all kinds, nJ."""
    return 1e-3 * constants.operation_pj * sum(operations.values())


@dataclass(frozen=True)
class HostTiming:
    """How long the host's vector units take; each chip has one beside its landing pads.

    Parameters
    ----------
    layer_ns : float
        Of the digital work behind a frame.
    lanes : int
        Numbers that a unit works on at once, where work is counted and not assumed.
    counted : bool
        Work takes as long as its operations need, one for each lane and ns, and not `layer_ns`.
    port_gbps : float
        Of the pins, both ways together; 0: the host sits beside the pads, and no vector crosses a pin.
    """

    layer_ns: float = constant(
        300.0, "ns", (0, 1e9), "Nature 620, 768 (2023), Methods: for the digital processing of each layer"
    )
    lanes: int = constant(512, "1", (1, 1 << 20), f"{ASSUMPTION}: one for each wire of a landing pad, at 1 GHz")
    counted: bool = constant(False, "", None, "which of the two")
    port_gbps: float = constant(
        0.0, "Gb/s", (0, 1e5), "38.4 of 384 pins at 100 MHz: Nature 620, 768 (2023), Methods; 0 beside the pads"
    )

    def __post_init__(self) -> None:
        check_constants(self)

    def layer(self, operations: float) -> float:
        """Time of the work behind a frame, ns."""
        return operations / self.lanes if self.counted else self.layer_ns

    def port(self, beats: float) -> float:
        """Time that beats of 64 bits take on the pins, ns."""
        return 64 * beats / self.port_gbps if self.port_gbps else 0.0
