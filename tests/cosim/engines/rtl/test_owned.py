"""A process ends with its owner, whatever ends that, and with it all that it has started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.engines.rtl.owned import OwnedProcess
from tests.cosim.engines.rtl.processes import eventually, is_gone

ROOT = Path(__file__).parents[4]
SIGNALS = ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGKILL"]

#: A shell that starts another process and says its number, as make starts compilers.
_BUSY = ["sh", "-c", "sleep 1000 & echo $!; wait"]

_OWNER = f"""
import os, subprocess, sys, time
from cosim.engines.rtl.owned import OwnedProcess
process = OwnedProcess({_BUSY}, stdout=subprocess.PIPE, text=True)
pids = [process.pid, int(process.stdout.readline())]
if sys.argv[1] == "fork":
    worker = os.fork()
    if not worker:
        time.sleep(1000)
    pids.append(worker)
print(*pids, flush=True)
time.sleep(1000)
"""


def start(how: str) -> tuple[subprocess.Popen, list[int]]:
    command = [sys.executable, "-c", _OWNER, how]
    owner = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    return owner, [int(pid) for pid in owner.stdout.readline().split()]


@pytest.mark.parametrize("name", SIGNALS)
def test_nothing_outlives_its_owner(name: str) -> None:
    owner, pids = start("plain")
    with owner:
        assert not any(is_gone(pid) for pid in pids)
        owner.send_signal(getattr(signal, name))
    for pid in pids:
        assert eventually(lambda pid=pid: is_gone(pid))


def test_a_fork_of_the_owner_keeps_nothing_alive() -> None:
    owner, (*pids, worker) = start("fork")
    try:
        owner.kill()
        owner.wait()
        for pid in pids:
            assert eventually(lambda pid=pid: is_gone(pid))
        assert not is_gone(worker)
    finally:
        os.kill(worker, signal.SIGKILL)
        owner.communicate()


def test_end_takes_all_that_was_started() -> None:
    process = OwnedProcess(_BUSY, stdout=subprocess.PIPE, text=True)
    with process.stdout:
        other = int(process.stdout.readline())
    process.end()
    assert process.returncode < 0
    assert eventually(lambda: is_gone(other))
    process.end()  # does nothing


def test_who_expects_the_end_may_end_in_order(tmp_path: Path) -> None:
    script = f"trap 'echo done > {tmp_path}/file; exit 3' IO; echo ready; while true; do sleep 0.01; done"
    process = OwnedProcess(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
    with process.stdout:
        process.stdout.readline()
    process.end()
    assert process.returncode == 3
    assert (tmp_path / "file").read_text() == "done\n"


def test_who_does_not_end_is_ended() -> None:
    process = OwnedProcess(["sh", "-c", "trap '' IO; echo ready; sleep 1000"], stdout=subprocess.PIPE, text=True)
    with process.stdout:
        process.stdout.readline()
    process.end(grace_s=0.1)
    assert process.returncode == -signal.SIGKILL


def test_a_program_that_does_not_start_leaves_no_pipe() -> None:
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            OwnedProcess(["/nonexistent"])
    assert len(os.listdir("/dev/fd")) == before
