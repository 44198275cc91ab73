"""The simulation shell of the analog macro against a cycle-by-cycle model in numpy.

This file is two things: a pytest module that builds and runs a simulator with the shell as its top, and the cocotb
module that runs inside it.
"""

from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ReadOnly, RisingEdge

from cosim.engines.rtl.agents.signals import bits_to_string, string_to_bits
from cosim.engines.rtl.build import compile_simulator
from rtl.isa import RAMP_LATENCY

LANES, BIAS_ROWS = 40, 8  # 40: a plane of rows fills one and a half words
ROWS = LANES + BIAS_ROWS
STRIDE = 64
INPUTS = {
    "rst": 1,
    "rows": ROWS,
    "columns_in": LANES,
    **dict.fromkeys(("precharge", "integrate", "wp1", "wp2", "discharge", "share_north", "share_south"), 1),
    "neighbour_north_shares": 1,
    "neighbour_south_shares": 1,
    "capacitors": 4,
    "ramp": 1,
    "ramp_start": 8,
    "ramp_slope": 8,
    "write": 1,
    "write_row": 10,
    "write_device": 2,
    "write_reset": 1,
    "return_line": 8,
    "clear": 1,
}
PRECHARGE, INTEGRATE, RAMP, WRITE = 1, 2, 4, 8


# ---- outside the simulator


@pytest.mark.cosimulation
def test_analog_tile_shell(tmp_path: Path) -> None:
    control = tmp_path / "ports.vlt"
    public = [f'public_flat_rw -module "duramesh_analog_tile" -var "{name}"' for name in ("clk", *INPUTS)]
    public += [
        f'public_flat_rd -module "duramesh_analog_tile" -var "{name}"'
        for name in ("columns_out", "event_strobe", "fault")
    ]
    control.write_text("`verilator_config\n" + "\n".join(public) + "\n")
    package = Path(compile_simulator.__code__.co_filename).parent
    simulator = compile_simulator(
        [control, package / "bench.vlt", package / "analog_tile.sv"],
        top="duramesh_analog_tile",
        parameters={"LANES": LANES, "BIAS_ROWS": BIAS_ROWS},
    )
    simulator.run_tests([Path(__file__).stem], tmp_path, environment={"PYTHONPATH": python_path()})


def python_path() -> str:
    import os
    import sys

    return os.pathsep.join([str(Path(__file__).parent), *(path for path in sys.path if path)])


# ---- inside the simulator


class Shell:
    """Drives the shell's ports as registers would: new values in force from the start of a cycle."""

    def __init__(self, dut) -> None:
        self.dut = dut
        for name in INPUTS:
            getattr(dut, name).value = 0

    async def cycle(self, **inputs) -> int:
        """Begin the next cycle with `inputs` (the others keep their values); its event strobe."""
        await RisingEdge(self.dut.clk)
        for name, value in inputs.items():
            handle = getattr(self.dut, name)
            handle.value = bits_to_string(value) if isinstance(value, np.ndarray) else value
        await ReadOnly()
        return int(self.dut.event_strobe.value)

    async def reset(self) -> None:
        await self.cycle(rst=1)
        await self.cycle()
        await self.cycle(rst=0)

    def counts(self, name: str, lanes: int) -> tuple[np.ndarray, int]:
        """(high times, latched bank) in the packed signal `name`."""
        bits = string_to_bits(str(getattr(self.dut, name).value))
        planes = bits[: 9 * STRIDE].reshape(9, STRIDE)
        assert not planes[:, lanes:].any()
        bank = bits[9 * STRIDE :]
        return (1 << np.arange(9)) @ planes[:, :lanes], int((bank.astype(int) << np.arange(bank.size)).sum())

    def columns(self) -> np.ndarray:
        return string_to_bits(str(self.dut.columns_out.value))


@cocotb.test()
async def integration_counts_every_row(dut) -> None:
    shell, random = Shell(dut), np.random.default_rng(1)
    await shell.reset()
    for length in (1, 2, 37, 300, 700):
        bank = int(random.integers(1 << 7))  # wp1, wp2, discharge, capacitors; sharing would need a neighbour
        controls = {"wp1": bank & 1, "wp2": bank >> 1 & 1, "discharge": bank >> 2 & 1, "capacitors": bank >> 3}
        rows = random.integers(0, 2, (length, ROWS), dtype=np.uint8)
        rows[:, 0], rows[:, 1], rows[0, 2], rows[1:, 2] = 0, 1, 1, 0
        for index, now in enumerate(rows):
            assert await shell.cycle(integrate=1, rows=now, **(controls if index == 0 else {})) == 0
        # Rows outside the integration, and controls after it, must not count.
        assert await shell.cycle(integrate=0, rows=np.ones(ROWS, np.uint8), capacitors=0) == INTEGRATE
        counts, latched = shell.counts("integration", ROWS)
        np.testing.assert_array_equal(counts, np.minimum(rows.sum(axis=0, dtype=int), 511))
        assert latched == bank
        assert await shell.cycle() == 0
    assert dut.fault.value == 0


