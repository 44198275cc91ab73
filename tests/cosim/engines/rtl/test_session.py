"""Sessions on the RTL: the codes of whole runs in any grouping and order; ends that leave no process behind."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analog_models.programming import program as program_weights
from cosim.benchmark.full_frame import full_frame
from cosim.engines.rtl.agents.errors import ChipError
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.rtl.simulator import SimulationError
from cosim.engines.session import SessionClosedError
from cosim.engines.twin.engine import TwinEngine, make_chip
from cosim.isa.assembler import assemble
from cosim.isa.words import TILE
from cosim.program import ChipImage, ProgramError, Unit
from rtl.config import preset
from tests.cosim.engines.codes import assert_equal
from tests.cosim.engines.rtl.processes import PATIENCE_S, eventually, is_gone

pytestmark = pytest.mark.cosimulation

ROOT = Path(__file__).parents[4]
SMALL = preset("small")
FRAMES = 7


@pytest.fixture(scope="module")
def engine(tool: str) -> RtlEngine:
    return RtlEngine(SMALL, tool=tool)


@pytest.fixture(scope="module")
def inputs(random_inputs) -> np.ndarray:
    return random_inputs(FRAMES, 16)


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_frames_in_any_grouping_and_order(engine, program, chip, inputs) -> None:
    expected = TwinEngine().run(program, chip, inputs, first_frame=40).codes
    numbers = 40 + np.arange(FRAMES)
    with engine.open(program, chip) as session:
        assert_equal(session.run("main", inputs, numbers), expected)
        single = [session.run("main", inputs[i : i + 1], numbers[i : i + 1]) for i in range(FRAMES)]
        assert_equal(joined(single), expected)
        order = np.random.default_rng(2).permutation(FRAMES)
        shuffled = session.run("main", inputs[order], numbers[order])
        assert_equal(shuffled, {name: codes[order] for name, codes in expected.items()})
        assert session.statistics["frames"] == 3 * FRAMES
        assert {name: codes.shape for name, codes in session.run("main", inputs[:0], []).items()} == {
            name: (0, codes.shape[1]) for name, codes in expected.items()
        }


def test_entries_take_turns(engine, program, chip, inputs) -> None:
    """Two programs in one image: the second observes fewer frames at a time and leaves one output out."""
    other = replace(program, outputs=program.outputs[-1:])
    image = ChipImage({"all": program, "last": other})
    expected = TwinEngine().run(program, chip, inputs).codes
    with engine.open(image, chip) as session:
        for number in range(FRAMES):
            entry = ("all", "last")[number % 2]
            codes = session.run(entry, inputs[number : number + 1], [number])
            assert list(codes) == [out.name for out in image.entry(entry).outputs]
            assert_equal(codes, {name: expected[name][number : number + 1] for name in codes})


def test_what_cannot_be_run_is_refused_and_changes_nothing(engine, program, chip, inputs) -> None:
    with engine.open(program, chip) as session:
        for entry, codes, frames, message in (
            ("second", inputs, np.arange(FRAMES), "no entry 'second'; it has main"),
            ("main", inputs[:, :3], np.arange(FRAMES), "expected inputs of shape"),
            ("main", inputs, np.arange(2), "expected 7 frame numbers"),
            ("main", inputs, np.arange(FRAMES) / 2, "whole number"),
            ("main", inputs, np.arange(FRAMES) - 1, "frame numbers must be 0"),
        ):
            with pytest.raises(ProgramError, match=message):
                session.run(entry, codes, frames)
        assert len(session.run("main", inputs[:1], [0])["layer1"]) == 1
    with pytest.raises(SessionClosedError, match="closed"):
        session.run("main", inputs[:1], [0])
    session.close()


def test_sessions_side_by_side(engine, program, chip, inputs) -> None:
    expected = TwinEngine().run(program, chip, inputs).codes
    with engine.open(program, chip) as first, engine.open(program, chip) as second, ThreadPoolExecutor() as pool:
        runs = [pool.submit(session.run, "main", inputs, np.arange(FRAMES)) for session in (first, second)]
        for run in runs:
            assert_equal(run.result(), expected)


@pytest.mark.chip
def test_a_frame_that_fills_the_chip() -> None:
    """33 tiles and 17 outputs, frame by frame, on RTL and twin."""
    program = full_frame()
    chip = make_chip(program, seed=5)
    program_weights(chip, program.targets)
    codes = np.random.default_rng(3).integers(-255, 256, (2, program.input_width))
    with RtlEngine().open(program, chip) as ours, TwinEngine().open(program, chip) as theirs:
        for number in range(2):
            row, frame = codes[number : number + 1], [7 - number]
            assert_equal(ours.run("main", row, frame), theirs.run("main", row, frame))


# ---- ends


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV"])
def test_a_simulator_that_ends_is_named(engine, tool, program, chip, inputs, name: str) -> None:
    session = engine.open(program, chip)
    os.kill(session.pid, getattr(signal, name))
    # Icarus catches SIGTERM and ends as if nothing had been wrong.
    end = "with status 0" if (tool, name) == ("icarus", "SIGTERM") else f"by {name}"
    with pytest.raises(SimulationError, match=f"ended {end} when it was to run 7 frames of entry main\nlast lines of"):
        session.run("main", inputs, np.arange(FRAMES))
    assert is_gone(session.pid)
    with pytest.raises(SessionClosedError):
        session.run("main", inputs, np.arange(FRAMES))


def test_an_answer_that_does_not_come_in_time(program, chip, inputs) -> None:
    session = RtlEngine(SMALL, timeout_s=PATIENCE_S).open(program, chip)
    session._process._channel._end.settimeout(0.2)
    session._process._timeout_s = 0.2
    os.kill(session.pid, signal.SIGSTOP)
    with pytest.raises(SimulationError, match=r"did not run 7 frames of entry main within 0.2 s"):
        session.run("main", inputs, np.arange(FRAMES))
    assert is_gone(session.pid)


def test_an_error_of_the_chip_closes_the_session(engine, program, chip, inputs) -> None:
    both = assemble("MESH west_to_net=all, south_to_net=odd", TILE, SMALL)
    tile = Unit(TILE, 0)
    broken = replace(program, units={**program.units, tile: both + program.units.get(tile, ())})
    session = engine.open(broken, chip)
    with pytest.raises(ChipError, match="contention"):
        session.run("main", inputs, np.arange(FRAMES))
    assert is_gone(session.pid)


def test_leaving_by_an_error_leaves_no_process(engine, program, chip) -> None:
    with pytest.raises(ZeroDivisionError), engine.open(program, chip) as session:
        raise ZeroDivisionError
    assert is_gone(session.pid)


def test_a_session_that_is_forgotten_ends(engine, program, chip) -> None:
    session = engine.open(program, chip)
    pid = session.pid
    del session
    assert is_gone(pid)


_OWNER = """
import sys
import numpy as np
from pathlib import Path
from analog_models.programming import program as program_weights
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import make_chip
from cosim.program import Program
program = Program.load(Path(sys.argv[1]))
chip = make_chip(program)
program_weights(chip, program.targets)
session = RtlEngine(program.config).open(program, chip)
print(session.pid, flush=True)
if sys.argv[2] == "busy":
    session.run("main", np.zeros((1_000_000, program.input_width)), np.arange(1_000_000))
