"""Which instruction each unit issues in which cycle: a sequencer in Python, without data.

Source: docs/fabric.md, "Sequencers". Programs steer without looking at data, so all of a run is known beforehand.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cosim.files.errors import UserError
from cosim.isa.assembler import program_depth
from cosim.isa.words import Operation, WordError, decode
from rtl.config import ChipConfig
from rtl.isa import CONTROL_LATENCY, UnitKind

__all__ = ["Interval", "Issue", "Timeline", "TimelineError", "Walk", "intervals", "run"]


class TimelineError(UserError, ValueError):
    """A program that the unit would not run to its HALT.

    Members
    -------
    cycle : int
        When it leaves its program.
    issues : tuple of Issue
        What it issues until then.
    """

    def __init__(self, message: str, cycle: int, issues: "Sequence[Issue]" = ()) -> None:
        super().__init__(message)
        self.cycle, self.issues = cycle, tuple(issues)


@dataclass(frozen=True)
class Issue:
    """One bank write: the cycle in which it issues, its bank and all of the bank's fields, the word that it is."""

    cycle: int
    bank: str
    fields: Mapping[str, int]
    address: int

    @property
    def in_force(self) -> int:
        return self.cycle + CONTROL_LATENCY


@dataclass(frozen=True)
class Timeline:
    """Bank writes of one unit in order.

    Parameters
    ----------
    issues : tuple of Issue
    halted : int or None
        First cycle in which the unit no longer runs; None if it still runs at the limit.
    """

    issues: tuple[Issue, ...]
    halted: int | None

    def writes(self, bank: str) -> tuple[Issue, ...]:
        """The writes of one bank."""
        return tuple(issue for issue in self.issues if issue.bank == bank)


@dataclass(frozen=True)
class Interval:
    """A level that is high in cycles `start` to `stop` - 1, and the bank as it was when it rose."""

    start: int
    stop: int
    fields: Mapping[str, int]


class Walk:
    """One unit's program, walked for at most `limit` cycles: iterating gives its bank writes one by one.

    A loop that writes no bank is not gone through pass by pass, for all its passes are alike.

    Members
    -------
    halted : int or None
        As of `Timeline`, once the walk is over.
    fetched : int
        Words taken from the SRAM so far.

    Raises
    ------
    TimelineError
        While iterating; it has no issues, the caller has them.
    """

    def __init__(self, words: Sequence[int], kind: UnitKind, config: ChipConfig, limit: int) -> None:
        self._words, self._kind, self._config, self._limit = words, kind, config, limit
        self.halted: int | None = None
        self.fetched = 0

    def __iter__(self) -> Iterator[Issue]:
        words, levels = self._words, self._config.loop_levels
        counters, loops = [0] * levels, [0] * levels  # `loops`: LOOPs gone through at each level
        passes: dict[int, _Pass] = {}
        issued = pc = cycle = 0
        while cycle < self._limit:
            operation = self._operation(pc, cycle)
            self.fetched += 1
            fields, following = operation.fields, pc + 1
            match operation.mnemonic:
                case "HALT":
                    self.halted = cycle + operation.wait + 1
                    return
                case "JUMP":
                    following = fields["target"]
                case "LOOP":
                    level, count = fields["level"], max(fields["count"], 1)
                    if level >= levels:
                        raise TimelineError(
                            f"word {pc}, cycle {cycle}: loop level {level} does not exist on this chip", cycle
                        )
                    # An idle counter (zero) stands for the first pass.
                    counters[level] = (counters[level] or count) - 1
                    loops[level] += 1
                    if counters[level]:
                        following = fields["target"]
                case "NOP":
                    pass
                case bank:
                    yield Issue(cycle, bank, fields, pc)
                    issued += 1
            if following <= pc < len(words):  # a pass of a loop ends
                now = _Pass(cycle, issued, tuple(counters), tuple(loops), self.fetched)
                own = fields["level"] if operation.mnemonic == "LOOP" else None
                if (before := passes.get(pc)) and before.repeats(now, own):
                    alike = (self._limit - cycle) // (cycle - before.cycle)
                    if own is not None:
                        alike = min(alike, counters[own] - 1)
                        counters[own] -= alike
                    cycle += alike * (cycle - before.cycle)
                    self.fetched += alike * (self.fetched - before.fetched)
                    now = _Pass(cycle, issued, tuple(counters), tuple(loops), self.fetched)
                passes[pc] = now
            cycle += operation.wait + 1
            pc = following

    def _operation(self, pc: int, cycle: int) -> Operation:
        if pc >= len(self._words):
            raise TimelineError(
                f"runs past its last word, {len(self._words) - 1} "
                f"(the SRAM holds {program_depth(self._kind, self._config)}), in cycle {cycle}; "
                "end it with HALT or JUMP",
                cycle,
            )
        try:
            return decode(self._kind, self._words[pc])
        except WordError as error:
            raise TimelineError(f"word {pc}, cycle {cycle}: {error}", cycle) from None


class _Pass(NamedTuple):
    """Where a unit stood when it went back from a word: the cycle; bank writes, counters, LOOPs and words so far."""

    cycle: int
    issued: int
    counters: tuple[int, ...]
    loops: tuple[int, ...]
    fetched: int

    def repeats(self, now: "_Pass", own: int | None) -> bool:
        """Whether the pass from here to `now` will repeat itself: it wrote no bank, and only counted down `own`, the
        level of the LOOP that goes back.
        """
        if now.issued != self.issued:
            return False
        for level, (before, after) in enumerate(zip(self.counters, now.counters, strict=True)):
            if level == own:
                if before - after != 1 or now.loops[level] - self.loops[level] != 1:
                    return False
            elif before != after:
                return False
        return True


def run(words: Sequence[int], kind: UnitKind, config: ChipConfig, limit: int) -> Timeline:
    """Run one unit's program for at most `limit` cycles.

    Raises
    ------
    TimelineError
        If it meets an undefined word or runs past its last one (where the SRAM may hold leftovers).
    """
    walk = Walk(words, kind, config, limit)
    issues: list[Issue] = []
    try:
        for issue in walk:
            issues.append(issue)
    except TimelineError as error:
        raise TimelineError(str(error), error.cycle, issues) from None
    return Timeline(tuple(issues), walk.halted)


def intervals(writes: Sequence[Issue], level: str, end: int) -> tuple[Interval, ...]:
    """When the field `level` is high, from the writes of its bank; what is high at `end` ends there."""
    result: list[Interval] = []
    rise: Issue | None = None
    for issue in writes:
        if issue.fields[level] and rise is None:
            rise = issue
        elif not issue.fields[level] and rise is not None:
            result.append(Interval(rise.in_force, issue.in_force, rise.fields))
            rise = None
    if rise is not None and rise.in_force < end:
        result.append(Interval(rise.in_force, end, rise.fields))
    return tuple(result)
