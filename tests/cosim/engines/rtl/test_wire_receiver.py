"""The simulation shell of a landing pad's receiver against the golden model's.

This file is two things: a pytest module that builds and runs a simulator with the shell as its top, and the cocotb
module that runs inside it.
"""

import logging
import sys
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ReadOnly, RisingEdge

from analog_models.reception import NO_SLIP, Reception
from cosim.engines.golden.receiver import PadShell
from cosim.engines.rtl.agents.receivers import setting_bits
from cosim.engines.rtl.agents.signals import read_bits, write_bits
from cosim.engines.rtl.build import compile_simulator

LANES = 40  # a plane fills one and a half words
WINDOWS = 60


@pytest.mark.cosimulation
def test_wire_receiver_shell(tmp_path: Path) -> None:
    control = tmp_path / "ports.vlt"
    public = [
        f'public_flat_rw -module "duramesh_wire_receiver" -var "{name}"' for name in ("clk", "wires", "opens", "data")
    ]
    control.write_text("`verilator_config\n" + "\n".join(public) + "\n")
    package = Path(compile_simulator.__code__.co_filename).parent
    simulator = compile_simulator(
        [control, package / "bench.vlt", package / "wire_receiver.sv"],
        top="duramesh_wire_receiver",
        parameters={"LANES": LANES},
    )
    here = Path(__file__)
    environment = {"PYTHONPATH": ":".join([str(here.parent), *(path for path in sys.path if path)])}
    simulator.run_tests([here.stem], tmp_path, environment=environment)


def random_reception(random: np.random.Generator) -> Reception:
    first, period = random.integers(0, 30), random.integers(100, 130)
    slips = first + period * np.arange(3)
    slips[random.integers(0, 4) :] = NO_SLIP
    moves = random.integers(-3, 4, (1, LANES), dtype=np.int8)
    return Reception(moves, slips[None].astype(np.int16), bool(random.integers(2)))


def random_waveform(random: np.random.Generator, cycles: int) -> np.ndarray:
    """(cycles, lanes): quiet at first, then pulses and gaps of a few cycles on some lanes, long ones on the others."""
    toggles = random.random((cycles, LANES)) < np.where(np.arange(LANES) % 2, 0.3, 0.01)
    toggles[: random.integers(0, 20)] = False
    return np.logical_xor.accumulate(toggles, axis=0)


@cocotb.test()
async def every_cycle_is_that_of_the_model(dut) -> None:
    seed = 5
    random = np.random.default_rng(seed)
    logging.getLogger("test").info("seed %d", seed)
    dut.opens.value = 0
    dut.enabled.value = 0
    model, wires = None, np.zeros(LANES, np.bool_)
    for number in range(WINDOWS):
        cycles = int(random.integers(1, 400))
        waves, reception = random_waveform(random, cycles), random_reception(random)
        enabled = number % 10 != 0
        await RisingEdge(dut.clk)
        if enabled and model is None:  # switched on a cycle before the window opens, as before a run
            dut.enabled.value = 1
            await RisingEdge(dut.clk)
        dut.opens.value = 1
        dut.enabled.value = int(enabled or model is not None)
        write_bits(dut.setting, setting_bits(reception))
        await ReadOnly()
        if model:  # the window that closes with this cycle does not see the next one's setting
            np.testing.assert_array_equal(read_bits(dut.data), model.step(wires), f"end of window {number - 1}")
        model = PadShell(reception) if enabled else None
        for wires in waves:
            await RisingEdge(dut.clk)
            dut.opens.value = 0
            dut.enabled.value = int(enabled)
            write_bits(dut.wires, wires)
            await ReadOnly()
            expected = model.step(wires) if model else wires
            np.testing.assert_array_equal(read_bits(dut.data), expected, f"window {number} of {reception}")
