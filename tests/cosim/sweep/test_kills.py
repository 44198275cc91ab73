"""Killed workers and killed drivers leave no process behind, and a table of the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cosim.sweep import Given
from tests.cosim.sweep.swept import sweep, table

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

#: Long enough for a busy machine; nothing waits so long where all is well.
_PATIENCE_S = 120.0
_CHIPS, _WORKERS = 40, 2


def driver(folder: Path, chips: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cosim.sweep.swept", str(folder), str(chips), str(_WORKERS)],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )


def of_session(session: int) -> list[int]:
    """Processes of a session, the driver's workers among them."""

    def belongs(entry: Path) -> bool:
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        return fields[0] != "Z" and int(fields[3]) == session

    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and belongs(entry)]


def workers(process: subprocess.Popen) -> list[int]:
    """Those that do points: they were started anew, each with a number of its own."""

    def works(pid: int) -> bool:
        try:
            return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    return [pid for pid in of_session(process.pid) if pid != process.pid and works(pid)]


def until(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < ends, "nothing happened"
        time.sleep(0.01)


def wait_for_points(folder: Path, above: int, process: subprocess.Popen) -> None:
    """Until more than so many are done, or the driver has ended."""
    until(lambda: lines(folder) > above or process.poll() is not None)


def kill(process: subprocess.Popen) -> None:
    """Kill the driver, and wait until nobody is left of it."""
    process.kill()
    process.communicate()
    until(lambda: not of_session(process.pid))


def kill_a_worker(process: subprocess.Popen, rng: random.Random) -> None:
    until(lambda: workers(process))
    os.kill(rng.choice(workers(process)), signal.SIGKILL)


def lines(folder: Path) -> int:
    journal = folder / "done.jsonl"
    return len(journal.read_bytes().splitlines()) if journal.exists() else 0


@pytest.fixture
def undisturbed(tmp_path) -> Callable[[int], bytes]:
    def make(chips: int) -> bytes:
        with ThreadPoolExecutor(1) as thread:
            sweep(tmp_path / "undisturbed", Given(thread, window=1), chips)
        return table(tmp_path / "undisturbed")

    return make


def test_a_driver_that_is_killed_leaves_nobody_behind(tmp_path, undisturbed):
    folder = tmp_path / "sweep"
    process = driver(folder, _CHIPS)
    until(lambda: lines(folder) > 3)
    kill(process)
    done = lines(folder)
    assert 3 < done < 4 * _CHIPS
    again = sweep(folder, chips=_CHIPS)
    assert 0 < again.fresh <= 4 * _CHIPS - done + 1  # the last line may be torn
    assert table(folder) == undisturbed(_CHIPS)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_driver_that_is_told_to_end_ends_its_workers(tmp_path, name):
    folder = tmp_path / "sweep"
    process = driver(folder, 1000)
    until(lambda: lines(folder) > 3 and len(workers(process)) == _WORKERS)
    os.killpg(process.pid, signal.Signals[name])  # as a terminal does
    process.communicate()
    until(lambda: not of_session(process.pid))
    assert process.returncode != 0


def _moments(rng: random.Random, count: int) -> list[tuple[str, float]]:
    """Who is killed, and how many seconds after a point got done."""
    return [(rng.choice(("worker", "driver")), rng.uniform(0, 2)) for _ in range(count)]


@pytest.mark.long
def test_fifty_kills_at_random_moments(tmp_path, undisturbed):
    seed, kills, chips = 17, 50, 1000
    print(f"seed {seed}")
    folder = tmp_path / "sweep"
    process = driver(folder, chips)
    killed = {"worker": 0, "driver": 0}
    rng = random.Random(seed)
    for who, wait_s in _moments(rng, kills):
        wait_for_points(folder, lines(folder), process)
        assert process.poll() is None, "the sweep ended before all kills"
        time.sleep(wait_s)
        if who == "driver":
            kill(process)
            process = driver(folder, chips)
        else:
            kill_a_worker(process, rng)
        killed[who] += 1
    _, said = process.communicate(timeout=1000)
    assert process.returncode == 0, said
    assert sum(killed.values()) == kills
    assert min(killed.values()) > 10
    assert table(folder) == undisturbed(chips)
