"""Units that run words, and the slots of the landing pads' SRAMs by which the host feeds and reads a program."""

from dataclasses import dataclass

from analog_models.values import shown, whole_number
from cosim.files.errors import UserError
from cosim.isa.numbers import parse_number
from rtl.isa import UnitKind

__all__ = ["InputSlot", "OutputSlot", "ProgramError", "Unit"]


#: Of a kind: what 8 bits of an address hold.
_MOST_UNITS = 1 << 8


class ProgramError(UserError, ValueError):
    """A program, or the file that should hold one, cannot be used; the message says what and where."""


@dataclass(frozen=True)
class Unit:
    """One unit with a sequencer: kind (TILE, ILP or OLP) and index (tile, or domain)."""

    kind: UnitKind
    index: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", whole_number(self.index, "index of a unit", 0, _MOST_UNITS - 1))

    def __str__(self) -> str:
        return f"{self.kind.name} {self.index}"

    @classmethod
    def parse(cls, text: str) -> "Unit":
        """Inverse of `str`."""
        kind, _, index = text.strip().partition(" ")
        try:
            if kind in ("TILE", "ILP", "OLP"):
                return cls(UnitKind[kind], parse_number(index.strip()))
        except ValueError:
            pass
        raise ProgramError(f"no unit {shown(text.strip())}; expected TILE, ILP or OLP and an index, e.g. TILE 7")


@dataclass(frozen=True)
class InputSlot:
    """A slice of the network's input as one vector of an ILP.

    The magnitudes of inputs ``first`` to ``first + count - 1`` that have `sign`, on lanes 0 to ``count - 1``, belong
    into vector ``slot + stride * frame``. `slice` numbers the slices; one beyond the network's width has count 0.
    """

    ilp: int
    slot: int
    stride: int
    slice: int
    first: int
    count: int
    sign: int


@dataclass(frozen=True)
class OutputSlot:
    """A layer's output as results of an OLP.

    Parameters
    ----------
    name : str
        `layer0`, `layer1`, ...
    layer : int
        Its number.
    olp, slot, stride : int
        Frame f of a run is result ``slot + stride * f`` of this OLP.
    width : int
        Outputs, on lanes 0 to `width` - 1.
    """

    name: str
    layer: int
    olp: int
    slot: int
    stride: int
    width: int
