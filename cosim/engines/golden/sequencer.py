"""A sequencer: which bank writes a program issues, and how it ends.

Programs steer without looking at data, so all that a unit issues is known before the run. Source: docs/fabric.md,
"Sequencers".
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from amaranth.lib import data

from cosim.isa.words import fields_of
from rtl import isa
from rtl.config import ChipConfig
from rtl.isa import Instruction, JumpPayload, LoopPayload, UnitKind

__all__ = ["Issue", "Walk", "walk"]

#: Amaranth's enums and layouts are untyped to a type checker.
Mode: Any = isa.Mode
UNIT_BANKS: Any = isa.UNIT_BANKS


@dataclass(frozen=True)
class Issue:
    """One bank write: the cycle in which it issues, its bank, and every field of the bank."""

    cycle: int
    bank: str
    fields: Mapping[str, int]


@dataclass(frozen=True)
class Walk:
    """What a unit does from the start pulse on.

    Members
    -------
    issues : tuple of Issue
        Bank writes in order.
    halted : int
        First cycle in which the unit does not run any more.
    illegal : int or None
        First cycle with the `illegal` flag set.
    """

    issues: tuple[Issue, ...]
    halted: int
    illegal: int | None


def walk(words: Sequence[int], kind: UnitKind, config: ChipConfig, stop: int, seen: Counter[tuple]) -> Walk:
    """Run the program SRAM `words` of a unit of `kind` until it halts, or until the host's stop in cycle `stop`.

    `seen` counts what happened, for functional coverage.
    """
    counters = [0] * config.loop_levels
    owners: dict[int, int] = {}  # the LOOP word that counted last at each level, for coverage
    issues: list[Issue] = []
    loops = _IdleLoops(counters, seen)
    at, cycle = 0, 0
    while cycle <= stop:
        mnemonic, wait, fields = _decode(kind, words[at])
        seen["word", kind.name, "undefined" if mnemonic == "MODE" else mnemonic] += 1
        seen["wait", _size(wait)] += 1
        following = at + 1
        match mnemonic:
            case "HALT":
                return _ended(issues, cycle + wait + 1, stop, "halt", seen)
            case "NOP":
                pass
            case "JUMP":
                following = fields["target"]
                seen["jump", "self" if following == at else "back" if following < at else "ahead"] += 1
            case "LOOP" if fields["level"] < config.loop_levels:
                following = _loop(counters, owners, fields, at, seen)
                loops.counted(fields["level"])
            case "LOOP" | "MODE":
                seen["illegal", kind.name, "LOOP level" if mnemonic == "LOOP" else f"mode {fields['mode']}"] += 1
                return _illegal(issues, cycle + 1, stop, seen)
            case bank:
                issues.append(Issue(cycle, bank, fields))
        if following <= at:
            cycle += loops.skipped(at, cycle, stop, len(issues), fields["level"] if mnemonic == "LOOP" else None)
        cycle += wait + 1
        if following >= len(words):
            seen["illegal", kind.name, "end" if following == at + 1 else f"{mnemonic} beyond"] += 1
            return _illegal(issues, cycle, stop, seen)
        at = following
    seen["end", "stop"] += 1
    return Walk(tuple(issues), stop + 1, None)


class _IdleLoops:
    """Passes of a loop that writes no bank, and so has no effect but the time that it takes: all but three are skipped.

    Two passes in a row that change nothing but the loop's own counter are alike, and so are all that follow. What the
    second of them added to `seen` is added for each that is skipped.
    """

    def __init__(self, counters: list[int], seen: Counter[tuple]) -> None:
        self._counters, self._seen = counters, seen
        self._counts = [0] * len(counters)  # LOOPs at each level
        self._state: dict[int, tuple] = {}  # by the word that goes back, when it last did
        self._before: dict[int, tuple[int, Counter[tuple]]] = {}  # the cycle and `seen` then, after one idle pass

    def counted(self, level: int) -> None:
        """A LOOP of this level was gone through."""
        self._counts[level] += 1

    def skipped(self, at: int, cycle: int, stop: int, issued: int, own: int | None) -> int:
        """Word `at` goes back in `cycle`, a LOOP of level `own` or a JUMP: cycles of the passes that are skipped."""
        state = self._now(issued, own)
        before = self._state.get(at)
        self._state[at] = state
        if before is None or not _idle(before, state):
            self._before.pop(at, None)
            return 0
        if at not in self._before:
            self._before[at] = cycle, self._seen.copy()
            return 0
        began, seen = self._before.pop(at)
        passes = (stop - cycle) // (cycle - began)
        if own is not None:
            passes = min(passes, self._counters[own] - 1)
            self._counters[own] -= passes
            self._counts[own] += passes
        for key, count in (self._seen - seen).items():
            self._seen[key] += passes * count
        self._state[at] = self._now(issued, own)
        return passes * (cycle - began)

    def _now(self, issued: int, own: int | None) -> tuple:
        """(bank writes, the other counters, passes left + LOOPs of the own level): equal before and after an idle pass.

        The last one is what a second LOOP of the same level in the loop would change.
        """
        others = tuple(count for level, count in enumerate(self._counters) if level != own)
        return issued, others, None if own is None else (self._counters[own], self._counts[own])


def _idle(before: tuple, now: tuple) -> bool:
    """Whether nothing happened between two states but one pass of the loop."""
    *rest, own = now
    *was, earlier = before
    return was == rest and (own is None or (earlier[0] - own[0], own[1] - earlier[1]) == (1, 1))


def _loop(counters: list[int], owners: dict[int, int], fields: Mapping[str, int], at: int, seen: Counter[tuple]) -> int:
    """Word that follows a LOOP in word `at`; an idle counter (zero) stands for the first pass."""
    level, count = fields["level"], max(fields["count"], 1)
    first = counters[level] == 0
    if not first and owners.get(level) != at:
        seen["loop", "counts on for another"] += 1
    owners[level] = at
    counters[level] = (counters[level] or count) - 1
    if first:
        seen["loop", f"count {min(fields['count'], 2)}"] += 1
        seen["loop", f"level {level}"] += 1
    if counters[level]:
        seen["loop", f"depth {sum(counter > 0 for counter in counters)}"] += 1
        return fields["target"]
    return at + 1


def _ended(issues: list[Issue], halted: int, stop: int, how: str, seen: Counter[tuple]) -> Walk:
    seen["end", how if halted <= stop else "stop"] += 1
    return Walk(tuple(issues), min(halted, stop + 1), None)


def _illegal(issues: list[Issue], halted: int, stop: int, seen: Counter[tuple]) -> Walk:
    ended = _ended(issues, halted, stop, "illegal", seen)
    return Walk(ended.issues, ended.halted, halted if halted <= stop + 1 else None)


def _size(wait: int) -> str:
    return "none" if wait == 0 else "one" if wait == 1 else "longest" if wait == 4095 else "some"


@lru_cache(maxsize=1 << 16)
def _decode(kind: UnitKind, word: int) -> tuple[str, int, Mapping[str, int]]:
    """(mnemonic, wait, fields) of a word; a mode or bank that the unit does not have is the mnemonic `MODE`.

    Bits of the payload that a mode does not use are ignored, so any 128 bits are a word.
    """
    outer = {name: word >> part.offset & (1 << part.width) - 1 for name, part in data.Layout.cast(Instruction)}
    mode, wait, payload = outer["mode"], outer["wait"], outer["payload"]
    layouts = {Mode.JUMP.value: JumpPayload, Mode.LOOP.value: LoopPayload}
    if mode in layouts:
        bits = data.Layout.cast(layouts[mode])
        fields = {name: payload >> part.offset & (1 << part.width) - 1 for name, part in bits}
        return Mode(mode).name, wait, fields
    if mode in (Mode.NOP.value, Mode.HALT.value):
        return Mode(mode).name, wait, {}
    for bank, (number, _) in UNIT_BANKS[kind].items():
        if mode == number.value:
            known = fields_of(kind, bank).values()
            return bank, wait, {part.name: part.decode(payload >> part.offset & part.high) for part in known}
    return "MODE", wait, {"mode": mode}
