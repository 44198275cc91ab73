"""Which instruction each unit issues in which cycle: a sequencer in Python, without data.

Source: docs/fabric.md, "Sequencers". Programs steer without looking at data, so all of a run is known beforehand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cosim.files.errors import UserError
from cosim.isa.assembler import program_depth
from cosim.isa.words import WordError, decode
from rtl.config import ChipConfig
from rtl.isa import CONTROL_LATENCY, UnitKind

__all__ = ["Interval", "Issue", "Timeline", "TimelineError", "intervals", "run"]


class TimelineError(UserError, ValueError):
    """A program that the unit would not run to its HALT.

    Members
    -------
    cycle : int
        When it leaves its program.
    issues : tuple of Issue
        What it issues until then.
    """

    def __init__(self, message: str, cycle: int, issues: "Sequence[Issue]") -> None:
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


def run(words: Sequence[int], kind: UnitKind, config: ChipConfig, limit: int) -> Timeline:
    """Run one unit's program for at most `limit` cycles.

    Raises
    ------
    TimelineError
        If it meets an undefined word or runs past its last one (where the SRAM may hold leftovers).
    """
    counters = [0] * config.loop_levels
    issues: list[Issue] = []
    pc, cycle = 0, 0
    while cycle < limit:
        if pc >= len(words):
            raise TimelineError(
                f"runs past its last word, {len(words) - 1} (the SRAM holds {program_depth(kind, config)}), "
                f"in cycle {cycle}; end it with HALT or JUMP",
                cycle,
                issues,
            )
        try:
            operation = decode(kind, words[pc])
        except WordError as error:
            raise TimelineError(f"word {pc}, cycle {cycle}: {error}", cycle, issues) from None
        fields, following = operation.fields, pc + 1
        match operation.mnemonic:
            case "HALT":
                return Timeline(tuple(issues), cycle + operation.wait + 1)
            case "JUMP":
                following = fields["target"]
            case "LOOP":
                level, count = fields["level"], max(fields["count"], 1)
                if level >= config.loop_levels:
                    message = f"word {pc}, cycle {cycle}: loop level {level} does not exist on this chip"
                    raise TimelineError(message, cycle, issues)
                # An idle counter (zero) stands for the first pass.
                left = (counters[level] or count) - 1
                counters[level] = left
                if left:
                    following = fields["target"]
            case "NOP":
                pass
            case bank:
                issues.append(Issue(cycle, bank, fields, pc))
        cycle += operation.wait + 1
        pc = following
    return Timeline(tuple(issues), None)


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
