"""Instruction words as text: one hexadecimal line a word, under a line ``== UNIT ==`` for each unit.

::

    == ILP 0 ==
    0000: 0x00090000000000000000000000000000
    0001: 0xf0000000000000000000000000000000
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cosim.experiment import Experiment
from cosim.files.archive import ArchiveError, archive_format
from cosim.files.wording import counted
from cosim.isa.assembler import AssemblyError, assemble, disassemble, program_depth
from cosim.isa.numbers import NumberError, parse_number
from cosim.program import Program, ProgramError, Unit
from cosim.program.listing import parse_listing
from rtl.config import ChipConfig
from rtl.isa import WORD_BITS

__all__ = ["assemble_units", "disassemble_units", "format_words", "parse_words", "read_words"]

Units = Mapping[Unit, Sequence[int]]

_LINE = re.compile(r"\s*(?:(?P<address>[0-9]+)\s*:)?\s*(?P<word>0[xX]\w+)\s*$")


def format_words(units: Units) -> str:
    """Words of some units as text."""
    parts = []
    for unit, words in units.items():
        lines = [f"{address:04}: {word:#034x}\n" for address, word in enumerate(words)]
        parts.append(f"== {unit} ==\n{''.join(lines)}")
    return "\n".join(parts)


def parse_words(text: str, config: ChipConfig, name: str, unit: Unit | None = None) -> dict[Unit, tuple[int, ...]]:
    """Inverse of `format_words`.

    Parameters
    ----------
    text : str
    config : ChipConfig
    name : str
        For messages.
    unit : Unit or None
        Whose words stand before the first heading.

    Raises
    ------
    AssemblyError
        With ``name:line:column``, on a line that is no word, an address out of turn, or more words than the SRAM holds.
    """
    units: dict[Unit, list[int]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        code = line.split("#", 1)[0].rstrip()
        if not code.strip():
            continue
        if code.strip().startswith("=="):
            try:
                unit = Unit.parse(code.strip().strip("="))
            except ProgramError as error:
                raise AssemblyError(name, number, 1, str(error)) from None
            if unit in units:
                raise AssemblyError(name, number, 1, f"{unit} has two programs")
            units[unit] = []
            continue
        match = _LINE.match(code)
        word = _number(match["word"]) if match is not None else None
        if match is None or word is None or word >> WORD_BITS:
            raise AssemblyError(name, number, 1, f"expected a word of {WORD_BITS} bits, e.g. 0000: {0xF << 124:#x}")
        if unit is None:
            raise AssemblyError(name, number, 1, "expected a heading like '== TILE 7 ==' before words")
        words = units.setdefault(unit, [])
        if match["address"] is not None and _number(match["address"]) != len(words):
            column = match.start("address") + 1
            raise AssemblyError(
                name, number, column, f"address {match['address']} is out of turn, expected {len(words):04}"
            )
        depth = program_depth(unit.kind, config)
        if len(words) == depth:
            raise AssemblyError(
                name, number, 1, f"the SRAM of {unit} holds {counted(depth, 'word')}: no room for this one"
            )
        words.append(word)
    return {each: tuple(words) for each, words in units.items()}


def _number(text: str) -> int | None:
    with suppress(NumberError):
        return parse_number(text)
    return None


def assemble_units(text: str, config: ChipConfig, name: str, unit: Unit) -> dict[Unit, tuple[int, ...]]:
    """The words of a listing: of several units with headings, or, without any, of `unit`.

    Raises
    ------
    ProgramError, AssemblyError
        With the place of the mistake.
    """
    if any(line.strip().startswith("==") for line in text.splitlines()):
        return parse_listing(text, config, name)
    return {unit: assemble(text, unit.kind, config, name)}


def disassemble_units(units: Units) -> str:
    """The listing of several units, such that `assemble_units` gives the same words again."""
    return "\n".join(f"== {unit} ==\n{disassemble(words, unit.kind)}" for unit, words in units.items())


def read_words(path: Path, config: ChipConfig, unit: Unit) -> dict[Unit, tuple[int, ...]]:
    """Words from a text file, or from an npz file with a program or an experiment.

    Raises
    ------
    AssemblyError, ProgramError, ExperimentError
        If it holds none, or is damaged.
    """
    if path.suffix != ".npz":
        try:
            return parse_words(path.read_text(encoding="utf-8"), config, str(path), unit)
        except UnicodeDecodeError:
            raise AssemblyError(str(path), 1, 1, "this is no text in UTF-8; expected words or an .npz file") from None
    try:
        experiment = archive_format(path) == "duramesh experiment"
    except ArchiveError:
        experiment = False  # Program.load says what it is
    return dict((Experiment if experiment else Program).load(path).units)
