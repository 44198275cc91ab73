"""Names with blanks and quotes on the command line of make, in a checkout whose own path has a blank and a quote.

Python is a script that sets up an environment of itself and writes down what it is asked to run.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = f"""#!{sys.executable}
import json, os, pathlib, shutil, sys
arguments = sys.argv[1:]
if arguments[:2] == ["-m", "venv"]:
    folder = pathlib.Path(arguments[2], "bin")
    folder.mkdir(parents=True)
    shutil.copy(sys.argv[0], folder / "python")
with open(os.environ["ASKED"], "a") as file:
    print(json.dumps(arguments), file=file)
"""


class Checkout:
    """A folder with the Makefile, and the commands that its recipes ran."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        self.folder, self.log = folder, folder / "asked"
        self.python = folder / "my python"
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)

    def make(self, *arguments: str, **environment: str) -> list[list[str]]:
        """What Python was asked to run by `make`, setting up included."""
        self.log.write_text("")
        inherited = {
            name: value for name, value in os.environ.items() if name not in ("SPEECH_COMMANDS", "ALBERT", "GLUE")
        }
        run = subprocess.run(
            ["make", f"PYTHON={self.python}", *arguments],
            cwd=self.folder,
            env=inherited | {"ASKED": str(self.log)} | environment,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "it's a checkout")


@pytest.mark.parametrize("name", ["plain", "two  words", "it's", 'a "quoted" one', "$HOME; `echo`", "back\\slash"])
def test_names_reach_the_command_as_they_are(checkout: Checkout, name: str) -> None:
    escaped = name.replace("$", "$$")  # the language of make
    asked = checkout.make("kws", f"REPORT={escaped}", f"SPEECH_COMMANDS={escaped}", "ARGS=--clips 3")
    assert asked[-1] == ["-m", "cosim.cli", "kws", "--audio", name, "--report", name, "--clips", "3"]
    asked = checkout.make("verilog", f"BUILD={escaped}")
    assert asked[-1] == ["-m", "cosim.cli", "verilog", "--out", f"{name}/verilog"]


def test_a_data_set_may_come_from_the_environment(checkout: Checkout) -> None:
    assert checkout.make("figures", SPEECH_COMMANDS="my speech")[-1][2:] == ["figures", "--audio", "my speech"]
    assert checkout.make("figures")[-1][2:] == ["figures"]


def test_rnnt_takes_mlperf_s_checkpoint(checkout: Checkout) -> None:
    asked = checkout.make("rnnt", "ARGS=--clips 3")
    assert asked[-1][2:] == ["rnnt", "run", "--clips", "3"]
    assert asked[-2][-1] == ".[speech]"
    asked = checkout.make("rnnt", LIBRISPEECH="my speech", SPEECH_COMMANDS="words", RNNT_CHECKPOINT="a net.pt")
    assert asked[-1][2:] == ["rnnt", "run", "--audio", "words", "--audio", "my speech"]  # the last one counts
    assert asked[-2][-1] == ".[speech,train]"


def test_albert_says_what_it_needs(checkout: Checkout) -> None:
    asked = checkout.make("albert", "ARGS=--clips 3", ALBERT="my net", GLUE="a glue")
    assert asked[-1][2:] == ["albert", "run", "--model", "my net", "--data", "a glue", "--clips", "3"]
    assert asked[-2][-1] == ".[networks,compile]"
    with pytest.raises(AssertionError, match="ALBERT=DIR, a Hugging Face folder of an ALBERT-base tuned on SST-2"):
        checkout.make("albert", GLUE="a glue")


def test_an_environment_is_set_up_once_wherever_it_is(checkout: Checkout) -> None:
    arguments = "lint", "VENV=my environments/it's one"
    first = checkout.make(*arguments)
    assert ["-m", "venv", "my environments/it's one"] in first
    installed = [words for words in first if words[:3] == ["-m", "pip", "install"]]
    assert [words[-1] for words in installed] == [".", ".[dev]"]
    assert all("constraints.txt" in words for words in installed)
    assert [words for words in checkout.make(*arguments) if words[1] in ("venv", "pip")] == []


def test_help_lists_every_target(checkout: Checkout) -> None:
    run = subprocess.run(["make"], cwd=checkout.folder, capture_output=True, text=True)
    lines = checkout.folder.joinpath("Makefile").read_text().splitlines()
    (phony,) = (line.split()[1:] for line in lines if line.startswith(".PHONY:"))
    listed = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("  make ")]
    assert sorted(listed) == sorted(phony)
