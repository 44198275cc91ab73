"""The cocotb side of `packets`: sends the packets of the job in the working directory and writes down the answers."""

from pathlib import Path
from typing import Any

import cocotb

from cosim.engines.rtl.agents import ChipError, HostPort, reset
from cosim.files.chip_config import config_from_json
from cosim.files.json_text import from_json, to_json


async def _answer(port: HostPort, packet: list[int], length: int) -> list[int]:
    """Send a packet and take so many beats of answer; the last of them has to close it."""
    beats, ends = await port.exchange(packet, length)
    if ends.tolist() != ([length - 1] if length else []):
        raise ChipError(f"the answer to header {packet[0]:#018x} has a misplaced tlast")
    return beats.tolist()


@cocotb.test()
async def send_packets(dut: Any) -> None:
    job = from_json(Path("job.json").read_text())
    port = HostPort(dut, config_from_json(job["config"]), job["pause"])
    await reset(dut)
    answers = [
        await _answer(port, packet, length) for packet, length in zip(job["packets"], job["lengths"], strict=True)
    ]
    Path("answers.json").write_text(to_json(answers))
