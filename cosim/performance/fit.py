"""The fit of what nobody has published, on one chip: three figures of the paper, three unknowns, no freedom left.

Of RNN-T's chip 4 the paper gives operations per joule of the whole chip, of its 1.5 V supply alone, and of the whole
chip with pulses of half the length. An energy is linear in the unknowns of `Fitted`, so that three equations give them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cosim.performance.activity import Activity
from cosim.performance.constants import EnergyConstants, Fitted
from cosim.performance.energy import Energy, Supply

__all__ = ["FIGURES", "Equation", "FittedChip", "fit"]

#: Tera-operations per joule of chip 4. Source: Nature 620, 768 (2023), main text, Fig. 6a-c.
FIGURES: Mapping[str, float] = {"chip": 12.40, "tiles": 20.0, "half durations": 15.4}
_EQUATIONS = tuple(FIGURES)


@dataclass(frozen=True)
class FittedChip:
    """The chip of the fit.

    Parameters
    ----------
    operations : float
        Of a frame.
    activity : callable (mean code) -> Activity
        Of a frame, with inputs whose codes have that mean magnitude.
    halved : callable (mean code) -> Activity
        The same of the program with half durations, of inputs that would have that mean code with whole ones.
    """

    operations: float
    activity: Callable[[float], Activity]
    halved: Callable[[float], Activity]


@dataclass(frozen=True)
class Equation:
    """One figure, and what the fitted model gives for it.

    Parameters
    ----------
    figure : str
    paper, model : float
        TOPS/W.
    """

    figure: str
    paper: float
    model: float

    @property
    def residual(self) -> float:
        """Share by which the model is off."""
        return self.model / self.paper - 1

    def to_json(self) -> dict[str, Any]:
        return {"figure": self.figure, "paper_tops_w": self.paper, "model_tops_w": self.model, "off": self.residual}


def fit(chip: FittedChip, figures: Mapping[str, float] = FIGURES) -> tuple[Fitted, list[Equation]]:
    """The unknowns, and how well the figures come out.

    Raises
    ------
    ValueError
        If the figures ask for a negative constant: then the other constants are too large.
    """

    def energies(unknowns: Fitted) -> np.ndarray:
        constants = EnergyConstants(unknowns)
        whole, half = (Energy.of(activity(unknowns.mean_code), constants) for activity in (chip.activity, chip.halved))
        return np.array([whole.total_nj, whole.by_supply()[Supply.TILES], half.total_nj])

    nothing = Fitted(0.0, 0.0, 0.0)
    base = energies(nothing)
    names = list(vars(nothing))
    slopes = np.stack([energies(replace(nothing, **{name: 1.0})) - base for name in names], axis=1)
    wanted = np.array([chip.operations * 1e-3 / figures[name] for name in _EQUATIONS])
    found = np.linalg.solve(slopes, wanted - base)
    negative = [name for name, value in zip(names, found, strict=True) if value < 0]
    if negative:
        raise ValueError(f"the figures ask for a negative {', '.join(negative)}; other constants are too large")
    fitted = Fitted(*map(float, found))
    model = chip.operations * 1e-3 / energies(fitted)
    return fitted, [Equation(name, figures[name], float(model[at])) for at, name in enumerate(_EQUATIONS)]
