"""The analog models against ngspice, where it is installed; the circuit that is written, everywhere."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from cosim.verification import spice_page
from cosim.verification.spice import SpiceError, compare, linear, netlist, quiet
from cosim.verification.spice_page import MODES, main, page, random_case

needs_ngspice = pytest.mark.skipif(
    shutil.which("ngspice") is None, reason="no ngspice on PATH; `apt install ngspice` brings one"
)


@needs_ngspice
@pytest.mark.parametrize("number", range(6))
def test_a_circuit_gives_the_models_voltage_and_code(number: int) -> None:
    """Every mode, on one tile and on two that share; rails included."""
    _, case = random_case(1, number, nonlinear=False)
    verdict = compare(case)
    assert abs(verdict.difference_uv) < 2
    assert verdict.agrees
    assert abs(verdict.model_mv) > 1


@needs_ngspice
@pytest.mark.parametrize("number", range(6))
def test_nonlinearities_come_within_a_code_of_the_circuits(number: int) -> None:
    """They are approximated, and worth many codes."""
    _, case = random_case(1, number)
    verdict = compare(case)
    assert abs(verdict.difference_uv) < 5000
    assert abs(verdict.model_code - verdict.spice_code) <= 1


@needs_ngspice
def test_a_wrong_model_is_noticed() -> None:
    """The referee reads the tile's parameters, not its results: a model that forgets the path mismatch is off."""
    _, case = random_case(1, 0, nonlinear=False)
    tile = case.chip.tile(0)
    right = compare(case)
    text = netlist(case)
    columns = replace(tile.columns, path=np.zeros_like(tile.columns.path))
    tile.circuits.columns = tile.columns = columns  # the circuit's gains from now on, not those of the array
    assert netlist(case) != text
    assert abs(compare(case).difference_uv) > 20 > 2 > abs(right.difference_uv)


@pytest.mark.parametrize("nonlinear", [False, True])
def test_every_device_of_the_column_hangs_on_the_wire_of_its_branch(nonlinear: bool) -> None:
    _, case = random_case(3, 5, nonlinear=nonlinear)
    text = netlist(case)
    farad = 0.0
    for tile in case.tiles:
        g_us = case.chip.tile(tile).cells.read_us()[:, :, case.column]
        rows = g_us.shape[1]
        for device, row in np.argwhere(g_us > 0).tolist():
            name, branch = f"{row}_{device}_{tile}", f"{device % 2}_{tile}"
            (ohm,) = re.findall(rf"^R{name} cell{name} 0 (\S+)$", text, re.MULTILINE)
            assert float(ohm) == pytest.approx(1e6 / g_us[device, row])
            node = f"wire{row if nonlinear else rows}_{branch}"
            assert f"S{name} {node} cell{name} row{row}_{device // 2}_{tile} 0 row\n" in text
        wires = re.findall(rf"^Rwire(\d+)_0_{tile} wire(\d+)_0_{tile} wire(\d+)_0_{tile} ", text, re.MULTILINE)
        assert wires == [(str(row), str(row), str(row + 1)) for row in range(rows)] * nonlinear
        assert f"Vsense0_{tile} bias wire{rows}_0_{tile} 0\n" in text
        farad += case.chip.tile(tile).circuits.bank_ff(0, case.capacitors)[case.column] * 1e-15
    assert f"Clevel level 0 {farad:.12g} IC=0\n" in text


def test_cases_differ_and_cover_every_mode() -> None:
    cases = [random_case(0, number) for number in range(12)]
    assert {mode for mode, _ in cases} == set(MODES)
    assert {len(case.tiles) for _, case in cases} == {1, 2}
    assert {case.chip.config.devices for _, case in cases} == {"pcm", "hermes"}
    assert all(case.chip.config == quiet(case.chip.config) for _, case in cases)
    plain = [case.chip.config for _, case in (random_case(0, number, nonlinear=False) for number in range(12))]
    assert all(config == linear(quiet(config)) for config in plain)
    assert len({netlist(case) for _, case in cases}) == 12


def test_without_ngspice_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpiceError, match="ngspice is not on PATH; install it"):
        compare(random_case(0, 0)[1])
    result = CliRunner().invoke(main, ["--cases", "1", "--out", str(tmp_path / "spice.md")])
    assert result.exit_code == 0
    assert result.output.startswith("skipped: ngspice is not on PATH")
    assert not (tmp_path / "spice.md").exists()


@needs_ngspice
def test_the_page_is_made_from_what_was_found(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    out = tmp_path / "spice.md"
    result = CliRunner().invoke(main, ["--cases", "1", "--seed", "4", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "1 random MACs without nonlinearities and 1 with them, seed 4" in out.read_text()
    assert "| worst difference (µV) | ties | codes off by one | by more |" in out.read_text()
    assert "and no code is wrong" in out.read_text()

    wrong = replace(compare(random_case(4, 0, nonlinear=False)[1]), spice_code=0, spice_mv=9e3, model_code=1)
    tie = replace(wrong, spice_code=123, model_code=124, crossing_ns=123.4998)
    assert "no code is wrong; 1 of the codes differs by one where" in page(
        [("2-PCM", 1, tie)], [("2-PCM", 1, tie)], [], 4, "ngspice-1"
    )
    assert not replace(tie, crossing_ns=123.3).agrees
    assert "1 of 1 codes are wrong" in page([("2-PCM", 1, wrong)], [("2-PCM", 1, tie)], [], 4, "ngspice-1")
    monkeypatch.setattr(spice_page, "compare", lambda _: wrong)
    result = CliRunner().invoke(main, ["--cases", "2"])
    assert result.exit_code == 1
    assert "wrong codes in cases [0, 1] of seed 0" in result.output
