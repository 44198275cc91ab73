"""docs/tutorial.md says what happens: its numbers by hand, its run on the RTL, its signals in the trace."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analog_models.programming import WeightTargets
from cosim.cli import main
from cosim.engines.rtl.waves import Group, Trace, groups, units_in_use
from cosim.engines.twin.engine import TwinEngine
from cosim.experiment import Experiment
from cosim.figures.tutorial import EXPERIMENT, IMAGES, PAGE, Tutorial, wave_lines
from cosim.figures.tutorial_mac import COLUMN, TILE, OneMac
from rtl.config import preset

ROOT = Path(__file__).parents[3]


@cache
def mac() -> OneMac:
    return OneMac.run(ROOT / EXPERIMENT)


@cache
def tutorial() -> Tutorial:
    return Tutorial(mac())


def test_the_page_is_what_the_run_gives_and_shows_every_picture() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    assert text == tutorial().page(), f"{PAGE} is stale: run `make docs`"
    names = {*(f"{name}.png" for name in tutorial().figures()), "routes.svg"}
    assert {path.name for path in (ROOT / IMAGES).iterdir()} == names
    assert all(f"({IMAGES.relative_to('docs')}/{name})" in text for name in names)


def test_the_voltages_by_hand() -> None:
    """S = 200 x 20 - 100 x 10 uS ns, then 50 x 15 away; 0.3 V / 320 on 50 fF."""
    first, last = (volts for _, volts in mac().plateaus())
    assert (first - 0.75) * 1e3 == pytest.approx(3000 * 0.3 / 320 / 50 * 1e3, abs=1e-3)
    assert (last - 0.75) * 1e3 == pytest.approx(2250 * 0.3 / 320 / 50 * 1e3, abs=1e-3)


def test_the_charge_is_the_area_under_the_currents() -> None:
    times = np.arange(mac().record.cycles)
    charge_fc = sum(mac().current_na(row, times).sum() for row in range(3)) * 1e-3  # nA ns is 1e-3 fC
    assert charge_fc == pytest.approx(2250 * 0.3 / 320)


def test_codes_lie_on_the_line_of_zero_and_scale() -> None:
    exact = mac().code_zero + mac().code_per_mac * mac().macs
    np.testing.assert_allclose(mac().results, exact, rtol=0, atol=0.5 + 1e-9)
    assert mac().macs[COLUMN] == pytest.approx(90)


def test_the_full_chip_gives_the_same_codes() -> None:
    """As the page says: the same tile and landing pads, among more of them, with more lanes."""
    config, small = preset(), mac().experiment
    plan, corner = config.floorplan, small.config.floorplan
    weights = np.zeros((config.total_rows, config.lanes))
    weights[: small.config.lanes, : small.config.lanes] = mac().weights
    vectors = np.zeros((2, config.lanes), np.uint8)
    vectors[:, : small.config.lanes] = small.vectors[0]
    units = {
        replace(unit, index=plan.tile_index[corner.tiles[unit.index]] if unit.kind.name == "TILE" else 0): words
        for unit, words in small.units.items()
    }
    full = Experiment(
        config,
        units,
        vectors={0: vectors},
        weights={TILE: WeightTargets(wp1=weights)},
        analog=small.analog,
        cycles=small.cycles,
        name="full",
    )
    (record,) = TwinEngine().perform([full])
    codes = record.results[0][0]
    np.testing.assert_array_equal(codes[: small.config.lanes], mac().results)
    assert (codes[small.config.lanes :] == mac().results[2]).all()  # columns without weights


def test_balance_takes_the_mismatch_of_the_paths_away() -> None:
    assert tutorial().plain.std() > 0.5
    np.testing.assert_allclose(tutorial().balanced, 42.1875, atol=1e-3)


@pytest.mark.cosimulation
def test_the_rtl_prints_the_timeline_of_the_page() -> None:
    result = CliRunner().invoke(main, ["run", str(ROOT / EXPERIMENT), "--timeline", "-"])
    assert result.exit_code == 0, result.output
    shown = (ROOT / PAGE).read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    assert shown in result.output


def traces(content: "tuple[Trace | Group, ...]") -> Iterator[str]:
    for item in content:
        if isinstance(item, Trace):
            yield item.path
        else:
            yield from traces(item.content)


def test_signals_of_the_page_are_in_the_viewers_save_file() -> None:
    experiment = mac().experiment
    shown = groups(experiment.config, units_in_use(experiment.units), Path("one_mac.gtkw"))
    known = {path for group in shown for path in traces(group.content)}
    named = [signal.strip("`") for _, signal, _ in wave_lines(mac())]
    named += re.findall(r"`(chip\.\S+)`", (ROOT / PAGE).read_text(encoding="utf-8"))
    for signal in named:
        assert f"bench.{signal.partition('[')[0]}" in known
