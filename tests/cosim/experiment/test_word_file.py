"""Words as text, `duramesh asm` and `disasm`: round trips, and mistakes with their place."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.cli import main
from cosim.experiment import Experiment
from cosim.experiment.word_file import assemble_units, disassemble_units, format_words, parse_words
from cosim.isa.assembler import AssemblyError
from cosim.isa.words import ILP, OLP, TILE, Field, Operation, encode, fields_of, mnemonics
from cosim.program import Program, Unit
from rtl.config import preset
from rtl.isa import MAX_WAIT, WORD_BITS

SMALL = preset("small")
LISTING = """\
== TILE 2 ==
    @0      MESH    west_to_rows=all
    @9      HALT

== ILP 1 ==
again:
    @0      PULSE   fire, advance=-1, wait=4
    @5      LOOP    again, count=3
    @6      HALT    wait=2
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def values(field: Field) -> st.SearchStrategy[int]:
    return st.sampled_from(sorted(field.choices.values())) if field.choices else st.integers(field.low, field.high)


@st.composite
def programs(draw: st.DrawFn, kind) -> tuple[int, ...]:
    """Words that the unit knows, and some that it does not, without jumps: those have a test of their own."""
    words = []
    for _ in range(draw(st.integers(1, 8))):
        if draw(st.integers(0, 9)) == 0:
            words.append(draw(st.integers(0, (1 << 124) - 1)) | 9 << 124)  # a mode that nobody has
            continue
        mnemonic = draw(st.sampled_from([name for name in mnemonics(kind) if name not in ("JUMP", "LOOP")]))
        chosen = {name: draw(values(field)) for name, field in fields_of(kind, mnemonic).items() if draw(st.booleans())}
        words.append(encode(kind, Operation(mnemonic, chosen, draw(st.integers(0, MAX_WAIT)))))
    return tuple(words)


@st.composite
def chips(draw: st.DrawFn) -> dict[Unit, tuple[int, ...]]:
    counts = {TILE: SMALL.tile_count, ILP: SMALL.domain_count, OLP: SMALL.domain_count}
    units = draw(
        st.sets(st.sampled_from([Unit(kind, i) for kind, count in counts.items() for i in range(count)]), min_size=1)
    )
    return {unit: draw(programs(unit.kind)) for unit in units}


@settings(max_examples=60, deadline=None)
@given(chips())
def test_round_trips(units: dict[Unit, tuple[int, ...]]) -> None:
    unit = Unit(TILE, 0)
    assert parse_words(format_words(units), SMALL, "words") == units
    assert assemble_units(disassemble_units(units), SMALL, "listing", unit) == units


def test_commands_are_inverse(tmp_path: Path) -> None:
    listing, words, again = tmp_path / "a.asm", tmp_path / "a.hex", tmp_path / "b.asm"
    listing.write_text(LISTING)
    assert run("asm", listing, "--preset", "small", "--out", words).exit_code == 0
    assert words.read_text().startswith(f"== TILE 2 ==\n0000: {8 << 112 | 1 << 24:#034x}\n0001: 0xf")
    assert run("disasm", words, "--preset", "small", "--out", again).exit_code == 0
    assert run("disasm", words, "--preset", "small").output == again.read_text()
    assert assemble_units(again.read_text(), SMALL, "b", Unit(TILE, 0)) == assemble_units(
        LISTING, SMALL, "a", Unit(TILE, 0)
    )


def test_one_unit_without_a_heading(tmp_path: Path) -> None:
    (tmp_path / "a.asm").write_text("COUNT open\nHALT\n")
    result = run("asm", tmp_path / "a.asm", "--unit", "OLP 1")
    assert result.output == f"== OLP 1 ==\n0000: {1:#034x}\n0001: {15 << 124:#034x}\n"
    (tmp_path / "a.hex").write_text(f"{1:#x}  # no address\n{15 << 124:#x}\n")
    result = run("disasm", tmp_path / "a.hex", "--unit", "OLP")
    assert result.output == "== OLP 0 ==\n    @0      COUNT   open\n    @1      HALT\n"


def test_saved_programs_and_experiments_are_listed(tmp_path: Path) -> None:
    units = assemble_units(LISTING, SMALL, "a", Unit(TILE, 0))
    Experiment(SMALL, units).save(tmp_path / "e.npz")
    Program(SMALL, 100, 1, units).save(tmp_path / "p.npz")
    for name in ("e.npz", "p.npz"):
        result = run("disasm", tmp_path / name)
        assert assemble_units(result.output, SMALL, name, Unit(TILE, 0)) == units
    (tmp_path / "p.npz").write_bytes((tmp_path / "p.npz").read_bytes()[:-9])
    result = run("disasm", tmp_path / "p.npz")
    assert result.exit_code == 1
    assert "p.npz holds no program, or only part of one" in result.output


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("0000: 0x0\n", "1:1", "expected a heading like '== TILE 7 =='"),
        ("== TILE 0 ==\nHALT\n", "2:1", f"expected a word of {WORD_BITS} bits, e.g. 0000: 0xf0"),
        (f"== TILE 0 ==\n0x1{'0' * 32}\n", "2:1", "expected a word of 128 bits"),
        ("== TILE 0 ==\n0000: 0x0\n  0002: 0x0\n", "3:3", "address 0002 is out of turn, expected 0001"),
        ("== TILE 0 ==\n== TILE 0 ==\n", "2:1", "TILE 0 has two programs"),
        ("== TOLL 0 ==\n", "1:1", "no unit 'TOLL 0'"),
        ("== ILP 0 ==\n" + "0x0\n" * 65, "66:1", "the SRAM of ILP 0 holds 64 words: no room"),
    ],
)
def test_mistakes_in_words_have_a_place(text: str, place: str, message: str) -> None:
    with pytest.raises(AssemblyError, match=f"^x:{place}: {message}"):
        parse_words(text, SMALL, "x")


def test_mistakes_leave_the_output_alone(tmp_path: Path) -> None:
    out = tmp_path / "old.hex"
    out.write_text("old")
    (tmp_path / "a.asm").write_text("NOP\n FOO\n")
    result = run("asm", tmp_path / "a.asm", "--out", out)
    assert result.exit_code == 1
    assert "a.asm:2:2: unknown instruction 'FOO' of TILE" in result.output
    assert (out.read_text(), len(list(tmp_path.iterdir()))) == ("old", 2)
    result = run("asm", tmp_path / "a.asm", "--unit", "PAD")
    assert "no unit 'PAD 0'; expected TILE, ILP or OLP and an index" in result.output
