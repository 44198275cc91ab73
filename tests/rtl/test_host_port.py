"""Host port against docs/fabric.md, with units that are memories and a host that stalls at random."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from amaranth.hdl import ClockDomain, Module

from rtl.bus import BUS_READ_LATENCY, Region
from rtl.config import ChipConfig, preset
from rtl.host_port import ANSWER_BEATS, HOST_READ_LATENCY, HostPort
from rtl.isa import UnitKind
from rtl.memory_map import ChipRegion, MemoryMap, Opcode, address, read_header, write_header
from tests.rtl.simulation import simulate

SMALL = preset("small")
CONTROL = address(UnitKind.CHIP, 0, ChipRegion.CONTROL)
STATUS = address(UnitKind.CHIP, 0, ChipRegion.STATUS)
PROGRAM = address(UnitKind.TILE, 2, Region.PROGRAM)
Beat = tuple[int, int]  # data, last


def packet(*beats: int) -> list[Beat]:
    return [(beat, int(index == len(beats) - 1)) for index, beat in enumerate(beats)]


def write(start: int, *values: int) -> list[Beat]:
    return packet(write_header(start, len(values)), *values)


def read(start: int, length: int) -> list[Beat]:
    return packet(read_header(start, length))


def split(beat_address: int) -> tuple[int, int, int, int]:
    return beat_address >> 28, beat_address >> 20 & 0xFF, beat_address >> 16 & 0xF, beat_address & 0xFFFF


@dataclass
class Run:
    """What a host and the units saw: answers and their cycles, requests on the bus, cycles of accepted beats."""

    answers: list[Beat] = field(default_factory=list)
    answer_cycles: list[int] = field(default_factory=list)
    accepted_cycles: list[int] = field(default_factory=list)
    writes: list[tuple[tuple[int, int, int], int]] = field(default_factory=list)  # (unit, region, offset), value
    controls: list[tuple[int, str]] = field(default_factory=list)  # (cycle, name)
    host_error: int = 0


def run(
    beats: list[Beat],
    cycles: int,
    offers: Callable[[], bool] = lambda: True,
    takes: Callable[[], bool] = lambda: True,
    config: ChipConfig = SMALL,
    busy: Callable[[int], int] = lambda cycle: 0,
) -> Run:
    """Send `beats`, offering and taking when the call-backs say so; the units are memories that start at 0."""
    dut = HostPort(config)
    seen = Run()

    async def testbench(ctx) -> None:
        memory: dict[tuple[int, int, int], int] = {}
        answers_due = deque([0] * (BUS_READ_LATENCY - 1))
        waiting = deque(beats)
        stalled: Beat | None = None
        for cycle in range(cycles):
            # AXI4-Stream: a beat that was offered stays until it is taken.
            if waiting and (ctx.get(dut.rx.valid) or offers()):
                ctx.set(dut.rx.payload, {"data": waiting[0][0], "last": waiting[0][1]})
                ctx.set(dut.rx.valid, 1)
            ctx.set(dut.tx.ready, takes())
            ctx.set(dut.busy, busy(cycle))
            sampled = await ctx.tick().sample(
                dut.rx.valid & dut.rx.ready,
                dut.tx.valid,
                dut.tx.ready,
                dut.tx.payload.data,
                dut.tx.payload.last,
                dut.write,
                dut.read,
                dut.region,
                dut.offset,
                dut.write_data,
                dut.start,
                dut.stop,
                dut.clear,
            )
            accepted, valid, ready, answer, last, writes, reads, region, offset, value, *controls = sampled[2:]
            if accepted:
                seen.accepted_cycles.append(cycle)
                waiting.popleft()
                ctx.set(dut.rx.valid, 0)
            if stalled is not None:
                assert valid, "tvalid fell before tready"
                assert (answer, last) == stalled, "answer changed while it waited"
            stalled = (answer, last) if valid and not ready else None
            if valid and ready:
                seen.answers.append((answer, last))
                seen.answer_cycles.append(cycle)
            assert (writes | reads).bit_count() <= 1, "two units strobed at once"
            unit = (writes | reads).bit_length() - 1
            if writes:
                memory[unit, region, offset] = value
                seen.writes.append(((unit, region, offset), value))
            answers_due.append(memory.get((unit, region, offset), 0) if reads else 0)
            ctx.set(dut.read_data, answers_due.popleft())
            names = zip(("start", "stop", "clear"), controls, strict=True)
            seen.controls += [(cycle, name) for name, level in names if level]
        assert not waiting, f"{len(waiting)} beats not accepted in {cycles} cycles"
        seen.host_error = ctx.get(dut.host_error)

    simulate(dut, testbench)
    return seen


class Reference:
    """What packets should do, from the specification, one packet at a time."""

    def __init__(self, config: ChipConfig) -> None:
        self.map = MemoryMap(config)
        self.units = list(self.map.units)
        self.memory: dict[tuple[int, int, int], int] = {}
        self.writes: list[tuple[tuple[int, int, int], int]] = []
        self.answers: list[Beat] = []
        self.error = 0

    def _key(self, beat_address: int, is_write: bool) -> tuple[int, int, int] | None:
        kind, index, region, offset = split(beat_address)
        for entry in self.map.entries:
            if (entry.kind.value, entry.region.value) == (kind, region) and offset < entry.beats:
                allowed = entry.writable if is_write else entry.readable
                if allowed and index < self.map.unit_count(entry.kind):
                    return self.units.index((entry.kind, index)), region, offset
        self.error = 1
        return None

    def send(self, beats: list[Beat]) -> None:
        header = beats[0][0]
        opcode, length, start = header >> 60, header >> 32 & 0xFFFF, header & 0xFFFFFFFF
        data = [beat for beat, _ in beats[1:]]
        if opcode == Opcode.WRITE.value and length:
            self.error |= len(data) != length
            for index, value in enumerate(data[:length]):
                key = self._key(start + index, is_write=True)
                if key is not None:
                    self.memory[key] = value
                    self.writes.append((key, value))
        elif opcode == Opcode.READ.value and length:
            self.error |= len(data) != 0
            for index in range(length):
                key = self._key(start + index, is_write=False)
                self.answers.append((0 if key is None else self.memory.get(key, 0), int(index == length - 1)))
        else:
            self.error = 1


def random_packets(rng: random.Random, count: int, faults: bool) -> Iterator[list[Beat]]:
    """Reads and writes around the program memories, with malformed ones among them if `faults`."""
    for _ in range(count):
        kind = rng.choice([UnitKind.TILE, UnitKind.ILP, UnitKind.OLP])
        units = SMALL.tile_count if kind is UnitKind.TILE else SMALL.domain_count
        length = rng.choice([1, 2, 3, 30])
        start = address(kind, rng.randrange(units), Region.PROGRAM, rng.randrange(8))
        if faults and rng.random() < 0.2:
            start = address(kind, rng.randrange(6), Region(rng.randrange(3)), rng.randrange(140))
        is_read = rng.random() < 0.5
        values = [rng.getrandbits(64) for _ in range(length)]
        beats = read(start, length) if is_read else write(start, *values)
        if faults and rng.random() < 0.2:
            header = beats[0][0]
            header = rng.choice(
                [header & (1 << 60) - 1 | rng.choice([0, 3, 15]) << 60, header & ~(0xFFFF << 32), header]
            )
            rest = [rng.getrandbits(64) for _ in range(rng.choice([0, 1, max(0, length - 1), length + 2]))]
            beats = packet(header, *rest)
        yield beats


@pytest.mark.parametrize("faults", [False, True], ids=["well-formed", "malformed"])
@pytest.mark.parametrize("seed", range(4))
def test_no_beat_is_lost_or_doubled(seed: int, faults: bool) -> None:
    rng = random.Random(seed)
    offer_rate, take_rate = rng.choice([0.3, 0.9, 1]), rng.choice([0.1, 0.5, 0.9])
    packets = list(random_packets(rng, 40, faults))
    reference = Reference(SMALL)
    for beats in packets:
        reference.send(beats)
    seen = run(
        [beat for beats in packets for beat in beats],
        cycles=int(500 + (sum(map(len, packets)) / offer_rate + len(reference.answers) / take_rate) * 1.3),
        offers=lambda: rng.random() < offer_rate,
        takes=lambda: rng.random() < take_rate,
    )
    assert seen.answers == reference.answers
    assert seen.writes == reference.writes
    assert seen.host_error == reference.error == int(faults)


def test_write_burst_moves_a_beat_a_cycle() -> None:
    seen = run(write(PROGRAM, *range(1, 101)) + write(PROGRAM, 7), 110)
    assert seen.accepted_cycles == list(range(103))  # header and data, packet behind packet
    assert [value for _, value in seen.writes] == [*range(1, 101), 7]
    assert not seen.host_error


def test_read_burst_moves_a_beat_a_cycle_from_the_promised_cycle_on() -> None:
    seen = run(read(PROGRAM, 100), 120)
    assert seen.answer_cycles == list(range(HOST_READ_LATENCY, HOST_READ_LATENCY + 100))
    assert [last for _, last in seen.answers] == [0] * 99 + [1]


def test_read_waits_for_a_host_that_does_not_take() -> None:
    release = iter([False] * 60 + [True] * 200)
    seen = run(write(PROGRAM, *range(50)) + read(PROGRAM, 50), 200, takes=lambda: next(release))
    assert [value for value, _ in seen.answers] == list(range(50))
    assert seen.answer_cycles == list(range(60, 110))
    assert ANSWER_BEATS < 50  # so that the port had to hold back


def test_read_after_write_in_the_next_packet() -> None:
    seen = run(write(PROGRAM, 0x0123456789ABCDEF) + read(PROGRAM, 1), 30)
    assert seen.answers == [(0x0123456789ABCDEF, 1)]


def test_control_strobes_once() -> None:
    seen = run(write(CONTROL, 1) + write(CONTROL, 2) + write(CONTROL, 4) + write(CONTROL, 8), 30)
    # Header in an even cycle, data in the odd one behind it, strobe in the cycle after that.
    assert seen.controls == [(2, "start"), (4, "stop"), (6, "clear")]
    assert not seen.writes


def test_status_right_behind_a_start_is_busy() -> None:
    """The soonest read that a host can make: units run from the cycle after `start`."""
    seen = run(write(CONTROL, 1) + read(STATUS, 1), 30, busy=lambda cycle: int(cycle >= 3))
    assert seen.controls == [(2, "start")]
    assert seen.answers == [(1, 1)]


def test_nothing_moves_in_a_reset() -> None:
    """A reset in every phase of a read: neither side moves a beat in it, and what waits is a header afterwards."""
    for first in range(1, 24, 2):
        dut = HostPort(SMALL)
        domain = ClockDomain("sync")
        m = Module()
        m.domains.sync = domain
        m.submodules.dut = dut
        beats = read(PROGRAM, 12)

        async def testbench(ctx, first=first, dut=dut, domain=domain, beats=beats) -> None:
            ctx.set(dut.rx.payload, {"data": beats[0][0], "last": 1})
            ctx.set(dut.rx.valid, 1)
            ctx.set(dut.tx.ready, 1)
            for cycle in range(first + 3):
                ctx.set(domain.rst, cycle >= first)
                if cycle >= first:
                    assert not ctx.get(dut.rx.ready | dut.tx.valid), (first, cycle)
                await ctx.tick()
            ctx.set(domain.rst, 0)
            assert ctx.get(dut.rx.ready)
            answers = []
            for _ in range(HOST_READ_LATENCY + 12):
                accepted, valid, last = (
                    await ctx.tick().sample(dut.rx.valid & dut.rx.ready, dut.tx.valid, dut.tx.payload.last)
                )[2:]
                if accepted:
                    ctx.set(dut.rx.valid, 0)
                answers += [last] * valid
            assert answers == [0] * 11 + [1]
            assert not ctx.get(dut.host_error)

        simulate(m, testbench)


ERRORS = {
    "write with early tlast": [(write_header(PROGRAM, 3), 0), (1, 1)],
    "write with late tlast": [(write_header(PROGRAM, 1), 0), (1, 0), (2, 1)],
    "write without data": [(write_header(PROGRAM, 1), 1)],
    "read with data": [(read_header(PROGRAM, 1), 0), (1, 1)],
    "opcode 3": packet(3 << 60 | 1 << 32 | PROGRAM),
    "length 0": packet(1 << 60 | PROGRAM, 5),
    "no such kind": write(0x7000_0000, 1),
    "no such unit": write(address(UnitKind.TILE, SMALL.tile_count, Region.PROGRAM), 1),
    "no such region": read(PROGRAM | 0x5_0000, 1),
    "offset past the end": read(address(UnitKind.TILE, 0, Region.PROGRAM, 2 * SMALL.program_depth), 1),
    "burst past the end": write(address(UnitKind.TILE, 0, Region.PROGRAM, 2 * SMALL.program_depth - 1), 1, 2),
    "write to a status": write(address(UnitKind.OLP, 0, Region.STATUS), 1),
    "write to results": write(address(UnitKind.OLP, 0, Region.VECTORS), 1),
    "read of vectors": read(address(UnitKind.ILP, 0, Region.VECTORS), 1),
    "read of masks": read(address(UnitKind.TILE, 0, Region.MASKS), 1),
    "read of control": read(CONTROL, 1),
    "write to the chip's status": write(STATUS, 1),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_is_flagged_cleared_and_survived(name: str) -> None:
    recovery = write(PROGRAM, 5) + read(PROGRAM, 1)
    flagged = run(ERRORS[name] + recovery + read(STATUS, 1), 60)
    assert flagged.answers[-2:] == [(5, 1), (1 << 4, 1)]
    assert flagged.host_error
    cleared = run(ERRORS[name] + write(CONTROL, 4) + read(STATUS, 1), 60)
    assert cleared.answers[-1] == (0, 1)
    assert not cleared.host_error


def test_unmapped_reads_answer_zeros() -> None:
    seen = run(write(PROGRAM, 1) + read(0x7000_0000, 3), 40)
    assert seen.answers == [(0, 0), (0, 0), (0, 1)]


def test_addresses_and_headers_reject_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"index has 8 bits, got 256"):
        address(UnitKind.TILE, 256, Region.PROGRAM)
    with pytest.raises(ValueError, match="CHIP has no region"):
        address(UnitKind.CHIP, 0, Region.STATUS)
    with pytest.raises(ValueError, match="1 to 65535 beats, got 0"):
        read_header(0, 0)
    with pytest.raises(ValueError, match="1 to 65535 beats, got 65536"):
        write_header(0, 65536)
