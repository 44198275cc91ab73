"""Runs that are interrupted, killed, damaged or asked for twice: nothing lost, nothing done again, the same codes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.calibration import CalibratedChip
from cosim.engines.checked import CheckedEngine
from cosim.engines.engine import RunInterrupted
from cosim.engines.results import Results
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.files.archive import replacing
from cosim.files.errors import UserError
from cosim.system.checkpoint import Checkpoint, CheckpointError, ResumableEngine
from tests.cosim.system.checkpointed import CHUNK, FRAMES, RUN, SMALL, Counted, inputs, make, resumable

ROOT = Path(__file__).parents[3]
#: Longest wait for another process, s; a busy machine is slow.
PATIENCE_S = 240


@pytest.fixture(scope="module")
def whole() -> Results:
    """The run without any checkpoint."""
    chip = make()
    return TwinEngine().run(chip.program, chip.analog, inputs(30))


def chunks(folder: Path) -> list[Path]:
    return sorted(folder.glob("results/*/*.npz"))


def test_first_run_and_finished_run(tmp_path, whole):
    engine, calls = Counted(TwinEngine()), []
    with Checkpoint(tmp_path / "new" / "folder", RUN) as checkpoint:
        chip = checkpoint.chip(make)
        runner = ResumableEngine(lambda: engine, checkpoint, chunk=CHUNK)
        results = runner.run(
            chip.program, chip.analog, inputs(30), progress=lambda done, total: calls.append((done, total))
        )
        assert runner.found == 0
        assert whole.difference(results) is None
        assert engine.ran == list(range(30))
        assert calls == [(8, 30), (16, 30), (24, 30), (30, 30)]
        assert results.statistics["frames"] == 30
        calls.clear()
        again = runner.run(chip.program, chip.analog, inputs(30), progress=lambda *done: calls.append(done))
        assert runner.found == 30
        assert engine.ran == list(range(30)), "nothing ran twice"
        assert calls[-1] == (30, 30)
        assert whole.difference(again) is None
        assert again.statistics == results.statistics
        finished = ResumableEngine(lambda: pytest.fail("an engine for nothing"), checkpoint)
        assert whole.difference(finished.run(chip.program, chip.analog, inputs(30))) is None


def test_resumed_run_makes_no_chip(tmp_path):
    with Checkpoint(tmp_path, RUN) as checkpoint:
        first = checkpoint.chip(make)
    with Checkpoint(tmp_path, RUN) as checkpoint:
        second = checkpoint.chip(lambda: pytest.fail("calibrated again"))
    assert second.program.units == first.program.units
    assert str(second.programming) == str(make().programming)
    assert second.layers[0].enable_offset == 4
    np.testing.assert_array_equal(second.layers[0].residual_offsets, np.full(8, 0.5))


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    with Checkpoint(tmp_path, RUN):
        pass
    with replacing(tmp_path / "chip" / "analog.npz") as part:
        part.write_text("whole")
    part.write_text("half")  # as a process leaves it that ends here
    with pytest.raises(CheckpointError), Checkpoint(tmp_path, RUN | {"seed": "4"}):
        pass
    assert part.exists(), "another run's folder is left alone"
    with Checkpoint(tmp_path, RUN):
        assert [path.name for path in part.parent.iterdir()] == ["analog.npz"]


def test_another_run_is_refused(tmp_path):
    with Checkpoint(tmp_path, RUN):
        pass
    before = (tmp_path / "checkpoint.json").read_bytes()
    with (
        pytest.raises(CheckpointError, match="another run: seed is 3 there and 4 here; ideal is unset there"),
        Checkpoint(tmp_path, RUN | {"seed": "4", "ideal": "yes"}),
    ):
        pass
    assert (tmp_path / "checkpoint.json").read_bytes() == before
    with Checkpoint(tmp_path, RUN):  # and the folder is still its own run's
        pass


def test_folders_that_are_no_checkpoint(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="is a file; a checkpoint is a folder"):
        Checkpoint(tmp_path / "file", RUN)
    with pytest.raises(CheckpointError, match=r"holds file, but no checkpoint\.json"), Checkpoint(tmp_path, RUN):
        pass
    (tmp_path / "checkpoint.json").write_text('{"format": "duramesh check')
    with pytest.raises(CheckpointError, match=r"checkpoint\.json is no checkpoint of this version"):
        Checkpoint(tmp_path, RUN).__enter__()
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        ResumableEngine(TwinEngine, Checkpoint(tmp_path, RUN), chunk=0)


def a_folder(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.mkdir()


def a_file(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.write_text("something else")


def a_dangling_link(path: Path) -> None:
    a_file(path)
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def a_header(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text)

    return write


@pytest.mark.parametrize(
    ("part", "damage"),
    [
        (".lock", a_folder),
        ("checkpoint.json", a_folder),
        ("checkpoint.json", a_file),
        ("checkpoint.json", lambda path: path.write_bytes(b"\xff\xfe")),
        *(
            ("checkpoint.json", a_header(text))
            for text in (
                "[" * 100_000,
                "null",
                "3",
                '{"format": "duramesh checkpoint"}',
                '{"format": "duramesh checkpoint", "version": 1, "run": 3}',
                '{"format": "duramesh checkpoint", "version": ' + 5_000 * "9" + "}",
            )
        ),
        ("chip", a_file),
        ("chip", a_dangling_link),
        ("chip/program.npz", a_folder),
        ("chip/analog.npz", a_folder),
        ("chip/calibration.npz", a_folder),
        ("results", a_file),
        ("results", a_dangling_link),
        ("results/KEY", a_file),
        ("results/KEY/000008.npz", a_folder),
    ],
)
def test_parts_that_are_something_else_are_refused(tmp_path, part: str, damage: Callable[[Path], Any]):
    """One clear error that names the place; never another exception, and nothing is run in vain."""
    with resumable(tmp_path, TwinEngine()) as run:
        run(inputs(30))
    (key,) = (path.name for path in (tmp_path / "results").iterdir())
    place = tmp_path / part.replace("KEY", key)
    damage(place)
    engine = Counted(TwinEngine())
    with pytest.raises(UserError, match=re.escape(part.split("/")[0])), resumable(tmp_path, engine) as run:
        run(inputs(30))
    assert engine.ran == []


@pytest.mark.parametrize("name", ["checkpoint.json", "chip/analog.npz", "results"])
def test_a_folder_that_cannot_be_made(tmp_path, name: str):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"file.*cannot be used \(Not a directory\)"):
        Checkpoint(tmp_path / "file" / name, RUN)


def test_two_processes_do_not_share_a_folder(tmp_path):
    with Checkpoint(tmp_path, RUN), pytest.raises(CheckpointError, match="another process is at work"):
        Checkpoint(tmp_path, RUN).__enter__()
    with Checkpoint(tmp_path, RUN):
        pass


def test_other_inputs_are_other_results(tmp_path, whole):
    """What is kept for some clips is never taken for others."""
    engine = Counted(TwinEngine())
    with resumable(tmp_path, engine) as run:
        run(-inputs(30))
        assert whole.difference(run(inputs(30))) is None
    assert len(engine.ran) == 60


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[raw.index(Results.load(path).output.tobytes())] ^= 1  # the first code
    path.write_bytes(raw)


def rename(path: Path) -> None:
    path.rename(path.with_name("000016.npz"))


@pytest.mark.parametrize(("damage", "redone"), [(cut, 8), (flip, 8), (rename, 16), (Path.unlink, 8)])
def test_damaged_chunk_is_done_again(tmp_path, whole, damage: Callable[[Path], Any], redone: int):
    with resumable(tmp_path, TwinEngine()) as run:
        run(inputs(30))
    damage(chunks(tmp_path)[1])
    engine = Counted(TwinEngine())
    with resumable(tmp_path, engine, chunk=5) as run:  # smaller chunks fill the gap and no more
        assert whole.difference(run(inputs(30))) is None
    assert engine.ran == list(range(8, 8 + redone))


@pytest.mark.parametrize("name", ["program.npz", "analog.npz", "calibration.npz"])
@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_damaged_chip_is_made_again(tmp_path, whole, name: str, damage: Callable[[Path], Any]):
    """The same chip, so its results stay."""
    with resumable(tmp_path, TwinEngine()) as run:
        run(inputs(30))
    damage(tmp_path / "chip" / name)
    engine = Counted(TwinEngine())
    with resumable(tmp_path, engine) as run:
        assert whole.difference(run(inputs(30))) is None
    assert engine.ran == []


def test_another_chip_in_the_folder_has_its_own_results(tmp_path):
    with resumable(tmp_path, TwinEngine()) as run:
        before = run(inputs(30))
    chip = CalibratedChip.load(tmp_path / "chip")
    g = np.full((4, SMALL.total_rows, SMALL.lanes), 1.0)
    chip.analog.tile(chip.program.tiles[0]).set_conductances(g)
    chip.save(tmp_path / "chip")
    with resumable(tmp_path, TwinEngine()) as run:
        assert before.difference(run(inputs(30))) is not None


def test_interrupted_between_and_within_chunks(tmp_path, whole):
    """Ctrl-C; the RTL engine tells what it had finished, and that is kept."""

    class Interrupted(Counted):
        def run(self, program: Any, chip: Any, inputs: Any, *, first_frame: int = 0, progress: Any = None) -> Results:
            if first_frame == 16:
                part = super().run(program, chip, inputs[:3], first_frame=first_frame)
                raise RunInterrupted(part)
            return super().run(program, chip, inputs, first_frame=first_frame)

    with resumable(tmp_path, Interrupted(TwinEngine())) as run, pytest.raises(KeyboardInterrupt):
        run(inputs(30))
    engine = Counted(TwinEngine())
    with resumable(tmp_path, engine) as run:
        assert whole.difference(run(inputs(30))) is None
    assert engine.ran == list(range(19, 30))


def test_statistics_of_a_checked_run_add_up(tmp_path):
    with resumable(tmp_path, CheckedEngine(TwinEngine(), TwinEngine())) as run:
        results = run(inputs(30))
        assert results.statistics["compared_codes"] == results.code_count
        assert run(inputs(30)).statistics == results.statistics


# ---- real processes


def start(*command: str | Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, env=environment)


def until(condition: Callable[[], Any], process: subprocess.Popen) -> None:
    """Wait for something that a process does."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, "the process ended too early"
        assert time.monotonic() < end, "the process took too long"
        time.sleep(0.005)


