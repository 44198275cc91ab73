"""The engine: grouping of frames, statistics, errors, interruption, waveforms."""

import itertools
import re
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analog_models.programming import program as program_weights
from cosim.compiler import compile_network
from cosim.engines.engine import RunInterrupted
from cosim.engines.rtl.agents.errors import ChipError
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine, make_chip
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.isa.assembler import assemble
from cosim.program import InputSlot, OutputSlot, Program, ProgramError, Unit
from rtl.config import preset
from rtl.isa import UnitKind
from tests.cosim.scripts import units

pytestmark = pytest.mark.cosimulation

SMALL = preset("small")
PERIOD, FRAMES = 300, 4


def loopback() -> Program:
    """A program without analog part: ILP 0 sends positive and negative magnitudes to OLP 0, two vectors a frame."""
    again = f"LOOP next, count={2 * FRAMES}; HALT"
    send = f"PULSE load_pointer, wait=9; next: PULSE fire, advance=1, wait=298; {again}"
    count = f"COUNT load_pointer, wait=9; next: COUNT open, wait=259; COUNT store, wait=38; {again}"
    return Program(
        config=SMALL,
        frame_cycles=2 * PERIOD,
        frames_per_run=FRAMES,
        units=units(
            tile_0="MESH west_to_net=all, net_to_south=all; HALT",
            tile_2="MESH north_to_net=all, net_to_west=all; HALT",
            ilp_0=send,
            olp_0=count,
        ),
        inputs=tuple(
            InputSlot(ilp=0, slot=slot, stride=2, slice=0, first=0, count=SMALL.lanes, sign=sign)
            for slot, sign in enumerate((1, -1))
        ),
        outputs=tuple(
            OutputSlot(name, layer=0, olp=0, slot=slot, stride=2, width=SMALL.lanes)
            for slot, name in enumerate(("positive", "negative"))
        ),
    )


@pytest.fixture(scope="module")
def engine(tool: str) -> RtlEngine:
    return RtlEngine(SMALL, tool=tool)


def random_codes(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).integers(-255, 256, (frames, SMALL.lanes), dtype=np.int16)


@pytest.mark.parametrize("frames", [1, FRAMES, 2 * FRAMES + 1])
def test_codes_come_back_in_groups(engine: RtlEngine, frames: int) -> None:
    codes, seen = random_codes(frames), []
    results = engine.run(loopback(), make_chip(loopback()), codes, progress=lambda *now: seen.append(now))
    np.testing.assert_array_equal(results.codes["positive"], np.maximum(codes, 0))
    np.testing.assert_array_equal(results.codes["negative"], np.maximum(-codes, 0))
    assert seen[-1] == (frames, frames)


def test_statistics_count_the_whole_run(engine: RtlEngine) -> None:
    statistics = engine.run(loopback(), make_chip(loopback()), random_codes(2 * FRAMES)).statistics
    assert statistics["frames"] == 2 * FRAMES
    assert statistics["cycles"] > 2 * FRAMES * 2 * PERIOD
    parts = sum(statistics[f"{name}_s"] for name in ("simulator", "analog", "host", "transfer"))
    assert parts == pytest.approx(statistics["wall_s"])
    assert statistics["cycles_per_s"] == pytest.approx(statistics["cycles"] / statistics["wall_s"])
    assert statistics["startup_s"] > 0


def test_last_group_stops_after_its_last_frame(engine: RtlEngine) -> None:
    cycles = [
        engine.run(loopback(), make_chip(loopback()), random_codes(frames)).statistics["cycles"]
        for frames in (FRAMES, FRAMES + 1)
    ]
    assert 2 * PERIOD < cycles[1] - cycles[0] < 4 * PERIOD


def test_back_pressure_changes_no_result(engine: RtlEngine) -> None:
    codes = random_codes(FRAMES)
    slow = RtlEngine(SMALL, pause=0.7).run(loopback(), make_chip(loopback()), codes)
    fast = engine.run(loopback(), make_chip(loopback()), codes)
    assert slow.statistics["cycles"] > fast.statistics["cycles"] + 100
    for name in fast.codes:
        np.testing.assert_array_equal(slow.codes[name], fast.codes[name])


def test_error_flag_ends_the_run_with_its_place(engine: RtlEngine) -> None:
    program = loopback()
    both = assemble("MESH west_to_net=all, south_to_net=odd", UnitKind.TILE, SMALL)
    units = {**program.units, Unit(UnitKind.TILE, 0): both + program.units[Unit(UnitKind.TILE, 0)]}
    with pytest.raises(ChipError, match=r"TILE 0 \(square \(0, 0\)\): contention .* on net"):
        engine.run(replace(program, units=units), make_chip(program), random_codes(1))


def test_program_for_another_chip(engine: RtlEngine) -> None:
    with pytest.raises(ProgramError, match="another chip"):
        engine.run(replace(loopback(), config=replace(SMALL, bias_rows=4)), make_chip(loopback()), random_codes(1))