@cocotb.test()
async def programming_counts_every_column(dut) -> None:
    shell, random = Shell(dut), np.random.default_rng(2)
    await shell.reset()
    for length in (1, 100, 600):
        row, device, melt, line = (int(random.integers(1 << bits)) for bits in (10, 2, 1, 8))
        columns = random.integers(0, 2, (length, LANES), dtype=np.uint8)
        columns[:, 0], columns[:, 1] = 0, 1
        controls = {"write_row": row, "write_device": device, "write_reset": melt, "return_line": line}
        for now in columns:
            assert await shell.cycle(write=1, columns_in=now, **controls) == 0
        assert await shell.cycle(write=0, columns_in=np.ones(LANES, np.uint8), write_row=0) == WRITE
        counts, latched = shell.counts("programming", LANES)
        np.testing.assert_array_equal(counts, np.minimum(columns.sum(axis=0, dtype=int), 511))
        assert latched == row | device << 10 | melt << 12 | line << 13


@cocotb.test()
async def ramp_plays_crossing_times(dut) -> None:
    shell, random = Shell(dut), np.random.default_rng(3)
    await shell.reset()
    for ramp_cycles in (RAMP_LATENCY + 530, RAMP_LATENCY + 100, 5):
        crossing = random.integers(0, 512, LANES)
        crossing[:4] = 0, 1, 511, 100
        planes = np.zeros((9, STRIDE), np.uint8)
        planes[:, :LANES] = crossing >> np.arange(9)[:, None] & 1
        assert await shell.cycle(ramp=1, ramp_start=60, ramp_slope=128) == RAMP
        assert int(dut.ramp_setting.value) == 60 | 128 << 8
        for age in range(1, ramp_cycles):
            # The answer may come as late as the cycle before the first pulse.
            late = {"crossing": planes.ravel()} if age == min(RAMP_LATENCY - 1, ramp_cycles - 1) else {}
            assert await shell.cycle(**late) == 0
            elapsed = age - RAMP_LATENCY
            expected = (crossing > elapsed) if elapsed >= 0 else np.zeros(LANES, bool)
            np.testing.assert_array_equal(shell.columns(), expected, f"{age} cycles after the event")
        assert await shell.cycle(ramp=0) == 0
        assert not shell.columns().any()
        await shell.cycle()


@cocotb.test()
async def events_come_in_their_cycle(dut) -> None:
    shell = Shell(dut)
    await shell.reset()
    assert await shell.cycle(precharge=1) == 0
    assert await shell.cycle() == 0
    assert await shell.cycle(precharge=0, integrate=1) == PRECHARGE
    assert await shell.cycle(integrate=0, ramp=1, write=1) == INTEGRATE | RAMP
    assert await shell.cycle(write=0, ramp=0) == WRITE
    assert await shell.cycle(ramp=1) == RAMP
    assert await shell.cycle(rst=1) == 0
    assert await shell.cycle() == RAMP, "a level during reset is new to a shell in reset"
    assert await shell.cycle(rst=0, ramp=0) == 0
    assert dut.fault.value == 0


@cocotb.test()
async def misuse_sets_the_sticky_fault(dut) -> None:
    shell = Shell(dut)
    await shell.reset()

    async def faulty() -> bool:
        """Whether the last cycle set the flag, which is then cleared; checks that it sticks."""
        await shell.cycle(precharge=0, integrate=0, share_north=0, share_south=0, wp1=0)
        before = int(dut.fault.value)
        await shell.cycle()
        assert int(dut.fault.value) == before
        await shell.cycle(clear=1)
        await shell.cycle(clear=0)
        assert int(dut.fault.value) == 0
        return bool(before)

    await shell.cycle(integrate=1, precharge=1)
    assert await faulty()
    for name in ("wp1", "wp2", "discharge", "capacitors"):
        await shell.cycle(integrate=1)
        await shell.cycle(**{name: 1})
        assert await faulty(), name
        await shell.cycle(**{name: 0})
    for side in ("north", "south"):
        for answer in (0, 1):
            await shell.cycle(**{f"share_{side}": 1, f"neighbour_{side}_shares": answer})
            assert await faulty() == (not answer), f"{side}, answer {answer}"
        await shell.cycle(**{f"neighbour_{side}_shares": 0})
    await shell.cycle(wp1=1)
    await shell.cycle(integrate=1)
    assert not await faulty(), "controls may change before and after an integration"
    await shell.cycle(integrate=1, precharge=1, clear=1)
    await shell.cycle(clear=0)
    assert await faulty(), "what is raised in the cycle of a clear stays"


if __name__ == "__main__":
    pytest.main([__file__])