def test_killed_process(tmp_path):
    """kill -9 in the middle, twice: no frame is lost and none of those that were kept is run again."""
    for least in (4, 9):
        process = start("-m", "tests.cosim.system.checkpointed", "twin", tmp_path)
        until(lambda least=least: len(chunks(tmp_path)) >= least, process)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    done = len(chunks(tmp_path)) * CHUNK
    assert 0 < done < FRAMES["twin"], "killed in the middle"
    engine, chip = Counted(TwinEngine()), make()
    with resumable(tmp_path, engine) as run:
        results = run(inputs(FRAMES["twin"]))
    assert TwinEngine().run(chip.program, chip.analog, inputs(FRAMES["twin"])).difference(results) is None
    assert engine.ran == list(range(done, FRAMES["twin"]))


@pytest.mark.cosimulation
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the simulator's process through /proc")
def test_killed_and_interrupted_rtl(tmp_path):
    """Killed, its simulator ends by itself; after Ctrl-C, the finished part of the chunk is kept."""
    RtlEngine(SMALL)  # built before the clock runs
    process = start("-m", "tests.cosim.system.checkpointed", "rtl", tmp_path)
    until(lambda: simulators(process.pid), process)
    (simulator,) = simulators(process.pid)
    process.kill()
    process.wait()
    end = time.monotonic() + PATIENCE_S
    while comm(simulator) == "simulator":
        assert time.monotonic() < end, "the simulator of a killed run goes on"
        time.sleep(0.05)

    process = start("-m", "tests.cosim.system.checkpointed", "rtl", tmp_path)
    until(lambda: simulators(process.pid), process)
    time.sleep(3)  # frames are under way
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S)
    finished = sum(Results.load(path).frames for path in chunks(tmp_path))
    engine, chip = Counted(TwinEngine()), make()
    with resumable(tmp_path, engine) as run:
        results = run(inputs(FRAMES["rtl"]))
    assert engine.ran == list(range(finished, FRAMES["rtl"]))
    assert TwinEngine().run(chip.program, chip.analog, inputs(FRAMES["rtl"])).difference(results) is None


def simulators(pid: int) -> list[int]:
    """Simulators that a process has started and that have got as far as to print something."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if comm(int(child)) == "simulator"]


def comm(pid: int) -> str:
    """Name of a process; nothing where there is none (any more)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    name, _, rest = state.partition("(")[2].rpartition(")")
    return "" if rest.split()[0] == "Z" else name
