"""The instruction word of every sequencer on the chip, typed once.

A word has 128 bits: ``mode`` (4), ``wait`` (12), ``payload`` (112). Modes 0-7 write the payload into one *bank* of
control signals and leave the other banks unchanged; the rest steer the program. The local controllers of the tiles and
the sequencers of the landing pads share the word and differ in their banks.

Assembler, disassembler, compiler and documentation read the layouts below; nobody retypes a bit position.

Source
------
128 bits, mode bits, wait in cycles of about 1 ns, JUMP and LOOP, banks of control signals: Nature 620, 768 (2023),
Methods, "local controller". Field widths and codes are our assumption.
"""

from enum import Enum

from amaranth.hdl import unsigned
from amaranth.lib import data

from rtl.enumeration import enum

__all__ = [
    "CONTROL_LATENCY",
    "MAX_WAIT",
    "PAYLOAD_BITS",
    "RAMP_LATENCY",
    "UNIT_BANKS",
    "WORD_BITS",
    "ArrayBank",
    "BiasBank",
    "CountBank",
    "Device",
    "Instruction",
    "JumpPayload",
    "LoopPayload",
    "MeshBank",
    "Mode",
    "Pattern",
    "PulseBank",
    "ReadoutBank",
    "TileBank",
    "UnitKind",
    "WriteBank",
]

WORD_BITS = 128
PAYLOAD_BITS = 112
#: Longest extra wait of one instruction, in cycles.
MAX_WAIT = (1 << 12) - 1

#: Cycles from the issue of an instruction to the first cycle in which its effect is visible, for every bank of
#: every unit: issued in cycle t, in force from cycle t + 2. Landing pads and tiles agree: equal issue, equal effect.
CONTROL_LATENCY = 2
#: Cycles from the first cycle with `ramp` in force to the first cycle of the column pulses.
RAMP_LATENCY = 8


class Mode(enum.Enum, shape=unsigned(4)):
    """What an instruction does."""

    BANK0 = 0
    BANK1 = 1
    BANK2 = 2
    BANK3 = 3
    BANK4 = 4
    BANK5 = 5
    BANK6 = 6
    BANK7 = 7
    NOP = 8  #: only waits
    JUMP = 12  #: goes on elsewhere
    LOOP = 13  #: repeats a body
    HALT = 15  #: stops the unit at the end of the word's cycles


class Pattern(enum.Enum, shape=unsigned(3)):
    """Which of the wires a switch drives."""

    NONE = 0
    ALL = 1
    EVEN = 2
    ODD = 3
    LOW = 4  #: lanes 0 .. lanes/2 - 1
    HIGH = 5  #: lanes lanes/2 .. lanes - 1
    CUSTOM = 6  #: the custom mask register of the switch's edge


class Device(enum.Enum, shape=unsigned(2)):
    """One of the four PCM devices of a unit cell. WP1 is `G_PLUS` - `G_MINUS`, WP2 is `g_plus` - `g_minus`."""

    WP1_PLUS = 0
    WP1_MINUS = 1
    WP2_PLUS = 2
    WP2_MINUS = 3


class MeshBank(data.Struct):
    """Every switch of the tile's borderguards, row block and column block.

    "net" is the tile's own set of mesh wires (east-west wire i and north-south wire i are one net, through the
    diagonal vias); "north", "east", "south", "west" are the wires behind that edge. ``a_to_b`` drives b with a on the
    wires of its pattern. CUSTOM takes the mask of the edge that the name mentions; the switches between net and rows
    take the west edge's mask, those between net and columns the south edge's.
    """

    north_to_net: Pattern
    net_to_north: Pattern
    east_to_net: Pattern
    net_to_east: Pattern
    south_to_net: Pattern
    net_to_south: Pattern
    west_to_net: Pattern
    net_to_west: Pattern
    west_to_rows: Pattern  #: IN-to-row, past the net
    net_to_rows: Pattern  #: IN-to-row from the net
    columns_to_net: Pattern  #: OUT-from-col to the net (and from there north, east, west or south)
    columns_to_south: Pattern  #: OUT-from-col straight to the south edge, past the net
    south_to_columns: Pattern  #: IN-to-col, past the net
    net_to_columns: Pattern  #: IN-to-col from the net


