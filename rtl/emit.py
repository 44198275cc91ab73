"""Amaranth to Verilog, with every register written as a flip-flop with reset and enable."""

import re

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil
from amaranth.lib import wiring

__all__ = ["to_verilog"]

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
# Yosys writes a wide selection as a function ``\$procmux$1``; Icarus would look for a system function of that name.
_FUNCTION = re.compile(r"\\\$procmux\$(\d+) ")
_ATTRIBUTES = ("generator", "top", "src", "full_case", "parallel_case", "amaranth.hierarchy", "amaranth.decoding")


def to_verilog(component: wiring.Component, name: str) -> str:
    """Verilog of `component` as module `name`, with its submodules (``name.submodule``).

    The text holds no path of the machine and no line number, and is the same for the same input and tool version.

    Raises
    ------
    YosysError
        If Yosys refuses the design.
    """
    strip = " ".join(f"-remove {attribute}" for attribute in _ATTRIBUTES)
    script = [
        f"read_rtlil <<rtlil\n{rtlil.convert(component, name=name, emit_src=False)}\nrtlil",
        *_PASSES,
        f"attrmap {strip}",
        f"attrmap -modattr {strip}",
        "write_verilog -norename",
    ]
    yosys = find_yosys(lambda version: version >= (0, 40))
    # Yosys warns about processes that Verilog cannot express; after `proc` there is none left.
    text = yosys.run(["-q", "-"], "\n".join(script), ignore_warnings=True)
    return _FUNCTION.sub(r"select_\1 ", text)