sys.stdin.read()
"""


@pytest.mark.parametrize(("doing", "name"), [("waiting", "SIGTERM"), ("busy", "SIGTERM"), ("busy", "SIGKILL")])
def test_no_simulator_outlives_its_owner(engine, program, tmp_path: Path, doing: str, name: str) -> None:
    program.save(tmp_path / "program.npz")
    command = [sys.executable, "-c", _OWNER, str(tmp_path / "program.npz"), doing]
    shell = {**os.environ, "TMPDIR": str(tmp_path)}
    owner = subprocess.Popen(command, cwd=ROOT, env=shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        pid = int(owner.stdout.readline())
        assert not is_gone(pid)
    finally:
        owner.send_signal(getattr(signal, name))
        owner.communicate()
    assert eventually(lambda: is_gone(pid))
    assert [path.name for path in tmp_path.iterdir()] == ["program.npz"], "nor a folder or file"


_FORKS = """
import os, sys
import numpy as np
from pathlib import Path
from analog_models.programming import program as program_weights
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import make_chip
from cosim.program import Program
program = Program.load(Path(sys.argv[1]))
chip = make_chip(program)
program_weights(chip, program.targets)
with RtlEngine(program.config).open(program, chip) as session:
    if not os.fork():
        sys.exit(0)
    os.wait()
    print(len(session.run("main", np.zeros((2, program.input_width)), [0, 1])["layer1"]))
"""


def test_a_fork_that_ends_leaves_the_session_alone(engine, program, tmp_path: Path) -> None:
    program.save(tmp_path / "program.npz")
    command = [sys.executable, "-W", "ignore", "-c", _FORKS, str(tmp_path / "program.npz")]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "2\n"
