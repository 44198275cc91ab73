"""Whatever a text, a file or a constant says: it works, or a `UserError` says why not. Two thousand cases."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analog_models import (
    AnalogChip,
    AnalogConfig,
    EventKind,
    Hermes,
    PcmLike,
    Periphery,
    TileControls,
    TileEvent,
    TransportConfig,
    WeightTargets,
    program,
)
from cosim.experiment import Experiment, Record
from cosim.experiment.file import load_experiment
from cosim.experiment.word_file import parse_words
from cosim.files.archive import archive_format, read_arrays
from cosim.files.errors import UserError
from cosim.graph import FeedForwardNetwork, Graph
from cosim.isa.assembler import assemble, disassemble
from cosim.isa.words import ILP, OLP, TILE, fields_of, mnemonics
from cosim.program import Program
from rtl.config import preset

pytestmark = pytest.mark.long

SMALL = preset("small")
hostile = settings(
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.large_base_example],
)

#: Numbers as people and machines write them, and as they should not.
ODD_INTEGERS = ["05", "0x_", "0x1_", "0xF", "-0", "1_0", "1__0", "0b1", "0o7", "-1", "256", "2**64", "\u0663", "true"]
ODD_FLOATS = ["1.5", "1e308", "1e-320", "1e400", "nan", "-inf", "inf"]
LONG_NUMBERS = ["9" * 5000, "0x" + "f" * 33, str(1 << 64), "1" + "0" * 400]
NUMBERS = st.one_of(
    st.integers(-(10**25), 10**25).map(str), st.sampled_from([*ODD_INTEGERS, *ODD_FLOATS, *LONG_NUMBERS])
)
TEXT = st.text(max_size=12)


def works_or_says_why(call: Callable[[], Any]) -> Any:
    """What the call gives; None where it says to the user what is wrong, in a message of a readable length."""
    try:
        return call()
    except UserError as error:
        said = str(error)
    assert 0 < len(said) < 2_000
    return None


# ---- TOML

TOP_KEYS = ["name", "preset", "engine", "cycles", "seed", "frame", "analog", "tile", "ilp", "olp", "0", "'0,0'"]
UNIT_KEYS = ["program", "masks", "north", "weights", "wp1", "balanced", "vectors", "results", "expect", "within"]
KEYS = st.sampled_from([*TOP_KEYS, *UNIT_KEYS, "pcm", "g_max_us", "age_s"])
VALUES = st.recursive(
    st.one_of(
        NUMBERS,
        st.sampled_from(
            ['"small"', '"nominal"', '"twin"', '"HALT"', '"0-3, 8"', '"x.csv"', '"x.npy"', "2020-01-01", '""', "'''"]
        ),
        TEXT.map(lambda text: f'"{text}"'),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda parts: f"[{', '.join(parts)}]"),
        st.tuples(KEYS, inner).map(lambda pair: f"{{ {pair[0]} = {pair[1]} }}"),
    ),
    max_leaves=8,
)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    st.tuples(KEYS, KEYS, VALUES).map(lambda parts: f"{parts[0]}.{parts[1]} = {parts[2]}"),
    st.tuples(st.sampled_from(["tile", "ilp", "olp"]), NUMBERS).map(lambda pair: f"[{pair[0]}.{pair[1]}]"),
    st.sampled_from(["[tile.0]", "[ilp.0]", "[olp.0]", "[[tile]]", 'program = "HALT"', "[tile.0.masks]", "#", "["]),
    TEXT,
)


@hostile
@given(st.lists(LINES, max_size=8))
def test_experiments(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "e.toml"
    path.write_text("\n".join(['preset = "small"', *lines]), encoding="utf-8", errors="replace")
    file = works_or_says_why(lambda: load_experiment(path))
    if file is not None:
        file.experiment.save(tmp_path / "e.npz")
        assert Experiment.load(tmp_path / "e.npz").units == file.experiment.units


# ---- assembly and words


@st.composite
def listings(draw: st.DrawFn) -> tuple[Any, str]:
    """Lines that look like instructions of a unit, with some parts that are none."""
    kind = draw(st.sampled_from([TILE, ILP, OLP]))
    lines = []
    for _ in range(draw(st.integers(1, 6))):
        mnemonic = draw(st.sampled_from([*mnemonics(kind), "WORD"]))
        names = [*fields_of(kind, mnemonic), "wait", "durations", "durations[9]"] if mnemonic != "WORD" else ["wait"]
        parts = draw(
            st.lists(
                st.one_of(NUMBERS, st.sampled_from([*names, "a", "all"]), st.tuples(st.sampled_from(names), NUMBERS))
            )
        )
        text = ", ".join(part if isinstance(part, str) else "=".join(part) for part in parts[:4])
        before = draw(st.sampled_from(["", "a: ", "@5 ", "@ 007 ", f"@{'9' * 30} ", "== TILE 0 ==\n", ", ", ":"]))
        lines.append(f"{before}{mnemonic} {text}")
    return kind, "\n".join(lines)


@hostile
@given(listings(), TEXT)
def test_assembly(listing: tuple[Any, str], more: str) -> None:
    kind, text = listing
    words = works_or_says_why(lambda: assemble(text, kind, SMALL))
    if words is not None:
        assert assemble(disassemble(words, kind), kind, SMALL) == words
    works_or_says_why(lambda: assemble(f"{text}\n{more}", kind, SMALL))
    works_or_says_why(lambda: parse_words(text, SMALL, "words"))
    works_or_says_why(lambda: parse_words(f"== {more} ==\n0: {more}", SMALL, "words"))


# ---- npz

READERS: list[Callable[[Path], Any]] = [
    Program.load,
    Experiment.load,
    Record.load,
    FeedForwardNetwork.load,
    Graph.load,
    archive_format,
    lambda path: read_arrays(path, "thing"),
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "e.npz"
    weights = {0: WeightTargets.balanced(np.zeros((SMALL.total_rows, SMALL.lanes)))}
    path.write_text('preset = "small"\n[tile.0]\nprogram = "HALT"\n', encoding="utf-8")
    experiment = load_experiment(path.rename(path.with_suffix(".toml"))).experiment
    replace(experiment, weights=weights).save(path)
    return path


def patched(whole: bytes, changes: list[tuple[int, bytes]], stored: bool) -> bytes:
    """The file with some bytes changed: those of its members, packed again with sums that fit, or its own."""
    if not stored:
        raw = bytearray(whole)
        for at, new in changes:
            raw[at % len(raw) : at % len(raw) + len(new)] = new
        return bytes(raw)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(stream, "w") as target:
        for number, name in enumerate(source.namelist()):
            member = bytearray(source.read(name))
            for at, new in changes[number % 2 :: 2]:
                place = at % 160 if at % 3 else at % len(member)  # the header of an array is short
                member[place : place + len(new)] = new
            target.writestr(name, bytes(member))
    return stream.getvalue()


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 1 << 20),
        st.one_of(
            st.binary(min_size=1, max_size=3),
            st.sampled_from([b"O", b"(", b"'", b",", b"99999999", b"-1", b"<f8", b"PK", b"\x00", b"\xff\xff\xff\xff"]),
        ),
    ),
    min_size=1,
    max_size=4,
)


@hostile
@given(changes=CHANGES, stored=st.booleans(), reader=st.sampled_from(READERS))
def test_files(
    saved: Path, tmp_path: Path, changes: list[tuple[int, bytes]], stored: bool, reader: Callable[[Path], Any]
) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(patched(saved.read_bytes(), changes, stored))
    works_or_says_why(lambda: reader(path))


# ---- constants

MODELS = {"pcm": PcmLike, "hermes": Hermes, "periphery": Periphery, "transport": TransportConfig}


@st.composite
def constants(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Some constants of a model, each within its range, most often near an end of it."""
    name = draw(st.sampled_from(list(MODELS)))
    changes = {}
    items = [item for item in fields(MODELS[name]) if "unit" in item.metadata]
    for item in draw(st.lists(st.sampled_from(items), min_size=1, max_size=4)):
        given_, limits = getattr(MODELS[name](), item.name), item.metadata["limits"]
        if limits is None:
            changes[item.name] = draw(st.booleans())
        elif isinstance(given_, int):
            changes[item.name] = draw(st.one_of(st.sampled_from(limits), st.integers(*limits)))
        else:
            numbers = st.one_of(st.sampled_from([*map(float, limits)]), st.floats(*map(float, limits)))
            size = len(given_) if isinstance(given_, tuple) else 0
            changes[item.name] = tuple(draw(numbers) for _ in range(size)) if size else draw(numbers)
    return name, changes


