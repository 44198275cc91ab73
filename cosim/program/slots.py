"""Units that run words, and the slots of the landing pads' SRAMs by which the host feeds and reads a program."""

from dataclasses import dataclass

from cosim.files.errors import UserError
from rtl.isa import UnitKind

__all__ = ["InputSlot", "OutputSlot", "ProgramError", "Unit"]


class ProgramError(UserError, ValueError):
    """A program, or the file that should hold one, cannot be used; the message says what and where."""


@dataclass(frozen=True)
class Unit:
    """One unit with a sequencer: kind (TILE, ILP or OLP) and index (tile, or domain)."""

    kind: UnitKind
    index: int

    def __str__(self) -> str:
        return f"{self.kind.name} {self.index}"

    @classmethod
    def parse(cls, text: str) -> "Unit":
        """Inverse of `str`."""
        kind, _, index = text.strip().partition(" ")
        if kind not in ("TILE", "ILP", "OLP") or not index.strip().isdecimal():
            raise ProgramError(f"no unit {text.strip()!r}; expected TILE, ILP or OLP and an index, e.g. TILE 7")
        return cls(getattr(UnitKind, kind), int(index))


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
