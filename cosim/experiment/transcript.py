"""What an experiment's words do, in the order of cycles: vectors sent, results stored, and the whole run as text.

Programs steer without looking at data, so this needs no engine; what the physics did comes from the record.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analog_models.events import EventKind, TileEvent
from cosim.experiment.experiment import Experiment
from cosim.experiment.record import Record
from cosim.fabric.pads import sends, stores
from cosim.fabric.timeline import Issue, TimelineError, run
from cosim.isa.assembler import arguments
from cosim.isa.words import ILP, OLP, TILE, Operation
from cosim.program import Unit

__all__ = ["StoredResult", "describe_codes", "sent_vectors", "stored_results", "timeline"]

#: Codes that a line shows.
_SHOWN = 8
_LEVELS = ("wp1", "wp2", "discharge", "share_north", "share_south")


@dataclass(frozen=True)
class StoredResult:
    """A window of an output landing pad: opened in cycle `opened`, its codes are result `slot` from `cycle` on."""

    olp: int
    slot: int
    opened: int
    cycle: int


def stored_results(experiment: Experiment) -> list[StoredResult]:
    """Every result that the programs store until they are stopped, in the order of time."""
    found = []
    for unit, words in experiment.units.items():
        if unit.kind is OLP:
            counts, _ = stores(_issues(unit, words, experiment)[0], experiment.config.olp_vectors)
            found += [
                StoredResult(unit.index, count.slot, count.opened, count.issue.in_force)
                for count in counts
                if count.opened is not None
            ]
    return sorted(found, key=lambda result: (result.cycle, result.olp))


def _issues(
    unit: Unit, words: tuple[int, ...], experiment: Experiment
) -> tuple[tuple[Issue, ...], TimelineError | None]:
    """What a unit issues until it is stopped, and where it leaves its program, if it does."""
    try:
        return run(words, unit.kind, experiment.config, experiment.cycles + 1).issues, None
    except TimelineError as error:
        return error.issues, error


def sent_vectors(experiment: Experiment) -> dict[tuple[int, int], int]:
    """(ILP, vector) of everything that the programs send, with the cycle in which its `fire` issues first."""
    found: dict[tuple[int, int], int] = {}
    depth = experiment.config.ilp_vectors
    for unit, words in experiment.units.items():
        for send in sends(_issues(unit, words, experiment)[0], depth)[0] if unit.kind is ILP else ():
            found.setdefault((unit.index, send.slot), send.issue.cycle)
    return found


def timeline(experiment: Experiment, record: Record) -> str:
    """The run as text: one line for each bank write, analog event and stored result, in the order of cycles.

    A result that is stored several times shows the codes that it had at the end.
    """
    lines: list[tuple[int, int, str]] = []
    for unit, words in experiment.units.items():
        issues, problem = _issues(unit, words, experiment)
        for issue in issues:
            values = ", ".join(arguments(unit.kind, Operation(issue.bank, issue.fields), {}))
            lines.append((issue.cycle, 0, f"{unit!s:<8} {issue.bank:<9} {values or 'all off'}"))
        if problem:
            lines.append((problem.cycle, 1, f"{unit!s:<8} leaves its program: {problem}"))
    for event in record.events:
        lines.append((event.cycle, 2, f"{Unit(TILE, event.tile)!s:<8} {_event(event, record)}"))
    for result in stored_results(experiment):
        codes = record.results[result.olp][result.slot]
        lines.append((result.cycle, 3, f"{Unit(OLP, result.olp)!s:<8} result {result.slot:<2} {describe_codes(codes)}"))
    if record.error_cycle is not None:
        lines.append((record.error_cycle, 4, "chip     error rises"))
    lines.append((record.cycles, 5, "chip     busy falls"))
    text = [f"# {experiment.name}, {record.engine}; a bank is in force two cycles after its line"]
    text += [f"{cycle:7}  {what}" for cycle, _, what in sorted(lines, key=lambda line: line[:2])]
    return "\n".join(text) + "\n"


def _event(event: TileEvent, record: Record) -> str:
    name = event.kind.name.lower()
    match event.kind:
        case EventKind.INTEGRATE:
            controls = event.controls
            assert controls is not None
            on = [level for level in _LEVELS if getattr(controls, level)]
            on.append(f"{controls.capacitors} capacitor{'s' * (controls.capacitors != 1)}")
            return f"{name:<9} {', '.join(on)}; {_high('row', event.row_time)}"
        case EventKind.RAMP:
            times = record.crossings.get((event.cycle, event.tile))
            return f"{name:<9} {'no answer' if times is None else 'crossing times ' + describe_codes(times)}"
        case EventKind.WRITE:
            what = f"row {event.write_row}, device {event.device}, {'RESET' if event.reset else 'SET'}"
            return f"{name:<9} {what}, return line {event.return_line}; {_high('column', event.column_time)}"
    return f"{name:<9} ends, capacitors float"


def _high(what: str, times: NDArray | None) -> str:
    assert times is not None
    high = times[times > 0]
    if not high.size:
        return f"no {what}s high"
    span = f"{high.min()}" if np.ptp(high) == 0 else f"{high.min()}-{high.max()}"
    return f"{high.size} {what}{'s' * (high.size != 1)} high for {span} ns"


def describe_codes(codes: NDArray) -> str:
    """A vector in a few words: its range and its first codes."""
    if np.ptp(codes) == 0:
        return f"all {codes[0]}"
    more = " ..." if len(codes) > _SHOWN else ""
    return f"{codes.min()}-{codes.max()}: {' '.join(map(str, codes[:_SHOWN]))}{more}"
