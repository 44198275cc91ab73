"""Host port: request and answer packets on one side, the bus of every unit on the other."""

from amaranth.hdl import Cat, Module, ResetSignal, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from rtl.bus import BUS_READ_LATENCY
from rtl.config import ChipConfig
from rtl.isa import UnitKind
from rtl.memory_map import BEAT_BITS, Address, ChipStatus, Control, Header, MemoryMap, Opcode
from rtl.parameters import chip_config

__all__ = ["ANSWER_BEATS", "HOST_READ_LATENCY", "HostBeat", "HostPort"]

#: Beats of answers that the port holds while the host does not take them; more than its round trip, so that a READ
#: moves a beat a cycle.
ANSWER_BEATS = 16

#: Cycles from a request that leaves the parser to its data in the FIFO's input: register to the units, unit, register.
_FLIGHT = 1 + BUS_READ_LATENCY + 1
#: Cycles from the acceptance of a READ's header to the first beat of the answer on `tx`: parser, flight, FIFO.
HOST_READ_LATENCY = 1 + _FLIGHT + 2


class HostBeat(data.Struct):
    """Payload of both streams; the AXI4-Stream names are `tdata` and `tlast`."""

    data: BEAT_BITS
    last: 1


class HostPort(wiring.Component):
    """Parses request packets, strobes one unit a cycle, collects the answers; is itself unit CHIP 0.

    Parameters
    ----------
    config : ChipConfig

    Members
    -------
    rx : In(stream.Signature(HostBeat))
        Requests. Not ready only while a READ is under way, and in a reset.
    tx : Out(stream.Signature(HostBeat))
        Answers. Not valid in a reset.
    region : Out(4), offset : Out(16), write_data : Out(64)
        To all units at once.
    write, read : Out(units)
        Strobe of each unit on the bus, in the order of `MemoryMap.units`; at most one bit of both is high.
    read_data : In(64)
        OR of all units' answers.
    start, stop, clear : Out(1)
        To all units, one cycle long, from CONTROL.
    busy, contention, illegal, fault : In(1)
        OR over all units, for STATUS.
    host_error : Out(1)
        Sticky: a malformed packet or an address that is not to be accessed so; see docs/fabric.md.

    Timing
    ------
    A beat accepted in cycle n strobes its unit, or CONTROL acts, in n + 1. The first beat of an answer stands on `tx`
    `HOST_READ_LATENCY` cycles after its header was accepted. Bursts move one beat a cycle; behind the header of a READ,
    `rx` waits until the last of its requests is on the way.

    Source
    ------
    Our assumption. The papers' chip moves 38.4 Gb/s over 384 pins at 100 MHz (Nature 620, 768, Methods).
    """

    def __init__(self, config: ChipConfig) -> None:
        self._config = chip_config(config)
        self._map = MemoryMap(config)
        self._units = list(self._map.units)
        super().__init__(
            {
                "rx": In(stream.Signature(HostBeat)),
                "tx": Out(stream.Signature(HostBeat)),
                "region": Out(4),
                "offset": Out(16),
                "write_data": Out(BEAT_BITS),
                "write": Out(len(self._units)),
                "read": Out(len(self._units)),
                "read_data": In(BEAT_BITS),
                "start": Out(1),
                "stop": Out(1),
                "clear": Out(1),
                "busy": In(1),
                "contention": In(1),
                "illegal": In(1),
                "fault": In(1),
                "host_error": Out(1),
            }
        )

    @property
    def config(self) -> ChipConfig:
        return self._config

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rx = self.rx
        beat = rx.payload
        header = data.View(Header, beat.data)

        listens = Signal()
        awake = ~ResetSignal(allow_reset_less=True)  # what the reset swallowed would be lost for one side only
        m.d.comb += rx.ready.eq(listens & awake)

        address = Signal(Address)
        left = Signal(16)  # beats of the packet that are still to move
        excess = Signal()  # a READ that goes on behind its header
        malformed = Signal()
        writing = Signal()
        reading = Signal()
        may_read = Signal()

        with m.FSM(name="parser"):
            with m.State("HEADER"):
                m.d.comb += listens.eq(1)
                with m.If(rx.valid):
                    m.d.sync += [address.eq(header.address), left.eq(header.length), excess.eq(~beat.last)]
                    with m.If((header.opcode == Opcode.WRITE) & (header.length != 0) & ~beat.last):
                        m.next = "WRITE"
                    with m.Elif((header.opcode == Opcode.READ) & (header.length != 0)):
                        m.d.comb += malformed.eq(~beat.last)
                        m.next = "READ"
                    with m.Else():
                        m.d.comb += malformed.eq(1)
                        with m.If(~beat.last):
                            m.next = "DROP"
            with m.State("WRITE"):
                m.d.comb += [listens.eq(1), writing.eq(rx.valid)]
                with m.If(rx.valid):
                    m.d.comb += malformed.eq(beat.last != (left == 1))
                    with m.If(beat.last):
                        m.next = "HEADER"
                    with m.Elif(left == 1):
                        m.next = "DROP"
            with m.State("READ"):
                m.d.comb += reading.eq(may_read)
                with m.If(may_read & (left == 1)):
                    with m.If(excess):
                        m.next = "DROP"
                    with m.Else():
                        m.next = "HEADER"
            with m.State("DROP"):
                m.d.comb += listens.eq(1)
                with m.If(rx.valid & beat.last):
                    m.next = "HEADER"

        with m.If(writing | reading):
            m.d.sync += [Value.cast(address).eq(Value.cast(address) + 1), left.eq(left - 1)]

        status = self._strobe(m, address, writing, reading, malformed)
        self._answer(m, awake, reading, left == 1, may_read, self.read_data | status)
        return m

    def _strobe(self, m: Module, address: data.View, writing: Value, reading: Value, malformed: Value) -> Value:
        """From the parser to the units, through one register: strobes, controls, the error flag.

        Returns the chip's own answer, which comes in the same cycle as a unit's.
        """
        readable, writable = Signal(), Signal()
        with m.Switch(Cat(address.region, address.kind)):
            for entry in self._map.entries:
                with m.Case((entry.kind.value << 4) | entry.region.value):
                    exists = (address.index < self._map.unit_count(entry.kind)) & (address.offset < entry.beats)
                    m.d.comb += [readable.eq(exists & entry.readable), writable.eq(exists & entry.writable)]

        payload = self.rx.payload.data
        control = data.View(Control, payload[: Control.as_shape().size])
        status_read = Signal()
        m.d.sync += [self.write.eq(0), self.read.eq(0), status_read.eq(0)]
        m.d.sync += [self.start.eq(0), self.stop.eq(0), self.clear.eq(0)]
        with m.If(writing | reading):
            m.d.sync += [self.region.eq(address.region), self.offset.eq(address.offset), self.write_data.eq(payload)]
            for number, (kind, index) in enumerate(self._units):
                with m.If((address.kind == kind) & (address.index == index)):
                    m.d.sync += [self.write[number].eq(writing & writable), self.read[number].eq(reading & readable)]
            with m.If(address.kind == UnitKind.CHIP):
                m.d.sync += status_read.eq(reading & readable)
                with m.If(writing & writable):
                    m.d.sync += [self.start.eq(control.start), self.stop.eq(control.stop), self.clear.eq(control.clear)]

        with m.If(self.clear):
            m.d.sync += self.host_error.eq(0)
        with m.If(malformed | (writing & ~writable) | (reading & ~readable)):
            m.d.sync += self.host_error.eq(1)

        flags = Cat(getattr(self, name) for name, _ in ChipStatus.as_shape())
        sampled, answer = Signal(len(flags)), Signal(len(flags))
        m.d.sync += [sampled.eq(0), answer.eq(sampled)]
        with m.If(status_read):
            m.d.sync += sampled.eq(flags)
        return answer

    def _answer(self, m: Module, awake: Value, reading: Value, last: Value, may_read: Value, answer: Value) -> None:
        """From the units to `tx`: tags of the requests in flight, and a FIFO that cannot overflow."""
        m.submodules.answers = answers = SyncFIFOBuffered(width=HostBeat.as_shape().size, depth=ANSWER_BEATS)
        promised = Signal(range(ANSWER_BEATS + 1))  # beats asked for that the host has not taken
        collected = Signal(BEAT_BITS)
        flying = Signal(_FLIGHT)
        last_flying = Signal(_FLIGHT)
        m.d.comb += may_read.eq(promised != ANSWER_BEATS)
        m.d.sync += [
            promised.eq(promised + reading - (self.tx.valid & self.tx.ready)),
            flying.eq(Cat(reading, flying)),
            last_flying.eq(Cat(last, last_flying)),
            collected.eq(answer),
        ]
        m.d.comb += [
            answers.w_data.eq(Cat(collected, last_flying[-1])),
            answers.w_en.eq(flying[-1]),
            Value.cast(self.tx.payload).eq(answers.r_data),
            self.tx.valid.eq(answers.r_rdy & awake),
            answers.r_en.eq(self.tx.ready),
        ]
