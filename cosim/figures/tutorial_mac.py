"""The one MAC of docs/tutorial.md: run once, read again and again, on other chips and with asymmetry balance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.events import EventKind, TileControls, TileEvent
from analog_models.programming import WeightTargets
from cosim.engines.golden import GoldenEngine
from cosim.experiment import Experiment, Record
from cosim.experiment.file import load_experiment
from cosim.experiment.routes import Activity, Routes
from cosim.experiment.voltages import Course, capacitor_voltages
from cosim.isa.words import ILP

__all__ = ["COLUMN", "ROWS", "TILE", "OneMac", "Readings"]

#: The tile, the column and the rows of the story.
TILE, COLUMN, ROWS = 0, 0, 3
#: Looks at the capacitors within an integration.
_POINTS = 60


@dataclass(frozen=True)
class Readings:
    """A column read many times on many chips.

    Members
    -------
    codes : (chips, reads) uint16
    v_mv : (chips, reads) float64
        The capacitor's voltage before the ramp, relative to the precharge level.
    """

    codes: NDArray[np.uint16]
    v_mv: NDArray[np.float64]


@dataclass(frozen=True)
class OneMac:
    """The experiment of the tutorial, on a chip whose analog part is ideal, and what became of it."""

    experiment: Experiment
    record: Record

    @classmethod
    def run(cls, path: Path) -> "OneMac":
        """Run the experiment of a file on the golden model."""
        experiment = load_experiment(path).experiment
        (record,) = GoldenEngine(experiment.config).perform([experiment])
        return cls(experiment, record)

    @property
    def codes(self) -> NDArray[np.int64]:
        """Signed input codes, (rows,): the first vector less the second."""
        positive, negative = self.experiment.vectors[0].astype(np.int64)
        return positive - negative

    @property
    def weights(self) -> NDArray[np.float64]:
        """(mesh rows, columns)."""
        wp1 = self.experiment.weights[TILE].wp1
        assert wp1 is not None
        return wp1[: self.experiment.config.lanes]

    @property
    def macs(self) -> NDArray[np.float64]:
        """What every column should come to, (columns,), in weight x ns."""
        return self.codes @ self.weights

    @property
    def results(self) -> NDArray[np.uint8]:
        """The codes that the landing pad stored, (columns,)."""
        return self.record.results[0][0]

    @cached_property
    def activities(self) -> Mapping[str, tuple[Activity, ...]]:
        """What the tile and the landing pads do: ILP's "send", OLP's "count", the tile's levels; "pulse" of columns."""
        found: dict[str, tuple[Activity, ...]] = {}
        for activity in sorted(Routes(self.experiment).activities, key=lambda one: one.start):
            sends = activity.kind == "send" and activity.unit.kind is not ILP
            kind = "pulse" if sends else activity.kind
            found[kind] = (*found.get(kind, ()), activity)
        return found

    def course(self, columns: Sequence[int]) -> Course:
        """Capacitor voltages of some columns."""
        return capacitor_voltages(self.experiment, self.record, {TILE: columns}, points=_POINTS)[TILE]

    @property
    def precharge_v(self) -> float:
        return self.experiment.analog.periphery.precharge_v

    @property
    def ramp(self) -> TileEvent:
        """The event with which the ramp starts."""
        return next(event for event in self.record.events if event.kind is EventKind.RAMP)

    @property
    def volts_per_ns(self) -> float:
        """The ramp's slope."""
        return self.experiment.analog.volts_per_cycle(_controls(self.ramp).ramp_slope)

    @property
    def ramp_start_v(self) -> float:
        return _controls(self.ramp).ramp_start * self.experiment.analog.periphery.ramp_lsb_v

    def crossing_ns(self, volts: float) -> float:
        """When the ramp passes a voltage, in ns after its start."""
        return (volts - self.ramp_start_v) / self.volts_per_ns

    @property
    def code_zero(self) -> float:
        """Where a MAC of zero crosses, ns."""
        return self.crossing_ns(self.precharge_v)

    @property
    def code_per_mac(self) -> float:
        """What one weight x ns adds to that."""
        capacitors = _controls(self.record.events[1]).capacitors
        return self.experiment.analog.volts_per_weight_ns(capacitors) / self.volts_per_ns

    def row_pulses(self, row: int) -> list[tuple[int, int]]:
        """When a row is high: first cycle, and the cycle in which it falls."""
        vectors = self.experiment.vectors[0][:, row]
        sent = ((send.start, int(vectors[send.fields["slot"]])) for send in self.activities["send"])
        return [(start, start + code) for start, code in sent if code]

    def comparator_pulse(self, column: int) -> tuple[int, int]:
        """The same of a column's comparator."""
        start = self.activities["pulse"][0].start
        return start, start + int(self.record.crossings[self.ramp.cycle, TILE][column])

    def current_na(self, row: int, times: NDArray[np.int64]) -> NDArray[np.float64]:
        """What a row sends into the column's capacitor, behind the mirror, nA."""
        analog = self.experiment.analog
        current = 1e3 * self.weights[row, COLUMN] * analog.pcm.g_max_us * analog.periphery.charge_fc_per_us_ns
        found = np.zeros(times.shape)
        for start, stop in self.row_pulses(row):
            (phase,) = (one for one in self.activities["integrate"] if one.overlaps(start, stop))
            found[(times >= start) & (times < stop)] = -current if phase.fields["discharge"] else current
        return found

    def plateaus(self) -> list[tuple[int, float]]:
        """(cycle, V) of the column at the end of each integration."""
        course = self.course([COLUMN])
        ends = [one.stop for one in self.activities["integrate"]]
        return [(end, float(course.volts[course.cycles == end][-1, 0])) for end in ends]

    def read(
        self,
        analog: AnalogConfig,
        seeds: Sequence[int],
        reads: int,
        *,
        column: int = COLUMN,
        events: Sequence[TileEvent] | None = None,
        weights: WeightTargets | None = None,
    ) -> Readings:
        """The same MAC on other chips: read `reads` times on the chip of each seed.

        Parameters
        ----------
        analog : AnalogConfig
        seeds : sequence of int
        reads : int
        column : int
        events : sequence of TileEvent, optional
            In place of the recorded ones.
        weights : WeightTargets, optional
            In place of the experiment's.
        """
        targets = self.experiment.weights if weights is None else {TILE: weights}
        codes, volts = [], []
        for seed in seeds:
            chip = replace(self.experiment, analog=analog, seed=seed, weights=targets).make_chip()
            for event in events or self.record.events:
                pulses = None if event.row_time is None else np.repeat(event.row_time, reads, axis=0)
                answers = chip.serve(np.arange(reads), [replace(event, row_time=pulses)])
            codes.append(answers[TILE][:, column])
            volts.append(chip.tile(TILE).v_mv[:, column].copy())
        return Readings(np.array(codes), np.array(volts))

    def balanced_events(self) -> tuple[TileEvent, ...]:
        """The events of the same MAC with asymmetry balance: both phases, then both on WP2 with the polarity turned.

        On twice the capacitors, because twice the charge moves. The phases follow one another without idle cycles.
        """
        precharge, *phases, ramp = self.record.events
        length = phases[1].cycle - phases[0].cycle
        assert [event.kind for event in phases] == [EventKind.INTEGRATE] * 2
        found = [precharge]
        for number in range(4):
            phase, second = phases[number % 2], number >= 2
            turned = phase.controls is not None and phase.controls.discharge != second
            controls = TileControls(wp1=not second, wp2=second, discharge=turned, capacitors=2)
            found.append(replace(phase, cycle=phases[0].cycle + number * length, controls=controls))
        return (*found, replace(ramp, cycle=found[-1].cycle + ramp.cycle - phases[1].cycle))


def _controls(event: TileEvent) -> TileControls:
    assert event.controls is not None
    return event.controls
