"""How far a run may go: a record holds all that happened, and so do the engines while they run."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import merge
from itertools import islice

from cosim.experiment.experiment import Experiment
from cosim.fabric.timeline import TimelineError, Walk
from cosim.program import Unit

__all__ = ["MOST_WRITES", "limited", "still_running"]

#: Bank writes after which a run is ended unless told otherwise; they and what they do take some hundred megabytes.
MOST_WRITES = 100_000


def limited(experiment: Experiment, most: int = MOST_WRITES) -> Experiment:
    """The experiment, with fewer `cycles` if its units write banks more than `most` times in them.

    Programs that never end can do something in every cycle, of 10^9 if they are let.

    Parameters
    ----------
    experiment : Experiment
    most : int
        Bank writes of all units together, 1 or more.
    """
    cycles = merge(*(_write_cycles(unit, words, experiment) for unit, words in experiment.units.items()))
    beyond = next(islice(cycles, most, None), None)
    return experiment if beyond is None else replace(experiment, cycles=max(beyond - 1, 1))


def _write_cycles(unit: Unit, words: Sequence[int], experiment: Experiment) -> Iterator[int]:
    """Cycles in which a unit writes a bank, up to where it is stopped or leaves its program."""
    try:
        for issue in Walk(words, unit.kind, experiment.config, experiment.cycles + 1):
            yield issue.cycle
    except TimelineError:
        return


def still_running(experiment: Experiment) -> list[Unit]:
    """Units that the host must stop, because they still run in cycle `cycles`."""
    return [unit for unit, words in experiment.units.items() if _runs_on(unit, words, experiment)]


def _runs_on(unit: Unit, words: Sequence[int], experiment: Experiment) -> bool:
    walk = Walk(words, unit.kind, experiment.config, experiment.cycles + 1)
    try:
        for _ in walk:
            pass
    except TimelineError:  # the chip ends it, as illegal
        return False
    return walk.halted is None or walk.halted > experiment.cycles + 1
