"""The host port: packets in, answers out.

Source: docs/fabric.md, "Host port".
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cosim.engines.golden.memory import MASKS, PROGRAM, STATUS, VECTORS, Memory
from cosim.isa.words import ILP, OLP, TILE
from rtl.isa import UnitKind

__all__ = ["ACCESS", "Port"]

#: Amaranth's enums are untyped to a type checker.
_Kind: Any = UnitKind
_KINDS = {kind.value: kind for kind in (_Kind.CHIP, TILE, ILP, OLP)}
_CHIP, _TILE, _ILP, _OLP = _KINDS
#: (kind, region) -> what the host may do there; the rest of the memory map follows from the sizes.
ACCESS = {
    (_CHIP, 0): "w",
    (_CHIP, STATUS): "r",
    (_TILE, PROGRAM): "rw",
    (_ILP, PROGRAM): "rw",
    (_OLP, PROGRAM): "rw",
    (_TILE, STATUS): "r",
    (_ILP, STATUS): "r",
    (_OLP, STATUS): "r",
    (_TILE, MASKS): "w",
    (_ILP, VECTORS): "w",
    (_OLP, VECTORS): "r",
}
_WRITE, _READ = 1, 2
_CLEAR = 1 << 2


class Port:
    """What the chip answers to packets while no unit runs.

    Parameters
    ----------
    memory : Memory
        What is read and written.
    control : callable (int), optional
        Called with each value written to CONTROL.

    Members
    -------
    host_error : bool
        The sticky flag.
    seen : Counter
        What happened, for functional coverage.

    >>> from cosim.engines.golden import Memory
    >>> from rtl.config import preset
    >>> Port(Memory(preset("small"))).send([0x2000_0001_0001_0000])  # READ of the chip's STATUS
    [0]
    """

    def __init__(self, memory: Memory, control: Callable[[int], None] = lambda value: None) -> None:
        self.memory = memory
        self.host_error = False
        self.seen: Counter[tuple] = Counter()
        self._control = control

    def send(self, packet: Sequence[int]) -> list[int] | None:
        """One packet, header first, `tlast` with its last beat: the beats of the answer, or None if there is none."""
        header, data = packet[0], packet[1:]
        opcode, length, address = header >> 60, header >> 32 & 0xFFFF, header & 0xFFFFFFFF
        if opcode not in (_WRITE, _READ):
            return self._error("unknown opcode")
        if length == 0:
            return self._error("length 0")
        expected = length if opcode == _WRITE else 0
        if len(data) != expected:
            self._error("late tlast" if len(data) > expected else "early tlast")
        addresses = self._addresses(address, length)
        if opcode == _READ:
            return [self._read(where) for where in addresses]
        for where, beat in zip(addresses, data, strict=False):
            self._write(where, beat)
        return None

    def _error(self, what: str) -> Any:
        self.host_error = True
        self.seen["host error", what] += 1

    @staticmethod
    def _addresses(first: int, length: int) -> Iterator[int]:
        return (first + i & 0xFFFFFFFF for i in range(length))

    def _find(self, address: int, access: str) -> tuple[int, int, int, int] | None:
        """(kind, index, region, offset) of an address, or None, with the flag set, if there is no such access."""
        kind, index, region, offset = address >> 28, address >> 20 & 0xFF, address >> 16 & 0xF, address & 0xFFFF
        beats = self.memory.beats.get((kind, index, region))
        if region == STATUS or kind == _CHIP:
            known = (kind == _CHIP and index == 0) or (kind, index, PROGRAM) in self.memory.beats
            size = 1 if known else 0
        else:
            size = 0 if beats is None else len(beats)
        if offset >= size:
            return self._error("unmapped address")
        if access not in ACCESS.get((kind, region), ""):
            return self._error("access not allowed")
        self.seen["host", {"r": "read", "w": "write"}[access], _KINDS[kind].name, f"region {region}"] += 1
        return kind, index, region, offset

    def _read(self, address: int) -> int:
        found = self._find(address, "r")
        if found is None:
            return 0
        kind, index, region, offset = found
        if region == STATUS:
            return self.host_error << 4 if kind == _CHIP else 0
        return int(self.memory.beats[kind, index, region][offset])

    def _write(self, address: int, beat: int) -> None:
        found = self._find(address, "w")
        if found is None:
            return
        kind, index, region, offset = found
        if kind != _CHIP:
            self.memory.beats[kind, index, region][offset] = beat
            return
        if beat & _CLEAR:
            self.host_error = False
        self._control(beat)
