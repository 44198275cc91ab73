"""Words: fields at their bits, every operation there and back, beats of the host port, and what no word expresses."""

import hypothesis.strategies as st
import numpy as np
import pytest
from amaranth.lib import data
from hypothesis import given

from cosim.isa.words import (
    ILP,
    OLP,
    TILE,
    Operation,
    WordError,
    beats_to_words,
    decode,
    encode,
    fields_of,
    mnemonics,
    nearest,
    words_to_beats,
)
from rtl.isa import MAX_WAIT, UNIT_BANKS, JumpPayload, LoopPayload, UnitKind

KINDS = (TILE, ILP, OLP)
INSTRUCTIONS = [(kind, mnemonic) for kind in KINDS for mnemonic in mnemonics(kind)]
WAIT, MODE = 112, 124


@st.composite
def operations(draw: st.DrawFn) -> tuple[UnitKind, Operation]:
    """Any instruction with all of its fields, each with any value that it knows."""
    kind, mnemonic = draw(st.sampled_from(INSTRUCTIONS))
    fields = {
        name: draw(
            st.sampled_from(sorted(part.choices.values()))
            if part.choices
            # A signed field takes its upper half as negative numbers.
            else st.integers(part.low, part.high >> part.signed)
        )
        for name, part in fields_of(kind, mnemonic).items()
    }
    return kind, Operation(mnemonic, fields, draw(st.integers(0, MAX_WAIT)))


# ---- there and back


@given(operations())
def test_round_trip_of_any_operation(case: tuple[UnitKind, Operation]) -> None:
    kind, operation = case
    assert decode(kind, encode(kind, operation)) == operation


@given(st.sampled_from(KINDS), st.integers(0, (1 << 128) - 1))
def test_any_bits_are_refused_or_come_back(kind: UnitKind, word: int) -> None:
    try:
        operation = decode(kind, word)
    except WordError:
        return
    assert encode(kind, operation) == word


@pytest.mark.parametrize(
    ("kind", "operation", "word"),
    [
        (TILE, Operation("NOP"), 8 << MODE),
        (TILE, Operation("NOP", wait=4095), 8 << MODE | 4095 << WAIT),
        (OLP, Operation("HALT", wait=1), 15 << MODE | 1 << WAIT),
        (ILP, Operation("JUMP", {"target": 7}), 12 << MODE | 7),
        (ILP, Operation("LOOP", {"target": 7, "count": 9, "level": 3}), 13 << MODE | 7 | 9 << 16 | 3 << 32),
        (TILE, Operation("MESH", {"north_to_net": 1, "net_to_columns": 6}), 1 | 6 << 39),
        (TILE, Operation("ARRAY", {"precharge": 1, "share_south": 1}), 1 << MODE | 1 | 1 << 10),
        (TILE, Operation("READOUT", {"output_enable": 1}), 2 << MODE | 1 << 17),
        (TILE, Operation("BIAS", {"durations[7]": 255}), 3 << MODE | 255 << 56),
        (TILE, Operation("WRITE", {"device": 2, "return_line": 1}), 4 << MODE | 2 << 11 | 1 << 14),
        (ILP, Operation("PULSE", {"pointer": 5, "advance": 1}), 5 << 2 | 1 << 10),
        (OLP, Operation("COUNT", {"seven_bits": 1, "pointer": 31}), 1 << 2 | 31 << 4),
    ],
)
def test_words_by_hand(kind: UnitKind, operation: Operation, word: int) -> None:
    """Bits from docs/instruction-set.md; fields left out are 0, and come back as 0."""
    assert encode(kind, operation) == word
    back = decode(kind, word)
    assert (back.mnemonic, back.wait) == (operation.mnemonic, operation.wait)
    assert {name: value for name, value in back.fields.items() if value} == operation.fields
    assert back.fields.keys() == fields_of(kind, operation.mnemonic).keys()


@pytest.mark.parametrize(("number", "bits"), [(0, 0), (1, 1), (127, 127), (-1, 255), (-128, 128)])
def test_advance_is_signed(number: int, bits: int) -> None:
    word = encode(ILP, Operation("PULSE", {"advance": number}))
    assert word >> 10 == bits
    assert decode(ILP, word).fields["advance"] == number


def test_advance_may_be_written_without_a_sign() -> None:
    """Modulo the depth, 255 is -1; it comes back so."""
    assert encode(ILP, Operation("PULSE", {"advance": 255})) == encode(ILP, Operation("PULSE", {"advance": -1}))


# ---- fields


@pytest.mark.parametrize(("kind", "mnemonic"), INSTRUCTIONS)
def test_fields_are_those_of_the_layout(kind: UnitKind, mnemonic: str) -> None:
    """In its order, without a gap; an array's elements one by one."""
    layouts = {name: layout for name, (_, layout) in UNIT_BANKS[kind].items()}
    layouts |= {"JUMP": JumpPayload, "LOOP": LoopPayload, "NOP": data.StructLayout({}), "HALT": data.StructLayout({})}
    layout = data.Layout.cast(layouts[mnemonic])
    fields = fields_of(kind, mnemonic)
    assert list(dict.fromkeys(name.partition("[")[0] for name in fields)) == [name for name, _ in layout]
    assert [part.offset for part in fields.values()] == list(
        np.cumsum([0, *(part.width for part in fields.values())])[:-1]
    )
    assert sum(part.width for part in fields.values()) == layout.size
    assert [name for name, part in fields.items() if part.signed] == (["advance"] if mnemonic == "PULSE" else [])
    assert all(part.name == name for name, part in fields.items())


