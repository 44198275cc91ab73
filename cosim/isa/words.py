"""One instruction as names and numbers, and its 128-bit word. Every position comes from the layouts in `rtl.isa`."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np
from amaranth.lib import data
from numpy.typing import NDArray

from cosim.files.errors import UserError
from rtl.isa import (
    MAX_WAIT,
    UNIT_BANKS,
    WORD_BITS,
    Instruction,
    JumpPayload,
    LoopPayload,
    Mode,
    UnitKind,
)

__all__ = [
    "ILP",
    "OLP",
    "TILE",
    "Field",
    "Operation",
    "WordError",
    "beats_to_words",
    "decode",
    "encode",
    "fields_of",
    "mnemonics",
    "nearest",
    "wait_of",
    "words_to_beats",
]


#: The kinds of unit that run programs.
TILE, ILP, OLP = UnitKind.TILE, UnitKind.ILP, UnitKind.OLP


class WordError(UserError, ValueError):
    """An instruction that no word expresses, or a word that is no instruction of the unit."""


@dataclass(frozen=True)
class Field:
    """One field of a payload: its place in the word and the names of its values, if it has any."""

    name: str
    offset: int
    width: int
    choices: Mapping[str, int] = field(default_factory=dict)
    signed: bool = False

    @property
    def low(self) -> int:
        return -(1 << self.width - 1) if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << self.width) - 1

    def encode(self, value: int) -> int:
        """`value` as field bits.

        Raises
        ------
        WordError
            If the field cannot hold it.
        """
        if not self.low <= value <= self.high:
            raise WordError(f"{self.name} must be {self.low} to {self.high}, got {value}")
        if self.choices and value not in self.choices.values():
            known = ", ".join(f"{name} ({number})" for name, number in self.choices.items())
            raise WordError(f"{self.name} has no value {value}; it knows {known}")
        return value & self.high

    def decode(self, bits: int) -> int:
        """Field bits as a number; a signed field comes back negative from half its range on."""
        return bits - (1 << self.width) if self.signed and bits >> self.width - 1 else bits


@dataclass(frozen=True)
class Operation:
    """One instruction.

    Parameters
    ----------
    mnemonic : str
        Name of a bank (`MESH`, `PULSE`, ...), or `NOP`, `JUMP`, `LOOP`, `HALT`.
    fields : mapping of str to int
        Fields of the payload; those left out are zero. A decoded operation has all of them.
    wait : int
        Extra cycles: the operation occupies ``wait + 1``.
    """

    mnemonic: str
    fields: Mapping[str, int] = field(default_factory=dict)
    wait: int = 0


#: Fields whose numbers are two's complement; the layout does not say so, its docstring does.
_SIGNED = frozenset({"advance"})
#: Mnemonic -> (mode, layout of the payload); Amaranth's enumerations are untyped to a type checker, hence Any.
_STEERING: dict[str, tuple[Any, Any]] = {
    "NOP": (Mode.NOP, None),
    "JUMP": (Mode.JUMP, JumpPayload),
    "LOOP": (Mode.LOOP, LoopPayload),
    "HALT": (Mode.HALT, None),
}


@cache
def _operations(kind: UnitKind) -> dict[str, tuple[Any, Any]]:
    if kind not in UNIT_BANKS:
        raise WordError(f"{kind} runs no program; these do: {', '.join(map(str, UNIT_BANKS))}")
    banks: Any = UNIT_BANKS[kind]
    return {**banks, **_STEERING}


@cache
def _by_mode(kind: UnitKind) -> dict[int, str]:
    return {mode.value: mnemonic for mnemonic, (mode, _) in _operations(kind).items()}


def mnemonics(kind: UnitKind) -> tuple[str, ...]:
    """Mnemonics that a unit of `kind` understands."""
    return tuple(_operations(kind))


@cache
def fields_of(kind: UnitKind, mnemonic: str) -> dict[str, Field]:
    """Payload fields of one instruction by name; an array's elements are called ``name[i]``."""
    layout = _operations(kind)[mnemonic][1]
    if layout is None:
        return {}
    fields: dict[str, Field] = {}
    for name, part in data.Layout.cast(layout):
        if isinstance(part.shape, data.ArrayLayout):
            width = part.width // part.shape.length
            for i in range(part.shape.length):
                fields[f"{name}[{i}]"] = Field(f"{name}[{i}]", part.offset + i * width, width)
        else:
            members = getattr(part.shape, "__members__", {})
            choices = {label.lower(): member.value for label, member in members.items()}
            fields[name] = Field(name, part.offset, part.width, choices, name in _SIGNED)
    return fields


