"""Directed experiments on the full chip: what each engine makes of them, against expectations written by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.events import EventKind
from analog_models.reception import TransportConfig
from cosim.engines.golden import GoldenEngine
from cosim.engines.rtl import RtlEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.experiment import Record
from tests.directed.catalogue import BUILDERS, PAGE, PICTURES, cases, page, pictures
from tests.directed.power import power_test
from tests.directed.script import CHIP, PLAN, Case, pad, tile
from tests.directed.tiles import HERE

ROOT = Path(__file__).parents[2]
CASES = {case.name: case for case in cases()}
#: With a wrong circuit, results differ from the expectation; `test_balance...` says by how much.
EXACT = [name for name in CASES if not name.startswith("asymmetry balance,")]
#: The last one has 34 tiles that integrate in every frame: minutes for the golden model.
GOLDEN = list(CASES)[:-1]

Records = dict[str, Record]

#: The engines' sessions are shared by the module's tests, so one worker takes them all.
pytestmark = pytest.mark.xdist_group("chip")


@pytest.fixture(scope="module")
def rtl() -> Records:
    """All experiments in one session: one process of the simulator."""
    records = RtlEngine().perform([case.experiment for case in CASES.values()])
    return dict(zip(CASES, records, strict=True))


@pytest.fixture(scope="module")
def golden() -> Records:
    return dict(zip(GOLDEN, GoldenEngine().perform([CASES[name].experiment for name in GOLDEN]), strict=True))


@pytest.fixture(scope="module")
def twin() -> Records:
    return dict(zip(CASES, TwinEngine().perform([case.experiment for case in CASES.values()]), strict=True))


def check(case: Case, record: Record) -> None:
    """Codes are the expected ones, and no unit complains."""
    assert not record.flagged, record.error_report(CHIP)
    assert record.error_cycle is None
    for domain, expected in case.results.items():
        found = record.results[PLAN.domains.index(domain)][: len(expected)]
        np.testing.assert_array_equal(found, expected, f"{case.name}, OLP {domain}")


@pytest.mark.chip
@pytest.mark.cosimulation
@pytest.mark.parametrize("name", EXACT)
def test_codes_are_the_expected_ones(rtl: Records, name: str) -> None:
    check(CASES[name], rtl[name])


@pytest.mark.parametrize("name", EXACT)
def test_twin_gives_the_expected_codes(twin: Records, name: str) -> None:
    check(CASES[name], twin[name])


@pytest.mark.chip
@pytest.mark.cosimulation
@pytest.mark.parametrize("name", CASES)
def test_twin_agrees_in_everything(rtl: Records, twin: Records, name: str) -> None:
    assert rtl[name].difference(twin[name]) is None


@pytest.mark.chip
@pytest.mark.cosimulation
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_model_agrees_in_everything(rtl: Records, golden: Records, name: str) -> None:
    assert rtl[name].difference(golden[name]) is None


@pytest.mark.chip
@pytest.mark.cosimulation
def test_twin_agrees_with_noise_and_wire_errors() -> None:
    """Every experiment that computes, on a chip with all imperfections on."""
    analog = AnalogConfig(transport=TransportConfig())
    noisy = [
        replace(CASES[name].experiment, analog=analog, seed=3)
        for name in EXACT[:-1]  # all but the power test
        if CASES[name].experiment.weights
    ]
    assert len(noisy) > 5
    for experiment, rtl, twin in zip(noisy, RtlEngine().perform(noisy), TwinEngine().perform(noisy), strict=True):
        assert rtl.difference(twin) is None, experiment.name
        assert any(codes.any() for codes in rtl.results.values()), experiment.name


# ---- what codes do not show


@pytest.mark.chip
@pytest.mark.cosimulation
def test_columns_see_the_pulses(rtl: Records) -> None:
    """Both tiles count the pulses of the vector on every column, whichever way they came."""
    writes = [event for event in rtl["in to col"].events if event.kind is EventKind.WRITE]
    (sent, _) = CASES["in to col"].experiment.vectors[pad("ILP SW").index]
    assert {event.tile for event in writes} == {tile((4, 0)).index, tile((3, 0)).index}
    for event in writes:
        assert event.column_time is not None
        np.testing.assert_array_equal(event.column_time[0], sent)


# ---- asymmetry balance


def sums_mv(record: Record, name: str) -> NDArray[np.float64]:
    """Capacitor voltages when each ramp starts, (2, lanes) mV: the balanced MAC, and the one from WP1 alone.

    The physics is told again what the run told it, so this is what was there before the ramp quantised it.
    """
    chip = CASES[name].experiment.make_chip()
    found = []
    for event in record.events:
        chip.serve(np.array([0]), [event])
        if event.kind is EventKind.RAMP:
            found.append(chip.tile(tile(HERE).index).v_mv[0].copy())
    return np.array(found)


def codes(record: Record) -> NDArray[np.int64]:
    return record.results[pad("OLP SW").index][:2].astype(np.int64)


def test_balance_removes_a_mismatch_of_the_read_paths(twin: Records) -> None:
    ideal, name = twin["asymmetry balance"], "asymmetry balance, paths"
    error_mv = np.abs(sums_mv(twin[name], name) - sums_mv(ideal, "asymmetry balance")).max(axis=1)
    assert error_mv[0] < 1e-9
    assert error_mv[1] > 70  # 20 codes of 3.5 mV
    error = np.abs(codes(twin[name]) - codes(ideal)).max(axis=1)
    assert error[0] <= 1
    assert error[1] > 20


@pytest.mark.parametrize("asymmetry", ["polarity", "offset"])
def test_balance_leaves_what_calibration_must_remove(twin: Records, asymmetry: str) -> None:
    """Charge against discharge, and a charge per phase: both halves of the balance err in the same direction."""
    name = f"asymmetry balance, {asymmetry}"
    error = codes(twin[name]) - codes(twin["asymmetry balance"])
    assert np.abs(error[0]).max() > 20
    np.testing.assert_allclose(error[0], error[1], atol=1)


# ---- the power test


def check_power(case: Case, record: Record, frames: int) -> None:
    """Every tile sees every vector in turn, and the pointers go round."""
    check(case, record)
    vectors = case.experiment.vectors[pad("ILP SW").index]
    integrations = [event for event in record.events if event.kind is EventKind.INTEGRATE]
    assert len(integrations) == frames * CHIP.tile_count
    for index, event in enumerate(integrations):
        expected = vectors[index // CHIP.tile_count % len(vectors)]
        assert event.row_time is not None
        np.testing.assert_array_equal(event.row_time[0, : CHIP.lanes], expected, f"tile {event.tile}")
    assert len(record.crossings) == frames * CHIP.domain_count
    for unit in (pad("ILP SW"), *(pad(f"OLP {domain}") for domain in PLAN.domains)):
        assert record.statuses[unit]["pointer"] == frames % 32
    assert record.cycles == case.experiment.cycles + 1, "not all units ran until the stop"


@pytest.mark.chip
@pytest.mark.cosimulation
def test_pointers_overflow_in_the_power_test(rtl: Records) -> None:
    check_power(CASES["power test"], rtl["power test"], frames=34)


@pytest.mark.long
@pytest.mark.chip
@pytest.mark.cosimulation
def test_power_test_runs_for_a_thousand_frames() -> None:
    case = power_test(frames=1000)
    (record,) = RtlEngine().perform([case.experiment])
    check_power(case, record, frames=1000)


# ---- the page


def test_page_and_pictures_are_current() -> None:
    """If not: python -m tests.directed.catalogue"""
    every = list(CASES.values())
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(every)
    drawn = pictures(every)
    assert {path.name for path in (ROOT / PICTURES).iterdir()} == {path.name for path in drawn}
    for path, text in drawn.items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, path


def test_cases_have_names_of_their_own() -> None:
    assert len(CASES) == len(BUILDERS)
