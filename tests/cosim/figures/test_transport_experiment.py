"""Durations from one landing pad to all others: the program, the report, and the same codes in RTL and twin."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analog_models.config import AnalogConfig
from analog_models.programming import program as program_weights
from analog_models.reception import TransportConfig
from cosim.cli import main
from cosim.compiler import compile_network
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine, make_chip
from cosim.figures.transport_experiment import (
    PAPER_BOUND_NS,
    RANGES_NS,
    TransportReport,
    measure_transport,
    multicast_program,
)
from rtl.config import preset

SMALL = preset("small")
MODELLED = replace(AnalogConfig(), transport=TransportConfig())


@pytest.mark.parametrize("config", [SMALL, preset()], ids=["small", "chip"])
def test_every_pad_hears_the_source(config) -> None:
    """Frames follow each other without a stray pulse, from the shortest range to the longest code."""
    for longest in (1, 50, 255):
        program = multicast_program(config, longest)
        sent = np.random.default_rng(longest).integers(0, longest + 1, (5, config.lanes), dtype=np.int16)
        codes = TwinEngine().run(program, make_chip(program, AnalogConfig.ideal()), sent).codes
        assert set(codes) == set(config.floorplan.domains)
        for heard in codes.values():
            np.testing.assert_array_equal(heard, sent)


@pytest.fixture(scope="module")
def report() -> TransportReport:
    return measure_transport(TwinEngine(), vectors=64, seed=5)


def test_ideal_wires_are_exact_and_modelled_ones_within_the_papers_bounds(report: TransportReport) -> None:
    assert list(report.counts) == list(RANGES_NS)
    for longest in RANGES_NS:
        assert set(report.max_error_ns(longest, "ideal").values()) == {0}
        assert report.shares(longest, "ideal") == {0: 1.0}
        assert 0 < max(report.max_error_ns(longest, "modelled").values()) <= PAPER_BOUND_NS[longest]
        assert sum(report.shares(longest, "modelled").values()) == pytest.approx(1)
    assert report.shares(250, "modelled")[0] < report.shares(50, "modelled")[0]  # longer pulses see more slips


def test_command_prints_json_and_picture_and_says_that_it_is_a_model(tmp_path: Path) -> None:
    arguments = ["--engine", "twin", "--vectors", "8", "--json", tmp_path / "t.json", "--report", tmp_path / "report"]
    result = CliRunner().invoke(main, ["transport", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "modelled" in result.output
    assert "not measured" in result.output
    written = json.loads((tmp_path / "t.json").read_text())
    assert "not measured" in written["note"]
    domains = set(preset().floorplan.domains)
    for longest in RANGES_NS:
        modes = written["ranges"][f"0-{longest}"]
        assert modes["paper_bound_ns"] == PAPER_BOUND_NS[longest]
        assert modes["ideal"]["exact"] == 1
        for mode in ("ideal", "modelled"):
            assert set(modes[mode]["max_error_ns"]) == domains
            assert all(sum(errors.values()) == 8 * 512 for errors in modes[mode]["errors"].values())
    assert Path(written["files"]["transport_errors"]).stat().st_size > 10_000


def assert_same_codes(program, config: AnalogConfig, inputs: np.ndarray, engine: RtlEngine, **options: int) -> dict:
    """Codes of both engines, which are equal."""
    chip = make_chip(program, config, **options)
    program_weights(chip, program.targets)
    rtl, twin = (runner.run(program, chip, inputs, first_frame=3) for runner in (engine, TwinEngine()))
    for name, codes in rtl.codes.items():
        np.testing.assert_array_equal(codes, twin.codes[name], name)
    return rtl.codes


@pytest.fixture(scope="module")
def small_engine(tool: str) -> RtlEngine:
    return RtlEngine(SMALL, tool=tool)


@pytest.mark.cosimulation
@pytest.mark.parametrize("longest", [7, 255])
def test_rtl_and_twin_hear_the_same(small_engine: RtlEngine, longest: int) -> None:
    program = multicast_program(SMALL, longest)
    sent = np.random.default_rng(longest).integers(0, longest + 1, (20, SMALL.lanes), dtype=np.int16)
    errors = []
    for seed in range(2):
        codes = assert_same_codes(program, MODELLED, sent, small_engine, seed=seed)
        errors += [heard - sent for heard in codes.values()]
    assert np.unique(errors).size > 4
    assert np.abs(errors).max() <= (5 if longest > 50 else 3)


@pytest.mark.cosimulation
def test_networks_hear_the_same(small_engine: RtlEngine, random_network, random_inputs) -> None:
    """ReLU pulses rise late, rows and pads hear each pulse with errors of their own."""
    program = compile_network(random_network(16, 16, 8, 4), SMALL)
    inputs = random_inputs(9, 16)
    exact = assert_same_codes(program, AnalogConfig(), inputs, small_engine, seed=2)
    moved = assert_same_codes(program, MODELLED, inputs, small_engine, seed=2)
    for name in exact:
        assert np.any(exact[name] != moved[name]), name


@pytest.mark.parametrize(
    "engine",
    [
        TwinEngine,
        pytest.param(RtlEngine, marks=[pytest.mark.cosimulation, pytest.mark.chip, pytest.mark.long]),
    ],
)
def test_full_chip_within_the_papers_bounds(engine: Callable[[], TwinEngine | RtlEngine]) -> None:
    outcome = measure_transport(engine(), vectors=8, seed=1)
    assert outcome.counts == measure_transport(TwinEngine(), vectors=8, seed=1).counts
    for longest in RANGES_NS:
        assert set(outcome.max_error_ns(longest, "ideal").values()) == {0}
        assert max(outcome.max_error_ns(longest, "modelled").values()) <= PAPER_BOUND_NS[longest]