def nearest(word: str, known: Iterable[str]) -> str:
    """What somebody who wrote `word` may have meant, as the end of an error message."""
    known = list(known)
    if not known:
        return "it has none"
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"expected one of: {', '.join(known)}"


_OUTER = {name: (part.offset, (1 << part.width) - 1) for name, part in data.Layout.cast(Instruction)}


def encode(kind: UnitKind, operation: Operation) -> int:
    """The 128-bit word of `operation` for a unit of `kind`.

    Raises
    ------
    WordError
        On an unknown mnemonic or field, or a value that does not fit.
    """
    operations = _operations(kind)
    if operation.mnemonic not in operations:
        raise WordError(
            f"unknown instruction {operation.mnemonic!r} of {kind.name}; {nearest(operation.mnemonic, operations)}"
        )
    if not 0 <= operation.wait <= MAX_WAIT:
        raise WordError(f"wait must be 0 to {MAX_WAIT}, got {operation.wait}; split it with NOP")
    known = fields_of(kind, operation.mnemonic)
    payload = 0
    for name, value in operation.fields.items():
        if name not in known:
            raise WordError(f"unknown field {name!r} of {operation.mnemonic}; {nearest(name, known)}")
        payload |= known[name].encode(value) << known[name].offset
    mode = operations[operation.mnemonic][0].value
    parts = {"payload": payload, "wait": operation.wait, "mode": mode}
    return sum(value << _OUTER[name][0] for name, value in parts.items())


@lru_cache(maxsize=1 << 14)  # a program is decoded once for each of its checks, and its words hardly change
def decode(kind: UnitKind, word: int) -> Operation:
    """The operation that a unit of `kind` reads in `word`: the inverse of `encode`.

    Raises
    ------
    WordError
        If the mode is not defined for the unit, or a bit is set that `encode` would leave clear.
    """
    if not 0 <= word < 1 << WORD_BITS:
        raise WordError(f"a word has {WORD_BITS} bits, got {word:#x}")
    mode, wait, payload = (word >> _OUTER[name][0] & _OUTER[name][1] for name in ("mode", "wait", "payload"))
    mnemonic = _by_mode(kind).get(mode)
    if mnemonic is None:
        raise WordError(f"mode {mode} is not defined for {kind.name}: word {word:#034x}")
    known = fields_of(kind, mnemonic)
    bits = {name: payload >> part.offset & part.high for name, part in known.items()}
    if payload != sum(value << known[name].offset for name, value in bits.items()):
        raise WordError(f"bits outside the fields of {mnemonic} are set: word {word:#034x}")
    values = {name: known[name].decode(value) for name, value in bits.items()}
    for name, value in values.items():
        if known[name].choices and value not in known[name].choices.values():
            raise WordError(f"{name} has no value {value}: word {word:#034x}")
    return Operation(mnemonic, values, wait)


def wait_of(word: int) -> int:
    """Extra cycles that a word asks for, whatever instruction it is, or none."""
    offset, mask = _OUTER["wait"]
    return word >> offset & mask


def words_to_beats(words: tuple[int, ...]) -> NDArray[np.uint64]:
    """128-bit words -> (n, 2) beats, low half first: the order of the host port."""
    low = (1 << 64) - 1
    return np.array([(word & low, word >> 64) for word in words], dtype=np.uint64).reshape(-1, 2)


def beats_to_words(beats: NDArray[np.uint64]) -> tuple[int, ...]:
    """Inverse of `words_to_beats`."""
    return tuple(low | high << 64 for low, high in beats.tolist())
