"""What tests ask of processes."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

#: How long a process may take to start or end, on a slow machine.
PATIENCE_S = 60


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return (
        status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"
    )  # nobody has asked for its end yet


def simulators(owner: int) -> list[int]:
    """Simulators that a process has started and that still run."""
    command = ["ps", "-A", "-o", "ppid=,pid=,args="]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    listed = [line.split(maxsplit=2) for line in lines]
    return [int(pid) for parent, pid, command in listed if int(parent) == owner and "simulators" in command]
