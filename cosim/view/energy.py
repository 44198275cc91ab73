"""What a frame costs on the page: nJ of every unit in every step."""

from collections.abc import Mapping
from dataclasses import dataclass

from analog_models.config import AnalogConfig
from cosim.fabric.events import ScheduleError
from cosim.fabric.mesh_graph import IllegalRouteError
from cosim.performance.activity import WHOLE
from cosim.performance.constants import EnergyConstants
from cosim.performance.counting import FrameCounter
from cosim.performance.data import Codes, FrameData
from cosim.performance.energy import Energy
from cosim.performance.numbers import rows_of_program
from cosim.program import Program

__all__ = ["FrameEnergy"]


@dataclass(frozen=True)
class FrameEnergy:
    """Of one frame.

    Parameters
    ----------
    steps : tuple of int
        In which something costs, from 0 on.
    units : mapping of str to tuple of float
        nJ of every unit that works, in each of these steps, then what belongs to no step.
    whole_nj : float
        Of the frame, clock and leakage counted in.
    mean_code : float
        Of the inputs: they are not known before a program runs.
    """

    steps: tuple[int, ...]
    units: Mapping[str, tuple[float, ...]]
    whole_nj: float
    mean_code: float

    @classmethod
    def of(cls, program: Program) -> "FrameEnergy | None":
        """Of a program's frame with its own weights; None if it does not run as words ask."""
        constants, analog = EnergyConstants.nominal(), AnalogConfig()
        mean_code = constants.fitted.mean_code * program.duration / 255
        data = FrameData(Codes.even(program.input_width, mean_code), rows_of_program(program, analog))
        try:
            energy = Energy.of(FrameCounter(program).count(data, analog), constants)
        except (ScheduleError, IllegalRouteError):
            return None
        steps = tuple(sorted({key.step for key in energy.nj} - {WHOLE}))
        places = {step: at for at, step in enumerate((*steps, WHOLE))}
        units: dict[str, list[float]] = {}
        for key, nj in energy.nj.items():
            if key.unit is not None:
                units.setdefault(str(key.unit), [0.0] * len(places))[places[key.step]] += nj
        return cls(steps, {unit: tuple(values) for unit, values in units.items()}, energy.total_nj, mean_code)
