"""docs/assembly.md: its listings assemble, every mnemonic has an example, its mistakes have the messages it says."""

import re
from pathlib import Path
from typing import Any

import pytest

from cosim.experiment.word_file import assemble_units
from cosim.isa.assembler import AssemblyError, assemble
from cosim.isa.words import ILP, OLP, TILE, mnemonics
from cosim.program import Unit
from rtl.config import preset

PAGE = (Path(__file__).parents[3] / "docs" / "assembly.md").read_text(encoding="utf-8")
KINDS: dict[str, Any] = {"TILE": TILE, "ILP": ILP, "OLP": OLP}
LISTINGS = re.findall(r"^```asm (\w+)\n(.*?)^```$", PAGE, re.S | re.M)
INSTRUCTIONS = re.findall(r"^\| `(\w+)` \| (\w+) \| .* \| `(.*)` \|$", PAGE, re.M)
MISTAKES = re.findall(r"^\| `(.*)` \| (.*) \|$", PAGE.partition("## Mistakes")[2], re.M)


@pytest.mark.parametrize(("kind", "listing"), LISTINGS)
def test_listings_assemble(kind: str, listing: str) -> None:
    assert assemble(listing, KINDS[kind], preset())


def test_the_two_ways_to_write_a_wait_are_one_program() -> None:
    first, second = (assemble(listing, ILP, preset()) for kind, listing in LISTINGS if kind == "ILP")
    assert first == second


def test_the_file_of_several_units_assembles() -> None:
    (text,) = re.findall(r"^```asm\n(.*?)^```$", PAGE, re.S | re.M)
    assert set(assemble_units(text, preset(), "page", Unit(TILE, 0))) == {Unit(ILP, 0), Unit(OLP, 0)}


def test_every_mnemonic_has_an_example() -> None:
    listed = {(name, kind) for name, units, _ in INSTRUCTIONS for kind in (KINDS if units == "all" else [units])}
    assert listed == {(name, kind) for kind, unit in KINDS.items() for name in (*mnemonics(unit), "WORD")}
    for name, units, example in INSTRUCTIONS:
        assert example.startswith(name)
        for kind in KINDS if units == "all" else [units]:
            assert len(assemble(example, KINDS[kind], preset())) == 1


@pytest.mark.parametrize(("listing", "message"), MISTAKES)
def test_mistakes_have_their_messages(listing: str, message: str) -> None:
    with pytest.raises(AssemblyError) as error:
        assemble(listing, TILE, preset())
    assert error.value.text == message
