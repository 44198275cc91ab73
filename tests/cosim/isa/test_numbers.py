"""Numbers in text: one way to read them, in assembly, in words and as names of units."""

import pytest

from cosim.experiment.word_file import parse_words
from cosim.isa.assembler import AssemblyError, assemble
from cosim.isa.numbers import NumberError, parse_number, parse_ranges
from cosim.isa.words import ILP, TILE
from cosim.program import ProgramError, Unit
from rtl.config import preset

SMALL = preset("small")
BAD = [
    "",
    "0x",
    "0x_",
    "0x_1",
    "0x1_",
    "0x1__2",
    "0xg",
    "1_000",
    "1.5",
    "1e3",
    "+1",
    "--1",
    "0b1",
    "0o7",
    "\u0663",
    "\u00b2",
    "1a",
]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("05", 5),
        ("000", 0),
        ("-3", -3),
        ("0x0F", 15),
        ("0XfF", 255),
        ("0xf000_0001", 0xF000_0001),
        ("-0x1", -1),
    ],
)
def test_numbers(text: str, number: int) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(NumberError, match="is no number; expected one like 12 or 0x0c"):
        parse_number(text)


@pytest.mark.parametrize("digits", ["9" * 5000, "0x" + "f" * 5000, "-" + "1" * 81])
def test_a_number_that_the_chip_never_holds_is_refused(digits: str) -> None:
    with pytest.raises(NumberError, match="no number of the chip is that long") as caught:
        parse_number(digits)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("text", ["0x_", "0x1_", "0b1", "1a", "9" * 5000, "0x" + "f" * 5000])
def test_assembly_says_where_such_a_number_is(text: str) -> None:
    for line, column in (
        (f"NOP wait={text}", 10),
        (f"WORD {text}", 6),
        (f"LOOP {text}, count=2", 6),
        (f"BIAS durations[1]={text}", 19),
    ):
        with pytest.raises(AssemblyError, match=rf"^a\.asm:2:{column}: "):
            assemble(f"NOP\n{line}\nHALT", TILE, SMALL, "a.asm")
    with pytest.raises(AssemblyError, match=r"^a\.asm:1:1: "):
        assemble("@99999999999999999999 HALT", TILE, SMALL, "a.asm")


def test_leading_zeros_are_no_octal_numbers() -> None:
    assert assemble("@007 PULSE pointer=010\nNOP wait=05\nHALT", ILP, SMALL) == assemble(
        "@7 PULSE pointer=10\nNOP wait=5\nHALT", ILP, SMALL
    )


@pytest.mark.parametrize("word", ["0x_", "0x1_", "0xg", "0x" + "f" * 5000, "0x" + "f" * 33])
def test_a_file_of_words_says_where_such_a_number_is(word: str) -> None:
    with pytest.raises(AssemblyError, match=r"^w\.txt:2:1: expected a word of 128 bits"):
        parse_words(f"== TILE 0 ==\n{word}\n", SMALL, "w.txt")
    with pytest.raises(AssemblyError, match=r"^w\.txt:2:1: "):
        parse_words(f"== TILE 0 ==\n{'9' * 5000}: 0x0\n", SMALL, "w.txt")


@pytest.mark.parametrize("index", ["0x_", "-1", "1.5", "\u0663", "9" * 5000, "256", ""])
def test_a_unit_with_such_an_index_is_none(index: str) -> None:
    with pytest.raises(ProgramError, match="expected TILE, ILP or OLP and an index"):
        Unit.parse(f"TILE {index}")


def test_ranges_are_of_such_numbers() -> None:
    assert list(parse_ranges(" 0-3,8 , 0x10 - 0x1f,05")) == [(0, 3), (8, 8), (16, 31), (5, 5)]


@pytest.mark.parametrize("text", ["", "1,", "-", "-3", "3-", "3-2", "1-2-3", "a-b", "1.5", "0-0x_"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(NumberError, match="is no number and no range; expected e"):
        list(parse_ranges(text))