def test_names_of_values() -> None:
    assert fields_of(TILE, "WRITE")["device"].choices == {"wp1_plus": 0, "wp1_minus": 1, "wp2_plus": 2, "wp2_minus": 3}
    assert list(fields_of(TILE, "MESH")["net_to_rows"].choices) == [
        "none",
        "all",
        "even",
        "odd",
        "low",
        "high",
        "custom",
    ]
    assert fields_of(TILE, "WRITE")["row"].choices == {}


@pytest.mark.parametrize(
    ("kind", "banks"),
    [(TILE, ("MESH", "ARRAY", "READOUT", "BIAS", "WRITE")), (ILP, ("PULSE",)), (OLP, ("COUNT",))],
)
def test_mnemonics(kind: UnitKind, banks: tuple[str, ...]) -> None:
    assert mnemonics(kind) == (*banks, "NOP", "JUMP", "LOOP", "HALT")


# ---- refused


@pytest.mark.parametrize(
    ("kind", "operation", "message"),
    [
        (TILE, Operation("MSH"), "unknown instruction 'MSH' of TILE; did you mean MESH"),
        (ILP, Operation("COUNT"), "unknown instruction 'COUNT' of ILP; "),
        (OLP, Operation("COUNT", {"opne": 1}), r"unknown field 'opne' of COUNT; did you mean open or "),
        (TILE, Operation("HALT", {"target": 0}), "unknown field 'target' of HALT; it has none"),
        (TILE, Operation("BIAS", {"durations": 1}), r"unknown field 'durations' of BIAS; did you mean durations\["),
        (TILE, Operation("ARRAY", {"capacitors": 16}), "capacitors must be 0 to 15, got 16"),
        (TILE, Operation("ARRAY", {"wp1": 2}), "wp1 must be 0 to 1, got 2"),
        (TILE, Operation("WRITE", {"row": -1}), "row must be 0 to 1023, got -1"),
        (ILP, Operation("PULSE", {"advance": -129}), "advance must be -128 to 255, got -129"),
        (ILP, Operation("PULSE", {"advance": 256}), "advance must be -128 to 255, got 256"),
        (TILE, Operation("MESH", {"net_to_west": 7}), r"net_to_west has no value 7; it knows none \(0\), all \(1\)"),
        (TILE, Operation("NOP", wait=4096), "wait must be 0 to 4095, got 4096; split it with NOP"),
        (TILE, Operation("NOP", wait=-1), "wait must be 0 to 4095, got -1"),
        (UnitKind.CHIP, Operation("NOP"), "runs no program; these do: .*TILE.*ILP.*OLP"),
    ],
)
def test_what_no_word_expresses(kind: UnitKind, operation: Operation, message: str) -> None:
    with pytest.raises(WordError, match=message):
        encode(kind, operation)


@pytest.mark.parametrize(
    ("kind", "word", "message"),
    [
        (TILE, 5 << MODE, "mode 5 is not defined for TILE: word 0x50000000000000000000000000000000"),
        (ILP, 1 << MODE, "mode 1 is not defined for ILP"),
        (OLP, 9 << MODE, "mode 9 is not defined for OLP"),
        (TILE, 8 << MODE | 1, "bits outside the fields of NOP are set"),
        (TILE, 12 << MODE | 1 << 16, "bits outside the fields of JUMP are set"),
        (TILE, 1 << 42, "bits outside the fields of MESH are set"),
        (OLP, 1 << 111, "bits outside the fields of COUNT are set: word 0x00008000"),
        (TILE, 7 << 3, "net_to_north has no value 7: word 0x0"),
        (TILE, 1 << 128, "a word has 128 bits, got 0x1"),
        (TILE, -1, "a word has 128 bits, got -0x1"),
        (UnitKind.CHIP, 8 << MODE, "runs no program"),
    ],
)
def test_words_that_are_no_instruction(kind: UnitKind, word: int, message: str) -> None:
    with pytest.raises(WordError, match=message):
        decode(kind, word)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("integrat", "did you mean integrate?"),
        ("share", "did you mean share_south or share_north?"),
        ("xyz", "expected one of: integrate, share_south, share_north"),
    ],
)
def test_what_somebody_may_have_meant(word: str, said: str) -> None:
    assert nearest(word, ["integrate", "share_south", "share_north"]) == said


# ---- beats of the host port


def test_low_half_first() -> None:
    beats = words_to_beats((0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210, 1))
    assert beats.dtype == np.uint64
    assert beats.tolist() == [[0xFEDC_BA98_7654_3210, 0x0123_4567_89AB_CDEF], [1, 0]]
    assert words_to_beats(()).shape == (0, 2)


@given(st.lists(st.integers(0, 2**128 - 1)).map(tuple))
def test_round_trip_of_beats(words: tuple[int, ...]) -> None:
    assert beats_to_words(words_to_beats(words)) == words
