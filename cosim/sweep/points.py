"""Points of a sweep: which chip, how old, of which devices, with which constants."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeAlias

from analog_models.config import AnalogConfig
from cosim.experiment.file import change_constants
from cosim.files.errors import UserError

__all__ = ["CALIBRATED_S", "Cell", "Point", "SweepError", "chips_of", "grid"]

#: What a column of a table holds.
Cell: TypeAlias = int | float | str | None
#: Age at which chips are calibrated, s, and read unless a point says otherwise.
CALIBRATED_S = AnalogConfig().age_s


class SweepError(UserError, ValueError):
    """A sweep cannot be made, or one of its points; the message says which and why."""


@dataclass(frozen=True)
class Point:
    """One row of a sweep.

    Parameters
    ----------
    seed : int
        Of the chip: programming, mismatch, noise.
    age_s : float
        Of the chip when it is read, s; it was calibrated at `CALIBRATED_S`.
    devices : str
        Name of their model.
    constants : tuple of (str, str)
        Constants of the analog part that are not the nominal ones, and their values as they were given.
    """

    seed: int = 0
    age_s: float = CALIBRATED_S
    devices: str = "pcm"
    constants: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """The point in words; no other one has the same."""
        changed = "".join(f", {name}={value}" for name, value in self.constants)
        return f"chip {self.seed}, age {self.age_s!r} s, devices {self.devices}{changed}"

    @property
    def chip(self) -> "Point":
        """The point at which this point's chip is calibrated: those of one chip differ by their age alone."""
        return replace(self, age_s=CALIBRATED_S)

    def analog(self) -> AnalogConfig:
        """Constants of the chip, at the age of its calibration.

        Raises
        ------
        TomlError, ExperimentError, SweepError
            On a constant that there is not, or a value that it cannot have.
        """
        settings = [f"{name}={value}" for name, value in self.constants]
        analog = change_constants(AnalogConfig.nominal(self.devices), settings)
        if analog.age_s != CALIBRATED_S:
            raise SweepError("age_s is no constant of a sweep: give the ages of the reads, --age")
        return analog

    def columns(self) -> dict[str, Cell]:
        """The point as columns of a table; a constant whose value is a number is one."""
        own: dict[str, Cell] = {"chip": self.seed, "age_s": self.age_s, "devices": self.devices}
        return own | {name: _number(value) for name, value in self.constants}


def _number(text: str) -> Cell:
    try:
        return float(text)
    except ValueError:
        return text


def grid(
    seeds: Iterable[int],
    ages_s: Sequence[float] = (CALIBRATED_S,),
    devices: Sequence[str] = ("pcm",),
    constants: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Point, ...]:
    """Every combination; those of one chip follow each other.

    Parameters
    ----------
    seeds : iterable of int
    ages_s : sequence of float
    devices : sequence of str
    constants : mapping of str to sequence of str, optional
        Values of constants by name.

    Raises
    ------
    TomlError, ExperimentError, SweepError
        If one of the points cannot be, before any work is done.
    """
    constants = constants or {}
    changes = [tuple(zip(constants, values, strict=True)) for values in product(*constants.values())]
    settings = list(product(devices, changes))
    for model, changed in settings:
        Point(devices=model, constants=changed).analog()
    found = (
        Point(seed, age_s, model, changed) for (model, changed), seed, age_s in product(settings, list(seeds), ages_s)
    )
    return tuple(dict.fromkeys(found))


def chips_of(points: Iterable[Point]) -> list[tuple[Point, ...]]:
    """The points chip by chip: whoever has made a chip reads it at all its ages."""
    chips: dict[Point, list[Point]] = {}
    for point in points:
        chips.setdefault(point.chip, []).append(point)
    return [tuple(own) for own in chips.values()]
