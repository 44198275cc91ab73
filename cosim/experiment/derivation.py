"""What an experiment's words make the chip do."""

import numpy as np
from numpy.typing import NDArray

from cosim.experiment.experiment import Experiment
from cosim.fabric.derivation import Derivation
from rtl.isa import CONTROL_LATENCY

__all__ = ["ExperimentDerivation"]


class ExperimentDerivation(Derivation):
    """The derivation of an experiment, followed until nothing that it issues can take force any more.

    A pulse ends with the longest code of its vector.

    Parameters
    ----------
    experiment : Experiment
    memory : uint8 (ILPs, vectors, lanes), optional
        The input landing pads' SRAMs. By default only the experiment's own vectors are known; any other may be long.
    tolerant : bool
        A unit that leaves its program halts there.
    """

    def __init__(
        self, experiment: Experiment, memory: NDArray[np.uint8] | None = None, *, tolerant: bool = False
    ) -> None:
        self._vectors = experiment.vectors if memory is None else dict(enumerate(memory))
        limit = experiment.cycles + 1  # what issues in the cycle of the stop still takes force
        end = limit + CONTROL_LATENCY
        super().__init__(experiment.config, experiment.units, experiment.masks, limit=limit, end=end, tolerant=tolerant)

    def _longest(self, ilp: int, slot: int) -> int:
        vectors = self._vectors.get(ilp, ())
        return int(vectors[slot].max()) if slot < len(vectors) else super()._longest(ilp, slot)
