"""Capacitor voltages of a recorded run: by hand where the physics is ideal, and only of the run that was recorded."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from analog_models.programming import WeightTargets
from cosim.engines.golden import GoldenEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.experiment.voltages import Course, capacitor_voltages
from rtl.config import preset
from tests.cosim.scripts import units

SMALL = preset("small")
#: Row 2 pulses for 100 ns from cycle 32 on; the tile integrates in cycles 22 to 299, its ramp starts in 312.
WORDS = units(
    ilp_0="@30 PULSE fire; HALT",
    tile_0="MESH west_to_rows=all; @2 ARRAY precharge; @10 ARRAY; @20 ARRAY integrate, wp1, capacitors=2; "
    "@298 ARRAY; @310 READOUT ramp, ramp_start=60, ramp_slope=128; @400 READOUT; HALT",
)


def experiment(analog: AnalogConfig, seed: int = 1) -> Experiment:
    weights = np.zeros((SMALL.total_rows, SMALL.lanes))
    weights[2, [3, 4]] = 0.5, -0.25
    vectors = np.zeros((1, SMALL.lanes), np.uint8)
    vectors[0, 2] = 100
    targets = {0: WeightTargets(weights, np.zeros_like(weights))}
    return Experiment(SMALL, WORDS, vectors={0: vectors}, weights=targets, analog=analog, seed=seed, cycles=500)


@cache
def recorded(engine: type = TwinEngine, ideal: bool = True) -> tuple[Experiment, Record]:
    wanted = experiment(AnalogConfig.ideal() if ideal else AnalogConfig())
    (record,) = (engine() if engine is TwinEngine else engine(SMALL)).perform([wanted])
    return wanted, record


def course(columns: list[int], points: int = 12, **options: bool) -> Course:
    return capacitor_voltages(*recorded(**options), {0: columns}, points=points)[0]


def test_a_capacitor_charges_in_proportion_while_its_row_is_high() -> None:
    """Then it keeps its voltage; 0.75 V is the precharge level, and a weight of half the size has half the effect."""
    found = course([3, 4, 5])
    shift = found.volts - 0.75
    inside = found.cycles < 300
    share = np.clip((found.cycles - 32) / 100, 0, 1)
    final = shift[-1]
    assert final[0] > 0.001
    np.testing.assert_allclose(final[1:] / final[0], [-0.5, 0], atol=0.05)
    np.testing.assert_allclose(shift[:, 0], final[0] * share, rtol=0.02, atol=1e-9)
    assert np.sum((share[inside] > 0) & (share[inside] < 1)) > 3


def test_it_is_looked_at_at_each_event_and_while_it_integrates() -> None:
    """Precharge over in 12, integration 22 to 299, ramp 312 to 401."""
    assert course([3], points=4).cycles.tolist() == [12, 22, 91, 161, 230, 300, 312, 402]


def test_looks_disturb_nothing() -> None:
    """More of them give the same voltages in between, with all noise."""
    few, many = (course([3, 9], points=points, ideal=False) for points in (1, 7))
    shared = np.isin(many.cycles, few.cycles)
    np.testing.assert_array_equal(many.cycles[shared], few.cycles)
    np.testing.assert_array_equal(many.volts[shared], few.volts)


def test_the_ramp_crosses_where_the_voltage_is() -> None:
    """0.3 V and 0.9 V in 255 ns, from 8 cycles after the ramp's event on: within half a cycle, without any offset."""
    _, record = recorded()
    (times,) = record.crossings.values()
    columns = [3, 4, 5]
    volts = course(columns).volts[-1]
    np.testing.assert_allclose(times[columns], (volts - 0.3) / 0.9 * 255, atol=0.51)


def test_any_engine_s_record_will_do() -> None:
    golden, twin = (
        capacitor_voltages(*recorded(engine, ideal=False), {0: [3]})[0] for engine in (GoldenEngine, TwinEngine)
    )
    np.testing.assert_array_equal(golden.volts, twin.volts)


def test_the_record_of_another_chip_is_refused() -> None:
    wanted, record = recorded(ideal=False)
    other = replace(wanted, seed=2)
    with pytest.raises(ExperimentError, match="cycle 312: tile 0 does not answer its ramp as in the record"):
        capacitor_voltages(other, record, {0: [3]})
