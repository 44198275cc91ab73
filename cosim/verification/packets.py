"""Random packets for the host port: the golden port's answers against the chip's."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cosim.engines.golden import Memory, Port
from cosim.engines.rtl.simulator import Simulator
from cosim.files.chip_config import config_to_json
from cosim.files.json_text import from_json, to_json
from cosim.files.wording import counted
from rtl.bus import Region
from rtl.config import ChipConfig
from rtl.memory_map import Address, Control, Header, Opcode, pack

__all__ = ["expected_answers", "random_packets", "verify_port"]

Packet = list[int]

_BENCH = "cosim.verification.packets_testbench"
_WRITE, _READ = Opcode.WRITE.value, Opcode.READ.value
_STATUS = pack(Address, {"region": Region.STATUS.value})
#: Bits of an address within its unit, and within its region.
_WITHIN_UNIT = pack(Address, {"index": 1}) - 1
_WITHIN_REGION = pack(Address, {"region": 1}) - 1


def random_packets(config: ChipConfig, seed: int, count: int) -> list[Packet]:
    """So many random packets, good and bad, and behind them reads of all that they can have changed.

    Parameters
    ----------
    config : ChipConfig
    seed, count : int

    Returns
    -------
    list of list of int
        Beats of each packet, header first; `tlast` goes with the last. None of them starts a program.
    """
    draw = _Draw(config, np.random.default_rng((seed, count)))
    packets: list[Packet] = []
    while len(packets) < count:
        packets += draw.packets()
    return packets[:count] + draw.everything()


class _Draw:
    def __init__(self, config: ChipConfig, rng: np.random.Generator) -> None:
        self._rng = rng
        #: Start address and beats of every region.
        self._regions = {
            pack(Address, {"kind": kind, "index": index, "region": region}): len(beats)
            for (kind, index, region), beats in Memory(config).beats.items()
        }

    def packets(self) -> list[Packet]:
        first = self._one_of(list(self._regions))
        room = self._regions[first]
        offset = self._number(0, room - 1)
        where, length = first + offset, self._number(1, min(room - offset, 40))
        kind = self._number(0, 12)
        if kind < 4:
            return [self._write(where, length), self._read(where, length)]
        if kind == 4:  # beyond the end of the region
            length = room - offset + self._number(1, 5)
            return [self._write(where, length), self._read(where, length)] if length < 500 else []
        if kind == 5:  # early or late tlast
            packet = self._write(where, length)
            packet = (
                packet[: self._number(1, length)] if self._chance(0.5) else packet + self._beats(self._number(1, 5))
            )
            return [packet, self._read(where, length)]
        if kind == 6:
            opcode = self._one_of([0, *range(3, 16)])
            return [[_header(opcode, where, length), *self._beats(self._number(0, 4))]]
        if kind == 7:
            opcode = self._one_of([_WRITE, _READ])
            return [[_header(opcode, where, 0), *self._beats(self._number(0, 3))]]
        if kind == 8:
            return [self._read(where, length) + self._beats(self._number(1, 3))]
        if kind == 9:  # any address at all, or from the end of one region into the next
            where = self._number(0, 0xFFFF_FFFF) if self._chance(0.5) else first | _WITHIN_REGION
            return [self._write(where, 3), self._read(where, 3)]
        if kind == 10:
            return [self._read(self._one_of([_STATUS, _STATUS, 0]), self._number(1, 2))]
        if kind == 11:
            high = self._number(0, 1 << 60) << 3
            clear, stop = (pack(Control, {name: 1}) for name in ("clear", "stop"))
            control = high | self._one_of([clear, clear, stop, 0])
            return [[_header(_WRITE, 0, 1), control], self._read(_STATUS, 1)]
        unit = first & ~_WITHIN_UNIT
        return [self._read(unit | _STATUS, 1), self._read(_STATUS, 1), self._write(unit | _STATUS, 1)]

    def everything(self) -> list[Packet]:
        """Reads of every program and result, in pieces that a test bench can hold."""
        parts = ((first + at, size - at) for first, size in self._regions.items() for at in range(0, size, 256))
        return [self._read(where, min(left, 256)) for where, left in parts]

    def _write(self, where: int, length: int) -> Packet:
        return [_header(_WRITE, where, length), *self._beats(length)]

    @staticmethod
    def _read(where: int, length: int) -> Packet:
        return [_header(_READ, where, length)]

    def _beats(self, count: int) -> list[int]:
        return self._rng.integers(0, 1 << 64, count, dtype=np.uint64).tolist()

    def _chance(self, share: float) -> bool:
        return bool(self._rng.random() < share)

    def _number(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def _one_of(self, things: Sequence[Any]) -> Any:
        return things[self._number(0, len(things) - 1)]


def _header(opcode: int, where: int, length: int) -> int:
    """First beat of a packet, also of one that the port refuses."""
    return pack(Header, {"opcode": opcode, "length": length, "address": where})


def expected_answers(config: ChipConfig, packets: Sequence[Packet]) -> tuple[list[list[int] | None], Port]:
    """What the golden port of a chip after reset answers to each packet, and the port, for its coverage."""
    port = Port(Memory(config))
    return [port.send(packet) for packet in packets], port


def verify_port(
    config: ChipConfig, simulator: Simulator, packets: Sequence[Packet], *, pause: float = 0.0
) -> tuple[str | None, dict[str, int]]:
    """Send packets to the chip after a reset, and compare its answers with the golden port's.

    Parameters
    ----------
    config : ChipConfig
    simulator : Simulator
        From `cosim.engines.rtl.build`.
    packets : sequence of list of int
    pause : float
        Chance that a beat is held back in a cycle, on either side.

    Returns
    -------
    str or None
        The first difference in words.
    mapping of str to int
        What happened how often, for coverage.

    Raises
    ------
    SimulationError
        If the chip does not take or answer a packet.
    """
    expected, port = expected_answers(config, packets)
    seen = {" / ".join(map(str, name)): count for name, count in port.seen.items()}
    with tempfile.TemporaryDirectory(prefix="duramesh-") as folder:
        lengths = [len(answer or ()) for answer in expected]
        job = {"config": config_to_json(config), "packets": packets, "lengths": lengths, "pause": pause}
        (Path(folder) / "job.json").write_text(to_json(job))
        simulator.run_tests([_BENCH], Path(folder))
        actual = from_json((Path(folder) / "answers.json").read_text())
    for number, (packet, ours, theirs) in enumerate(zip(packets, expected, actual, strict=True)):
        for beat, (mine, other) in enumerate(zip(ours or (), theirs, strict=True)):
            if mine != other:
                return (
                    f"packet {number} (header {packet[0]:#018x}, {counted(len(packet), 'beat')}), beat {beat} of the "
                    f"answer: {mine:#018x} (golden), {other:#018x} (rtl)"
                ), seen
    return None, seen
