"""Assembler and disassembler: exact words, round trips, and errors that point at the spot."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.isa.assembler import AssemblyError, assemble, disassemble
from cosim.isa.words import Operation, decode, encode, fields_of, mnemonics
from rtl.config import preset
from rtl.isa import MAX_WAIT, WORD_BITS, UnitKind

SMALL = preset("small")
CHIP = preset()
KINDS = (UnitKind.TILE, UnitKind.ILP, UnitKind.OLP)


def tile(text: str) -> tuple[int, ...]:
    return assemble(text, UnitKind.TILE, SMALL)


def test_words_by_hand() -> None:
    """Bit for bit against words written from the specification's layouts, not through our encoder."""
    words = tile(
        """
        MESH  west_to_rows=all, columns_to_net=even   # fields at bits 24 and 30
        ARRAY precharge, capacitors=5, wait=2         # bits 0 and 5; wait at 112
        READOUT ramp, ramp_start=144, ramp_slope=64   # bits 0, 1 and 9
        BIAS  durations=7
        WRITE write, row=513, device=wp2_minus, return_line=255
        NOP   wait=4095
        JUMP  0
        LOOP  0, count=16, level=3
        HALT
        """
    )
    assert words == (
        0 << 124 | 1 << 24 | 2 << 30,
        1 << 124 | 2 << 112 | 1 | 5 << 5,
        2 << 124 | 1 | 144 << 1 | 64 << 9,
        3 << 124 | 0x0707070707070707,
        4 << 124 | 1 | 513 << 1 | 3 << 11 | 255 << 14,
        8 << 124 | 4095 << 112,
        12 << 124,
        13 << 124 | 16 << 16 | 3 << 32,
        15 << 124,
    )
    assert assemble("PULSE fire, load_pointer, pointer=3, advance=-1", UnitKind.ILP, SMALL) == (3 | 3 << 2 | 255 << 10,)


def cycles(words: tuple[int, ...]) -> list[int]:
    """Issue cycle of each word when run once from top to bottom."""
    result, cycle = [], 0
    for word in words:
        result.append(cycle)
        cycle += (word >> 112 & MAX_WAIT) + 1
    return result


def test_at_fills_the_gap_with_the_wait_before() -> None:
    words = tile("@0 MESH\n@17 ARRAY precharge\n@20 ARRAY integrate, wait=3\n@30 HALT")
    assert cycles(words) == [0, 17, 20, 30]


def test_at_splits_long_gaps() -> None:
    words = tile("NOP\n@10000 HALT")
    assert cycles(words)[-1] == 10_000
    assert len(words) == 4  # 4,096 + 4,096 + 1,808 cycles, then HALT


