"""Capacitor voltages over the course of a run: what the record does not hold, from the same physics once more.

The events of a record go through a chip made from the same seed. That every crossing time comes out as it was recorded
proves that the capacitors are those of the run.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.events import EventKind, TileEvent
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.experiment.routes import Routes
from cosim.fabric.mesh_graph import Place
from cosim.isa.words import ILP, TILE
from cosim.program import Unit

__all__ = ["Course", "capacitor_voltages"]


@dataclass(frozen=True)
class Course:
    """Voltages of some columns of a tile.

    Members
    -------
    cycles : (n,) int64
    volts : (n, columns) float64, V
    """

    cycles: NDArray[np.int64]
    volts: NDArray[np.float64]


def capacitor_voltages(
    experiment: Experiment, record: Record, columns: Mapping[int, Sequence[int]], *, points: int = 12
) -> dict[int, Course]:
    """The course of capacitor voltages over a recorded run.

    Parameters
    ----------
    experiment : Experiment
    record : Record
        Of the experiment, whichever engine ran it.
    columns : mapping of tile index to column numbers
        Which ones to follow.
    points : int
        Looks at a tile within each integration, beside that at its end. In between, pulses that are still high are cut
        off; a row whose wire has several pulses is taken to have one, from the first on.

    Raises
    ------
    ExperimentError
        If the physics answers a ramp otherwise than in the record.
    """
    return _Replay(experiment, columns, points).run(record)


class _Replay:
    def __init__(self, experiment: Experiment, columns: Mapping[int, Sequence[int]], points: int) -> None:
        self.experiment, self.columns, self.points = experiment, columns, points
        self.chip = experiment.make_chip()
        self.frames = np.array([experiment.frame])
        self.routes = Routes(experiment)
        self.seen: dict[int, list[tuple[int, NDArray[np.float64]]]] = {tile: [] for tile in columns}

    def run(self, record: Record) -> dict[int, Course]:
        for (cycle, kind), group in groupby(record.events, key=lambda event: (event.cycle, event.kind)):
            events = list(group)
            watched = [event.tile for event in events if event.tile in self.columns]
            if kind is EventKind.INTEGRATE and watched:
                self.follow(events, watched)
            for tile, times in self.chip.serve(self.frames, events).items():
                if not np.array_equal(times[0], record.crossings[cycle, tile]):
                    raise ExperimentError(
                        f"{self.experiment.name}, cycle {cycle}: tile {tile} does not answer its ramp as in the "
                        "record; was it recorded with the same experiment and the same code?"
                    )
            for tile in watched if kind is not EventKind.WRITE else ():
                self.look(self.chip, tile, cycle)
                if kind is EventKind.RAMP:
                    self.look(self.chip, tile, self.end_of_ramp(tile, cycle, record))
        return {
            tile: Course(np.array([cycle for cycle, _ in seen]), np.array([volts for _, volts in seen]))
            for tile, seen in self.seen.items()
        }

    def look(self, chip: AnalogChip, tile: int, cycle: int) -> None:
        v_mv = chip.tile(tile).voltage_mv(cycle)[0, list(self.columns[tile])]
        self.seen[tile].append((cycle, chip.config.periphery.precharge_v + v_mv / 1e3))

    def follow(self, events: Sequence[TileEvent], watched: Sequence[int]) -> None:
        """Look at tiles while they integrate: at a copy of the chip whose pulses are cut off where one looks."""
        rises = [self.rises(event) for event in events]
        start, stop = min(int(rise.min()) for rise in rises), events[0].cycle
        arrays = {id(cells): cells for event in events if (cells := self.chip.tile(event.tile).array) is not None}
        for cycle in np.linspace(start, stop, self.points + 1).astype(int)[:-1].tolist():
            copy = deepcopy(self.chip, dict(arrays))  # the devices, which are large, are only read
            copy.serve(self.frames, [_cut(event, cycle, rise) for event, rise in zip(events, rises, strict=True)])
            for tile in watched:
                self.look(copy, tile, cycle)

    def end_of_ramp(self, tile: int, cycle: int, record: Record) -> int:
        """Where the ramp that starts in `cycle` ends, or something else happens to the tile."""
        unit = Unit(TILE, tile)
        ends = [a.stop for a in self.routes.activities if (a.unit, a.kind, a.start) == (unit, "ramp", cycle)]
        return min([*ends, *(event.cycle for event in record.events if event.tile == tile and event.cycle > cycle)])

    def rises(self, event: TileEvent) -> NDArray[np.int64]:
        """Cycles in which the pulses of an integration's rows begin, (rows,); bias rows begin with the integration."""
        config, unit = self.experiment.config, Unit(TILE, event.tile)
        acts = self.routes.activities
        (start,) = (a.start for a in acts if (a.unit, a.kind, a.stop) == (unit, "integrate", event.cycle))
        rises = np.full(config.total_rows, start)
        for send in (a for a in acts if a.kind == "send" and a.overlaps(start, event.cycle)):
            begin = max(send.start, start)
            source = Place("ilp" if send.unit.kind is ILP else "outputs", send.unit.index)
            for flow in self.routes.at(begin).flows:
                if (flow.source, flow.place) == (source, Place("rows", event.tile)):
                    rises[: config.lanes][flow.lanes] = begin
        return rises


def _cut(event: TileEvent, cycle: int, rises: NDArray[np.int64]) -> TileEvent:
    """An integration that ends in `cycle`."""
    assert event.row_time is not None
    times = np.minimum(event.row_time, np.maximum(cycle - rises, 0)).astype(event.row_time.dtype)
    return replace(event, cycle=cycle, row_time=times)