@hostile
@given(constants(), st.sampled_from([0.0, 3600.0, 1e10]))
def test_constants_in_their_ranges(drawn: tuple[str, dict[str, Any]], age_s: float) -> None:
    """They contradict each other, or a chip is programmed and serves a frame, and every number is finite."""
    name, changes = drawn
    try:
        part = MODELS[name](**changes)
        config = replace(AnalogConfig(age_s=age_s), **{"pcm" if name == "hermes" else name: part})
    except ValueError:
        return
    chip = AnalogChip(config, tiles=[0], rows=4, bias_rows=2, columns=3)
    report = program(chip, {0: WeightTargets.balanced(np.linspace(-1, 1, 18).reshape(6, 3))})
    assert np.isfinite(report.errors[0, 1]).all()
    assert np.isfinite(chip.tile(0).weights()).all()
    frames = np.arange(2)
    controls = TileControls(wp2=True)
    pulses = np.full((2, 6), 255, np.uint16)
    events = [
        TileEvent(0, EventKind.PRECHARGE, 10),
        TileEvent(0, EventKind.INTEGRATE, 300, controls, pulses),
        TileEvent(0, EventKind.RAMP, 310, controls),
    ]
    assert chip.serve(frames, events)[0].shape == (2, 3)
    assert np.isfinite(chip.tile(0).v_mv).all()
    chip.pad_receiver(0).reception(frames, 5)