def test_interrupted_run_keeps_what_is_done(engine: RtlEngine) -> None:
    codes = random_codes(400)
    with pytest.raises(RunInterrupted) as caught:
        engine.run(
            loopback(),
            make_chip(loopback()),
            codes,
            progress=lambda *_: signal.raise_signal(signal.SIGINT),
        )
    results = caught.value.results
    assert 0 < results.frames < 400
    assert results.frames % FRAMES == 0
    np.testing.assert_array_equal(results.codes["positive"], np.maximum(codes[: results.frames], 0))
    assert results.statistics["frames"] == results.frames


def traced_signals(fst: Path) -> dict[str, int]:
    """Full name -> width of every signal in an FST file; its hierarchy is stored without compression (fst/lz4.h)."""
    raw = fst.read_bytes()
    position = 0
    while raw[position] != 6:  # blocks: type, length of the rest; 6 is the hierarchy in LZ4
        position += 1 + int.from_bytes(raw[position + 1 : position + 9], "big")
    size = int.from_bytes(raw[position + 9 : position + 17], "big")
    block = raw[position + 17 : position + 1 + int.from_bytes(raw[position + 1 : position + 9], "big")]
    text = block[-size:]
    signals: dict[str, int] = {}
    scopes: list[str] = []
    at = 0

    def name() -> str:
        nonlocal at
        end = text.index(0, at)
        found, at = text[at:end].decode(), end + 1
        return found

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = text[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(text):
        tag = text[at]
        at += 1
        if tag == 254:  # scope: type, name, component
            at += 1
            scopes.append(name())
            name()
        elif tag == 255:
            scopes.pop()
        elif tag == 252:  # attribute: kind, subtype, name, argument
            at += 2
            name()
            number()
        elif tag != 253:  # variable: direction, name, width, alias
            at += 1
            signal = name().split(" [")[0]
            signals[".".join([*scopes, signal])] = number()
            number()
    return signals


def test_waveform_holds_what_the_save_file_shows(tmp_path: Path) -> None:
    engine = RtlEngine(SMALL, waves=tmp_path / "run")
    if engine.waves.suffix != ".fst":
        pytest.skip("no zlib headers here: the trace is VCD")
    program = loopback()
    engine.run(program, make_chip(program), random_codes(1))
    signals = traced_signals(engine.waves)
    listed = engine.waves.with_suffix(".gtkw").read_text()
    shown = set(re.findall(r"^(?:\(\d+\))?(bench\.[\w.]+)(?:\[(\d+):0\])?$", listed, re.M))
    assert len(shown) > 50
    for path, high in shown:
        assert path in signals
        assert signals[path] == int(high or 0) + 1 or ".volts_" in path  # voltages are real numbers
    assert any(".volts_" in path for path, _ in shown)


def test_a_waveform_of_some_frames_changes_no_code(engine: RtlEngine, tmp_path: Path) -> None:
    codes, program = random_codes(3 * FRAMES), loopback()
    expected = engine.run(program, make_chip(program), codes, first_frame=5)
    sizes = {}
    for name, frames in (("all", None), ("some", [6, 9])):
        traced = RtlEngine(SMALL, waves=tmp_path / name, waves_frames=frames)
        found = traced.run(program, make_chip(program), codes, first_frame=5)
        for output in found.codes:
            np.testing.assert_array_equal(found.codes[output], expected.codes[output])
        sizes[name] = traced.waves_bytes
    assert 0 < sizes["some"] < sizes["all"]


def test_waves_variable_asks_for_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAVES", "1")
    assert RtlEngine(SMALL).waves.parent == tmp_path
    monkeypatch.setenv("WAVES", "0")
    assert RtlEngine(SMALL).waves is None


@pytest.mark.chip
def test_full_chip_gives_the_codes_of_the_twin() -> None:
    """A 1,024-512-512-12 network with all imperfections: every code of every layer, bit for bit."""
    random = np.random.default_rng(11)
    widths = (1024, 512, 512, 12)
    activations = (Activation.RELU, Activation.RELU, Activation.LINEAR)
    layers = [
        Layer(random.uniform(-1, 1, shape), activation, 0.6 * shape[0] ** 0.5)
        for shape, activation in zip(itertools.pairwise(widths), activations, strict=True)
    ]
    program = compile_network(FeedForwardNetwork(tuple(layers)), preset())
    chip = make_chip(program, seed=3)
    program_weights(chip, program.targets)
    inputs = random.uniform(-1, 1, (3, widths[0]))
    rtl = RtlEngine().run(program, chip, inputs, first_frame=7)
    twin = TwinEngine().run(program, chip, inputs, first_frame=7)
    for name in ("layer0", "layer1", "layer2"):
        assert np.ptp(rtl.codes[name]) > 50
        np.testing.assert_array_equal(rtl.codes[name], twin.codes[name], name)
