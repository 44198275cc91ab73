"""What happens on a chip, as numbers: pulses, charges, comparisons, words; of every unit and step.

An `Activity` is a sum of what happens, of one frame or of many; what each of it costs is `cosim.performance.energy`'s.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeVar

from cosim.program import Unit

__all__ = ["WHOLE", "Activity", "Happening", "Key", "grouped"]

Group = TypeVar("Group", bound=Hashable)

#: Step of what belongs to none, but to the whole frame.
WHOLE = -1


class Happening(StrEnum):
    """What is counted, and in which unit; all of it digital but the charge."""

    CHARGED = "charge of charging phases, fC"  #: that the array draws through the read bias, as `Consumption` has it
    DISCHARGED = "charge of discharging phases, fC"
    ROW_PULSES = "row pulses"
    ROW_NS = "row pulses, ns"
    COLUMN_NS = "columns that integrate, ns"  #: columns, times ns with their amplifiers at work
    PRECHARGED = "capacitors precharged"
    RAMPS = "ramps"
    COMPARED = "comparisons"
    COMPARATOR_NS = "columns that are compared, ns"
    WIRES = "wire segments driven"  #: pulses, times tiles whose net of one lane carries them
    COUNTER_CYCLES = "counter cycles"  #: of a lane of a landing pad while its pulse is high
    SRAM_BITS = "bits of vectors read and written"
    WORDS = "controller words"
    BEATS = "host port beats"
    CHIP_NS = "time of a chip, ns"


class Key(NamedTuple):
    """Where something happens, and what.

    Parameters
    ----------
    unit : Unit or None
        None is the chip as a whole.
    step : int
        Of 300 ns in the frame, from 0 on; `WHOLE` for none.
    what : Happening
    """

    unit: Unit | None
    step: int
    what: Happening


@dataclass(frozen=True)
class Activity:
    """Counts, which may be expectations and thus no whole numbers.

    Parameters
    ----------
    counts : mapping of Key to float
    """

    counts: Mapping[Key, float] = field(default_factory=dict)

    def __add__(self, other: "Activity") -> "Activity":
        return Activity.sum([(self, 1.0), (other, 1.0)])

    def times(self, factor: float) -> "Activity":
        """So many frames like this."""
        return Activity({key: count * factor for key, count in self.counts.items()})

    @classmethod
    def sum(cls, parts: Iterable[tuple["Activity", float]]) -> "Activity":
        """Several, each so many times."""
        total: dict[Key, float] = {}
        for activity, factor in parts:
            for key, count in activity.counts.items():
                total[key] = total.get(key, 0.0) + count * factor
        return cls(total)

    def total(self, what: Happening) -> float:
        """All over the chip."""
        return sum(count for key, count in self.counts.items() if key.what is what)

    def totals(self) -> dict[Happening, float]:
        """Everything that happens at all, all over the chip."""
        return grouped(self.counts, lambda key: key.what)


def grouped(values: Mapping[Key, float], group: Callable[[Key], Group]) -> dict[Group, float]:
    """Sums of values by some property of their keys."""
    sums: dict[Group, float] = {}
    for key, value in values.items():
        sums[group(key)] = sums.get(group(key), 0.0) + value
    return sums
