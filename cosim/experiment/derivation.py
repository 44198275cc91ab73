"""What an experiment's words make the chip do, and where that is illegal."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.experiment.experiment import Experiment
from cosim.fabric.checker import check_mesh, check_sharing
from cosim.fabric.derivation import Derivation
from cosim.fabric.events import ScheduleError
from cosim.fabric.mesh_graph import IllegalRouteError
from rtl.isa import CONTROL_LATENCY

__all__ = ["ExperimentDerivation", "Problem", "problems"]


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


class Problem(NamedTuple):
    """Something illegal in an experiment: in words, and in which cycle it shows."""

    text: str
    cycle: int | None


def problems(experiment: Experiment) -> list[Problem]:
    """What is illegal in an experiment, in the order of time: every unit that leaves its program, and of the wires, the
    shared capacitors and the events the first thing that is.
    """
    derivation = ExperimentDerivation(experiment, tolerant=True)
    checks: list[Callable[[], object]] = [
        lambda: check_mesh(derivation),
        lambda: check_sharing(derivation),
        derivation.schedule,
    ]
    found = [Problem(f"{unit} {error}", error.cycle) for unit, error in derivation.strays.items()]
    for check in checks:
        try:
            check()
        except (IllegalRouteError, ScheduleError) as error:
            found.append(Problem(str(error), error.cycle))
    unique = {problem.text: problem for problem in found}  # a ring is found by its wires and by its events
    return sorted(unique.values(), key=lambda problem: -1 if problem.cycle is None else problem.cycle)