def test_at_counts_from_the_label_and_never_stretches_across_it() -> None:
    words = tile("NOP wait=4\nbody: @5 ARRAY integrate\n@9 LOOP body, count=2\n@12 HALT")
    operations = [decode(UnitKind.TILE, word) for word in words]
    assert [op.mnemonic for op in operations] == ["NOP", "NOP", "ARRAY", "LOOP", "NOP", "HALT"]
    assert [op.wait for op in operations] == [4, 4, 3, 0, 1, 0]
    assert operations[3].fields["target"] == 1, "the gap belongs to the body"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("MESH west_to_row=all", "1:6", "did you mean west_to_rows"),
        ("\n  MESH west_to_rows=al", "2:21", "did you mean all"),
        ("MSH", "1:1", "did you mean MESH"),
        ("PULSE fire", "1:1", "unknown instruction 'PULSE' of TILE"),
        ("ARRAY capacitors=99", "1:18", "capacitors must be 0 to 15, got 99"),
        ("ARRAY capacitors", "1:7", "expected capacitors=VALUE"),
        ("ARRAY wp1 wp2", "1:11", "comma between fields"),
        ("ARRAY wp1, wp1=0", "1:12", "wp1 is set twice"),
        ("ARRAY wp1, ", "1:10", "expected a field after ','"),
        ("BIAS durations[8]=1", "1:6", "unknown field 'durations[8]'"),
        ("NOP wait=4096", "1:10", "a longer pause takes NOPs"),
        ("JUMP nowhere", "1:6", "unknown label 'nowhere'"),
        ("a: JUMP b\nbb: HALT", "1:9", "did you mean bb"),
        ("JUMP 1", "1:6", "outside the program of 1 word"),
        ("LOOP count=3", "1:1", "needs a target first"),
        ("NOP\nLOOP 0, count=2, level=4", "2:1", "levels are 0 to 3"),
        ("a: NOP\nLOOP a, count=2\nLOOP a, count=2", "3:1", "level 0 already counts"),
        ("LOOP 1, count=2\nHALT", "1:1", "must close a body"),
        ("NOP wait=4\n@3 NOP", "2:1", "cycle 3 has passed"),
        ("@999999999999 HALT", "1:1", "further away than a whole program of NOPs"),
        ("@3", "1:1", "must stand before an instruction"),
        ("a:\na:", "2:1", "label 'a' is defined twice"),
        ("NOP $", "1:5", "unexpected '$'"),
        ("WORD nothing", "1:1", "WORD takes one number"),
        ("NOP\n" * 65, "65:1", "SRAM holds 64"),
    ],
)
def test_errors_point_at_the_spot(text: str, place: str, message: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(text, UnitKind.TILE, SMALL, name="t.asm")
    assert str(caught.value).startswith(f"t.asm:{place}: ")
    assert message in str(caught.value)


@st.composite
def operation(draw: st.DrawFn, kind: UnitKind, length: int) -> Operation:
    mnemonic = draw(st.sampled_from([name for name in mnemonics(kind) if name != "LOOP"]))
    fields = {}
    for name, field in fields_of(kind, mnemonic).items():
        if name == "target":
            fields[name] = draw(st.integers(0, length - 1))
        elif field.choices:
            fields[name] = draw(st.sampled_from(sorted(field.choices.values())))
        else:
            fields[name] = draw(st.integers(0, field.high))
    return Operation(mnemonic, fields, draw(st.integers(0, MAX_WAIT)))


@st.composite
def program(draw: st.DrawFn) -> tuple[UnitKind, tuple[int, ...]]:
    kind = draw(st.sampled_from(KINDS))
    length = draw(st.integers(1, 12))
    operations = [draw(operation(kind, length)) for _ in range(length)]
    if draw(st.booleans()):
        target, count, level = (draw(st.integers(0, top)) for top in (length, 0xFFFF, SMALL.loop_levels - 1))
        operations.append(Operation("LOOP", {"target": target, "count": count, "level": level}))
    return kind, tuple(encode(kind, op) for op in operations)


@given(program())
@settings(deadline=None)
def test_round_trip_of_legal_words(case: tuple[UnitKind, tuple[int, ...]]) -> None:
    kind, words = case
    assert assemble(disassemble(words, kind), kind, SMALL) == words


@given(st.sampled_from(KINDS), st.lists(st.integers(0, (1 << WORD_BITS) - 1), min_size=1, max_size=8))
@settings(deadline=None)
def test_round_trip_of_any_bits(kind: UnitKind, words: list[int]) -> None:
    """Random bits are seldom an instruction; they still print, and come back, as WORD."""
    words = [word & ~(0b11 << 126) for word in words]  # no JUMP or LOOP to somewhere
    assert assemble(disassemble(words, kind), kind, CHIP) == tuple(words)


@given(st.lists(st.integers(0, 9000), min_size=1, max_size=6, unique=True))
@settings(deadline=None)
def test_at_is_exact(times: list[int]) -> None:
    times = sorted(times)
    text = "\n".join(f"@{time} ARRAY integrate" for time in times)
    words = assemble(text, UnitKind.TILE, CHIP)
    issued = [cycle for cycle, word in zip(cycles(words), words, strict=True) if word >> 124 == 1]
    assert issued == times


@pytest.mark.parametrize(
    "listing", ["NOP {}", "MESH {}=1", "{}", "JUMP {}", "x: {}", "NOP wait={}", "MESH west_to_net={}"]
)
@pytest.mark.parametrize("word", ["9" * 5000, "x" * 5000])
def test_a_long_word_is_cut_short_in_the_message(listing: str, word: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(listing.format(word), UnitKind.TILE, preset("small"))
    assert len(str(caught.value)) < 400
