"""The cocotb side of `packets`: sends the packets of the job in the working directory and writes down the answers."""

import json
from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from cosim.engines.rtl.agents.host import ChipError, HostPort, reset
from cosim.engines.rtl.agents.signals import read_bits
from cosim.files.chip_config import config_from_json

_BEAT_BITS = 65  # tlast, tdata


class _RawPort(HostPort):
    """The host's side of the port without the memory map: packets as they are."""

    async def exchange(self, packet: list[int], length: int) -> list[int]:
        """Send a packet and take so many beats of answer; the last of them has to close it."""
        done = self._arm(self._sink, "sink", length) if length else 0
        await self.send(packet)
        if not length:
            return []
        await self._wait(self._sink, "sink", done)
        bits = read_bits(self._sink.buffer)[: _BEAT_BITS * length].reshape(length, _BEAT_BITS)
        if bits[:-1, 64].any() or not bits[-1, 64]:
            raise ChipError(f"the answer to header {packet[0]:#018x} has a misplaced tlast")
        return np.packbits(bits[:, :64], axis=1, bitorder="little").view("<u8").ravel().tolist()


@cocotb.test()
async def send_packets(dut: Any) -> None:
    job = json.loads(Path("job.json").read_text())
    port = _RawPort(dut, config_from_json(job["config"]), job["pause"])
    await reset(dut)
    answers = [
        await port.exchange(packet, length) for packet, length in zip(job["packets"], job["lengths"], strict=True)
    ]
    Path("answers.json").write_text(json.dumps(answers))
