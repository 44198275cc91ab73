"""An experiment on the twin: a batch of one frame, with the SRAMs of a session."""

from dataclasses import replace
from itertools import groupby

import numpy as np

from cosim.engines.engine import Watch
from cosim.engines.twin.batch import Batch
from cosim.experiment import STATUS_FIELDS, Experiment, ExperimentError, Record, Recorder
from cosim.experiment.derivation import ExperimentDerivation
from cosim.fabric.checker import check_mesh, check_sharing
from cosim.fabric.events import ScheduleError, StrayError
from cosim.fabric.mesh_graph import IllegalRouteError
from cosim.program import Unit
from rtl.config import ChipConfig
from rtl.isa import CONTROL_LATENCY
from rtl.memory_map import MemoryMap

__all__ = ["Memory", "perform"]


class Memory:
    """The vector SRAMs of a session: (vectors, lanes) uint8 for each landing pad."""

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        self.ilp = np.zeros((config.domain_count, config.ilp_vectors, config.lanes), np.uint8)
        self.olp = np.zeros((config.domain_count, config.olp_vectors, config.lanes), np.uint8)


def perform(experiment: Experiment, memory: Memory, watch: Watch) -> tuple[Experiment, Record]:
    """The record of an experiment, and the experiment as far as it came: with fewer cycles if `watch` ended it.

    Raises
    ------
    ExperimentError
        If it is not legal. Where a unit leaves its program, `partial` has what happened until then.
    """
    for ilp, codes in experiment.vectors.items():
        memory.ilp[ilp, : len(codes)] = codes
    try:
        derivation = ExperimentDerivation(experiment, memory.ilp)
        check_mesh(derivation)
        check_sharing(derivation)
        schedule = derivation.schedule()
    except (ScheduleError, IllegalRouteError) as error:
        legal = error.cycle - 1 if isinstance(error, StrayError) else 0
        partial = perform(replace(experiment, cycles=legal), memory, watch) if legal > 0 else None
        message = f"{experiment.name} is not legal, so the twin cannot run it: {error}"
        raise ExperimentError(message, partial=partial) from None
    physics = Recorder(experiment.make_chip(), experiment.name)
    sent = {slot: memory.ilp[slot][None].astype(np.uint16) for slot in np.ndindex(memory.ilp.shape[:2])}
    batch = Batch(experiment.config, physics, np.array([experiment.frame]), sent)
    for cycle, events in groupby(schedule.events, key=lambda event: event.cycle):
        # All of a run that is stopped so early that nothing takes force in this cycle has happened.
        stop = cycle - 1 - CONTROL_LATENCY
        if watch.interrupted(cycle, experiment.cycles) and stop > 0:
            experiment = replace(experiment, cycles=stop)
            derivation = ExperimentDerivation(experiment, memory.ilp)
            break
        batch.run(tuple(events))
    for (olp, slot), result in batch.results.items():
        memory.olp[olp, slot] = result[0]
    return experiment, _record(experiment, derivation, physics, memory)


def _record(experiment: Experiment, derivation: ExperimentDerivation, physics: Recorder, memory: Memory) -> Record:
    halts = (experiment.cycles + 1 if line.halted is None else line.halted for line in derivation.timelines.values())
    pointers = derivation.pointers
    units = [Unit(kind, index) for kind, index in MemoryMap(experiment.config).units]
    return Record(
        engine="twin",
        cycles=min(max(halts, default=1), experiment.cycles + 1),
        error_cycle=None,
        statuses={unit: dict.fromkeys(STATUS_FIELDS, 0) | {"pointer": pointers.get(unit, 0)} for unit in units},
        results=dict(enumerate(memory.olp.copy())),
        events=physics.events,
        crossings=physics.crossings,
    )
