"""From "do this in that cycle" to a program that does so, with loops, jumps and some good or bad ending."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cosim.isa.words import TILE, Operation, encode
from cosim.program import Unit
from rtl.config import ChipConfig
from rtl.isa import MAX_WAIT

__all__ = ["Steering"]

#: What a program ends with, and how often.
_ENDINGS = {
    "halt": 40,
    "forever": 2,
    "again": 2,
    "leftovers": 2,
    "illegal mode": 12,
    "illegal level": 2,
    "jump beyond": 2,
    "loop beyond": 2,
    "run out": 2,
}
_WAITS = (0, 0, 0, 0, 1, 1, 7, 100, MAX_WAIT)


class Steering:
    """Draws what is between and behind the bank writes of a program.

    `leftovers` go on in what an earlier experiment left in the SRAM.

    Parameters
    ----------
    config : ChipConfig
    rng : numpy Generator
    lawful : bool
        Nothing illegal, and loops only around a NOP: what is in a script once happens once.
    """

    def __init__(self, config: ChipConfig, rng: np.random.Generator, *, lawful: bool) -> None:
        self._config, self._rng, self._lawful = config, rng, lawful

    def program(self, unit: Unit, script: Sequence[tuple[int, Operation]]) -> tuple[int, ...]:
        """Words that do the operations of a script, each in its cycle or, if that is taken, in the next free one.

        Loops shift what follows them. A tile's program begins with the precharge that the physics asks for.
        """
        steps = [(0, Operation("ARRAY", {"precharge": 1})), (1, Operation("ARRAY"))] if unit.kind is TILE else []
        last = len(steps) - 1
        # ARRAY comes first, so that the two tiles of a pair share in the same cycle.
        for at, operation in sorted(script, key=lambda step: (step[0], step[1].mnemonic != "ARRAY")):
            last = max(last + 1, at)
            steps.append((last, operation))
        ops = self._spaced(steps)
        if self._chance(0.25):
            ops = self._looped(ops)
        return self._ended(unit, [encode(unit.kind, operation) for operation in ops])

    def _spaced(self, steps: list[tuple[int, Operation]]) -> list[Operation]:
        """Time passes in the wait of the operation before, or in a NOP."""
        ops: list[Operation] = []
        now = 0
        for at, operation in steps:
            gap = at - now
            if gap and ops and ops[-1].wait + gap <= MAX_WAIT and self._chance(0.8):
                ops[-1] = Operation(ops[-1].mnemonic, ops[-1].fields, ops[-1].wait + gap)
            elif gap:
                ops.append(Operation("NOP", {}, min(gap - 1, MAX_WAIT)))
            ops.append(operation)
            now = at + 1
        return ops

    def _looped(self, ops: list[Operation]) -> list[Operation]:
        """Nested loops around some words, or a jump over one that nobody reaches."""
        first = self._number(0, len(ops) - 1)
        if self._chance(0.3):
            return [*ops[:first], Operation("JUMP", {"target": first + 2}), Operation("NOP", {}, 5), *ops[first:]]
        last = min(first + self._number(1, 4), len(ops))
        if self._lawful:
            ops, last = [*ops[:first], Operation("NOP", {}, self._number(0, 3)), *ops[first:]], first + 1
        depth, shared = self._number(1, self._config.loop_levels), not self._lawful and self._chance(0.2)
        levels = self._rng.choice(self._config.loop_levels, depth, replace=shared)  # a shared level counts for both
        loops = [
            Operation("LOOP", {"target": first, "count": self._number(0, 3), "level": int(level)}, self._number(0, 2))
            for level in levels
        ]
        return [*ops[:last], *loops, *ops[last:]]

    def _ended(self, unit: Unit, words: list[int]) -> tuple[int, ...]:
        config, tile = self._config, unit.kind is TILE
        depth = config.program_depth if tile else config.pad_program_depth
        words = words[: depth - 2]
        here, wait = len(words), self._one_of(_WAITS)
        shares = _ENDINGS if tile else _ENDINGS | {"illegal mode": 30}  # pads have more modes that they do not know
        ending = self._one_of([name for name, share in shares.items() for _ in range(share)])
        if self._lawful:
            ending = "forever" if ending == "forever" else "halt"
        if ending == "run out":
            return (*words, *[encode(unit.kind, Operation("NOP", {}, self._number(0, 1)))] * (depth - here))
        if ending == "illegal mode":
            mode = self._one_of([*range(5 if tile else 1, 8), 9, 10, 11, 14])
            return (*words, mode << 124 | wait << 112 | self._number(0, 1 << 60))
        last = {
            "halt": Operation("HALT", {}, wait),
            "forever": Operation("JUMP", {"target": here}, wait),
            "leftovers": Operation("JUMP", {"target": self._number(0, depth - 1)}, wait),
            "again": Operation("JUMP", {"target": self._number(0, here)}, wait),
            "jump beyond": Operation("JUMP", {"target": self._number(depth, 65_535)}, wait),
            "illegal level": Operation("LOOP", {"count": 2, "level": self._number(config.loop_levels, 7)}, wait),
            "loop beyond": Operation("LOOP", {"target": self._number(depth, 65_535), "count": 2}, wait),
        }[ending]
        return (*words, encode(unit.kind, last), encode(unit.kind, Operation("HALT")))

    def _chance(self, share: float) -> bool:
        return bool(self._rng.random() < share)

    def _number(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def _one_of(self, things: Any) -> Any:
        return things[self._number(0, len(things) - 1)]
