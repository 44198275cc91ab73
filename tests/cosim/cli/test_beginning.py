"""Ctrl-C while a command is still being loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: Ctrl-C as soon as a module is looked for.
INTERRUPT = """
import importlib.abc, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("module", ["click", "cosim.cli.energy", "cosim.workloads.predictions.commands"])
@pytest.mark.parametrize("run", ["from cosim.cli import main; main(['energy', 'kws'])", "import cosim.cli.__main__"])
def test_an_interrupt_while_loading_is_one_word(module: str, run: str) -> None:
    """As the installed command loads itself, and as a module; the last one is loaded by the command at work."""
    done = python(f"{INTERRUPT.format(module=module)}\nsys.argv[1:] = ['energy', 'kws']\n{run}")
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_who_loads_the_command_keeps_its_interrupts() -> None:
    done = python("import signal, cosim.cli; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)")
    assert done.stdout == "True\n"
    code = (
        "import signal, threading\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "import cosim.cli.beginning as b; b.hold(); print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "one = threading.Thread(target=b.hold); one.start(); one.join()\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    assert python(code).stdout == "True\nTrue\n"
