"""Joules are counts times constants, each of one supply and mechanism; the fit gives back its three figures."""

from dataclasses import replace

import pytest

from cosim.isa.words import TILE
from cosim.performance.activity import Activity, Happening, Key
from cosim.performance.constants import FITTED_FILE, EnergyConstants, Fitted, energy_table
from cosim.performance.energy import COSTS, Energy, Supply
from cosim.performance.fit import FIGURES, FittedChip, fit
from cosim.program import Unit

CONSTANTS = EnergyConstants(Fitted(column_uw=30.0, chip_w=0.5, mean_code=40.0))


def activity(**counts: float) -> Activity:
    return Activity({Key(Unit(TILE, 1), 0, Happening[name]): number for name, number in counts.items()})


@pytest.mark.parametrize(
    ("what", "count", "nj"),
    [
        ("CHARGED", 1e6, 1.5),  # a nanocoulomb at 1.5 V
        ("COLUMN_NS", 1e6, 30.0),
        ("ROW_PULSES", 1e3, 1e3 * 250 * 1.5**2 * 1e-6),
        ("PRECHARGED", 1e3, 1e3 * 50 * 0.75**2 * 1e-6),
        ("WIRES", 1e3, 1e3 * 400 * 0.8**2 * 1e-6),
        ("WORDS", 1e3, 1e3 * 128 * 40 * 1e-6),
        ("CHIP_NS", 1e3, 500.0),  # half a watt for a microsecond
        ("ROW_NS", 1e6, 0.0),
    ],
)
def test_what_a_count_costs(what: str, count: float, nj: float) -> None:
    assert Energy.of(activity(**{what: count}), CONSTANTS).total_nj == pytest.approx(nj)


def test_pins_cost_only_where_vectors_go_over_them() -> None:
    beats = activity(BEATS=10.0)
    assert Energy.of(beats, CONSTANTS).total_nj == 0
    assert Energy.of(beats, CONSTANTS, pins=True).by_supply() == {Supply.PINS: pytest.approx(10 * 64 * 2e-3)}


def test_groups_add_up_to_the_total() -> None:
    energy = Energy.of(activity(**{what.name: 1000.0 for what in Happening}), CONSTANTS, pins=True)
    for group in (energy.by_supply(), energy.by_mechanism(), energy.by_unit(), energy.by_step()):
        assert sum(group.values()) == pytest.approx(energy.total_nj)
    assert set(energy.by_mechanism()) == {cost.mechanism for cost in COSTS.values()}


def test_a_fit_finds_what_the_figures_were_made_with() -> None:
    hidden = Fitted(column_uw=20.0, chip_w=0.4, mean_code=33.0)

    def frame(mean_code: float) -> Activity:
        counts = {Key(None, 0, Happening.CHIP_NS): 2100.0, Key(None, 0, Happening.COLUMN_NS): 1e7}
        return Activity({**counts, Key(None, 0, Happening.CHARGED): 2e7 * mean_code})

    def halved(mean_code: float) -> Activity:
        return frame(mean_code / 2)

    constants = EnergyConstants(hidden)
    whole, half = Energy.of(frame(33.0), constants), Energy.of(halved(33.0), constants)
    figures = dict(
        zip(FIGURES, (1e4 / whole.total_nj, 1e4 / whole.by_supply()["1.5 V"], 1e4 / half.total_nj), strict=True)
    )
    found, equations = fit(FittedChip(1e7, frame, halved), figures)
    assert vars(found) == pytest.approx(vars(hidden))
    assert max(abs(one.residual) for one in equations) < 1e-9
    with pytest.raises(ValueError, match="negative chip_w"):
        fit(FittedChip(1e7, frame, halved), {**figures, "chip": 2 * figures["chip"]})


def test_constants_have_sources_and_ranges() -> None:
    table = energy_table(EnergyConstants.nominal())
    assert table.count("fitted on chip 4") == 3
    assert all(line.count("|") == 5 and not line.endswith("|  |") for line in table.splitlines())
    with pytest.raises(ValueError, match=r"EnergyConstants\.wire_ff must"):
        replace(CONSTANTS, wire_ff=-1.0)
    assert Fitted.load(FITTED_FILE) == EnergyConstants.nominal().fitted