class ArrayBank(data.Struct):
    """What the crossbar and the capacitors do."""

    precharge: 1  #: level; the capacitors are at the precharge voltage while it is high
    integrate: 1  #: level; row pulses move charge while it is high
    wp1: 1  #: rows read the first pair of devices
    wp2: 1  #: rows read the second pair of devices
    discharge: 1  #: polarity: the current's sign is flipped
    capacitors: 4  #: parallel 50 fF capacitors per column, 0 to 8
    share_north: 1  #: connect the capacitors with the northern tile's (it must set `share_south`)
    share_south: 1  #: the same with the southern tile's (it must set `share_north`)


class ReadoutBank(data.Struct):
    """Ramp and output window."""

    ramp: 1  #: level; a rising edge starts the ramp, columns pulse from `RAMP_LATENCY` cycles later
    ramp_start: 8  #: start voltage, LSB 5 mV
    ramp_slope: 8  #: slope, 128 is full slope (0.9 V in 255 ns)
    output_enable: 1  #: AND gate behind every comparator: ReLU and hard sigmoid come out of its timing


class BiasBank(data.Struct):
    """Pulse of each bias row, in ns; the pulses begin with the integration."""

    durations: data.ArrayLayout(unsigned(8), 8)


class WriteBank(data.Struct):
    """Programming lines: one device of one row, in all columns that pulse."""

    write: 1  #: level; column pulses (IN-to-col) program while it is high
    row: 10  #: word line; bias rows follow the mesh rows
    device: Device
    reset: 1  #: 1: RESET (melt), 0: partial SET
    return_line: 8  #: return-line voltage, LSB 12 mV (255 is 3.06 V)


class PulseBank(data.Struct):
    """Input landing pad: send one vector as pulses.

    The pointer is first loaded (if `load_pointer`), then used (if `fire`), then moved by `advance`, modulo the depth.
    """

    fire: 1  #: send the vector under the pointer
    load_pointer: 1  #: take `pointer`
    pointer: 8  #: number of a vector in the SRAM
    advance: 8  #: two's complement; added to the pointer after a `fire`


class CountBank(data.Struct):
    """Output landing pad: measure one vector of pulses.

    `open` clears the counters and starts counting; `store` ends the window, writes the codes to the result SRAM and
    moves the pointer on by one. With both, the old window is stored and a new one opened.
    """

    open: 1  #: begin to count
    store: 1  #: write the counts of the open window
    seven_bits: 1  #: drop the lowest bit of every code at `store`
    load_pointer: 1  #: take `pointer`, before the store
    pointer: 8  #: number of a vector in the result SRAM


class JumpPayload(data.Struct):
    """JUMP: go on at `target`."""

    target: 16  #: number of a word


class LoopPayload(data.Struct):
    """LOOP at the end of a body: the body from `target` to here runs `count` times in all (0 counts as 1).

    `level` picks one of the loop counters; nested loops use different levels.
    """

    target: 16  #: first word of the body
    count: 16
    level: 3  #: 0 to `ChipConfig.loop_levels` - 1


class Instruction(data.Struct):
    """One word. The instruction occupies ``wait + 1`` cycles: issued in cycle t, the next one in cycle t + wait + 1."""

    payload: PAYLOAD_BITS  #: a bank, or the operands of JUMP and LOOP, in its lowest bits
    wait: 12  #: cycles beyond the first
    mode: Mode


class TileBank(enum.Enum, shape=unsigned(3)):
    """Banks of a tile's local controller, by mode number."""

    MESH = 0
    ARRAY = 1
    READOUT = 2
    BIAS = 3
    WRITE = 4


class UnitKind(Enum):
    """Addressable units; also the `kind` field of a host address.

    An enumeration of Python's, not of Amaranth's, because software names units by it: to a type checker, which knows
    nothing of Amaranth, its members are of its type.
    """

    CHIP = 0
    TILE = 1
    ILP = 2
    OLP = 3


#: For each kind of unit that runs a program: mnemonic -> (mode, layout of the payload).
UNIT_BANKS = {
    UnitKind.TILE: {
        "MESH": (Mode.BANK0, MeshBank),
        "ARRAY": (Mode.BANK1, ArrayBank),
        "READOUT": (Mode.BANK2, ReadoutBank),
        "BIAS": (Mode.BANK3, BiasBank),
        "WRITE": (Mode.BANK4, WriteBank),
    },
    UnitKind.ILP: {"PULSE": (Mode.BANK0, PulseBank)},
    UnitKind.OLP: {"COUNT": (Mode.BANK0, CountBank)},
}
